"""`train_and_evaluate`: its specs, one call of it, and how far it has come."""
