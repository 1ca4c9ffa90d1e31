"""The canned estimators."""
