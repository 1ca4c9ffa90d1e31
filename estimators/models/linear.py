"""Linear models: a weighted sum of feature columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.estimator import Estimator
from estimators.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    Features,
    sorted_columns,
)
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.variable import Variable
from estimators.heads import BinaryClassHead, Head, RegressionHead
from estimators.heads.inputs import WeightColumn
from estimators.optimizers import OPTIMIZERS, Ftrl, Optimizer
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec

LEARNING_RATE = 0.2
OptimizerArgument = str | Optimizer | Callable[[], Optimizer] | None


def linear_logits(features: Features, columns: Sequence[FeatureColumn], units: int) -> Tensor:
    """Return the sum over columns of their weighted inputs, plus a bias, ``[batch, units]``.

    Weights start at 0 and are called ``linear/linear_model/<column>/weights``; unknown and missing
    categories add 0.
    """
    scope = "linear/linear_model"
    total: Tensor | None = None
    for column in columns:
        if isinstance(column, CategoricalColumn):
            table = Variable(f"{scope}/{column.name}/weights", (column.num_buckets, units))
            part: Tensor = gather_sum(table, column.ids(features))
        elif isinstance(column, DenseColumn):
            weights = Variable(f"{scope}/{column.name}/weights", (column.width, units))
            part = np.matmul(column.dense(features), weights)
        else:
            raise SpecError(f"a linear model cannot use {column!r}")
        total = part if total is None else total + part
    bias = Variable(f"{scope}/bias_weights", (units,))
    assert total is not None
    result: Tensor = total + bias
    return result


def as_optimizer(optimizer: OptimizerArgument, learning_rate: float, columns: int) -> Optimizer:
    """Return the optimizer that an estimator's argument means.

    Args:
        optimizer: A name (then with `learning_rate`), an object, a function that returns one, or None:
            Ftrl with min(0.2, 1 / sqrt(columns)).
        learning_rate: For a name.
        columns: Number of feature columns.
    """
    if optimizer is None:
        return Ftrl(min(LEARNING_RATE, 1 / np.sqrt(columns)))
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise InvalidArgumentError(f"optimizer must be one of {sorted(OPTIMIZERS)}, not {optimizer!r}")
        return OPTIMIZERS[optimizer](learning_rate)
    made = (
        optimizer if isinstance(optimizer, Optimizer) else optimizer() if callable(optimizer) else optimizer
    )
    if not isinstance(made, Optimizer):
        raise SpecError(
            f"optimizer must be a name, an Optimizer or a function that returns one, not {optimizer!r}"
        )
    return made


class _Linear(Estimator):
    """A linear model under a head."""

    def __init__(
        self,
        head: Head,
        feature_columns: FeatureColumn | Sequence[FeatureColumn],
        model_dir: str | os.PathLike[str] | None,
        optimizer: OptimizerArgument,
        config: RunConfig | None,
    ) -> None:
        columns = sorted_columns(feature_columns)
        chosen = as_optimizer(optimizer, LEARNING_RATE, len(columns))

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            if not isinstance(features, dict):
                raise SpecError(
                    "features must be a dict of tensors by feature name",
                    hint="return ({'x': x}, label) from map",
                )
            logits = linear_logits(features, columns, head.logits_dimension)
            return head.create_estimator_spec(features, mode, logits, labels, optimizer=chosen)

        super().__init__(model_fn, model_dir=model_dir, config=config)


class LinearRegressor(_Linear):
    """Predicts numbers with a linear model and squared error.

    Args:
        feature_columns: The inputs.
        model_dir: Where checkpoints are; default a new temporary directory.
        label_dimension: Numbers to predict per example.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        optimizer: "Ftrl" (learning rate 0.2), an `Optimizer`, or a function that returns one.
        config: A `RunConfig`.
        loss_reduction: "sum_over_batch_size" or "sum".

    >>> from dataflow import Dataset
    >>> from estimators import feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [1.0, 2.0]}, [2.0, 4.0])).batch(2).repeat()
    >>> model = LinearRegressor([feature_column.numeric_column("x")]).train(data, steps=50)
    >>> sorted(next(model.predict(data)))
    ['predictions']
    """

    def __init__(
        self,
        feature_columns: FeatureColumn | Sequence[FeatureColumn],
        model_dir: str | os.PathLike[str] | None = None,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "sum_over_batch_size",
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        super().__init__(head, feature_columns, model_dir, optimizer, config)


class LinearClassifier(_Linear):
    """Predicts one of two classes with a linear model and cross entropy.

    Args:
        feature_columns: The inputs.
        model_dir: Where checkpoints are; default a new temporary directory.
        n_classes: Must be 2 in this version.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The two classes as text, if labels are text.
        optimizer: "Ftrl" (learning rate 0.2), an `Optimizer`, or a function that returns one.
        config: A `RunConfig`.
        loss_reduction: "sum_over_batch_size" or "sum".

    >>> from dataflow import Dataset
    >>> from estimators import feature_column
    >>> columns = [feature_column.categorical_column_with_vocabulary_list("pet", ["cat", "dog"])]
    >>> data = Dataset.from_tensor_slices(({"pet": ["cat", "dog", "dog"]}, [0, 1, 1])).batch(3)
    >>> model = LinearClassifier(columns).train(data.repeat(), steps=20)
    >>> [int(example["class_ids"][0]) for example in model.predict(data)]
    [0, 1, 1]
    >>> float(model.evaluate(data)["accuracy"])
    1.0
    """

    def __init__(
        self,
        feature_columns: FeatureColumn | Sequence[FeatureColumn],
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "sum_over_batch_size",
    ) -> None:
        if n_classes != 2:
            raise InvalidArgumentError(f"n_classes must be 2, not {n_classes}")
        head = BinaryClassHead(weight_column, None, label_vocabulary, loss_reduction)
        super().__init__(head, feature_columns, model_dir, optimizer, config)
