"""`weighted_categorical_column`: categories that count differently."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import as_dtype, is_text
from estimators.feature_column.base import CategoricalColumn, Features, check_key, per_example, raw_feature


@dataclasses.dataclass(frozen=True)
class WeightedCategoricalColumn(CategoricalColumn):
    """The ids of a column, with weights from another feature."""

    categorical_column: CategoricalColumn
    weight_feature_key: str

    @property
    def name(self) -> str:
        """The name of the column and the key of its weights."""
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def num_buckets(self) -> int:
        """That of the column."""
        return self.categorical_column.num_buckets

    def ids(self, features: Features) -> Tensor:
        """Return the ids of the column."""
        return self.categorical_column.ids(features)

    def present(self, features: Features, ids: Tensor) -> Tensor:
        """Return where the column has a value."""
        return self.categorical_column.present(features, ids)

    def weights(self, features: Features) -> Tensor:
        """Return the weights, in the places of the ids."""
        raw = per_example(raw_feature(features, self.weight_feature_key))
        if is_text(raw.dtype) or raw.dtype.kind not in "iuf":
            raise SpecError(f"weights are numbers, and the feature {self.weight_feature_key!r} is {raw.spec}")
        width = self.ids(features).shape[1]
        if None not in (width, raw.shape[1]) and width != raw.shape[1]:
            raise SpecError(
                f"{self.name} has {width} values and {raw.shape[1]} weights per example",
                hint="give each value a weight, in the same place",
            )
        result: Tensor = raw.astype(np.float32)
        return result


def weighted_categorical_column(
    categorical_column: CategoricalColumn, weight_feature_key: str, dtype: npt.DTypeLike = np.float32
) -> WeightedCategoricalColumn:
    """Give each value of a categorical column a weight, which is in the same place of another feature.

    A linear model multiplies by it, `embedding_column` combines with it, `indicator_column` adds it up.

    Args:
        categorical_column: The column.
        weight_feature_key: Feature of the same shape with numbers, which may be negative.
        dtype: Of the weights: a number. They become float32.

    Raises:
        InvalidArgumentError: The column is none or has weights already, or the dtype is no number.

    >>> from estimators import feature_column
    >>> words = feature_column.categorical_column_with_hash_bucket("words", 1000)
    >>> weighted_categorical_column(words, "counts").name
    'words_weighted_by_counts'
    """
    if not isinstance(categorical_column, CategoricalColumn):
        raise InvalidArgumentError(f"weights are for a categorical column, not {categorical_column!r}")
    if isinstance(categorical_column, WeightedCategoricalColumn):
        raise InvalidArgumentError(f"{categorical_column.name} has weights already")
    if as_dtype(dtype).kind not in "iuf":
        raise InvalidArgumentError(f"the dtype of weights must be a number, not {dtype!r}")
    return WeightedCategoricalColumn(categorical_column, check_key(weight_feature_key))
