"""What elements look like: dtypes, `TensorSpec`, and nested structures of components."""

from __future__ import annotations

import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError

Shape: TypeAlias = tuple[int | None, ...]
Structure: TypeAlias = Any
"""A leaf, or a tuple, namedtuple or dict of structures. A list is a leaf: it becomes one array."""

STRING = np.dtype(str)
"""The dtype of text. Inside, text is Arrow; at the edge, `str` in object arrays."""
BINARY = np.dtype(bytes)
"""The dtype of bytes. Inside, Arrow; at the edge, `bytes` in object arrays."""


def as_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the NumPy dtype, with `STRING` for text and `BINARY` for bytes of any width.

    >>> as_dtype("string") == STRING, as_dtype("<U7") == STRING, as_dtype(float)
    (True, True, dtype('float64'))
    """
    if isinstance(dtype, str) and dtype == "string":
        return STRING
    try:
        result = np.dtype(dtype)
    except TypeError as error:
        raise SpecError(
            f"{dtype!r} is not a dtype",
            hint="use a NumPy dtype, such as np.float32, 'int64' or str",
        ) from error
    if result.kind == "U":
        return STRING
    if result.kind == "S":
        return BINARY
    if result.kind not in "biufcMm":
        raise SpecError(
            f"dtype {result} cannot be a component of an element",
            hint="use a numeric dtype, str for text or bytes for binary data",
        )
    return result


def is_text(dtype: np.dtype[Any]) -> bool:
    """Tell whether values of the dtype are held by Arrow (text or bytes)."""
    return dtype.kind in "US"


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the name that reprs and messages use, such as ``float32`` or ``string``."""
    return {"U": "string", "S": "bytes"}.get(dtype.kind, dtype.name)


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class TensorSpec:
    """Shape and dtype of one component; None is a dimension that varies.

    Args:
        shape: Sizes of the dimensions, None where unknown. ``shape=None`` is not allowed: the
            rank is always known.
        dtype: NumPy dtype; ``str`` for text, ``bytes`` for binary.
        name: A label for messages; not compared.

    >>> TensorSpec((None, 2), np.float32)
    TensorSpec(shape=(None, 2), dtype=float32)
    """

    shape: Shape
    dtype: np.dtype[Any]
    name: str | None = dataclasses.field(default=None, compare=False)

    def __init__(
        self, shape: Sequence[int | None] = (), dtype: npt.DTypeLike = np.float32, name: str | None = None
    ) -> None:
        if isinstance(shape, int) or shape is None:
            raise SpecError(f"shape must be a sequence of sizes, not {shape!r}", hint="use () for a scalar")
        dims = tuple(None if size is None or size == -1 else int(size) for size in shape)
        if any(size is not None and size < 0 for size in dims):
            raise InvalidArgumentError(f"shape {tuple(shape)} has a negative size")
        object.__setattr__(self, "shape", dims)
        object.__setattr__(self, "dtype", as_dtype(dtype))
        object.__setattr__(self, "name", name)

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def with_shape(self, shape: Sequence[int | None]) -> TensorSpec:
        """Return the same dtype with another shape."""
        return TensorSpec(shape, self.dtype, self.name)

    def is_compatible_with(self, other: TensorSpec) -> bool:
        """Tell whether some value could satisfy both specs."""
        return (
            not isinstance(other, ObjectSpec)
            and self.dtype == other.dtype
            and self.rank == other.rank
            and all(a is None or b is None or a == b for a, b in zip(self.shape, other.shape, strict=True))
        )

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={dtype_name(self.dtype)})"


class ObjectSpec(TensorSpec):
    """A component whose values are no arrays: each is one Python object, in a column of objects.

    What works on arrays refuses it: it cannot be traced, stacked, split or padded.
    """

    def with_shape(self, shape: Sequence[int | None]) -> TensorSpec:
        """Refuse: its values are not made of rows."""
        raise SpecError(f"components of {self} cannot be stacked or padded", hint=self.way_out)

    @property
    def way_out(self) -> str:
        """What to do where a stage needs arrays."""
        return "map them to arrays first"

    def common(self, other: TensorSpec) -> TensorSpec:
        """Return the narrowest spec that both values satisfy."""
        raise NotImplementedError

    def freed(self) -> TensorSpec:
        """Return the spec with all sizes unknown: what is known of further values of this kind."""
        raise NotImplementedError


class ObjectValue:
    """Base of what may be a component though it is no array."""

    @property
    def value_spec(self) -> ObjectSpec:
        """The spec of the value as a component of an element."""
        raise NotImplementedError


def free_spec(spec: TensorSpec) -> TensorSpec:
    """Return the spec with all sizes unknown."""
    return spec.freed() if isinstance(spec, ObjectSpec) else spec.with_shape((None,) * spec.rank)


