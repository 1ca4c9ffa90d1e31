"""Wide and deep models: a linear part and a network, trained together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.estimator import Estimator
from estimators.feature_column.base import FeatureColumn, sorted_columns
from estimators.feature_column.lookup import check_combiner
from estimators.functions.named import Activation
from estimators.graph.scope import trainable_variables
from estimators.graph.updates import TrainOp, group
from estimators.graph.variable import Variable
from estimators.heads import Head, RegressionHead
from estimators.heads.inputs import WeightColumn
from estimators.models.linear import Columns, WarmStart, linear_logits
from estimators.models.network import Network, activation_summaries
from estimators.models.settings import (
    V2,
    Defaults,
    MakeOptimizer,
    OptimizerArgument,
    checked_head,
    classifier_head,
    linear_rate,
    optimizer_maker,
)
from estimators.optimizers import Ftrl
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec, ModeKeys

LINEAR_LEARNING_RATE = 0.005
DNN_LEARNING_RATE = 0.001


class DNNLinearCombinedEstimator(Estimator):
    """A linear model and a fully connected network under any head, trained together.

    The logits of both are added. Each part has its optimizer, over its own variables; a step of both
    counts as one. The variables are those of `LinearEstimator` and `DNNEstimator`. Either part may be
    left out. Source: Cheng et al., "Wide & deep learning for recommender systems", 2016.

    Args:
        head: What is predicted.
        model_dir: Where checkpoints are; default a new temporary directory.
        linear_feature_columns: The inputs of the linear model, such as crosses of categories.
        linear_optimizer: "Ftrl", another name, an `Optimizer`, or a function that returns one. Names, and
            None (Ftrl), have the learning rate min(0.005, 1 / √number of linear columns).
        dnn_feature_columns: The inputs of the network.
        dnn_optimizer: "Adagrad", another name, an `Optimizer`, or a function that returns one. Names have
            the learning rate 0.001, as in both versions of tf.estimator; the network learns slowly with it,
            so better give an optimizer: ``Adagrad(0.05)``.
        dnn_hidden_units: Units of each hidden layer.
        dnn_activation_fn: Of hidden layers: a function of a tensor, its name in `estimators.nn`, or None.
        dnn_dropout: Share of the values of each hidden layer that are set to 0 in training, or None.
        config: A `RunConfig`.
        batch_norm: Whether to normalize each hidden layer over the batch.
        linear_sparse_combiner: How several categories of one linear column are combined.
        warm_start_from: Where first values come from; see `Estimator`.

    Raises:
        InvalidArgumentError: There are no columns, or dnn_feature_columns without dnn_hidden_units; or an
            argument has a value that is of no use.
        SpecError: An argument is something else.

    >>> from dataflow import Dataset
    >>> from estimators import LogisticRegressionHead, feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [0.0, 1.0]}, [0.2, 0.9])).batch(2)
    >>> x = feature_column.numeric_column("x")
    >>> model = DNNLinearCombinedEstimator(
    ...     LogisticRegressionHead(),
    ...     linear_feature_columns=[x],
    ...     dnn_feature_columns=[x],
    ...     dnn_hidden_units=[4],
    ... )
    >>> int(model.train(data.repeat(), steps=3).evaluate(data)["global_step"])
    3
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike[str] | None = None,
        linear_feature_columns: Columns | None = None,
        linear_optimizer: OptimizerArgument = "Ftrl",
        dnn_feature_columns: Columns | None = None,
        dnn_optimizer: OptimizerArgument = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Activation = "relu",
        dnn_dropout: float | None = None,
        config: RunConfig | None = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
        warm_start_from: WarmStart = None,
        *,
        _defaults: Defaults = V2,
    ) -> None:
        checked_head(head)
        check_combiner(linear_sparse_combiner)
        wide, deep = _columns(linear_feature_columns), _columns(dnn_feature_columns)
        if not wide and not deep:
            raise InvalidArgumentError(
                "there are neither linear_feature_columns nor dnn_feature_columns", hint="give at least one"
            )
        if deep and (dnn_hidden_units is None or len(dnn_hidden_units) == 0):
            raise InvalidArgumentError(
                "dnn_feature_columns are given without dnn_hidden_units",
                hint="give the units of each hidden layer: dnn_hidden_units=[64, 32]",
            )
        units = [] if dnn_hidden_units is None else dnn_hidden_units
        network = Network(units, dnn_activation_fn, dnn_dropout, batch_norm)
        rate = linear_rate(LINEAR_LEARNING_RATE, max(len(wide), 1))
        linear_optimizer = Ftrl(rate) if linear_optimizer is None else linear_optimizer
        make_linear = optimizer_maker(linear_optimizer, rate, _defaults)
        make_dnn = optimizer_maker(dnn_optimizer, DNN_LEARNING_RATE, _defaults)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            size = head.logits_dimension
            parts: list[tuple[Tensor, MakeOptimizer, list[Variable]]] = []
            if deep:
                logits = network.logits(features, deep, size, training=mode == ModeKeys.TRAIN)
                parts.append((logits, make_dnn, trainable_variables()))
            if wide:
                count = len(trainable_variables())
                logits = linear_logits(features, wide, size, linear_sparse_combiner)
                if deep:
                    activation_summaries("linear", logits)
                parts.append((logits, make_linear, trainable_variables()[count:]))

            def train_op(loss: Tensor) -> TrainOp:
                return group(*(make().minimize(loss, var_list=variables) for _, make, variables in parts))

            total = parts[0][0] if len(parts) == 1 else parts[0][0] + parts[1][0]
            return head.create_estimator_spec(features, mode, total, labels, train_op_fn=train_op)

        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


