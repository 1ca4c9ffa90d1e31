"""Recurrent models: sequences of columns through recurrent layers, and their outputs to logits."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators import layers
from estimators.estimator import Estimator
from estimators.feature_column.base import FeatureColumn, Features, sorted_columns
from estimators.feature_column.layers import input_layer, sequence_input_layer
from estimators.graph.scope import variable_scope
from estimators.heads import Head, SequentialHeadWrapper
from estimators.heads.inputs import WeightColumn
from estimators.layers.rnn import Cell
from estimators.models.linear import Columns, WarmStart
from estimators.models.network import Network
from estimators.models.settings import (
    Defaults,
    OptimizerArgument,
    checked_head,
    classifier_head,
    optimizer_maker,
)
from estimators.optimizers import OPTIMIZERS, Optimizer
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec

RATE, CLIP_NORM = 0.05, 5.0
"""Learning rate of an optimizer by name, and the largest norm of the gradient of each variable."""


def _clipped(kind: type[Optimizer]) -> Callable[[float], Optimizer]:
    make: Any = kind
    return lambda rate: make(rate, clipnorm=CLIP_NORM)


CLIPPED = Defaults({name: _clipped(kind) for name, kind in OPTIMIZERS.items()}, {})
"""What names of optimizers mean."""

Recurrent: TypeAlias = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor | None]]
"""From inputs, lengths, and whether all outputs are wanted, to the output and, of all, the last one."""


def rnn_logits(
    features: Features,
    columns: Sequence[FeatureColumn],
    context: Sequence[FeatureColumn],
    recurrent: Recurrent,
    units: int,
    return_sequences: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return logits of the output of recurrent layers, and where sequences have not ended.

    Args:
        features: Of the model function.
        columns: The inputs of each step.
        context: Inputs that are the same at each step.
        recurrent: The layers.
        units: Size of the last axis of logits.
        return_sequences: Whether there are logits of each step, ``[batch, time, units]``, or of the last
            one, ``[batch, units]``. After its end a sequence repeats those of its last step.

    Returns:
        Logits, and a mask, bool ``[batch, time]``.
    """
    with variable_scope("rnn_model"):
        inputs, lengths = sequence_input_layer(features, columns)
        if context:
            inputs = _beside(inputs, input_layer(features, context))
        mask: Any = _steps(features, columns[0]) <= lengths[:, None]
        output, last = recurrent(inputs, lengths, return_sequences)
        if last is not None:
            output = np.where(mask[..., None], output, last[:, None, :])  # type: ignore[assignment]
        return layers.dense(output, units, name="logits"), mask


def _steps(features: Features, column: FeatureColumn) -> Tensor:
    """Return the number of each step from 1, int64 ``[batch, time]``, not computed from any variable."""
    raw: Any = features[getattr(column, "categorical_column", column).name]
    while raw.ndim > 2:
        raw = raw[:, :, 0]
    result: Any = np.cumsum(np.where(np.equal(raw, raw), 1, 1), axis=1)
    return result  # type: ignore[no-any-return]


def _beside(inputs: Tensor, context: Tensor) -> Tensor:
    """Return the inputs of each step, each followed by the context, ``[batch, time, both]``."""
    one: Any = np.ones_like(inputs[:, :, :1])
    result: Any = np.concatenate([inputs, one * context[:, None, :]], axis=-1)
    return result  # type: ignore[no-any-return]


KINDS = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def _stack(units: Sequence[int], cell_type: str) -> Recurrent:
    """Return a function that makes and applies a recurrent layer for each size."""
    scope = "rnn/stacked_rnn_cells" if len(units) > 1 else "rnn"
    names = [f"{scope}/{cell_type}_cell" + (f"_{i}" if i else "") for i in range(len(units))]

    def apply(inputs: Tensor, lengths: Tensor, whole: bool) -> tuple[Tensor, Tensor | None]:
        states: list[Tensor] = []
        for size, name in zip(units, names, strict=True):
            layer = KINDS[cell_type](size, return_sequences=True, return_state=True, name=name)
            inputs, *states = layer(inputs, sequence_length=lengths)
        return (inputs, states[0]) if whole else (states[0], None)

    return apply


