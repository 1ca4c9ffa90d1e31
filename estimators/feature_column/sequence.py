"""Columns over sequences: features ``[batch, time, ...]``, padded at the end."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError
from dataflow.expr.primitives.select import where
from dataflow.expr.primitives.shape import concatenate
from dataflow.expr.tensor import Tensor
from estimators.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    Features,
    KeyedColumn,
    SequenceDenseColumn,
    missing,
    raw_feature,
)
from estimators.feature_column.hash_bucket import categorical_column_with_hash_bucket
from estimators.feature_column.identity import categorical_column_with_identity
from estimators.feature_column.numeric import NumericColumn, numeric_column
from estimators.feature_column.vocabulary import (
    categorical_column_with_vocabulary_file,
    categorical_column_with_vocabulary_list,
)
from estimators.graph.primitives.columns import sequence_lengths


@dataclasses.dataclass(frozen=True)
class SequenceCategoricalColumn(CategoricalColumn):
    """The ids of a column at each step."""

    categorical_column: KeyedColumn

    @property
    def name(self) -> str:
        """That of the column."""
        return self.categorical_column.name

    @property
    def num_buckets(self) -> int:
        """That of the column."""
        return self.categorical_column.num_buckets

    def ids(self, features: Features) -> Tensor:
        """Refuse: without a time axis, the order of steps would be lost."""
        raise InvalidArgumentError(
            f"{self.name!r} is a sequence column", hint="wrap it, and use sequence_input_layer"
        )

    def steps(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return ids ``[batch, time, n]`` and lengths ``[batch]``."""
        raw = _with_time(features, self.categorical_column.key)
        raw = raw[..., None] if raw.ndim == 2 else raw
        ids = self.categorical_column.lookup(raw)
        return ids, sequence_lengths(~missing(raw))


def _with_time(features: Features, key: str) -> Tensor:
    """Return a feature that has a time axis."""
    raw = raw_feature(features, key)
    if features[key].ndim < 2:
        raise InvalidArgumentError(
            f"feature {key!r} is {features[key].spec}, and has no time axis",
            hint="sequence columns take [batch, time, ...], as padded_batch makes it",
        )
    return raw


def refuse_sequence(name: str, column: CategoricalColumn) -> None:
    """Raise if a column is over sequences."""
    if isinstance(column, SequenceCategoricalColumn):
        raise InvalidArgumentError(
            f"{name!r} is over sequences, and input_layer has no time axis",
            hint="use sequence_input_layer, or a column that is not over sequences",
        )


def ids_of(name: str, column: CategoricalColumn, features: Features) -> tuple[Tensor, Tensor]:
    """Return ids ``[batch, time, n]`` and lengths ``[batch]`` of a column, which must be over sequences."""
    if not isinstance(column, SequenceCategoricalColumn):
        raise InvalidArgumentError(
            f"{name!r} is not over sequences",
            hint="make it of a sequence_categorical_column_with_..., or use input_layer",
        )
    return column.steps(features)


def sequence_categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> SequenceCategoricalColumn:
    """Use integers at each step as categories, as `categorical_column_with_identity`; -1 pads.

    >>> sequence_categorical_column_with_identity("clicks", 10).num_buckets
    10
    """
    return SequenceCategoricalColumn(categorical_column_with_identity(key, num_buckets, default_value))


def sequence_categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: npt.DTypeLike | None = None
) -> SequenceCategoricalColumn:
    """Use the hash of values at each step, as `categorical_column_with_hash_bucket`; '' and -1 pad.

    >>> sequence_categorical_column_with_hash_bucket("words", 1000).name
    'words'
    """
    return SequenceCategoricalColumn(categorical_column_with_hash_bucket(key, hash_bucket_size, dtype))


def sequence_categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Sequence[Any],
    dtype: npt.DTypeLike | None = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> SequenceCategoricalColumn:
    """Use known values at each step, as `categorical_column_with_vocabulary_list`; '' and -1 pad.

    >>> sequence_categorical_column_with_vocabulary_list("words", ["a", "b"], num_oov_buckets=3).num_buckets
    5
    """
    column = categorical_column_with_vocabulary_list(
        key, vocabulary_list, dtype, default_value, num_oov_buckets
    )
    return SequenceCategoricalColumn(column)


def sequence_categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: str | os.PathLike[str],
    vocabulary_size: int | None = None,
    *,
    dtype: npt.DTypeLike = str,
    default_value: int | None = None,
    num_oov_buckets: int = 0,
) -> SequenceCategoricalColumn:
    """Use known values at each step, as `categorical_column_with_vocabulary_file`; '' and -1 pad."""
    column = categorical_column_with_vocabulary_file(
        key,
        vocabulary_file,
        vocabulary_size,
        dtype=dtype,
        default_value=default_value,
        num_oov_buckets=num_oov_buckets,
    )
    return SequenceCategoricalColumn(column)


@dataclasses.dataclass(frozen=True)
class SequenceNumericColumn(DenseColumn, SequenceDenseColumn):
    """Numbers at each step."""

    numbers: NumericColumn
    padding: float = 0.0

    @property
    def name(self) -> str:
        """The key."""
        return self.numbers.name

    @property
    def width(self) -> int:
        """Numbers at each step."""
        return self.numbers.width

    def dense(self, features: Features) -> Tensor:
        """Refuse: without a time axis, the order of steps would be lost."""
        raise InvalidArgumentError(f"{self.name!r} is a sequence column", hint="use sequence_input_layer")

    def sequence(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return float32 ``[batch, time, width]``, and the lengths; NaN at the end pads."""
        self.numbers.raw(features)
        raw = _with_time(features, self.name)
        value = self.numbers.normalized(raw).astype(np.float32)
        value = where(np.isnan(value), np.float32(self.padding), value)
        if None not in value.shape[2:] and np.prod(value.shape[2:], dtype=int) != self.width:
            raise InvalidArgumentError(
                f"feature {self.name!r} has shape {raw.shape}, and sequence_numeric_column "
                f"{self.numbers.shape} per step",
                hint=f"sequence_numeric_column({self.name!r}, shape={tuple(raw.shape[2:]) or 1})",
            )
        wide = value[..., None] if value.ndim == 2 else value
        while wide.ndim > 3:
            wide = concatenate(*(wide[:, :, i] for i in range(wide.shape[2] or 0)), axis=-1)
        return wide, sequence_lengths(np.equal(raw, raw))


def sequence_numeric_column(
    key: str,
    shape: int | Sequence[int] = (1,),
    default_value: float = 0.0,
    dtype: npt.DTypeLike = np.float32,
    normalizer_fn: Callable[[Any], Any] | None = None,
) -> SequenceNumericColumn:
    """Use numbers at each step: a feature ``[batch, time, *shape]``, or ``[batch, time]`` for one number.

    A sequence ends with its last step that is not NaN, so pad with NaN:
    ``padded_batch(8, padding_values=float("nan"))``. With another padding all sequences have the length of
    the longest, unless `sequence_input_layer` is given the lengths.

    Args:
        key: The feature.
        shape: Shape at one step.
        default_value: Takes the place of NaN, and so of the padding, behind `normalizer_fn`.
        dtype: Integer or floating-point; the values become float32 in any case.
        normalizer_fn: Applied to the raw values before the conversion.

    Raises:
        InvalidArgumentError: As `numeric_column`.

    >>> sequence_numeric_column("temperature").name
    'temperature'
    """
    column = numeric_column(key, shape, None, dtype, normalizer_fn)
    return SequenceNumericColumn(column, float(default_value))
