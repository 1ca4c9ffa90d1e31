"""estimators: ready-made models trained batch by batch, in the words of tf.estimator."""
