"""Recurrent models: sequences of columns through recurrent layers, and the last state to logits."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators import layers
from estimators.estimator import Estimator
from estimators.feature_column.base import FeatureColumn, Features, sorted_columns
from estimators.feature_column.layers import input_layer, sequence_input_layer
from estimators.graph.scope import variable_scope
from estimators.heads import Head
from estimators.heads.inputs import WeightColumn
from estimators.layers.rnn import Cell
from estimators.models.linear import Columns, WarmStart
from estimators.models.network import Network
from estimators.models.settings import (
    V2,
    OptimizerArgument,
    checked_head,
    classifier_head,
    optimizer_maker,
)
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec

CELL_TYPES = ("simple_rnn", "lstm", "gru")
RATES = {**V2.dnn_rates, "Adagrad": 0.001}


def rnn_logits(
    features: Features,
    columns: Sequence[FeatureColumn],
    context: Sequence[FeatureColumn],
    recurrent: Callable[[Tensor, Tensor], Tensor],
    units: int,
) -> Tensor:
    """Return the logits of the output of recurrent layers at the last step, ``[batch, units]``."""
    with variable_scope("rnn_model"):
        inputs, lengths = sequence_input_layer(features, columns)
        if context:
            inputs = _beside(inputs, input_layer(features, context))
        return layers.dense(recurrent(inputs, lengths), units, name="logits")


def _beside(inputs: Tensor, context: Tensor) -> Tensor:
    """Return the inputs of each step, each followed by the context, ``[batch, time, both]``."""
    one: Any = np.ones_like(inputs[:, :, :1])
    result: Any = np.concatenate([inputs, one * context[:, None, :]], axis=-1)
    return result  # type: ignore[no-any-return]


def _stack(units: Sequence[int], cell_type: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function of inputs and lengths that makes and applies a recurrent layer for each size."""
    scope = "rnn/stacked_rnn_cells" if len(units) > 1 else "rnn"

    def layer(i: int) -> layers.Layer:
        more, name = i + 1 < len(units), f"{cell_type}_cell" + (f"_{i}" if i else "")
        if cell_type == "simple_rnn":
            return layers.RNN(layers.SimpleRNNCell(units[i], name=name), return_sequences=more, name=scope)
        kind = layers.LSTM if cell_type == "lstm" else layers.GRU
        return kind(units[i], return_sequences=more, name=f"{scope}/{name}")

    def apply(inputs: Tensor, lengths: Tensor) -> Tensor:
        for i in range(len(units)):
            inputs = layer(i)(inputs, sequence_length=lengths)
        return inputs

    return apply


