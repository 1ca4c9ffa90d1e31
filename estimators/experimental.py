"""Estimators that may still change, as in ``tf.estimator.experimental``."""

from estimators.models.kmeans import KMeans
from estimators.models.rnn import RNNClassifier, RNNEstimator

__all__ = ["KMeans", "RNNClassifier", "RNNEstimator"]
