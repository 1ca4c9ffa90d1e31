"""Deep models: a fully connected network over feature columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from estimators.estimator import Estimator
from estimators.feature_column.base import sorted_columns
from estimators.functions.named import Activation
from estimators.heads import Head, RegressionHead
from estimators.heads.inputs import WeightColumn
from estimators.models.linear import Columns, WarmStart
from estimators.models.network import Network
from estimators.models.settings import (
    V2,
    Defaults,
    OptimizerArgument,
    checked_head,
    classifier_head,
    optimizer_maker,
)
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec, ModeKeys


class DNNEstimator(Estimator):
    """A fully connected network under any head.

    The columns beside each other go through dense layers, each followed by its activation, in training
    by dropout, and by batch normalization if wanted; a dense layer makes the logits. Kernels start Glorot
    uniform, biases at 0. The variables are ``dnn/hiddenlayer_<i>/kernel`` and ``bias``,
    ``dnn/hiddenlayer_<i>/batchnorm_<i>/...``, ``dnn/logits/kernel`` and ``bias``, and
    ``dnn/input_from_feature_columns/input_layer/<column>/embedding_weights``.

    Args:
        head: What is predicted.
        hidden_units: Units of each hidden layer.
        feature_columns: The inputs; categories inside of an `embedding_column` or `indicator_column`.
        model_dir: Where checkpoints are; default a new temporary directory.
        optimizer: A name, an `Optimizer`, or a function that returns one. "Adagrad" has the learning rate
            0.05, which is that of tf.estimator 1 (with 0.001, as in tf.estimator 2, a network hardly learns);
            other names have the optimizer's own default.
        activation_fn: Of hidden layers: a function of a tensor, its name in `estimators.nn`, or None.
        dropout: Share of the values of each hidden layer that are set to 0 in training, or None.
        config: A `RunConfig`.
        warm_start_from: Where first values come from; see `Estimator`.
        batch_norm: Whether to normalize each hidden layer over the batch; the moving averages have
            momentum 0.999.

    Raises:
        InvalidArgumentError: An argument has a value that is of no use.
        SpecError: An argument is something else.

    >>> from dataflow import Dataset
    >>> from estimators import MultiLabelHead, feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [0.0, 1.0]}, [[1, 0], [1, 1]])).batch(2)
    >>> model = DNNEstimator(MultiLabelHead(2), [8], [feature_column.numeric_column("x")])
    >>> next(model.train(data.repeat(), steps=2).predict(data))["probabilities"].shape
    (2,)
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Sequence[int],
        feature_columns: Columns,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: OptimizerArgument = "Adagrad",
        activation_fn: Activation = "relu",
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
        batch_norm: bool = False,
        *,
        _defaults: Defaults = V2,
    ) -> None:
        checked_head(head)
        network = Network(hidden_units, activation_fn, dropout, batch_norm)
        columns = sorted_columns(feature_columns)
        make = optimizer_maker(optimizer, _defaults.dnn_rates, _defaults)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            logits = network.logits(features, columns, head.logits_dimension, training=mode == ModeKeys.TRAIN)
            return head.create_estimator_spec(
                features, mode, logits, labels, train_op_fn=lambda loss: make().minimize(loss)
            )

        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class DNNRegressor(DNNEstimator):
    """Predicts numbers with a fully connected network and squared error.

    Args:
        hidden_units: As in `DNNEstimator`, like the other arguments.
        feature_columns: The inputs.
        model_dir: Where checkpoints are.
        label_dimension: Numbers to predict per example.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        optimizer: "Adagrad" (learning rate 0.05), another name, an `Optimizer`, or a function.
        activation_fn: Of hidden layers.
        dropout: Share of values to set to 0 in training, or None.
        config: A `RunConfig`.
        warm_start_from: Where first values come from.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        batch_norm: Whether to normalize each hidden layer over the batch.

    >>> from dataflow import Dataset
    >>> from estimators import RunConfig, feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [-1.0, 0.0, 1.0]}, [1.0, 0.0, 1.0])).batch(3)
    >>> model = DNNRegressor(
    ...     [16], [feature_column.numeric_column("x")], optimizer="Adam", config=RunConfig(tf_random_seed=1)
    ... )
    >>> float(model.train(data.repeat(), steps=1500).evaluate(data)["average_loss"]) < 0.01
    True
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Columns,
        model_dir: str | os.PathLike[str] | None = None,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        optimizer: OptimizerArgument = "Adagrad",
        activation_fn: Activation = "relu",
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
        *,
        _defaults: Defaults = V2,
    ) -> None:
        super().__init__(
            RegressionHead(label_dimension, weight_column, loss_reduction),
            hidden_units,
            feature_columns,
            model_dir,
            optimizer,
            activation_fn,
            dropout,
            config,
            warm_start_from,
            batch_norm,
            _defaults=_defaults,
        )


class DNNClassifier(DNNEstimator):
    """Predicts classes with a fully connected network and cross entropy.

    Args:
        hidden_units: As in `DNNEstimator`, like the other arguments.
        feature_columns: The inputs.
        model_dir: Where checkpoints are.
        n_classes: How many classes there are. The predictions are those of `BinaryClassHead` for 2, else
            of `MultiClassHead`.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The classes as text, if labels are text.
        optimizer: "Adagrad" (learning rate 0.05), another name, an `Optimizer`, or a function.
        activation_fn: Of hidden layers.
        dropout: Share of values to set to 0 in training, or None.
        config: A `RunConfig`.
        warm_start_from: Where first values come from.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        batch_norm: Whether to normalize each hidden layer over the batch.

    >>> from dataflow import Dataset
    >>> from estimators import RunConfig, feature_column
    >>> words = feature_column.categorical_column_with_hash_bucket("word", 100)
    >>> columns = [feature_column.numeric_column("size"), feature_column.embedding_column(words, 4)]
    >>> features = {"size": [0.1, 0.9, 0.8], "word": ["ant", "elk", "owl"]}
    >>> data = Dataset.from_tensor_slices((features, ["insect", "mammal", "bird"])).batch(3)
    >>> model = DNNClassifier(
    ...     [16, 8],
    ...     columns,
    ...     n_classes=3,
    ...     label_vocabulary=["insect", "mammal", "bird"],
    ...     config=RunConfig(tf_random_seed=1),
    ... ).train(data.repeat(), steps=100)
    >>> [example["classes"][0] for example in model.predict(data)]
    ['insect', 'mammal', 'bird']
    >>> model.get_variable_value("dnn/hiddenlayer_0/kernel").shape
    (5, 16)
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Columns,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: OptimizerArgument = "Adagrad",
        activation_fn: Activation = "relu",
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
        loss_reduction: str = "sum_over_batch_size",
        batch_norm: bool = False,
        *,
        _defaults: Defaults = V2,
    ) -> None:
        super().__init__(
            classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            hidden_units,
            feature_columns,
            model_dir,
            optimizer,
            activation_fn,
            dropout,
            config,
            warm_start_from,
            batch_norm,
            _defaults=_defaults,
        )
