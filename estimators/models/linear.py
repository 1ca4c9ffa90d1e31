"""Linear models: a weighted sum of feature columns."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dataflow.expr.tensor import Tensor
from estimators import summary
from estimators.estimator import Estimator
from estimators.feature_column.base import FeatureColumn, Features, sorted_columns
from estimators.feature_column.layers import linear_model
from estimators.feature_column.lookup import check_combiner
from estimators.graph.scope import path_of, trainable_variables, variable_scope
from estimators.heads import Head, RegressionHead
from estimators.heads.inputs import WeightColumn
from estimators.models.settings import (
    V2,
    Defaults,
    OptimizerArgument,
    checked_head,
    classifier_head,
    linear_rate,
    optimizer_maker,
)
from estimators.optimizers import Ftrl
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec
from estimators.values.warm_start import WarmStartSettings

LEARNING_RATE = 0.2
WEIGHTS_SHOWN = 1 << 17
"""Weights that are counted about; more would take time that training needs."""
Columns = FeatureColumn | Iterable[FeatureColumn]
WarmStart = str | os.PathLike[str] | WarmStartSettings | None


def linear_logits(
    features: Features, columns: Sequence[FeatureColumn], units: int, sparse_combiner: str
) -> Tensor:
    """Return the logits of a linear part, ``[batch, units]``; its variables are ``linear/...``."""
    with variable_scope("linear"):
        logits = linear_model(features, columns, units, sparse_combiner)
    _weight_summaries(units)
    return logits


def _weight_summaries(units: int) -> None:
    """Show the bias, and the share of weights that are 0 (of many some), with tf.estimator's tags."""
    made = trainable_variables(path_of("linear/linear_model/"))
    (bias,) = (variable for variable in made if variable.name.endswith("/bias_weights"))
    if units == 1:
        summary.scalar("bias", bias)
    else:
        summary.histogram("bias", bias)
    weights: Any = [variable for variable in made if variable.name.endswith("/weights")]
    stride = 1 + sum(math.prod(variable.sizes) for variable in weights) // WEIGHTS_SHOWN
    zeros = [np.equal(variable[::stride], 0).astype(np.float32).reshape(-1) for variable in weights]
    summary.scalar("fraction_of_zero_weights", np.concatenate(zeros).mean())


class LinearEstimator(Estimator):
    """A linear model under any head.

    Logits are a weighted sum of the columns and a bias. The variables
    ``linear/linear_model/<column>/weights`` and ``linear/linear_model/bias_weights`` start at 0.

    Args:
        head: What is predicted.
        feature_columns: The inputs; unknown and missing categories add nothing.
        model_dir: Where checkpoints are; default a new temporary directory.
        optimizer: "Ftrl" (any name: learning rate 0.2), an `Optimizer`, or a function that returns one.
            None: Ftrl with the learning rate min(0.2, 1 / √number of columns).
        config: A `RunConfig`.
        sparse_combiner: How several categories of one column are combined: "sum", "mean" or "sqrtn".
        warm_start_from: Where first values come from; see `Estimator`.

    Raises:
        InvalidArgumentError: An argument has a value that is of no use.
        SpecError: An argument is something else.

    >>> from dataflow import Dataset
    >>> from estimators import PoissonRegressionHead, feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [0.0, 1.0]}, [1, 3])).batch(2)
    >>> model = LinearEstimator(PoissonRegressionHead(), [feature_column.numeric_column("x")])
    >>> found = model.train(data.repeat(), steps=300).predict(data)
    >>> [round(float(example["predictions"][0])) for example in found]
    [1, 3]
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Columns,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        sparse_combiner: str = "sum",
        warm_start_from: WarmStart = None,
        *,
        _defaults: Defaults = V2,
    ) -> None:
        checked_head(head)
        columns = sorted_columns(feature_columns)
        check_combiner(sparse_combiner)
        if optimizer is None:
            optimizer = Ftrl(linear_rate(LEARNING_RATE, len(columns)))
        make = optimizer_maker(optimizer, LEARNING_RATE, _defaults)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            logits = linear_logits(features, columns, head.logits_dimension, sparse_combiner)
            return head.create_estimator_spec(
                features, mode, logits, labels, train_op_fn=lambda loss: make().minimize(loss)
            )

        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class LinearRegressor(LinearEstimator):
    """Predicts numbers with a linear model and squared error.

    Args:
        feature_columns: As in `LinearEstimator`, like the other arguments.
        model_dir: Where checkpoints are.
        label_dimension: Numbers to predict per example.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        optimizer: "Ftrl" (learning rate 0.2), another name, an `Optimizer`, or a function that returns one.
        config: A `RunConfig`.
        warm_start_from: Where first values come from.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        sparse_combiner: How several categories of one column are combined.

    >>> from dataflow import Dataset
    >>> from estimators import feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [1.0, 2.0]}, [2.0, 4.0])).batch(2).repeat()
    >>> model = LinearRegressor([feature_column.numeric_column("x")]).train(data, steps=50)
    >>> sorted(next(model.predict(data)))
    ['predictions']
    """

    def __init__(
        self,
        feature_columns: Columns,
        model_dir: str | os.PathLike[str] | None = None,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
        loss_reduction: str = "sum_over_batch_size",
        sparse_combiner: str = "sum",
        *,
        _defaults: Defaults = V2,
    ) -> None:
        head = RegressionHead(label_dimension, weight_column, loss_reduction)
        super().__init__(
            head,
            feature_columns,
            model_dir,
            optimizer,
            config,
            sparse_combiner,
            warm_start_from,
            _defaults=_defaults,
        )


class LinearClassifier(LinearEstimator):
    """Predicts classes with a linear model and cross entropy.

    Args:
        feature_columns: As in `LinearEstimator`, like the other arguments.
        model_dir: Where checkpoints are.
        n_classes: How many classes there are. The predictions are those of `BinaryClassHead` for 2, else
            of `MultiClassHead`.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The classes as text, if labels are text.
        optimizer: "Ftrl" (learning rate 0.2), another name, an `Optimizer`, or a function that returns one.
        config: A `RunConfig`.
        warm_start_from: Where first values come from.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        sparse_combiner: How several categories of one column are combined.

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
        feature_columns: Columns,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: OptimizerArgument = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
        loss_reduction: str = "sum_over_batch_size",
        sparse_combiner: str = "sum",
        *,
        _defaults: Defaults = V2,
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(
            head,
            feature_columns,
            model_dir,
            optimizer,
            config,
            sparse_combiner,
            warm_start_from,
            _defaults=_defaults,
        )
