"""`numeric_column`: numbers as they are. `missing_indicator_column`: where they are missing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.select import where
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
    default_value: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def width(self) -> int:
        """The product of the shape."""
        return math.prod(self.shape)

    def dense(self, features: Features) -> Tensor:
        """Fill and normalise the raw values, convert to float32, flatten."""
        raw = self.raw(features)
        value = self.normalized(raw)
        known = [size for size in value.shape[1:] if size is not None]
        if len(known) == value.ndim - 1 and math.prod(known) != self.width:
            raise InvalidArgumentError(
                f"feature {self.key!r} has shape {raw.shape}, and numeric_column {self.shape} per example",
                hint=f"numeric_column({self.key!r}, shape={tuple(raw.shape[1:])})",
            )
        value = value.astype(np.float32)
        result: Tensor = value if value.ndim == 2 and known else value.reshape(-1, self.width)
        return result

    def raw(self, features: Features) -> Tensor:
        """Return the feature, if it holds numbers."""
        raw = raw_feature(features, self.key)
        if is_text(raw.dtype):
            raise SpecError(
                f"numeric_column({self.key!r}) needs numbers, and the feature is {raw.spec}",
                hint="decode it as a number, .astype(np.float32) in map, or use a categorical column",
            )
        return raw

    def normalized(self, raw: Tensor) -> Tensor:
        """Return raw values filled and normalised."""
        if self.default_value is not None and raw.dtype.kind == "f":
            raw = where(np.isnan(raw), self._fill(raw), raw).astype(raw.dtype)
        value = raw if self.normalizer_fn is None else self.normalizer_fn(raw)
        if not isinstance(value, Tensor):
            raise SpecError(f"the normalizer_fn of {self.key!r} must return a tensor, and returned {value!r}")
        return value

    def _fill(self, raw: Tensor) -> Any:
        """Return what takes the place of missing values, in a shape that fits."""
        values = self.default_value or ()
        if len(set(values)) == 1:
            return np.asarray(values[0], raw.dtype)
        known = [size or 0 for size in raw.shape[1:]]
        shape = known if math.prod(known) == len(values) else self.shape
        return np.asarray(values, raw.dtype).reshape(shape)


@dataclasses.dataclass(frozen=True)
class MissingIndicatorColumn(DenseColumn):
    """1 where a number is missing, else 0."""

    source: NumericColumn

    @property
    def name(self) -> str:
        """The key with a suffix."""
        return f"{self.source.name}_missing_indicator"

    @property
    def width(self) -> int:
        """That of the source."""
        return self.source.width

    def dense(self, features: Features) -> Tensor:
        """Return 1.0 where the feature is NaN, before anything fills or normalises it."""
        plain = dataclasses.replace(self.source, normalizer_fn=None, default_value=None)
        missing: Any = np.isnan(plain.dense(features))
        result: Tensor = missing.astype(np.float32)
        return result


def numeric_column(
    key: str,
    shape: int | Sequence[int] = (1,),
    default_value: Any = None,
    dtype: npt.DTypeLike = np.float32,
    normalizer_fn: Callable[[Any], Any] | None = None,
) -> NumericColumn:
    """Use a numeric feature as it is.

    Args:
        key: The feature.
        shape: Shape per example, sizes at least 1.
        default_value: Takes the place of missing values (NaN), before `normalizer_fn`: a number, or numbers
            of that shape. By default NaN stays, and ends training with an error.
        dtype: Integer or floating-point; the values become float32 in any case.
        normalizer_fn: Applied to the raw values ``[batch, *shape]`` before the conversion.

    Raises:
        InvalidArgumentError: A size is below 1, the dtype is no number, or the default has another shape.

    >>> numeric_column("fare", normalizer_fn=lambda x: (x - 11.0) / 9.0).name
    'fare'
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not sizes or any(not isinstance(size, int) or size < 1 for size in sizes):
        raise InvalidArgumentError(f"the shape of a numeric_column has sizes of at least 1, and is {shape!r}")
    if as_dtype(dtype).kind not in "iuf":
        raise InvalidArgumentError(f"the dtype of a numeric_column must be a number, not {dtype!r}")
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise SpecError(f"normalizer_fn must be callable, not {normalizer_fn!r}")
    fill = None if default_value is None else _numbers(key, default_value, sizes)
    return NumericColumn(check_key(key), sizes, as_dtype(dtype).name, normalizer_fn, fill)


def _numbers(key: str, value: Any, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Return a default as numbers of a shape, row by row."""
    try:
        found = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        found = None
    if found is None or found.shape not in ((), shape) or np.isnan(found).any():
        raise InvalidArgumentError(
            f"the default_value of numeric_column({key!r}) must be a number, or numbers of shape {shape}, "
            f"not {value!r}"
        )
    return tuple(np.broadcast_to(found, shape).ravel().tolist())


def missing_indicator_column(source_column: NumericColumn | str) -> MissingIndicatorColumn:
    """Tell a model which numbers are missing: 1 for NaN, else 0, for each value.

    Use it beside ``numeric_column(key, default_value=...)``, which fills them.

    Args:
        source_column: The numeric column, or the key of a feature of one number.

    Raises:
        InvalidArgumentError: It is another column.

    >>> missing_indicator_column(numeric_column("age", default_value=40.0)).name
    'age_missing_indicator'
    """
    source = numeric_column(source_column) if isinstance(source_column, str) else source_column
    if not isinstance(source, NumericColumn):
        raise InvalidArgumentError(f"missing_indicator_column needs a numeric_column, not {source_column!r}")
    return MissingIndicatorColumn(source)
