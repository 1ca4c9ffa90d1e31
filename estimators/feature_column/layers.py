"""What makes inputs and logits of columns: `input_layer`, `linear_model`, `sequence_input_layer`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

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
from estimators.feature_column.embedding import EmbeddingColumn
from estimators.feature_column.lookup import check_combiner, combined_rows
from estimators.feature_column.tables import joined_ids, one_table
from estimators.graph.primitives.columns import same_lengths
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.scope import get_variable, layer_name, variable_scope
from estimators.graph.variable import Variable, variables_of, zeros

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
        parts = [_part(_dense(column, trainable), features) for column in columns]
        return _joined(_in_runs(parts))


_Kind: TypeAlias = tuple[int, bool] | str


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """What a column gives an input layer.

    Attributes:
        kind: Size and trainability of an embedding of one category each; else "numbers" that need no
            variable, or "own" ones, as strings.
        value: Ids of such an embedding, else numbers; ``[batch, n]``.
        table: Of such an embedding.
    """

    kind: _Kind
    value: Tensor
    table: Variable | None = None


def _part(column: DenseColumn, features: Features) -> _Part:
    if isinstance(column, EmbeddingColumn) and (ids := column.single_ids(features)) is not None:
        return _Part((column.width, column.embedding.trainable), ids, column.table())
    value = column.dense(features)
    return _Part("own" if variables_of([value]) else "numbers", value)


def _in_runs(parts: Sequence[_Part]) -> list[Tensor]:
    """Return few tensors to put beside each other: numbers as one, embeddings of one size looked up once."""
    runs = [(kind, list(run)) for kind, run in itertools.groupby(parts, lambda part: part.kind)]
    tables = [(kind, run) for kind, run in runs if isinstance(kind, tuple)]
    vectors = {
        kind: iter(_looked_up(kind, [run for other, run in tables if other == kind]))
        for kind in dict.fromkeys(kind for kind, _ in tables)
    }
    found = []
    for kind, run in runs:
        if isinstance(kind, tuple):
            found.append(next(vectors[kind]))
        else:
            values = [part.value for part in run]
            found += [_joined(values)] if kind == "numbers" else values
    return found


def _looked_up(kind: tuple[int, bool], runs: Sequence[Sequence[_Part]]) -> list[Tensor]:
    """Return the vectors of each run of embeddings beside each other, ``[batch, columns * width]``."""
    width, trainable = kind
    parts = [part for run in runs for part in run]
    tables = [part.table for part in parts if part.table is not None]
    whole = one_table(f"tables_of_{width}{'' if trainable else '_frozen'}", tables)
    vectors = gather_sum(whole, joined_ids(tables, [part.value for part in parts])[..., None])
    stops = np.cumsum([len(run) for run in runs])[:-1]
    pieces: list[Any] = np.split(vectors, stops, axis=1) if len(runs) > 1 else [vectors]
    return [piece.reshape(-1, len(run) * width) for piece, run in zip(pieces, runs, strict=True)]


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
        parts = _LinearParts(features, units, sparse_combiner, trainable)
        for column in columns:
            parts.add(column)
        bias = get_variable("bias_weights", (units,), np.float32, zeros, trainable=trainable)
        total: Tensor = parts.total() + bias
    return total


@dataclasses.dataclass
class _LinearParts:
    """What columns add to the logits: all plain look-ups are one, and all products with numbers."""

    features: Features
    units: int
    combiner: str
    trainable: bool
    tables: list[tuple[Variable, Tensor]] = dataclasses.field(default_factory=list)
    numbers: list[tuple[Variable, Tensor]] = dataclasses.field(default_factory=list)
    others: list[Tensor] = dataclasses.field(default_factory=list)

    def add(self, column: FeatureColumn) -> None:
        """Make the weights of a column."""
        name = f"{scope_name(column.name)}/weights"
        if isinstance(column, CategoricalColumn):
            ids, given = column.ids(self.features), column.weights(self.features)
            table = self._variable(name, column.num_buckets)
            if given is None and (ids.shape[1] == 1 or self.combiner == "sum"):
                self.tables.append((table, ids))
            else:
                self.others.append(combined_rows(table, ids, given, self.combiner))
            return
        if not isinstance(column, DenseColumn):
            raise SpecError(f"a linear model cannot use {column!r}")
        dense = (column if self.trainable else column.frozen()).dense(self.features)
        weights = self._variable(name, column.width)
        if variables_of([dense]):
            self.others.append(np.matmul(dense, weights))
        else:
            self.numbers.append((weights, dense))

    def _variable(self, name: str, rows: int) -> Variable:
        return get_variable(name, (rows, self.units), np.float32, zeros, trainable=self.trainable)

    def total(self) -> Tensor:
        """Return the sum over all columns."""
        parts = list(self.others)
        if self.numbers:
            weights, dense = zip(*self.numbers, strict=True)
            parts.append(np.matmul(_joined(list(dense)), one_table("dense_weights", weights)))
        if self.tables:
            tables, ids = zip(*self.tables, strict=True)
            parts.append(gather_sum(one_table("tables", tables), joined_ids(tables, ids)))
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


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
