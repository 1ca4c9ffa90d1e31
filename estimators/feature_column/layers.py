"""What makes inputs and logits of columns: `input_layer`, `linear_model`, `sequence_input_layer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.shape import concatenate
from dataflow.expr.tensor import Tensor, as_tensor
from estimators.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    Features,
    SequenceDenseColumn,
    scope_name,
    sorted_columns,
)
from estimators.feature_column.lookup import check_combiner, combined_rows
from estimators.graph.primitives.columns import same_lengths
from estimators.graph.scope import get_variable, layer_name, variable_scope
from estimators.graph.variable import zeros

Columns = FeatureColumn | Iterable[FeatureColumn]


def input_layer(features: Features, feature_columns: Columns, trainable: bool = True) -> Tensor:
    """Return the numbers of columns beside each other, float32 ``[batch, total width]``.

    Columns are sorted by name. Embeddings are the variables ``input_layer/<column>/embedding_weights`` of the
    current scope; a second layer in one model is ``input_layer_1``.

    Args:
        features: Tensors by key.
        feature_columns: A column or several of different names; categorical ones only inside of an
            `indicator_column` or `embedding_column`.
        trainable: False: optimizers change no embedding of the layer.

    Raises:
        InvalidArgumentError: A column has no numbers, a name is there twice, or a feature is missing.

    >>> from estimators import VariableStore, feature_column
    >>> with VariableStore():
    ...     input_layer({"x": as_tensor([1.0, 2.0])}, [feature_column.numeric_column("x")]).shape
    (2, 1)
    """
    columns = sorted_columns(feature_columns)
    _check_features(features)
    with variable_scope(layer_name(None, "input_layer")):
        parts = [_dense(column, trainable).dense(features) for column in columns]
    return _joined(parts)


def _joined(parts: list[Tensor]) -> Tensor:
    """Return tensors beside each other along the last axis."""
    result: Tensor = parts[0] if len(parts) == 1 else concatenate(*parts, axis=parts[0].ndim - 1)
    return result


def _dense(column: FeatureColumn, trainable: bool) -> DenseColumn:
    if not isinstance(column, DenseColumn):
        raise InvalidArgumentError(
            f"an input layer needs numbers, and {column.name!r} is a categorical column",
            hint="wrap it: indicator_column(column), or embedding_column(column, dimension=8)",
        )
    return column if trainable else column.frozen()


def _check_features(features: object) -> None:
    if not isinstance(features, Mapping):
        raise SpecError(
            "features must be a dict of tensors by feature name", hint="return ({'x': x}, label) from map"
        )


def linear_model(
    features: Features,
    feature_columns: Columns,
    units: int = 1,
    sparse_combiner: str = "sum",
    trainable: bool = True,
) -> Tensor:
    """Return a weighted sum of columns and a bias, float32 ``[batch, units]``.

    Weights are the variables ``linear_model/<column>/weights`` and ``linear_model/bias_weights`` of the
    current scope; all start at 0. Unknown and missing categories add nothing.

    Args:
        features: Tensors by key.
        feature_columns: A column or several of different names.
        units: Sums per example.
        sparse_combiner: How the weights of several categories of one column are combined: "sum", "mean" or
            "sqrtn", as in `embedding_column`.
        trainable: Whether optimizers change the weights.

    Raises:
        InvalidArgumentError: A name is there twice, or a feature is missing.

    >>> from estimators import VariableStore, feature_column
    >>> with VariableStore() as store:
    ...     linear_model({"x": as_tensor([1.0, 2.0])}, [feature_column.numeric_column("x")]).shape
    (2, 1)
    >>> list(store.variables)
    ['linear_model/x/weights', 'linear_model/bias_weights']
    """
    columns = sorted_columns(feature_columns)
    _check_features(features)
    check_combiner(sparse_combiner)
    with variable_scope(layer_name(None, "linear_model")):
        parts = [_weighted(column, features, units, sparse_combiner, trainable) for column in columns]
        bias = get_variable("bias_weights", (units,), np.float32, zeros, trainable=trainable)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total + bias


def _weighted(
    column: FeatureColumn, features: Features, units: int, combiner: str, trainable: bool
) -> Tensor:
    """Return what a column adds to the logits."""
    name = f"{scope_name(column.name)}/weights"
    if isinstance(column, CategoricalColumn):
        ids, given = column.ids(features), column.weights(features)
        table = get_variable(name, (column.num_buckets, units), np.float32, zeros, trainable=trainable)
        return combined_rows(table, ids, given, combiner)
    if not isinstance(column, DenseColumn):
        raise SpecError(f"a linear model cannot use {column!r}")
    dense = (column if trainable else column.frozen()).dense(features)
    weights = get_variable(name, (column.width, units), np.float32, zeros, trainable=trainable)
    result: Tensor = np.matmul(dense, weights)
    return result


def sequence_input_layer(
    features: Features,
    feature_columns: Columns,
    trainable: bool = True,
    sequence_length: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the numbers of sequence columns beside each other at each step, and how long sequences are.

    Embeddings are the variables ``sequence_input_layer/<column>/embedding_weights`` of the current scope.

    Args:
        features: Tensors ``[batch, time, ...]`` by key.
        feature_columns: `sequence_numeric_column`, and an `indicator_column` or `embedding_column` of a
            ``sequence_categorical_column_with_...``.
        trainable: False: optimizers change no embedding of the layer.
        sequence_length: Integers ``[batch]``; default the last step of each example that is not missing.

    Returns:
        float32 ``[batch, time, total width]`` and int64 ``[batch]``.

    Raises:
        InvalidArgumentError: A column is not over sequences; or, when it is run, two columns of an example
            have different lengths.

    >>> from estimators import VariableStore, feature_column
    >>> x = as_tensor(np.array([[1.0, 2.0], [3.0, np.nan]]))
    >>> with VariableStore():
    ...     found, lengths = sequence_input_layer({"x": x}, [feature_column.sequence_numeric_column("x")])
    >>> found.shape, lengths.shape
    ((2, 2, 1), (2,))
    """
    columns = sorted_columns(feature_columns)
    _check_features(features)
    found, lengths = [], []
    with variable_scope(layer_name(None, "sequence_input_layer")):
        for column in columns:
            dense = _dense(column, trainable)
            if not isinstance(dense, SequenceDenseColumn):
                raise InvalidArgumentError(
                    f"{column.name!r} is not over sequences",
                    hint="use sequence_numeric_column, or input_layer for what has no time axis",
                )
            part, steps = dense.sequence(features)
            found.append(part)
            lengths.append(steps)
    joined = _joined(found)
    if sequence_length is not None:
        given: Tensor = as_tensor(sequence_length).astype(np.int64)
        return joined, given
    names = tuple(column.name for column in columns)
    same: Tensor = lengths[0] if len(lengths) == 1 else same_lengths(*lengths, names=names)
    return joined, same
