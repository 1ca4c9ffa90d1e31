"""`numeric_column`: numbers as they are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import as_dtype, is_text
from estimators.feature_column.base import DenseColumn, Features, check_key, raw_feature


@dataclasses.dataclass(frozen=True)
class NumericColumn(DenseColumn):
    """Numbers of one feature, normalised if wanted, as float32."""

    key: str
    shape: tuple[int, ...] = (1,)
    dtype: str = "float32"
    normalizer_fn: Callable[[Any], Any] | None = None

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def width(self) -> int:
        """The product of the shape."""
        return math.prod(self.shape)

    def dense(self, features: Features) -> Tensor:
        """Normalise the raw values, convert to float32, flatten."""
        raw = raw_feature(features, self.key)
        if is_text(raw.dtype):
            raise SpecError(
                f"numeric_column({self.key!r}) needs numbers, and the feature is {raw.spec}",
                hint="decode it as a number, or use a categorical column",
            )
        value = raw if self.normalizer_fn is None else self.normalizer_fn(raw)
        if not isinstance(value, Tensor):
            raise SpecError(f"the normalizer_fn of {self.key!r} must return a tensor, and returned {value!r}")
        known = [size for size in value.shape[1:] if size is not None]
        if len(known) == value.ndim - 1 and math.prod(known) != self.width:
            raise InvalidArgumentError(
                f"feature {self.key!r} has shape {raw.shape}, and numeric_column {self.shape} per example",
                hint=f"numeric_column({self.key!r}, shape={tuple(raw.shape[1:])})",
            )
        value = value.astype(np.float32)
        result: Tensor = value if value.ndim == 2 and known else value.reshape(-1, self.width)
        return result


def numeric_column(
    key: str,
    shape: int | Sequence[int] = (1,),
    default_value: None = None,
    dtype: npt.DTypeLike = np.float32,
    normalizer_fn: Callable[[Any], Any] | None = None,
) -> NumericColumn:
    """Use a numeric feature as it is.

    Args:
        key: The feature.
        shape: Shape per example, sizes at least 1.
        default_value: Must be None: missing numbers are NaN, and a default for them belongs into the
            decoding of the data.
        dtype: Integer or floating-point; the values become float32 in any case.
        normalizer_fn: Applied to the raw values ``[batch, *shape]`` before the conversion.

    Raises:
        InvalidArgumentError: A size is below 1, or the dtype is no number.

    >>> numeric_column("fare", normalizer_fn=lambda x: (x - 11.0) / 9.0).name
    'fare'
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not sizes or any(not isinstance(size, int) or size < 1 for size in sizes):
        raise InvalidArgumentError(f"the shape of a numeric_column has sizes of at least 1, and is {shape!r}")
    if as_dtype(dtype).kind not in "iuf":
        raise InvalidArgumentError(f"the dtype of a numeric_column must be a number, not {dtype!r}")
    if default_value is not None:
        raise InvalidArgumentError(
            "numeric_column takes no default_value",
            hint="give the default where the data is decoded, for example in record_defaults",
        )
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise SpecError(f"normalizer_fn must be callable, not {normalizer_fn!r}")
    return NumericColumn(check_key(key), sizes, as_dtype(dtype).name, normalizer_fn)
