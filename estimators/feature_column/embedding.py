"""`embedding_column` and `shared_embeddings`: categories as trained vectors."""

from __future__ import annotations

import dataclasses
import math
import os
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    Features,
    SequenceDenseColumn,
    check_count,
    scope_name,
)
from estimators.feature_column.lookup import check_combiner, combined_rows
from estimators.feature_column.sequence import SequenceCategoricalColumn, ids_of, refuse_sequence
from estimators.feature_column.weighted import WeightedCategoricalColumn
from estimators.graph.scope import VariableStore, current_store, get_variable, variable_scope
from estimators.graph.variable import Array, Initializer, Variable
from estimators.initializers import truncated_normal
from estimators.values import checkpoint


@dataclasses.dataclass(frozen=True)
class Embedding:
    """Settings of a table of vectors."""

    dimension: int
    combiner: str = "mean"
    initializer: Initializer | None = None
    max_norm: float | None = None
    trainable: bool = True

    def variable(self, name: str, rows: int) -> Variable:
        """Return the table, a variable of the current scope."""
        first = self.initializer or truncated_normal(0.0, 1 / math.sqrt(self.dimension))
        return get_variable(name, (rows, self.dimension), np.float32, first, trainable=self.trainable)


class _EmbeddedColumn(DenseColumn, SequenceDenseColumn):
    """Vectors of the categories of a column, combined."""

    categorical_column: CategoricalColumn
    embedding: Embedding

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self.embedding.dimension

    def _table(self) -> Variable:
        raise NotImplementedError

    def dense(self, features: Features) -> Tensor:
        """Return the combined vectors, ``[batch, dimension]``; 0 where there is no category."""
        refuse_sequence(self.name, self.categorical_column)
        column, embedding = self.categorical_column, self.embedding
        ids, weights = column.ids(features), column.weights(features)
        return combined_rows(self._table(), ids, weights, embedding.combiner, embedding.max_norm)

    def sequence(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return the vectors of each step, ``[batch, time, dimension]``, and the lengths."""
        ids, lengths = ids_of(self.name, self.categorical_column, features)
        embedding = self.embedding
        found = combined_rows(self._table(), ids, None, embedding.combiner, embedding.max_norm)
        return found, lengths


@dataclasses.dataclass(frozen=True)
class EmbeddingColumn(_EmbeddedColumn):
    """A column with a table of its own."""

    categorical_column: CategoricalColumn
    embedding: Embedding

    @property
    def name(self) -> str:
        """The name of the column with a suffix."""
        return f"{self.categorical_column.name}_embedding"

    def frozen(self) -> EmbeddingColumn:
        """Return the column with a table that optimizers do not change."""
        return dataclasses.replace(self, embedding=dataclasses.replace(self.embedding, trainable=False))

    def table(self) -> Variable:
        """Make the table, a variable of the current scope."""
        with variable_scope(scope_name(self.name)):
            return self.embedding.variable("embedding_weights", self.categorical_column.num_buckets)

    _table = table

    def single_ids(self, features: Features) -> Tensor | None:
        """Return ids ``[batch, 1]`` if each example has one, whose row is its vector as it is; else None."""
        column, embedding = self.categorical_column, self.embedding
        if embedding.max_norm is not None or isinstance(column, SequenceCategoricalColumn):
            return None
        ids = column.ids(features)
        return ids if ids.shape[1] == 1 and column.weights(features) is None else None


@dataclasses.dataclass(frozen=True, eq=False)
class SharedTable:
    """A table that several columns use: one variable in each model, wherever they are used first."""

    name: str
    _made: weakref.WeakKeyDictionary[VariableStore, Variable] = dataclasses.field(
        default_factory=weakref.WeakKeyDictionary, repr=False
    )

    def variable(self, embedding: Embedding, rows: int) -> Variable:
        """Return the variable of the model function that runs."""
        store = current_store()
        found = self._made.get(store)
        if found is None:
            with store:
                found = self._made[store] = embedding.variable(scope_name(self.name), rows)
        return found


@dataclasses.dataclass(frozen=True)
class SharedEmbeddingColumn(_EmbeddedColumn):
    """A column that shares its table with others."""

    categorical_column: CategoricalColumn
    embedding: Embedding
    table: SharedTable

    @property
    def name(self) -> str:
        """The name of the column with a suffix."""
        return f"{self.categorical_column.name}_shared_embedding"

    def frozen(self) -> SharedEmbeddingColumn:
        """Return the column with a table that optimizers do not change, if it is used first."""
        return dataclasses.replace(self, embedding=dataclasses.replace(self.embedding, trainable=False))

    def _table(self) -> Variable:
        return self.table.variable(self.embedding, self.categorical_column.num_buckets)


def embedding_column(
    categorical_column: CategoricalColumn,
    dimension: int,
    combiner: str = "mean",
    initializer: Initializer | None = None,
    ckpt_to_load_from: str | os.PathLike[str] | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> EmbeddingColumn:
    """Use categories as vectors that are trained with the model.

    The table is the variable ``<name>_embedding/embedding_weights``, float32 ``[num_buckets, dimension]``.

    Args:
        categorical_column: The categories.
        dimension: Numbers of a vector.
        combiner: How several vectors of an example become one: "mean", "sum" or "sqrtn" (the sum by the root
            of the sum of squared weights). Weights of a `weighted_categorical_column` count; 0 and less are
            left out except for "sum". An example without categories gets zeros.
        initializer: First values; default a normal distribution with deviation 1/√dimension, cut at two.
        ckpt_to_load_from: A checkpoint, or a directory of them, that has the first values instead.
        tensor_name_in_ckpt: The name of the table there.
        max_norm: Vectors are scaled down to this Euclidean norm when they are used.
        trainable: Whether training changes the table.

    Raises:
        InvalidArgumentError: The column is not categorical, or a setting is out of its range.

    >>> from estimators import feature_column
    >>> words = feature_column.categorical_column_with_hash_bucket("words", 1000)
    >>> embedding_column(words, 8).name
    'words_embedding'
    """
    _check_categorical(categorical_column)
    if (ckpt_to_load_from is None) != (tensor_name_in_ckpt is None):
        raise InvalidArgumentError(
            "ckpt_to_load_from and tensor_name_in_ckpt are given together or not at all"
        )
    if ckpt_to_load_from is not None and tensor_name_in_ckpt is not None:
        initializer = _FromCheckpoint(os.fspath(ckpt_to_load_from), tensor_name_in_ckpt)
    embedding = _settings(dimension, combiner, initializer, max_norm, trainable)
    return EmbeddingColumn(categorical_column, embedding)


def shared_embeddings(
    categorical_columns: Sequence[CategoricalColumn],
    dimension: int,
    combiner: str = "mean",
    initializer: Initializer | None = None,
    shared_embedding_collection_name: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> list[SharedEmbeddingColumn]:
    """Use the categories of several columns as vectors of one table, such as clicked and bought articles.

    Args:
        categorical_columns: Of one kind and with equal numbers of categories.
        dimension: As in `embedding_column`, like the other arguments.
        combiner: How several vectors of an example become one.
        initializer: First values.
        shared_embedding_collection_name: The name of the variable, without a scope in front; default the
            sorted names of the columns, joined, with ``_shared_embedding``.
        max_norm: Vectors are scaled down to this Euclidean norm when they are used.
        trainable: Whether training changes the table.

    Returns:
        A column for each of the given ones, in their order.

    Raises:
        InvalidArgumentError: The columns differ in kind or number of categories, or a setting is wrong.

    >>> from estimators import feature_column
    >>> seen, bought = (feature_column.categorical_column_with_identity(k, 50) for k in ("seen", "bought"))
    >>> [column.name for column in shared_embeddings([seen, bought], 8)]
    ['seen_shared_embedding', 'bought_shared_embedding']
    """
    columns = list(categorical_columns)
    if not columns:
        raise InvalidArgumentError("shared_embeddings needs at least one column")
    for column in columns:
        _check_categorical(column)
    kinds = {type(_inner(column)).__name__ for column in columns}
    if len(kinds) > 1:
        raise InvalidArgumentError(f"columns that share embeddings are of one kind, and not {sorted(kinds)}")
    sizes = {column.name: column.num_buckets for column in columns}
    if len(set(sizes.values())) > 1:
        raise InvalidArgumentError(
            f"columns that share embeddings have equal numbers of categories, and these have {sizes}"
        )
    default = "_".join(sorted(column.name for column in columns)) + "_shared_embedding"
    table = SharedTable(shared_embedding_collection_name or default)
    embedding = _settings(dimension, combiner, initializer, max_norm, trainable)
    return [SharedEmbeddingColumn(column, embedding, table) for column in columns]


def _inner(column: CategoricalColumn) -> CategoricalColumn:
    while isinstance(column, WeightedCategoricalColumn | SequenceCategoricalColumn):
        column = column.categorical_column
    return column


def _check_categorical(column: object) -> None:
    if not isinstance(column, CategoricalColumn):
        raise InvalidArgumentError(f"embeddings are of categorical columns, not of {column!r}")


def _settings(
    dimension: int, combiner: str, initializer: Initializer | None, max_norm: float | None, trainable: bool
) -> Embedding:
    if initializer is not None and not callable(initializer):
        raise InvalidArgumentError(f"initializer must be a function, not {initializer!r}")
    if max_norm is not None and not max_norm > 0:
        raise InvalidArgumentError(f"max_norm must be above 0, not {max_norm!r}")
    return Embedding(
        check_count("dimension", dimension), check_combiner(combiner), initializer, max_norm, trainable
    )


@dataclasses.dataclass(frozen=True)
class _FromCheckpoint:
    """An initializer that reads a table of a checkpoint."""

    path: str
    name: str

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
        found = checkpoint.load(checkpoint.latest(self.path) or self.path).values
        if self.name not in found:
            raise InvalidArgumentError(f"{self.path} has no {self.name!r}", hint=f"it has {sorted(found)}")
        if found[self.name].shape != shape:
            raise SpecError(
                f"{self.name!r} in {self.path} has shape {found[self.name].shape}, and the embedding {shape}"
            )
        return found[self.name].astype(dtype)
