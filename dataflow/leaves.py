"""Specs of components that are no arrays: `RaggedTensorSpec` and `DatasetSpec`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.spec import (
    ObjectSpec,
    Structure,
    TensorSpec,
    as_dtype,
    assert_same_structure,
    common_spec,
    dtype_name,
    flatten,
    free_spec,
    map_structure,
)


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class RaggedTensorSpec(ObjectSpec):
    """Shape and dtype of a `RaggedTensor`.

    Args:
        shape: Sizes of the dimensions, None where unknown or where rows differ.
        dtype: NumPy dtype of the values.
        ragged_rank: How many dimensions after the first may vary within a value. Default: all but one,
            as many as the shape has.
        row_splits_dtype: int64 or int32.

    >>> RaggedTensorSpec((None, None), np.float32)
    RaggedTensorSpec(shape=(None, None), dtype=float32, ragged_rank=1)
    """

    ragged_rank: int = 1
    row_splits_dtype: Any = None

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: npt.DTypeLike = np.float32,
        ragged_rank: int | None = None,
        row_splits_dtype: npt.DTypeLike = np.int64,
    ) -> None:
        super().__init__(shape, dtype)
        rank = self.rank - 1 if ragged_rank is None else ragged_rank
        if not 1 <= rank < self.rank:
            raise InvalidArgumentError(
                f"ragged_rank must be between 1 and {self.rank - 1} for the shape {self.shape}, not {rank}"
            )
        object.__setattr__(self, "ragged_rank", rank)
        object.__setattr__(self, "row_splits_dtype", splits_dtype(row_splits_dtype))

    @property
    def way_out(self) -> str:
        """How to get arrays."""
        return "make arrays of them before, with map(lambda r: r.to_tensor()), or use padded_batch instead"

    def is_compatible_with(self, other: TensorSpec) -> bool:
        """Tell whether some value could satisfy both specs."""
        return (
            isinstance(other, RaggedTensorSpec)
            and (self.ragged_rank, self.row_splits_dtype) == (other.ragged_rank, other.row_splits_dtype)
            and self._dense.is_compatible_with(other._dense)
        )

    def common(self, other: TensorSpec) -> TensorSpec:
        """Return the narrowest spec that both values satisfy."""
        if not isinstance(other, RaggedTensorSpec) or not self._freed_dims().is_compatible_with(other):
            raise SpecError(f"{self} and {other} have no common spec")
        return self._with(common_spec(self._dense, other._dense).shape)

    def freed(self) -> TensorSpec:
        """Return the spec with all sizes unknown."""
        return self._freed_dims()

    def row(self) -> TensorSpec:
        """Return the spec of one row.

        >>> RaggedTensorSpec((2, None, 3), np.float32, ragged_rank=1).row()
        TensorSpec(shape=(None, 3), dtype=float32)
        """
        if self.ragged_rank == 1:
            return TensorSpec(self.shape[1:], self.dtype)
        return RaggedTensorSpec(self.shape[1:], self.dtype, self.ragged_rank - 1, self.row_splits_dtype)

    def _freed_dims(self) -> RaggedTensorSpec:
        return self._with((None,) * self.rank)

    @property
    def _dense(self) -> TensorSpec:
        return TensorSpec(self.shape, self.dtype)

    def _with(self, shape: Sequence[int | None]) -> RaggedTensorSpec:
        return RaggedTensorSpec(shape, self.dtype, self.ragged_rank, self.row_splits_dtype)

    def __repr__(self) -> str:
        splits = "" if self.row_splits_dtype == np.int64 else f", row_splits_dtype={self.row_splits_dtype}"
        return (
            f"RaggedTensorSpec(shape={self.shape}, dtype={dtype_name(self.dtype)}, "
            f"ragged_rank={self.ragged_rank}{splits})"
        )


def row_spec(spec: TensorSpec) -> TensorSpec:
    """Return the spec of the slices of values along their first axis.

    Raises:
        SpecError: The values are datasets.
    """
    return spec.row() if isinstance(spec, RaggedTensorSpec) else spec.with_shape(spec.shape[1:])


def splits_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return a dtype of row splits.

    Raises:
        InvalidArgumentError: Neither int64 nor int32.
    """
    found = as_dtype(dtype)
    if found not in (np.dtype(np.int64), np.dtype(np.int32)):
        raise InvalidArgumentError(f"row_splits_dtype must be int64 or int32, not {dtype_name(found)}")
    return found


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class DatasetSpec(ObjectSpec):
    """A component that is a dataset itself, as in the windows that `Dataset.window` makes.

    Args:
        element_spec: Structure of TensorSpec of its elements.

    >>> DatasetSpec(TensorSpec((), np.int64))
    DatasetSpec(TensorSpec(shape=(), dtype=int64))
    """

    element_spec: Structure = None

    def __init__(self, element_spec: Structure) -> None:
        for leaf in flatten(element_spec):
            if not isinstance(leaf, TensorSpec):
                raise SpecError(f"element_spec must be a structure of TensorSpec, and has {leaf!r}")
        object.__setattr__(self, "shape", ())
        object.__setattr__(self, "dtype", np.dtype(object))
        object.__setattr__(self, "name", None)
        object.__setattr__(self, "element_spec", element_spec)

    @property
    def way_out(self) -> str:
        """How to get arrays."""
        return (
            "make arrays of the datasets before: with window(..., as_batch=True), or with "
            "flat_map(lambda w: w.batch(n))"
        )

    def is_compatible_with(self, other: TensorSpec) -> bool:
        """Tell whether some value could satisfy both specs."""
        if not isinstance(other, DatasetSpec):
            return False
        try:
            assert_same_structure(self.element_spec, other.element_spec)
        except SpecError:
            return False
        pairs = zip(flatten(self.element_spec), flatten(other.element_spec), strict=True)
        return all(a.is_compatible_with(b) for a, b in pairs)

    def common(self, other: TensorSpec) -> TensorSpec:
        """Return the narrowest spec that both values satisfy."""
        if not isinstance(other, DatasetSpec):
            raise SpecError(f"{self} and {other} have no common spec")
        return DatasetSpec(map_structure(common_spec, self.element_spec, other.element_spec))

    def freed(self) -> TensorSpec:
        """Return the spec with all sizes unknown."""
        return DatasetSpec(map_structure(free_spec, self.element_spec))

    def __hash__(self) -> int:
        return hash((DatasetSpec, repr(self.element_spec)))

    def __repr__(self) -> str:
        return f"DatasetSpec({self.element_spec!r})"
