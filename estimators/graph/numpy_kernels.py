"""How programs compute the primitives of `dataflow` into kept arrays: NumPy's functions with ``out``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow import kernels
from dataflow.expr.primitives.arithmetic import ELEMENTWISE
from dataflow.expr.primitives.indexing import check_ids
from dataflow.expr.primitives.random import random_uniform
from dataflow.expr.primitives.reduction import normalize_axes
from estimators.graph.registry import KERNELS, Kernel


def _ufunc(function: np.ufunc) -> Callable[..., None]:
    def run(out: Any, scratch: Any, *values: Any) -> None:
        function(*values, out=out[0])

    return run


KERNELS.update({name: Kernel(_ufunc(getattr(np, name)), in_place=True) for name in ELEMENTWISE})


def _matmul(out: Any, scratch: Any, a: Any, b: Any) -> None:
    np.matmul(a, b, out=out[0])


def _reduction(function: Callable[..., Any]) -> Callable[..., None]:
    def run(out: Any, scratch: Any, x: Any, *, axis: Any, keepdims: bool) -> None:
        function(x, axis=normalize_axes(axis, np.ndim(x)), keepdims=keepdims, out=out[0])

    return run


def _cast(out: Any, scratch: Any, x: Any, *, dtype: str) -> None:
    np.copyto(out[0], x, casting="unsafe")


def _where(out: Any, scratch: Any, condition: Any, x: Any, y: Any) -> None:
    np.copyto(out[0], y)
    np.copyto(out[0], x, where=np.asarray(condition, np.bool_))


def _sum_to(out: Any, scratch: Any, value: Any, like: Any) -> None:
    target = out[0].shape
    extra = value.ndim - len(target)
    ones = tuple(i + extra for i, size in enumerate(target) if size == 1 and value.shape[i + extra] != 1)
    axes = (*range(extra), *ones)
    if not axes:
        np.copyto(out[0], value)
    else:
        kept = out[0].reshape([size for i, size in enumerate(target) if i + extra not in ones])
        np.add.reduce(value, axis=axes, out=kept)


def _expand_like(out: Any, scratch: Any, value: Any, like: Any) -> None:
    np.copyto(out[0], value)


def _concatenate(out: Any, scratch: Any, *values: Any, axis: int) -> None:
    np.concatenate(values, axis=axis, out=out[0])


def _reshape(out: Any, scratch: Any, x: Any, *, shape: Any) -> None:
    np.copyto(out[0].reshape(x.shape), x)


def _gather(out: Any, scratch: Any, x: Any, ids: Any, *, axis: int) -> None:
    np.take(x, check_ids(0, ids, x.shape[axis]), axis, out=out[0], mode="clip")


def _random_uniform(out: Any, scratch: Any, seed: Any, *like: Any, shape: Any, dtype: str) -> None:
    target = out[0]
    if dtype != "float32":
        target[...] = random_uniform.compute(0, seed, *like, shape=shape, dtype=dtype)
        return
    words = target.reshape((1, target.size)).view(np.uint32)
    kernels.random.words(np.asarray(seed, np.int64).reshape((1, 2)), words)
    np.bitwise_and(words, np.uint32(0x7FFFFF), out=words)
    np.multiply(words, np.float32(2.0**-23), out=words.view(np.float32), dtype=np.float32, casting="unsafe")


KERNELS["matmul"] = Kernel(_matmul)
KERNELS["gather"] = Kernel(_gather)
KERNELS["random_uniform"] = Kernel(_random_uniform)
KERNELS["cast"] = Kernel(_cast)
KERNELS["where"] = Kernel(_where)
KERNELS["sum_to"] = Kernel(_sum_to)
KERNELS["expand_like"] = Kernel(_expand_like)
KERNELS["concatenate"] = Kernel(_concatenate)
KERNELS["reshape"] = Kernel(_reshape)
_REDUCTIONS: dict[str, Any] = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
for _name, _function in _REDUCTIONS.items():
    KERNELS[_name] = Kernel(_reduction(_function))
