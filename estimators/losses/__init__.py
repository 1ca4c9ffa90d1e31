"""Losses, with the names, arguments and formulas of `tf.compat.v1.losses`.

They take tensors, and return a tensor; of arrays and lists they compute the loss at once.
"""

from estimators.losses.classification import (
    hinge_loss,
    log_loss,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from estimators.losses.pairs import mean_pairwise_squared_error
from estimators.losses.reduction import Reduction, as_reduction, compute_weighted_loss, reduce_loss
from estimators.losses.regression import (
    absolute_difference,
    cosine_distance,
    huber_loss,
    log_poisson_loss,
    mean_squared_error,
    squared_error,
)
from estimators.losses.regularization import get_regularization_loss

__all__ = [
    "Reduction",
    "absolute_difference",
    "as_reduction",
    "compute_weighted_loss",
    "cosine_distance",
    "get_regularization_loss",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "log_poisson_loss",
    "mean_pairwise_squared_error",
    "mean_squared_error",
    "reduce_loss",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
    "squared_error",
]
