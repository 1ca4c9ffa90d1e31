"""What `fit` has found in data, and the columns that are made of it."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dataflow.errors import DataLossError, InvalidArgumentError, did_you_mean
from dataflow.storage import runs
from estimators.feature_column.bucketized import BucketizedColumn, bucketized_column
from estimators.feature_column.numeric import NumericColumn, numeric_column
from estimators.feature_column.vocabulary import (
    VocabularyListColumn,
    categorical_column_with_vocabulary_list,
)

VERSION = 1


@dataclasses.dataclass(frozen=True)
class NumericStatistics:
    """What is known of a number.

    Attributes:
        count: Values that are not missing.
        missing: NaN.
        mean: Of the values.
        variance: Mean square of the distance to the mean.
        min: The smallest value.
        max: The largest value.
    """

    count: int
    missing: int
    mean: float
    variance: float
    min: float
    max: float


@dataclasses.dataclass(frozen=True)
class VocabularyStatistics:
    """The most frequent values of a feature.

    Attributes:
        values: The most frequent first.
        counts: How often each occurs.
        count: Values that are not missing.
        missing: '' and null, or -1.
        error: Counts may be too small by so many; 0 if they are exact.
    """

    values: tuple[Any, ...]
    counts: tuple[int, ...]
    count: int
    missing: int
    error: int


@dataclasses.dataclass(frozen=True)
class BoundaryStatistics:
    """What divides a number into ranges of equal frequency.

    Attributes:
        boundaries: Strictly increasing.
        error: The rank of a boundary may be wrong by this fraction of all values; 0 if it is exact.
    """

    boundaries: tuple[float, ...]
    error: float


@dataclasses.dataclass(frozen=True)
class Standardize:
    """A ``normalizer_fn``: subtract a number, divide by another.

    >>> Standardize(10.0, 2.0)(np.array([8.0, 14.0])).tolist()
    [-1.0, 2.0]
    """

    mean: float
    deviation: float

    def __call__(self, x: Any) -> Any:
        """Return (x - mean) / deviation."""
        return (x - self.mean) / self.deviation


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What `fit` has found, by feature. Columns that are made of it hold plain numbers and lists.

    Attributes:
        numeric: Of numbers.
        vocabularies: Of categories.
        boundaries: Of ranges.
    """

    numeric: Mapping[str, NumericStatistics]
    vocabularies: Mapping[str, VocabularyStatistics]
    boundaries: Mapping[str, BoundaryStatistics]

    def numeric_column(self, key: str, default_value: float | str | None = "mean") -> NumericColumn:
        """Return a `numeric_column` with mean 0 and variance 1.

        Args:
            key: A feature that was fitted as numeric.
            default_value: Takes the place of missing values: a number, "mean", or None to leave NaN.

        Raises:
            InvalidArgumentError: The feature was not fitted, or has no values.
        """
        found = _find(self.numeric, key, "numeric=[...]")
        if not found.count:
            raise InvalidArgumentError(f"all values of {key!r} are missing")
        deviation = math.sqrt(found.variance) or 1.0
        fill = found.mean if default_value == "mean" else default_value
        return numeric_column(key, default_value=fill, normalizer_fn=Standardize(found.mean, deviation))

    def vocabulary_column(
        self,
        key: str,
        max_size: int | None = None,
        *,
        min_count: int = 1,
        default_value: int = -1,
        num_oov_buckets: int = 0,
    ) -> VocabularyListColumn:
        """Return a `categorical_column_with_vocabulary_list` of the most frequent values.

        Args:
            key: A feature that was fitted as categorical.
            max_size: At most so many values.
            min_count: Only values that occur so often.
            default_value: Id of other values.
            num_oov_buckets: Ids for other values.

        Raises:
            InvalidArgumentError: The feature was not fitted, or no value is left.
        """
        found = _find(self.vocabularies, key, "categorical=[...]")
        kept = [v for v, n in zip(found.values, found.counts, strict=True) if n >= min_count][:max_size]
        if not kept:
            raise InvalidArgumentError(f"no value of {key!r} occurs {min_count} times")
        return categorical_column_with_vocabulary_list(
            key, kept, default_value=default_value, num_oov_buckets=num_oov_buckets
        )

    def bucketized_column(self, key: str) -> BucketizedColumn:
        """Return a `bucketized_column` whose ranges are about equally frequent.

        Raises:
            InvalidArgumentError: The feature was not fitted, or all its values are equal.
        """
        found = _find(self.boundaries, key, "buckets={...: 10}")
        if not found.boundaries:
            raise InvalidArgumentError(f"the values of {key!r} are all equal, and give no ranges")
        return bucketized_column(numeric_column(key), list(found.boundaries))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, in one step, to a path or fsspec URL."""
        value = {"version": VERSION, **dataclasses.asdict(self)}
        runs.write_json(os.fspath(path), value)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Statistics:
        """Read what `save` has written.

        Raises:
            NotFoundError: There is no such file.
            DataLossError: It is something else.
        """
        found = runs.read_json(os.fspath(path))
        try:
            if found["version"] != VERSION:
                raise ValueError(f"its version is {found['version']!r}, not {VERSION}")
            return Statistics(
                {k: NumericStatistics(**v) for k, v in found["numeric"].items()},
                {
                    k: VocabularyStatistics(
                        **{**v, "values": tuple(v["values"]), "counts": tuple(v["counts"])}
                    )
                    for k, v in found["vocabularies"].items()
                },
                {
                    k: BoundaryStatistics(tuple(v["boundaries"]), v["error"])
                    for k, v in found["boundaries"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataLossError(f"{path} holds no statistics of feature_column.fit: {error}") from error


def _find(found: Mapping[str, Any], key: str, how: str) -> Any:
    if key not in found:
        hint = f"{did_you_mean(key, found)}; fit it: feature_column.fit(dataset, {how})"
        raise InvalidArgumentError(f"there are no such statistics of {key!r}", hint=hint)
    return found[key]


def boundaries_between(quantiles: Any, smallest: float) -> tuple[float, ...]:
    """Return quantiles as boundaries: different as float32, and above the smallest value."""
    edges = sorted({float(np.float32(edge)) for edge in quantiles})
    return tuple(edge for edge in edges if edge > np.float32(smallest))
