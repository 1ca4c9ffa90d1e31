"""Heads: from logits to predictions, loss and metrics, as in tf.estimator. One kind of label per file."""

from estimators.heads.base import Head, Judgement
from estimators.heads.binary import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead
from estimators.heads.multi_head import MultiHead
from estimators.heads.multi_label import MultiLabelHead
from estimators.heads.regression import LogisticRegressionHead, PoissonRegressionHead, RegressionHead
from estimators.heads.sequential import SequentialHeadWrapper
from estimators.heads.single import SingleHead

__all__ = [
    "BinaryClassHead",
    "Head",
    "Judgement",
    "LogisticRegressionHead",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "PoissonRegressionHead",
    "RegressionHead",
    "SequentialHeadWrapper",
    "SingleHead",
]
