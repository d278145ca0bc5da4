"""Infer the kinds of the columns of a file, and train on them."""
