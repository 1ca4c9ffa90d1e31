"""`indicator_column`: categories as counts, one number for each."""

from __future__ import annotations

import dataclasses

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.feature_column.base import CategoricalColumn, DenseColumn, Features, SequenceDenseColumn
from estimators.feature_column.sequence import ids_of, refuse_sequence
from estimators.graph.primitives.columns import multi_hot_counts


@dataclasses.dataclass(frozen=True)
class IndicatorColumn(DenseColumn, SequenceDenseColumn):
    """How often each category is in an example, or the sum of its weights."""

    categorical_column: CategoricalColumn

    @property
    def name(self) -> str:
        """The name of the column with a suffix."""
        return f"{self.categorical_column.name}_indicator"

    @property
    def width(self) -> int:
        """A number for each category."""
        return self.categorical_column.num_buckets

    def dense(self, features: Features) -> Tensor:
        """Return the counts, ``[batch, width]``."""
        refuse_sequence(self.name, self.categorical_column)
        weights = self.categorical_column.weights(features)
        given = () if weights is None else (weights,)
        result: Tensor = multi_hot_counts(
            self.categorical_column.ids(features), *given, num_buckets=self.width
        )
        return result

    def sequence(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return the counts at each step, ``[batch, time, width]``, and the lengths."""
        ids, lengths = ids_of(self.name, self.categorical_column, features)
        return multi_hot_counts(ids, num_buckets=self.width), lengths


def indicator_column(categorical_column: CategoricalColumn) -> IndicatorColumn:
    """Use categories as numbers in an input layer: how often each of them is in an example.

    Missing and unknown values count nowhere. With weights it is the sum of a category's weights. For many
    categories, `embedding_column` is smaller.

    Raises:
        InvalidArgumentError: The column is not categorical.

    >>> from estimators import feature_column
    >>> types = feature_column.categorical_column_with_vocabulary_list("type", ["house", "apt"])
    >>> indicator_column(types).name
    'type_indicator'
    """
    if not isinstance(categorical_column, CategoricalColumn):
        raise InvalidArgumentError(f"indicator_column needs a categorical column, not {categorical_column!r}")
    return IndicatorColumn(categorical_column)
