"""What models read: input functions, rows in memory, and what of a model moves into the input."""
