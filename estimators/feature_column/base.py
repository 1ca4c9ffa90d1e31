"""The contract of feature columns."""

from __future__ import annotations

import dataclasses
import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.primitives.text import is_missing
from dataflow.expr.tensor import Tensor
from dataflow.spec import as_dtype, is_text
from estimators.graph.primitives.columns import flat_rows

Features: TypeAlias = Mapping[str, Tensor]


@dataclasses.dataclass(frozen=True)
class FeatureColumn(ABC):
    """Settings of one column; equal settings are equal columns."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name, which orders columns and names variables."""


class DenseColumn(FeatureColumn):
    """A column of numbers."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers per example."""

    @abstractmethod
    def dense(self, features: Features) -> Tensor:
        """Return float32 ``[batch, width]``."""

    def frozen(self) -> DenseColumn:
        """Return the column with variables that optimizers do not change."""
        return self


class CategoricalColumn(FeatureColumn):
    """A column of ids."""

    @property
    @abstractmethod
    def num_buckets(self) -> int:
        """Ids are below it."""

    @abstractmethod
    def ids(self, features: Features) -> Tensor:
        """Return int64 ``[batch, n]``; -1 stands for a missing or unknown value."""

    def weights(self, features: Features) -> Tensor | None:
        """Return the weights of the ids, float32 ``[batch, n]``, or None if all count the same."""
        return None

    def present(self, features: Features, ids: Tensor) -> Tensor:
        """Return bool ``[batch, n]``: where there is a value, known or unknown; `ids` are its ids."""
        return ids >= 0


class KeyedColumn(CategoricalColumn):
    """A column of ids that are made from each value of one feature by itself."""

    key: str

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @abstractmethod
    def lookup(self, raw: Tensor) -> Tensor:
        """Return the ids of values, int64 of their shape; -1 for missing and unknown ones.

        Raises:
            SpecError: The column does not take such values.
        """

    def ids(self, features: Features) -> Tensor:
        """Return the ids of the values of an example, ``[batch, n]``."""
        return per_example(self.lookup(raw_feature(features, self.key)))

    def present(self, features: Features, ids: Tensor) -> Tensor:
        """Return where values are not missing: '' and null, and -1 in integers, are."""
        return per_example(~missing(raw_feature(features, self.key)))


class SequenceDenseColumn(ABC):
    """What a dense column over sequences has beside `DenseColumn`."""

    @abstractmethod
    def sequence(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return float32 ``[batch, time, width]``, and the lengths, int64 ``[batch]``."""


def raw_feature(features: Features, key: str) -> Tensor:
    """Return the feature with at least two axes: ``[batch]`` becomes ``[batch, 1]``.

    Raises:
        InvalidArgumentError: There is no such feature, or it has no batch axis.
    """
    if key not in features:
        raise InvalidArgumentError(f"the features have no {key!r}", hint=did_you_mean(key, features))
    tensor = features[key]
    if not tensor.ndim:
        raise InvalidArgumentError(
            f"feature {key!r} is a scalar, and has no batch axis", hint="batch the dataset: .batch(128)"
        )
    result: Tensor = tensor[:, None] if tensor.ndim == 1 else tensor
    return result


def missing(raw: Tensor) -> Tensor:
    """Return bool of the same shape: where text is '' or null, where an integer is -1."""
    result: Any = is_missing(raw) if is_text(raw.dtype) else np.equal(raw, -1)
    return result  # type: ignore[no-any-return]


def per_example(x: Tensor) -> Tensor:
    """Return values ``[batch, ...]`` as ``[batch, n]``."""
    result: Tensor = x if x.ndim == 2 else flat_rows(x)
    return result


def check_values(column: str, raw: Tensor, *, text: bool | None = None) -> None:
    """Raise unless a feature holds text or integers, or, if `text` says so, only the one or the other.

    Raises:
        SpecError: It holds something else.
    """
    kind = True if is_text(raw.dtype) else False if raw.dtype.kind in "iu" else None
    if kind is None:
        raise SpecError(
            f"{column} needs text or integers, and the feature is {raw.spec}",
            hint="put floating-point numbers into ranges with bucketized_column",
        )
    if text is not None and kind != text:
        raise SpecError(
            f"{column} needs {'text' if text else 'integers'}, and the feature is {raw.spec}",
            hint="convert the feature in map, or set the dtype of the column",
        )


def text_or_not(dtype: npt.DTypeLike | None, column: str) -> bool | None:
    """Return what a dtype argument means: True for text, False for integers, None if not given.

    Raises:
        InvalidArgumentError: It is another dtype.
    """
    if dtype is None:
        return None
    if is_text(as_dtype(dtype)):
        return True
    if as_dtype(dtype).kind in "iu":
        return False
    raise InvalidArgumentError(f"the dtype of {column} must be text or an integer, not {dtype!r}")


def check_count(what: str, value: object) -> int:
    """Return the value if it is an integer of at least 1, else raise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidArgumentError(f"{what} must be an integer of at least 1, not {value!r}")
    return int(value)


def scope_name(name: str) -> str:
    """Return a column's name as the scope of its variables.

    >>> scope_name("a b!_embedding")
    'a_b__embedding'
    """
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", name)


def check_key(key: object) -> str:
    """Return the key if it is text, else raise."""
    if not isinstance(key, str):
        raise SpecError(f"the key of a feature column must be a string, not {key!r}")
    return key


def sorted_columns(columns: FeatureColumn | Iterable[FeatureColumn]) -> list[FeatureColumn]:
    """Return columns by name, as models use them.

    Raises:
        InvalidArgumentError: There are none, two have one name, or something is no column.
    """
    if isinstance(columns, FeatureColumn):
        columns = [columns]
    if isinstance(columns, Mapping):
        raise InvalidArgumentError("feature_columns must be a list of columns, not a dict")
    found: Sequence[FeatureColumn] = list(columns)
    for column in found:
        if not isinstance(column, FeatureColumn):
            raise InvalidArgumentError(f"feature_columns holds {column!r}, which is no feature column")
    if not found:
        raise InvalidArgumentError("feature_columns is empty", hint="give at least one feature column")
    names = sorted(column.name for column in found)
    twice = {a for a, b in itertools.pairwise(names) if a == b}
    if twice:
        raise InvalidArgumentError(f"two feature columns have one name: {sorted(twice)}")
    return sorted(found, key=lambda column: column.name)
