"""Predicting: a few rows at once, or a dataset."""
