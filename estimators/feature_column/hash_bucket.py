"""`categorical_column_with_hash_bucket`: any values, by their hash."""

from __future__ import annotations

import dataclasses

import numpy.typing as npt

from dataflow.expr.tensor import Tensor
from estimators.feature_column.base import KeyedColumn, check_count, check_key, check_values, text_or_not
from estimators.graph.primitives.columns import hash_ids


@dataclasses.dataclass(frozen=True)
class HashBucketColumn(KeyedColumn):
    """The hash of each value, modulo the number of buckets."""

    key: str
    hash_bucket_size: int
    text: bool | None = None

    @property
    def num_buckets(self) -> int:
        """The number of buckets."""
        return self.hash_bucket_size

    def lookup(self, raw: Tensor) -> Tensor:
        """Hash the values; '' and null, and the integer -1, are missing and give -1."""
        check_values(f"categorical_column_with_hash_bucket({self.key!r})", raw, text=self.text)
        result: Tensor = hash_ids(raw, num_buckets=self.hash_bucket_size)
        return result


def categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: npt.DTypeLike | None = None
) -> HashBucketColumn:
    """Use text or integers of any values: the id is Fingerprint64 modulo the number of buckets.

    Integers are hashed as decimal text. '' and null, and the integer -1, are missing.

    Args:
        key: The feature.
        hash_bucket_size: The number of ids, at least 1.
        dtype: Text or integer; then a feature of the other kind is an error.

    Raises:
        InvalidArgumentError: The size is below 1, or the dtype is another.

    >>> categorical_column_with_hash_bucket("street", 1000).num_buckets
    1000
    """
    size = check_count("hash_bucket_size", hash_bucket_size)
    return HashBucketColumn(check_key(key), size, text_or_not(dtype, "a hash bucket column"))
