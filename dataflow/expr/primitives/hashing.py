"""Primitives that hash: text to 64 bits or to a bucket, and two numbers of 64 bits to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow import kernels
from dataflow.errors import SpecError
from dataflow.expr.tensor import Primitive, Tensor, broadcast_shapes
from dataflow.spec import TensorSpec, dtype_name, is_text
from dataflow.strings import Strings, by_value, text_parts

Key = tuple[int, int]

_EMPTY = np.uint64(0x9AE16A3B2F90404F)
"""The fingerprint of no bytes."""


def _text(name: str, x: Tensor) -> None:
    if not is_text(x.dtype):
        raise SpecError(
            f"{name} takes text or bytes, and got {x.spec}", hint="print integers first, with text.as_string"
        )


def _hashes(values: pa.Array, key: Key | None) -> npt.NDArray[np.uint64]:
    data, starts, sizes = text_parts(values)
    out = np.empty(len(values), np.uint64)
    with np.errstate(over="ignore"):
        if key is None:
            kernels.hashing.fingerprint64(data, starts, sizes, out)
        else:
            kernels.hashing.siphash(data, starts, sizes, np.array(key, np.uint64), out)
    return out


def _fingerprint_infer(x: Tensor) -> TensorSpec:
    _text("fingerprint64", x)
    return TensorSpec(x.shape, np.uint64)


fingerprint64 = Primitive(
    "fingerprint64",
    _fingerprint_infer,
    lambda _, x: by_value(x, "fingerprint64", lambda values: _hashes(values, None), _EMPTY),
    lambda: [((np.array(["", "abc"], object),), {}), ((np.array([b"abc"], object),), {})],
    elementwise=True,
    total=True,
)
"""Fingerprint64 of FarmHash of the bytes; null counts as empty."""


def _bucket_infer(x: Tensor, *, num_buckets: int, key: Key | None) -> TensorSpec:
    _text("to_hash_bucket", x)
    return TensorSpec(x.shape, np.int64)


def _bucket(_: int, x: Strings, *, num_buckets: int, key: Key | None) -> Any:
    def buckets(values: pa.Array) -> npt.NDArray[np.int64]:
        return (_hashes(values, key) % np.uint64(num_buckets)).astype(np.int64)

    missing = buckets(pa.array([""]))[0]
    return by_value(x, ("hash_bucket", num_buckets, key), buckets, missing)


hash_bucket = Primitive(
    "hash_bucket",
    _bucket_infer,
    _bucket,
    lambda: [
        ((np.array(["", "abc"], object),), {"num_buckets": 10, "key": None}),
        ((np.array(["", "abc"], object),), {"num_buckets": 10, "key": (1, 2)}),
    ],
    elementwise=True,
    total=True,
)
"""The fingerprint, or SipHash with the key, modulo `num_buckets`; null counts as empty."""


def _cat_infer(a: Tensor, b: Tensor) -> TensorSpec:
    for tensor in (a, b):
        if tensor.dtype not in (np.dtype(np.uint64), np.dtype(np.int64)):
            raise SpecError(f"fingerprint_cat64 takes int64 or uint64, not {dtype_name(tensor.dtype)}")
    return TensorSpec(broadcast_shapes(a.shape, b.shape), np.uint64)


def _folded(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return x ^ (x >> np.uint64(47))


def _cat(_: int, a: Any, b: Any) -> Any:
    factor = np.uint64(0xC6A4A7935BD1E995)
    first, second = np.asarray(a).astype(np.uint64), np.asarray(b).astype(np.uint64)
    with np.errstate(over="ignore"):
        joined = (first ^ factor ^ (_folded(second * factor) * factor)) * factor
        return _folded(_folded(joined) * factor)


fingerprint_cat64 = Primitive(
    "fingerprint_cat64",
    _cat_infer,
    _cat,
    lambda: [((np.array([1, 2**63], np.uint64), np.array([[2], [-1]])), {})],
    elementwise=True,
    total=True,
)
"""One hash of two: what tf's crossed columns join fingerprints and integers with."""
