"""The contract of feature columns."""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor

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


class CategoricalColumn(FeatureColumn):
    """A column of ids."""

    @property
    @abstractmethod
    def num_buckets(self) -> int:
        """Ids are below it."""

    @abstractmethod
    def ids(self, features: Features) -> Tensor:
        """Return int64 ``[batch, n]``; -1 stands for a missing or unknown value."""


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