def _recurrent(
    units: Sequence[int] | None, cell_type: str | None, rnn_cell_fn: Callable[[], Cell] | None
) -> Recurrent:
    """Return what the arguments of an estimator mean."""
    if rnn_cell_fn is not None:
        if units is not None or cell_type is not None:
            raise InvalidArgumentError("rnn_cell_fn is given, and units or cell_type too", hint="choose one")

        def apply(inputs: Tensor, lengths: Tensor, whole: bool) -> tuple[Tensor, Tensor | None]:
            layer = layers.RNN(rnn_cell_fn(), return_sequences=whole, name="rnn")
            return layer(inputs, sequence_length=lengths), None

        return apply
    sizes = Network([] if units is None else units).hidden_units
    if not sizes:
        raise InvalidArgumentError("units is missing: the sizes of the recurrent layers", hint="units=[32]")
    kind = "simple_rnn" if cell_type is None else cell_type
    if kind not in KINDS:
        raise InvalidArgumentError(f"there is no cell_type {kind!r}", hint=did_you_mean(str(kind), KINDS))
    return _stack(sizes, kind)


def _mask_key(head: Head, return_sequences: bool) -> str | None:
    """Return the name of the mask of a head for sequences, None of another."""
    if return_sequences != isinstance(head, SequentialHeadWrapper):
        raise InvalidArgumentError(
            f"return_sequences is {return_sequences}, and the head is {head!r}",
            hint="return_sequences=True and SequentialHeadWrapper(head) belong together",
        )
    return head.sequence_length_mask if isinstance(head, SequentialHeadWrapper) else None


class RNNEstimator(Estimator):
    """Recurrent layers over sequences, under any head.

    The columns of each step, and those of the context at each step, go through recurrent layers; a dense
    layer makes the logits of the output at the last step of each sequence, or at each step. The variables are
    ``rnn_model/rnn/<cell>/...`` (of several layers ``rnn_model/rnn/stacked_rnn_cells/<cell>_<i>/...``),
    ``rnn_model/logits/...`` and ``rnn_model/sequence_input_layer/...``.

    Args:
        head: What is predicted.
        sequence_feature_columns: The inputs of each step: `sequence_numeric_column`, and an
            `embedding_column` or `indicator_column` of a ``sequence_categorical_column_with_...``.
        context_feature_columns: Inputs that are the same at each step, or None.
        units: Sizes of the recurrent layers.
        cell_type: "simple_rnn", "lstm" or "gru"; default "simple_rnn".
        rnn_cell_fn: Makes a cell, as `estimators.layers.RNN` takes it, in place of `units` and `cell_type`.
            It needs sequences padded to a known length.
        return_sequences: Whether each step has a label and a prediction; the head must be a
            `SequentialHeadWrapper`. Its mask, if it is no feature, says where sequences have not ended.
        model_dir: Where checkpoints are; default a new temporary directory.
        optimizer: "Adagrad" or another name (with the learning rate 0.05, and the gradient of each variable
            clipped to a norm of 5), an `Optimizer`, or a function that returns one.
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
        return_sequences: bool = False,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: OptimizerArgument = "Adagrad",
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
    ) -> None:
        mask_key = _mask_key(checked_head(head), return_sequences)
        columns = sorted_columns(sequence_feature_columns)
        context = sorted_columns(context_feature_columns) if context_feature_columns else []
        recurrent = _recurrent(units, cell_type, rnn_cell_fn)
        make = optimizer_maker(optimizer, RATE, CLIPPED)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            size = head.logits_dimension
            logits, mask = rnn_logits(features, columns, context, recurrent, size, return_sequences)
            if mask_key is not None and mask_key not in features:
                features = {**features, mask_key: mask}
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
        return_sequences: Whether each step has a label, a weight and a prediction: labels and weights are
            ``[batch, time]``, and steps after the end do not count.
        model_dir: Where checkpoints are.
        n_classes: How many classes there are. The predictions are those of `BinaryClassHead` for 2, else
            of `MultiClassHead`.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The classes as text, if labels are text.
        optimizer: "Adagrad", another name, an `Optimizer`, or a function; see `RNNEstimator`.
        loss_reduction: "sum_over_batch_size" or another `estimators.losses.Reduction`.
        sequence_mask: With `return_sequences`, the feature ``[batch, time]`` that is true at steps that
            count, default those before the end; and the name of it among predictions.
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
        return_sequences: bool = False,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: OptimizerArgument = "Adagrad",
        loss_reduction: str = "sum_over_batch_size",
        sequence_mask: str = "sequence_mask",
        config: RunConfig | None = None,
        warm_start_from: WarmStart = None,
    ) -> None:
        head = classifier_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(
            SequentialHeadWrapper(head, sequence_mask) if return_sequences else head,
            sequence_feature_columns,
            context_feature_columns,
            units,
            cell_type,
            rnn_cell_fn,
            return_sequences,
            model_dir,
            optimizer,
            config,
            warm_start_from,
        )
