"""Functions of tensors that models are built of; users find them in `estimators.nn`."""
