"""`categorical_column_with_vocabulary_list`: known values as categories."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.lookup import vocabulary_lookup
from dataflow.expr.tensor import Tensor
from dataflow.spec import as_dtype, dtype_name, is_text
from estimators.feature_column.base import CategoricalColumn, Features, check_key, raw_feature


@dataclasses.dataclass(frozen=True)
class VocabularyListColumn(CategoricalColumn):
    """The position of each value in a list."""

    key: str
    vocabulary_list: tuple[Any, ...]
    default_value: int = -1

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def num_buckets(self) -> int:
        """The length of the list."""
        return len(self.vocabulary_list)

    def ids(self, features: Features) -> Tensor:
        """Look the values up; '' and null, and -1 in integer features, are missing and give -1."""
        raw = raw_feature(features, self.key)
        text = isinstance(self.vocabulary_list[0], str)
        if is_text(raw.dtype) != text or (not text and raw.dtype.kind not in "iu"):
            raise SpecError(
                f"the vocabulary of {self.key!r} holds {'text' if text else 'integers'}, "
                f"and the feature is {raw.spec}",
                hint="give the vocabulary in the feature's type, or decode the feature in the vocabulary's",
            )
        flat = raw if raw.ndim == 2 else raw.reshape(-1, int(np.prod([n or 1 for n in raw.shape[1:]])))
        result: Tensor = vocabulary_lookup(flat, vocabulary=self.vocabulary_list, default=self.default_value)
        return result


def categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Sequence[Any],
    dtype: npt.DTypeLike | None = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> VocabularyListColumn:
    """Use a feature of known values: text or integers.

    Args:
        key: The feature.
        vocabulary_list: The values, all different; the id of a value is its position.
        dtype: Text or integer; default that of the list.
        default_value: Id of other values; -1 (default): they count as missing.
        num_oov_buckets: Must be 0 in this version.

    Raises:
        InvalidArgumentError: The list is empty, repeats a value, or mixes text with numbers.

    >>> categorical_column_with_vocabulary_list("type", ["house", "apt"]).num_buckets
    2
    """
    values = tuple(v.item() if isinstance(v, np.generic) else v for v in vocabulary_list)
    values = tuple(v.decode() if isinstance(v, bytes) else v for v in values)
    if not values:
        raise InvalidArgumentError(f"the vocabulary of {key!r} is empty")
    if len(set(values)) < len(values):
        twice = sorted({str(v) for v in values if values.count(v) > 1})
        raise InvalidArgumentError(f"the vocabulary of {key!r} holds values twice: {twice}")
    kinds = {
        str if isinstance(v, str) else int if isinstance(v, int) and not isinstance(v, bool) else None
        for v in values
    }
    if len(kinds) > 1 or None in kinds:
        raise InvalidArgumentError(
            f"the vocabulary of {key!r} must be all text or all integers: {values[:5]}"
        )
    if dtype is not None:
        wanted = as_dtype(dtype)
        if is_text(wanted) != (kinds == {str}) or wanted.kind not in "USiu":
            raise InvalidArgumentError(f"dtype {dtype_name(wanted)} does not fit the vocabulary of {key!r}")
    if num_oov_buckets:
        raise InvalidArgumentError("num_oov_buckets is not available yet", hint="use default_value")
    if not -1 <= default_value < len(values):
        raise InvalidArgumentError(
            f"default_value must be -1 or an id below {len(values)}, not {default_value}"
        )
    return VocabularyListColumn(check_key(key), values, default_value)
