"""`fit`: statistics for columns, in one pass over a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.block import Ragged
from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.spec import ObjectSpec, TensorSpec, is_text
from dataflow.strings import Strings
from estimators.feature_column.base import check_count
from estimators.feature_column.sketches import Counts, Moments, Quantiles
from estimators.feature_column.statistics import (
    BoundaryStatistics,
    NumericStatistics,
    Statistics,
    VocabularyStatistics,
    boundaries_between,
)

COUNTED = 4
"""So many times the values that are kept of a vocabulary are counted."""


def fit(
    dataset: Dataset,
    *,
    numeric: Iterable[str] = (),
    categorical: Iterable[str] = (),
    buckets: Mapping[str, int] | None = None,
    max_vocabulary_size: int = 100_000,
) -> Statistics:
    """Find means, vocabularies and boundaries for columns in one pass over a dataset.

    Memory is bounded: of categories, the most frequent are kept (see `sketches.Counts`), and boundaries come
    from a summary (`sketches.Quantiles`); the statistics say how exact they are. Only the features that are
    named are read. Every value of a feature with several values counts, but for NaN, '' and null, and of
    categories -1; so pad with these, or fit before padding.

    Args:
        dataset: Finite; elements or batches of features by name, or pairs of these and labels.
        numeric: Features whose mean, variance and range are wanted.
        categorical: Features of text or integers whose vocabulary is wanted.
        buckets: By feature, into how many ranges of equal frequency its numbers are divided.
        max_vocabulary_size: Values to keep of each vocabulary.

    Raises:
        InvalidArgumentError: A feature is not there, a number is infinite, or the dataset is.
        SpecError: A feature holds other values.

    >>> data = Dataset.from_tensor_slices({"age": [20.0, 30.0, 40.0, 50.0], "job": ["a", "b", "b", ""]})
    >>> statistics = fit(data, numeric=["age"], categorical=["job"], buckets={"age": 2})
    >>> statistics.numeric["age"].mean, statistics.vocabularies["job"].values
    (35.0, ('b', 'a'))
    >>> statistics.bucketized_column("age").boundaries
    (30.0,)
    """
    sizes = {key: check_count(f"buckets[{key!r}]", count) for key, count in (buckets or {}).items()}
    limit = check_count("max_vocabulary_size", max_vocabulary_size)
    moments = {key: Moments() for key in (*_keys(numeric), *sizes)}
    counts = {key: Counts(COUNTED * limit) for key in _keys(categorical)}
    quantiles = {key: Quantiles() for key in sizes}
    _check(dataset, [*moments], [*counts])
    wanted = sorted({*moments, *counts})
    blocks = _only(dataset, wanted).blocks()
    while (block := blocks.read(1 << 62)) is not None:
        for key, column in zip(wanted, block.columns, strict=True):
            values: Any = column.values if isinstance(column, Ragged) else column
            if key in moments:
                _check_finite(key, values)
                numbers = moments[key].add(np.ravel(values))
                if key in quantiles:
                    quantiles[key].add(numbers)
            if key in counts:
                counts[key].add(values.values if isinstance(values, Strings) else _integers(values))
    return Statistics(
        {key: _numeric(moments[key]) for key in _keys(numeric)},
        {key: _vocabulary(found, limit) for key, found in counts.items()},
        {key: _boundaries(quantiles[key], moments[key], n) for key, n in sizes.items()},
    )


def _keys(keys: Iterable[str]) -> list[str]:
    if isinstance(keys, str):
        raise InvalidArgumentError(f"fit takes lists of features, and got {keys!r}", hint=f"write [{keys!r}]")
    return list(keys)


def _integers(values: npt.NDArray[Any]) -> pa.Array:
    return pa.array(np.ravel(values).astype(np.int64))


def _only(dataset: Dataset, wanted: list[str]) -> Dataset:
    """Return the dataset of these features alone."""

    def features_to_fit(*element: Any) -> Any:
        return {key: element[0][key] for key in wanted}

    return dataset.map(features_to_fit)


def _check(dataset: Dataset, numbers: list[str], categories: list[str]) -> None:
    """Refuse what cannot be fitted, before anything is read."""
    if dataset.cardinality() == -1:
        raise InvalidArgumentError("fit reads to the end, and the dataset is infinite", hint="add .take(n)")
    spec = dataset.element_spec
    features = spec[0] if isinstance(spec, tuple) and not hasattr(spec, "_fields") else spec
    if not isinstance(features, dict):
        raise SpecError(f"fit needs features by name, and the elements are {spec}")
    for key in (*numbers, *categories):
        if key not in features:
            raise InvalidArgumentError(f"the features have no {key!r}", hint=did_you_mean(key, features))
        found = features[key]
        if isinstance(found, ObjectSpec) or not isinstance(found, TensorSpec):
            raise SpecError(f"feature {key!r} is {found}", hint="fit before ragged_batch")
        allowed = found.dtype.kind in "biuf" if key in numbers else found.dtype.kind in "iu"
        text = is_text(found.dtype)
        if (text and key in numbers) or (not text and not allowed):
            kind = "numeric" if key in numbers else "categorical"
            raise SpecError(f"feature {key!r} is {found}, which cannot be fitted as {kind}")


def _check_finite(key: str, values: npt.NDArray[Any]) -> None:
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise InvalidArgumentError(
            f"feature {key!r} holds an infinite number", hint="leave such rows out with filter"
        )


def _numeric(found: Moments) -> NumericStatistics:
    low, high = (found.min, found.max) if found.count else (0.0, 0.0)
    return NumericStatistics(found.count, found.missing, found.mean, found.variance, low, high)


def _vocabulary(found: Counts, limit: int) -> VocabularyStatistics:
    values, counts = found.most_frequent()
    return VocabularyStatistics(
        tuple(values[:limit]), tuple(counts[:limit]), found.count, found.missing, found.error
    )


def _boundaries(found: Quantiles, moments: Moments, buckets: int) -> BoundaryStatistics:
    if not found.count or buckets < 2:
        return BoundaryStatistics((), 0.0)
    edges = found.at(np.arange(1, buckets) / buckets)
    return BoundaryStatistics(boundaries_between(edges, moments.min), found.error / found.count)
