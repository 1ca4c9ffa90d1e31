"""What feature columns compute, without variables: ids, crosses, counts, lengths of sequences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives import hashing
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec, is_text
from dataflow.strings import Strings, by_value
from estimators import kernels

# Shapes --------------------------------------------------------------------------------------------


def _flat_infer(x: Tensor) -> TensorSpec:
    sizes = x.shape[1:]
    return TensorSpec((x.shape[0], None if None in sizes else math.prod(s or 0 for s in sizes)), x.dtype)


def _flat(lead: int, x: Any) -> Any:
    return x.reshape((*x.shape[: lead + 1], math.prod(x.shape[lead + 1 :])))


flat_rows = Primitive(
    "flat_rows", _flat_infer, _flat, lambda: [((np.arange(8).reshape(2, 2, 2),), {})], total=True
)
"""All axes behind the first as one; has no gradient."""


def _row_at(position: int, x: Any, lead: int) -> int | None:
    """Return the element of a block that the value at a flat position belongs to."""
    return position // max(1, np.size(x) // max(1, len(x))) if lead else None


# Ids of values -------------------------------------------------------------------------------------


def _hash_infer(x: Tensor, *, num_buckets: int) -> TensorSpec:
    if not is_text(x.dtype) and x.dtype.kind not in "iu":
        raise SpecError(f"hash buckets are for text and integers, not {x.spec}")
    return TensorSpec(x.shape, np.int64)


def _hash(_: int, x: Any, *, num_buckets: int) -> Any:
    def buckets(values: pa.Array) -> Any:
        found = hashing.hash_bucket.compute(0, Strings(values), num_buckets=num_buckets, key=None)
        return np.where(_empty(values), np.int64(-1), found)

    if isinstance(x, Strings):
        return by_value(x, ("hash_ids", num_buckets), buckets, np.int64(-1))
    text = pa.array(np.ravel(x)).cast(pa.string())
    return np.where(np.equal(x, -1), np.int64(-1), buckets(text).reshape(np.shape(x)))


def _empty(values: pa.Array) -> Any:
    return np.asarray(pc.fill_null(pc.equal(pc.binary_length(values), 0), True))


hash_ids = Primitive(
    "hash_ids",
    _hash_infer,
    _hash,
    lambda: [
        ((np.array([["omar"], [""]], object),), {"num_buckets": 10}),
        ((np.array([[101, -1]]),), {"num_buckets": 10}),
    ],
    elementwise=True,
    total=True,
)
"""Fingerprint64 of text, or of integers in decimal, modulo `num_buckets`.
Missing (empty, null, integer -1): -1."""


def _identity_infer(x: Tensor, *, num_buckets: int, default: int | None, name: str) -> TensorSpec:
    if is_text(x.dtype) or x.dtype.kind not in "iu":
        raise SpecError(
            f"categorical_column_with_identity({name!r}) needs integers, and the feature is {x.spec}",
            hint="use categorical_column_with_hash_bucket or a vocabulary",
        )
    return TensorSpec(x.shape, np.int64)


def _identity(lead: int, x: Any, *, num_buckets: int, default: int | None, name: str) -> Any:
    ids = np.asarray(x)
    beyond = ids >= num_buckets
    if default is not None:
        return np.where(beyond | (ids < -1), np.int64(default), ids.astype(np.int64))
    if beyond.any():
        first = int(np.flatnonzero(beyond)[0])
        error = InvalidArgumentError(
            f"feature {name!r} holds {ids.ravel()[first]}, which is no id below num_buckets={num_buckets}",
            hint="raise num_buckets, or give categorical_column_with_identity a default_value",
        )
        error.row = _row_at(first, ids, lead)
        raise error
    return np.maximum(ids.astype(np.int64), -1)


identity_ids = Primitive(
    "identity_ids",
    _identity_infer,
    _identity,
    lambda: [
        ((np.array([[0, 3, -1]]),), {"num_buckets": 4, "default": None, "name": "k"}),
        ((np.array([[9, -2, -1]], np.int32),), {"num_buckets": 4, "default": 0, "name": "k"}),
    ],
    elementwise=True,
)
"""Integers as ids. Out of range they become the default; without one, too large ones are an error and
negative ones -1. -1 stays -1."""

# Crosses -------------------------------------------------------------------------------------------


def _cross_infer(*inputs: Tensor, num_buckets: int, hash_key: int) -> TensorSpec:
    values = inputs[: len(inputs) // 2]
    sizes = [tensor.shape[1] for tensor in values]
    width = None if None in sizes else math.prod(size or 0 for size in sizes)
    batch = next((tensor.shape[0] for tensor in values if tensor.shape[0] is not None), None)
    return TensorSpec((batch, width), np.int64)


def _cross(_: int, *inputs: Any, num_buckets: int, hash_key: int) -> Any:
    values, present = inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :]
    front = values[0].shape[:-1]
    rows = math.prod(front)
    hashes, there = np.full((rows, 1), hash_key, np.uint64), np.ones((rows, 1), bool)
    with np.errstate(over="ignore"):
        for value, here in zip(values, present, strict=True):
            words = hashing.fingerprint64.compute(0, value) if isinstance(value, Strings) else value
            words = np.ascontiguousarray(words).astype(np.uint64).reshape(rows, value.shape[-1])
            flags = np.ascontiguousarray(np.broadcast_to(here, value.shape)).reshape(words.shape)
            shape = (rows, hashes.shape[1] * words.shape[1])
            joined, both = np.empty(shape, np.uint64), np.empty(shape, bool)
            kernels.columns.cross(hashes, there, words, flags, joined, both)
            hashes, there = joined, both
    ids = np.where(there, (hashes % np.uint64(num_buckets)).astype(np.int64), np.int64(-1))
    return ids.reshape((*front, ids.shape[1]))


cross_ids = Primitive(
    "cross_ids",
    _cross_infer,
    _cross,
    lambda: [
        (
            (
                np.array([["x", "y"], ["", "z"]], object),
                np.array([[3, -1], [4, 0]]),
                np.ones((2, 2), bool),
                np.array([[True, True], [True, False]]),
            ),
            {"num_buckets": 1000, "hash_key": 956888297470},
        )
    ],
    total=True,
)
"""Ids of all combinations of one value of each input ``[batch, n]``, the last running fastest.

