"""`crossed_column`: combinations of values as categories."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from dataflow.spec import is_text
from estimators.feature_column.base import (
    CategoricalColumn,
    Features,
    check_count,
    check_values,
    per_example,
    raw_feature,
)
from estimators.feature_column.hash_bucket import HashBucketColumn
from estimators.feature_column.weighted import WeightedCategoricalColumn
from estimators.graph.primitives.columns import cross_ids, is_null

DEFAULT_HASH_KEY = 0xDECAFCAFFE

Key = str | CategoricalColumn


@dataclasses.dataclass(frozen=True)
class CrossedColumn(CategoricalColumn):
    """The hash of each combination of values, modulo the number of buckets."""

    keys: tuple[Key, ...]
    hash_bucket_size: int
    hash_key: int = DEFAULT_HASH_KEY

    @property
    def leaves(self) -> tuple[Key, ...]:
        """The keys, with those of crosses in their places."""
        parts = (key.leaves if isinstance(key, CrossedColumn) else (key,) for key in self.keys)
        return tuple(leaf for part in parts for leaf in part)

    @property
    def name(self) -> str:
        """The sorted names of the leaves."""
        return "_X_".join(sorted(leaf if isinstance(leaf, str) else leaf.name for leaf in self.leaves))

    @property
    def num_buckets(self) -> int:
        """The number of buckets."""
        return self.hash_bucket_size

    def ids(self, features: Features) -> Tensor:
        """Hash all combinations of the values of an example; -1 for those that miss a value."""
        columns = [leaf for leaf in self.leaves if not isinstance(leaf, str)]
        values = [column.ids(features) for column in columns]
        present = [column.present(features, ids) for column, ids in zip(columns, values, strict=True)]
        for key in (leaf for leaf in self.leaves if isinstance(leaf, str)):
            raw = raw_feature(features, key)
            check_values(f"crossed_column with {key!r}", raw)
            values.append(per_example(raw))
            present.append(_is_given(values[-1]))
        result: Tensor = cross_ids(
            *values, *present, num_buckets=self.hash_bucket_size, hash_key=self.hash_key
        )
        return result


def _is_given(raw: Tensor) -> Tensor:
    """Return where a feature has a value: text that is not null, all integers."""
    result: Any = ~is_null(raw) if is_text(raw.dtype) else np.equal(raw, raw)
    return result  # type: ignore[no-any-return]


def crossed_column(keys: Sequence[Key], hash_bucket_size: int, hash_key: int | None = None) -> CrossedColumn:
    """Use combinations of the values of features as categories, by tf's hash.

    Columns among the keys are hashed before features, each in the order given; of them, what is missing
    makes no combination, and an unknown value is one. Features are hashed as they are: text by its
    fingerprint, '' too, integers by value; only null is missing. Several values of an example give all
    combinations.

    Args:
        keys: At least two: names of features of text or integers, or categorical columns other than those
            with hash buckets or weights.
        hash_bucket_size: The number of ids, at least 1.
        hash_key: Another one gives other ids; None and 0 are tf's default.

    Raises:
        InvalidArgumentError: The keys or the size are others.

    >>> crossed_column(["street", "city"], 1000).name
    'city_X_street'
    """
    if isinstance(keys, str) or not isinstance(keys, Sequence) or len(keys) < 2:
        raise InvalidArgumentError(f"crossed_column needs a list of at least two keys, not {keys!r}")
    for key in keys:
        if not isinstance(key, str | CategoricalColumn):
            raise InvalidArgumentError(f"keys of crossed_column are strings or categorical columns: {key!r}")
        if isinstance(key, HashBucketColumn):
            raise InvalidArgumentError(
                f"crossed_column cannot use the hash bucket column {key.name!r}",
                hint=f"hashing twice only adds collisions: give the feature {key.key!r} itself",
            )
        if isinstance(key, WeightedCategoricalColumn):
            raise InvalidArgumentError(
                f"crossed_column cannot use {key.name!r}, which has weights",
                hint="cross the column without weights, and put weights around the cross",
            )
    size = check_count("hash_bucket_size", hash_bucket_size)
    return CrossedColumn(tuple(keys), size, (hash_key or DEFAULT_HASH_KEY) % 2**64)
