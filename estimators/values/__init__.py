"""Values of variables: checkpoints, first values, values of other models."""