def _columns(columns: Columns | None) -> list[FeatureColumn]:
    """Return sorted columns; none for None and an empty list."""
    given = list(columns) if isinstance(columns, list | tuple) else columns
    return sorted_columns(given) if given is not None and given != [] else []


class DNNLinearCombinedRegressor(DNNLinearCombinedEstimator):
    """Predicts numbers with a linear model and a network together, and squared error.

    Args:
        model_dir: As in `DNNLinearCombinedEstimator`, like the other arguments.
        linear_feature_columns: The inputs of the linear model.
        linear_optimizer: "Ftrl" (learning rate at most 0.005), another name, an `Optimizer`, or a function.
        dnn_feature_columns: The inputs of the network.
        dnn_optimizer: "Adagrad" (learning rate 0.001), another name, an `Optimizer`, or a function.
        dnn_hidden_units: Units of each hidden layer.
        dnn_activation_fn: Of hidden layers.
        dnn_dropout: Share of values to set to 0 in training, or None.
        label_dimension: Numbers to predict per example.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        config: A `RunConfig`.
        warm_start_from: Where first values come from.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        batch_norm: Whether to normalize each hidden layer over the batch.
        linear_sparse_combiner: How several categories of one linear column are combined.

    >>> from dataflow import Dataset
    >>> from estimators import feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [0.0, 1.0]}, [0.5, 1.0])).batch(2)
    >>> x = feature_column.numeric_column("x")
    >>> model = DNNLinearCombinedRegressor(
    ...     linear_feature_columns=[x], dnn_feature_columns=[x], dnn_hidden_units=[4]
    ... )
    >>> next(model.train(data, steps=1).predict(data))["predictions"].shape
    (1,)
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        linear_feature_columns: Columns | None = None,
        linear_optimizer: OptimizerArgument = "Ftrl",
        dnn_feature_columns: Columns | None = None,
        dnn_optimizer: OptimizerArgument = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Activation = "relu",
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
        *,
        _defaults: Defaults = V2,
    ) -> None:
        super().__init__(
            RegressionHead(label_dimension, weight_column, loss_reduction),
            model_dir,
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            config,
            batch_norm,
            linear_sparse_combiner,
            warm_start_from,
            _defaults=_defaults,
        )


class DNNLinearCombinedClassifier(DNNLinearCombinedEstimator):
    """Predicts classes with a linear model and a network together, and cross entropy.

    Args:
        model_dir: As in `DNNLinearCombinedEstimator`, like the other arguments.
        linear_feature_columns: The inputs of the linear model.
        linear_optimizer: "Ftrl" (learning rate at most 0.005), another name, an `Optimizer`, or a function.
        dnn_feature_columns: The inputs of the network.
        dnn_optimizer: "Adagrad" (learning rate 0.001), another name, an `Optimizer`, or a function.
        dnn_hidden_units: Units of each hidden layer.
        dnn_activation_fn: Of hidden layers.
        dnn_dropout: Share of values to set to 0 in training, or None.
        n_classes: How many classes there are. The predictions are those of `BinaryClassHead` for 2, else
            of `MultiClassHead`.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The classes as text, if labels are text.
        config: A `RunConfig`.
        warm_start_from: Where first values come from.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        batch_norm: Whether to normalize each hidden layer over the batch.
        linear_sparse_combiner: How several categories of one linear column are combined.

    >>> from dataflow import Dataset
    >>> from estimators import feature_column
    >>> from estimators.optimizers import Adagrad
    >>> pet = feature_column.categorical_column_with_hash_bucket("pet", 100)
    >>> data = Dataset.from_tensor_slices(({"pet": ["ant", "elk", "owl"]}, [0, 1, 1])).batch(3)
    >>> model = DNNLinearCombinedClassifier(
    ...     linear_feature_columns=[pet],
    ...     dnn_feature_columns=[feature_column.embedding_column(pet, 4)],
    ...     dnn_hidden_units=[16, 8],
    ...     dnn_optimizer=Adagrad(0.05),
    ... )
    >>> float(model.train(data.repeat(), steps=200).evaluate(data)["accuracy"])
    1.0
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        linear_feature_columns: Columns | None = None,
        linear_optimizer: OptimizerArgument = "Ftrl",
        dnn_feature_columns: Columns | None = None,
        dnn_optimizer: OptimizerArgument = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Activation = "relu",
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
        *,
        _defaults: Defaults = V2,
    ) -> None:
        super().__init__(
            classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            model_dir,
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            config,
            batch_norm,
            linear_sparse_combiner,
            warm_start_from,
            _defaults=_defaults,
        )
