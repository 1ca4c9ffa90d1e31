"""`categorical_column_with_identity`: integers that are ids already."""

from __future__ import annotations

import dataclasses

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.feature_column.base import KeyedColumn, check_count, check_key
from estimators.graph.primitives.columns import identity_ids


@dataclasses.dataclass(frozen=True)
class IdentityColumn(KeyedColumn):
    """Integers as ids."""

    key: str
    size: int
    default_value: int | None = None

    @property
    def num_buckets(self) -> int:
        """Ids are below it."""
        return self.size

    def lookup(self, raw: Tensor) -> Tensor:
        """Return the values; -1 is missing."""
        result: Tensor = identity_ids(raw, num_buckets=self.size, default=self.default_value, name=self.key)
        return result


def categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> IdentityColumn:
    """Use integers from 0 to num_buckets - 1 as categories. -1 is missing.

    Args:
        key: The feature.
        num_buckets: Ids are below it.
        default_value: Id of values out of range. Without it, other negative values are missing too, and a
            value of `num_buckets` or more is an error when it is read.

    Raises:
        InvalidArgumentError: `num_buckets` is below 1, or the default is out of range.

    >>> categorical_column_with_identity("hour", 24).num_buckets
    24
    """
    size = check_count("num_buckets", num_buckets)
    if default_value is not None and not 0 <= default_value < size:
        raise InvalidArgumentError(
            f"default_value must be an id below num_buckets={size}, not {default_value}"
        )
    return IdentityColumn(check_key(key), size, default_value)
