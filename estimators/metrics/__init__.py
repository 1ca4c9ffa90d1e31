"""Metrics: streaming, mergeable, one family per file."""

from estimators.metrics.base import Metric
from estimators.metrics.classification import accuracy, auc, precision, recall
from estimators.metrics.mean import mean

__all__ = ["Metric", "accuracy", "auc", "mean", "precision", "recall"]
