"""Baselines: what can be predicted without looking at the features."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import is_text
from estimators.estimator import Estimator
from estimators.graph.primitives.classification import repeat_rows
from estimators.graph.primitives.shapes import expand_like
from estimators.graph.scope import get_variable, variable_scope
from estimators.graph.variable import zeros
from estimators.heads import Head, RegressionHead
from estimators.heads.inputs import WeightColumn
from estimators.models.settings import (
    V2,
    Defaults,
    OptimizerArgument,
    checked_head,
    classifier_head,
    optimizer_maker,
)
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec

LEARNING_RATE = 0.3


def baseline_logits(features: Any, units: int) -> Tensor:
    """Return ``baseline/bias``, which starts at 0, for each example: ``[batch, units]``."""
    given = list(features.values()) if isinstance(features, Mapping) else [features]
    if not given or not all(isinstance(feature, Tensor) and feature.ndim for feature in given):
        raise SpecError(
            "features must be tensors with a batch axis, which tells how many examples there are",
            hint="return ({'x': x}, label) from map, and batch the dataset",
        )
    shortest = min(given, key=lambda feature: (is_text(feature.dtype), feature.ndim))
    with variable_scope("baseline"):
        bias = get_variable("bias", (units,), initializer=zeros)
    result: Tensor = expand_like(bias, repeat_rows(shortest, np.zeros(units, np.float32)))
    return result


class BaselineEstimator(Estimator):
    """Learns the same logits for all examples, under any head: what a better model must beat.

    With a `RegressionHead` it predicts the mean of the labels, with classes their frequencies.

    Args:
        head: What is predicted.
        model_dir: Where checkpoints are; default a new temporary directory.
        optimizer: "Ftrl" (any name: learning rate 0.3), an `Optimizer`, or a function that returns one.
        config: A `RunConfig`.

    Raises:
        InvalidArgumentError: An argument has a value that is of no use.
        SpecError: An argument is something else.

    >>> from dataflow import Dataset
    >>> from estimators import PoissonRegressionHead
    >>> data = Dataset.from_tensor_slices(({"x": [1.0, 2.0]}, [2, 4])).batch(2)
    >>> model = BaselineEstimator(PoissonRegressionHead()).train(data.repeat(), steps=200)
    >>> round(float(next(model.predict(data))["predictions"][0]), 2)
    3.0
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        *,
        _defaults: Defaults = V2,
    ) -> None:
        checked_head(head)
        make = optimizer_maker(optimizer, LEARNING_RATE, _defaults)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            logits = baseline_logits(features, head.logits_dimension)
            return head.create_estimator_spec(
                features, mode, logits, labels, train_op_fn=lambda loss: make().minimize(loss)
            )

        super().__init__(model_fn, model_dir, config)


class BaselineRegressor(BaselineEstimator):
    """Predicts the mean of the labels, by squared error.

    Args:
        model_dir: As in `BaselineEstimator`, like the other arguments.
        label_dimension: Numbers to predict per example.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        optimizer: "Ftrl" (learning rate 0.3), another name, an `Optimizer`, or a function.
        config: A `RunConfig`.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.

    >>> from dataflow import Dataset
    >>> data = Dataset.from_tensor_slices(({"x": [1.0, 2.0]}, [2.0, 4.0])).batch(2)
    >>> model = BaselineRegressor().train(data.repeat(), steps=200)
    >>> round(float(next(model.predict(data))["predictions"][0]), 2)
    3.0
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "sum_over_batch_size",
        *,
        _defaults: Defaults = V2,
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        super().__init__(head, model_dir, optimizer, config, _defaults=_defaults)


class BaselineClassifier(BaselineEstimator):
    """Predicts how frequent classes are, by cross entropy.

    Args:
        model_dir: As in `BaselineEstimator`, like the other arguments.
        n_classes: How many classes there are. The predictions are those of `BinaryClassHead` for 2, else
            of `MultiClassHead`.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The classes as text, if labels are text.
        optimizer: "Ftrl" (learning rate 0.3), another name, an `Optimizer`, or a function.
        config: A `RunConfig`.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.

    >>> from dataflow import Dataset
    >>> data = Dataset.from_tensor_slices(({"x": [1.0, 2.0, 3.0, 4.0]}, [1, 1, 0, 1])).batch(4)
    >>> model = BaselineClassifier().train(data.repeat(), steps=200)
    >>> round(float(next(model.predict(data))["probabilities"][1]), 2)
    0.75
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = "sum_over_batch_size",
        *,
        _defaults: Defaults = V2,
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(head, model_dir, optimizer, config, _defaults=_defaults)
