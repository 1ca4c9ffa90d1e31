"""`bucketized_column`: ranges of a number as categories."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.primitives.lookup import bucketize
from dataflow.expr.tensor import Tensor
from estimators.feature_column.base import CategoricalColumn, DenseColumn, Features
from estimators.feature_column.numeric import NumericColumn
from estimators.graph.primitives.columns import multi_hot_counts


@dataclasses.dataclass(frozen=True)
class BucketizedColumn(CategoricalColumn, DenseColumn):
    """The number of boundaries at or below each value, and for several values a range of ids for each."""

    source: NumericColumn
    boundaries: tuple[float, ...]

    @property
    def name(self) -> str:
        """The key with a suffix."""
        return f"{self.source.name}_bucketized"

    @property
    def num_buckets(self) -> int:
        """One bucket more than boundaries, for each value of an example."""
        return (len(self.boundaries) + 1) * self.source.width

    @property
    def width(self) -> int:
        """As a dense column, it has a number for each bucket."""
        return self.num_buckets

    def dense(self, features: Features) -> Tensor:
        """Return 1 for the bucket of each value, 0 for the others."""
        result: Tensor = multi_hot_counts(self.ids(features), num_buckets=self.num_buckets)
        return result

    def ids(self, features: Features) -> Tensor:
        """Return bucket + (buckets of a value) * (its position), ``[batch, width]``."""
        buckets: Tensor = bucketize(self.source.dense(features), boundaries=self.boundaries)
        if self.source.width == 1:
            return buckets
        offsets = np.arange(self.source.width, dtype=np.int64) * (len(self.boundaries) + 1)
        result: Tensor = buckets + offsets
        return result


def bucketized_column(source_column: NumericColumn, boundaries: Sequence[float]) -> BucketizedColumn:
    """Divide a numeric column into ranges: below b0, [b0, b1), …, at or above the last boundary.

    Values are compared as float32; NaN falls into the last range. A linear model has a weight for each range,
    an input layer 1 for the range of a value and 0 for the others.

    Args:
        source_column: A `numeric_column` of rank 1.
        boundaries: Strictly increasing, at least one.

    Raises:
        InvalidArgumentError: The source or the boundaries have not that form.

    >>> from estimators.feature_column.numeric import numeric_column
    >>> bucketized_column(numeric_column("age"), [18, 65]).num_buckets
    3
    """
    if not isinstance(source_column, NumericColumn) or len(source_column.shape) != 1:
        raise InvalidArgumentError(
            f"bucketized_column needs a numeric_column of rank 1, not {source_column!r}"
        )
    edges = tuple(boundaries) if isinstance(boundaries, list | tuple) else ()
    if not edges or any(not a < b for a, b in itertools.pairwise(edges)):
        raise InvalidArgumentError(
            f"boundaries must be a strictly increasing list of numbers, not {boundaries!r}"
        )
    return BucketizedColumn(source_column, tuple(float(edge) for edge in edges))
