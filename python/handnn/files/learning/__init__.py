"""Decide what the columns of a file are, and train on them."""
