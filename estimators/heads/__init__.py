"""Heads: from logits to predictions, loss and metrics. One kind of label per file."""

from estimators.heads.base import Head
from estimators.heads.binary import BinaryClassHead
from estimators.heads.regression import RegressionHead

__all__ = ["BinaryClassHead", "Head", "RegressionHead"]