The second half of the inputs says where there are values; a combination without one of its values is -1.
"""


def _is_null(_: int, x: Strings) -> Any:
    return by_value(x, "is_null", lambda values: np.asarray(values.is_null()), np.bool_(True))


is_null = Primitive(
    "is_null",
    lambda x: TensorSpec(x.shape, bool),
    _is_null,
    lambda: [((np.array(["", "a", None], object),), {})],
    elementwise=True,
    total=True,
)
"""True where text is null; '' is not."""

# Counts --------------------------------------------------------------------------------------------


def _multi_hot_infer(ids: Tensor, *weights: Tensor, num_buckets: int) -> TensorSpec:
    if ids.dtype != np.dtype(np.int64) or any(w.ndim != ids.ndim for w in weights):
        raise SpecError(
            f"multi_hot_counts takes int64 ids and weights of their shape, not {ids.spec}, {weights}"
        )
    return TensorSpec((*ids.shape[:-1], num_buckets), np.float32)


def _multi_hot(_: int, ids: Any, *weights: Any, num_buckets: int) -> Any:
    shape = (math.prod(ids.shape[:-1]), ids.shape[-1])
    flat = np.ascontiguousarray(ids).reshape(shape)
    if flat.size and flat.max() >= num_buckets:
        raise InvalidArgumentError(f"id {flat.max()} is beyond the last of {num_buckets} buckets")
    parts = [np.ascontiguousarray(w, np.float32).reshape(shape) for w in weights]
    out = np.zeros((shape[0], num_buckets), np.float32)
    kernels.columns.add_counts(flat, parts[0] if parts else np.empty((0, 0), np.float32), out)
    return out.reshape((*ids.shape[:-1], num_buckets))


multi_hot_counts = Primitive(
    "multi_hot_counts",
    _multi_hot_infer,
    _multi_hot,
    lambda: [
        ((np.array([[0, 2, 2], [1, -1, 0]]),), {"num_buckets": 3}),
        ((np.array([[0, 2]]), np.array([[0.5, -1.0]], np.float32)), {"num_buckets": 3}),
    ],
)
"""How often each id below `num_buckets` is in a row of ids ``[..., n]``, or the sum of its weights."""

# Sequences -----------------------------------------------------------------------------------------


def _steps(lead: int, present: Any) -> Any:
    flags = present.reshape((*present.shape[: lead + 2], -1)) if present.size else present[..., None]
    found = flags.any(axis=tuple(range(lead + 2, flags.ndim)))
    return np.max(np.where(found, np.arange(1, found.shape[-1] + 1), 0), axis=-1, initial=0)


sequence_lengths = Primitive(
    "sequence_lengths",
    lambda present: TensorSpec((present.shape[0],), np.int64),
    _steps,
    lambda: [((np.array([[[True], [False], [True], [False]], [[False]] * 4]),), {})],
    total=True,
)
"""For ``[batch, time, ...]``, the number of the last step at which anything is True."""


def _same(lead: int, first: Any, *others: Any, names: tuple[str, ...]) -> Any:
    for name, lengths in zip(names[1:], others, strict=True):
        if (lengths != first).any():
            place = int(np.flatnonzero(lengths != first)[0])
            error = InvalidArgumentError(
                f"sequences of one example differ in length: {names[0]!r} has {first.ravel()[place]} steps, "
                f"{name!r} has {lengths.ravel()[place]}",
                hint="numbers are padded with NaN: padded_batch(padding_values=...); or give sequence_length",
            )
            error.row = _row_at(place, first, lead)
            raise error
    return first


same_lengths = Primitive(
    "same_lengths",
    lambda first, *others, names: first.spec,
    _same,
    lambda: [((np.array([1, 2]), np.array([1, 2])), {"names": ("a", "b")})],
)
"""The first of several int64 vectors, which must be equal."""