def has_objects(structure: Structure) -> bool:
    """Tell whether components are no arrays, given their specs."""
    return any(isinstance(spec, ObjectSpec) for spec in flatten(structure))


def is_namedtuple(value: object) -> bool:
    """Tell whether the value is an instance of a namedtuple class."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def is_structure(value: object) -> TypeGuard[tuple[Any, ...] | Mapping[str, Any]]:
    """Tell whether the value is a tuple, namedtuple or dict, and so has components."""
    return isinstance(value, tuple | Mapping)


def flatten(structure: Structure) -> list[Any]:
    """Return the leaves; dict entries come in sorted key order, as in tf.data.

    >>> flatten(({"b": 1, "a": 2}, 3))
    [2, 1, 3]
    """
    if isinstance(structure, Mapping):
        return [leaf for key in sorted(structure) for leaf in flatten(structure[key])]
    if isinstance(structure, tuple):
        return [leaf for part in structure for leaf in flatten(part)]
    return [structure]


def pack(structure: Structure, leaves: Sequence[Any]) -> Structure:
    """Return the structure with its leaves replaced; the inverse of `flatten`.

    >>> pack(({"b": 0, "a": 0}, 0), [2, 1, 3])
    ({'b': 1, 'a': 2}, 3)
    """
    numbers = itertools.count()
    build = _packer(structure, numbers)
    if next(numbers) != len(leaves):
        raise SpecError(f"{len(leaves)} values do not fill a structure of {len(flatten(structure))}")
    return build(leaves)


def packer(structure: Structure) -> Callable[[Sequence[Any]], Structure]:
    """Return `pack` for one structure, faster for many elements; the number of leaves is not checked.

    >>> packer({"b": 0, "a": 0})([1, 2])
    {'b': 2, 'a': 1}
    """
    return _packer(structure, itertools.count())


def _packer(structure: Structure, numbers: Iterator[int]) -> Callable[[Sequence[Any]], Structure]:
    if isinstance(structure, Mapping):
        by_key = {key: _packer(structure[key], numbers) for key in sorted(structure)}
        items = [(key, by_key[key]) for key in structure]
        kind: Any = type(structure)
        if kind is dict:
            return lambda leaves: {key: build(leaves) for key, build in items}
        return lambda leaves: kind((key, build(leaves)) for key, build in items)
    if isinstance(structure, tuple):
        parts = [_packer(part, numbers) for part in structure]
        if is_namedtuple(structure):
            return lambda leaves: type(structure)(*[build(leaves) for build in parts])
        return lambda leaves: tuple([build(leaves) for build in parts])
    return operator.itemgetter(next(numbers))


def map_structure(function: Callable[..., Any], structure: Structure, *others: Structure) -> Structure:
    """Apply the function to the leaves of structures of one shape.

    >>> map_structure(lambda a, b: a + b, {"x": 1}, {"x": 2})
    {'x': 3}
    """
    for other in others:
        assert_same_structure(structure, other)
    columns = [flatten(item) for item in (structure, *others)]
    return pack(structure, [function(*leaves) for leaves in zip(*columns, strict=True)])


def assert_same_structure(a: Structure, b: Structure) -> None:
    """Raise `SpecError` unless both have the same nesting and keys."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if sorted(a) != sorted(b):
            raise SpecError(f"dicts have different keys: {sorted(a)} and {sorted(b)}")
        for key in a:
            assert_same_structure(a[key], b[key])
    elif isinstance(a, tuple) and isinstance(b, tuple):
        if len(a) != len(b):
            raise SpecError(f"tuples have different lengths: {len(a)} and {len(b)}")
        for left, right in zip(a, b, strict=True):
            assert_same_structure(left, right)
    elif is_structure(a) or is_structure(b):
        raise SpecError(f"structures differ: {a!r} and {b!r}")


def component_names(structure: Structure, prefix: str = "") -> list[str]:
    """Return a readable name for each leaf, in flatten order: ``'fare'``, ``'0/fare'``, ``'1'``."""
    if isinstance(structure, Mapping):
        return [n for key in sorted(structure) for n in component_names(structure[key], f"{prefix}{key}/")]
    if isinstance(structure, tuple):
        return [n for i, part in enumerate(structure) for n in component_names(part, f"{prefix}{i}/")]
    return [prefix[:-1]]


def common_spec(a: TensorSpec, b: TensorSpec) -> TensorSpec:
    """Return the narrowest spec that both values satisfy.

    Raises:
        SpecError: The dtypes or ranks differ.
    """
    if isinstance(a, ObjectSpec):
        return a.common(b)
    if isinstance(b, ObjectSpec) or a.dtype != b.dtype or a.rank != b.rank:
        raise SpecError(f"{a} and {b} have no common spec")
    return a.with_shape([x if x == y else None for x, y in zip(a.shape, b.shape, strict=True)])