def _recurrent(
    units: Sequence[int] | None, cell_type: str | None, rnn_cell_fn: Callable[[], Cell] | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what the arguments of an estimator mean, a function of inputs and lengths."""
    if rnn_cell_fn is not None:
        if units is not None or cell_type is not None:
            raise InvalidArgumentError("rnn_cell_fn is given, and units or cell_type too", hint="choose one")
        return lambda inputs, lengths: layers.RNN(rnn_cell_fn(), name="rnn")(inputs, sequence_length=lengths)
    sizes = Network([] if units is None else units).hidden_units
    if not sizes:
        raise InvalidArgumentError("units is missing: the sizes of the recurrent layers", hint="units=[32]")
    kind = "simple_rnn" if cell_type is None else cell_type
    if kind not in CELL_TYPES:
        raise InvalidArgumentError(
            f"there is no cell_type {kind!r}", hint=did_you_mean(str(kind), CELL_TYPES)
        )
    return _stack(sizes, kind)


class RNNEstimator(Estimator):
    """Recurrent layers over sequences, under any head.

    The columns of each step, and those of the context at each step, go through recurrent layers; a dense
    layer makes the logits of the output at the last step of each sequence. The variables are
    ``rnn_model/rnn/<cell>/...`` (of several layers ``rnn_model/rnn/stacked_rnn_cells/<cell>_<i>/...``),
    ``rnn_model/logits/...`` and ``rnn_model/sequence_input_layer/...``.

    Args:
        head: What is predicted.
        sequence_feature_columns: The inputs of each step: `sequence_numeric_column`, and an
            `embedding_column` or `indicator_column` of a ``sequence_categorical_column_with_...``.
        context_feature_columns: Inputs that are the same at each step, or None.
        units: Sizes of the recurrent layers.
        cell_type: "simple_rnn", "lstm" or "gru"; None: "simple_rnn", which needs sequences padded to a known
            length, as does `rnn_cell_fn`.
        rnn_cell_fn: Makes a cell, as `estimators.layers.RNN` takes it, in place of `units` and `cell_type`.
        model_dir: Where checkpoints are; default a new temporary directory.
        optimizer: "Adagrad" (each name has the optimizer's own default learning rate: 0.001), an
            `Optimizer`, or a function that returns one.
        config: A `RunConfig`.
        warm_start_from: Where first values come from; see `Estimator`.

    Raises:
        InvalidArgumentError: An argument has a value that is of no use.
        SpecError: An argument is something else.

    >>> from dataflow import Dataset
    >>> from estimators import RegressionHead, feature_column
    >>> data = Dataset.from_tensor_slices(({"x": [[1.0, 2.0], [2.0, 0.0]]}, [3.0, 2.0])).batch(2)
    >>> columns = [feature_column.sequence_numeric_column("x")]
    >>> model = RNNEstimator(RegressionHead(), columns, units=[4], cell_type="gru")
    >>> next(model.train(data, steps=1).predict(data))["predictions"].shape
    (1,)
    """

    def __init__(
        self,
        head: Head,
        sequence_feature_columns: Columns,
        context_feature_columns: Columns | None = None,
        units: Sequence[int] | None = None,
        cell_type: str | None = None,
        rnn_cell_fn: Callable[[], Cell] | None = None,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: OptimizerArgument = "Adagrad",
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
    ) -> None:
        checked_head(head)
        columns = sorted_columns(sequence_feature_columns)
        context = sorted_columns(context_feature_columns) if context_feature_columns else []
        recurrent = _recurrent(units, cell_type, rnn_cell_fn)
        make = optimizer_maker(optimizer, RATES)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            logits = rnn_logits(features, columns, context, recurrent, head.logits_dimension)
            return head.create_estimator_spec(
                features, mode, logits, labels, train_op_fn=lambda loss: make().minimize(loss)
            )

        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


class RNNClassifier(RNNEstimator):
    """Predicts classes of sequences with recurrent layers and cross entropy.

    Args:
        sequence_feature_columns: As in `RNNEstimator`, like the other arguments.
        context_feature_columns: Inputs that are the same at each step, or None.
        units: Sizes of the recurrent layers.
        cell_type: "simple_rnn", "lstm" or "gru".
        rnn_cell_fn: Makes a cell, in place of `units` and `cell_type`.
        model_dir: Where checkpoints are.
        n_classes: How many classes there are. The predictions are those of `BinaryClassHead` for 2, else
            of `MultiClassHead`.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The classes as text, if labels are text.
        optimizer: "Adagrad" (learning rate 0.001), another name, an `Optimizer`, or a function.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        config: A `RunConfig`.
        warm_start_from: Where first values come from; see `Estimator`.

    >>> from dataflow import Dataset
    >>> from estimators import feature_column
    >>> from estimators.optimizers import Adam
    >>> words = feature_column.sequence_categorical_column_with_vocabulary_list("words", ["good", "bad"])
    >>> features = {"words": [["good", "good"], ["bad", ""], ["good", ""]]}
    >>> data = Dataset.from_tensor_slices((features, [1, 0, 1])).batch(3)
    >>> columns = [feature_column.embedding_column(words, 2)]
    >>> model = RNNClassifier(columns, units=[8], cell_type="lstm", optimizer=Adam(0.05))
    >>> float(model.train(data.repeat(), steps=60).evaluate(data)["accuracy"])
    1.0
    """

    def __init__(
        self,
        sequence_feature_columns: Columns,
        context_feature_columns: Columns | None = None,
        units: Sequence[int] | None = None,
        cell_type: str | None = None,
        rnn_cell_fn: Callable[[], Cell] | None = None,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: OptimizerArgument = "Adagrad",
        loss_reduction: str = "sum_over_batch_size",
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
    ) -> None:
        super().__init__(
            classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            sequence_feature_columns,
            context_feature_columns,
            units,
            cell_type,
            rnn_cell_fn,
            model_dir,
            optimizer,
            config,
            warm_start_from,
        )
