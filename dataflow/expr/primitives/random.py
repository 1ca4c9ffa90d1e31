"""Random numbers that depend on nothing but a pair of seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow import kernels
from dataflow.errors import SpecError
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import Shape, TensorSpec

_FLOATS = ("float32", "float64")
_INTEGERS = ("int32", "int64", "uint32", "uint64")

Seeds = npt.NDArray[np.int64]
Fill = Callable[[Seeds, int, "np.dtype[Any]"], npt.NDArray[Any]]


def _infer(name: str, dtypes: tuple[str, ...]) -> Callable[..., TensorSpec]:
    def infer(seed: Tensor, *like: Tensor, shape: Shape | None, dtype: str) -> TensorSpec:
        if seed.dtype.kind not in "iu" or seed.shape != (2,):
            raise SpecError(
                f"{name} takes a seed of two integers, and got {seed.spec}",
                hint="give a pair, such as [7, step]",
            )
        if dtype not in dtypes:
            raise SpecError(f"{name} makes {', '.join(dtypes)}, not {dtype}", hint="convert with .astype")
        return TensorSpec(like[0].shape if shape is None else shape, dtype)

    return infer


def _compute(fill: Fill) -> Callable[..., Any]:
    """Let a function of a seed for each row make arrays of any shape; the seed is the first value."""

    def compute(lead: int, seed: Any, *like: Any, shape: tuple[int, ...] | None, dtype: str) -> Any:
        seeds = np.asarray(seed).astype(np.int64).reshape((-1, 2))
        sizes = tuple(like[0].shape[lead:]) if shape is None else shape
        flat = fill(seeds, math.prod(sizes), np.dtype(dtype))
        return flat.reshape((*np.shape(seed)[:lead], *sizes))

    return compute


def _record(name: str, dtypes: tuple[str, ...], fill: Fill) -> Primitive:
    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        seed, like = np.array([7, -2]), np.zeros((2, 3), np.float32)
        return [
            *(((seed,), {"shape": (3, 3), "dtype": dtype}) for dtype in dtypes),
            ((seed, like), {"shape": None, "dtype": dtypes[0]}),
        ]

    return Primitive(name, _infer(name, dtypes), _compute(fill), samples, total=True)


def _words(seeds: Seeds, size: int) -> npt.NDArray[np.uint32]:
    out = np.empty((len(seeds), size), np.uint32)
    kernels.random.words(seeds, out)
    return out


def _long_words(seeds: Seeds, size: int, high: int) -> npt.NDArray[np.uint64]:
    """Return words of 64 bits, each of two; `high` says which one is the upper half."""
    pairs = _words(seeds, 2 * size).reshape((len(seeds), size, 2)).astype(np.uint64)
    return (pairs[..., high] << np.uint64(32)) | pairs[..., 1 - high]


def _uniform(seeds: Seeds, size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype == np.float32:
        return (_words(seeds, size) & np.uint32(0x7FFFFF)).astype(np.float32) * np.float32(2.0**-23)
    bits = _long_words(seeds, size, high=0) & np.uint64((1 << 52) - 1)
    return bits.astype(np.float64) * 2.0**-52


def _normal(seeds: Seeds, size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype == np.float32:
        out = np.empty((len(seeds), size), np.float32)
        kernels.random.normals(seeds, out)
        return out
    half = (size + 1) // 2
    numbers = _uniform(seeds, 2 * half, dtype).reshape((len(seeds), half, 2))
    radius = np.sqrt(-2.0 * np.log(np.maximum(numbers[..., 0], 1.0e-7)))
    angle = 2.0 * np.pi * numbers[..., 1]
    pairs = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=-1)
    return pairs.reshape((len(seeds), 2 * half))[:, :size]


def _truncated(seeds: Seeds, size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    out = np.empty((len(seeds), size), dtype)
    kernels.random.truncated_normals(seeds, out)
    return out


def _bits(seeds: Seeds, size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    found: Any = _words(seeds, size) if dtype.itemsize == 4 else _long_words(seeds, size, high=1)
    array: npt.NDArray[Any] = found.view(dtype)
    return array


random_uniform = _record("random_uniform", _FLOATS, _uniform)
"""Numbers in [0, 1): 23 bits of a word, or 52 of two."""
random_normal = _record("random_normal", _FLOATS, _normal)
"""Normal numbers of mean 0 and deviation 1."""
random_truncated_normal = _record("random_truncated_normal", ("float32",), _truncated)
"""Normal numbers of mean 0 and deviation 1, those beyond -2 and 2 drawn again."""
random_bits = _record("random_bits", _INTEGERS, _bits)
"""Integers of all bit patterns, equally likely."""
