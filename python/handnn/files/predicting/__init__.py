"""Predict the rows of a file, and write predictions."""
