"""Estimators and hooks that may still change, as in ``tf.estimator.experimental``."""

from estimators.hooks.early_stopping import (
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from estimators.hooks.in_memory_evaluator import InMemoryEvaluatorHook
from estimators.hooks.stop_at_checkpoint import make_stop_at_checkpoint_step_hook
from estimators.models.kmeans import KMeans
from estimators.models.rnn import RNNClassifier, RNNEstimator

__all__ = [
    "InMemoryEvaluatorHook",
    "KMeans",
    "RNNClassifier",
    "RNNEstimator",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]
