"""Events as TensorBoard reads them: the messages of TensorFlow's event.proto and summary.proto, as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dataflow.spec import is_text
from estimators.summary import wire

FILE_VERSION = "brain.Event:2"
START, STOP, CHECKPOINT = 1, 2, 3
"""What a session log says."""

_TYPES = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "complex64": 8, "int64": 9,
    "bool": 10, "uint16": 17, "complex128": 18, "float16": 19, "uint32": 22, "uint64": 23,
}  # fmt: skip
_TEXT = 7


def type_number(dtype: np.dtype[Any]) -> int:
    """Return TensorFlow's number of a dtype; 0 for one that it has not."""
    return _TEXT if is_text(dtype) else _TYPES.get(dtype.name, 0)


def shape(sizes: Sequence[int | None]) -> bytes:
    """Return a TensorShapeProto; unknown sizes are -1."""
    return b"".join(wire.data(2, wire.integer(1, -1 if size is None else size)) for size in sizes)


def event(seconds: float, step: int, content: bytes) -> bytes:
    """Return an event: when, the global step, and one of the fields below."""
    return wire.double(1, seconds) + (wire.integer(2, step) if step else b"") + content


def version() -> bytes:
    """Return what the first event of a file says."""
    return wire.data(3, FILE_VERSION)


def graph(graph_def: bytes) -> bytes:
    """Return a field with a graph."""
    return wire.data(4, graph_def)


def summary(values: Iterable[bytes]) -> bytes:
    """Return a field with values of summaries."""
    return wire.data(5, b"".join(wire.data(1, value) for value in values))


def session_log(status: int, checkpoint_path: str = "") -> bytes:
    """Return a field that says that a run begins, or that a checkpoint was written."""
    path = wire.data(2, checkpoint_path) if checkpoint_path else b""
    return wire.data(7, wire.integer(1, status) + path)


def scalar(tag: str, value: float) -> bytes:
    """Return a value of a summary that is one number."""
    with np.errstate(over="ignore"):
        return wire.data(1, tag) + wire.single(2, float(np.float32(value)))


def image(tag: str, height: int, width: int, channels: int, png: bytes) -> bytes:
    """Return a value of a summary that is an image."""
    sizes = wire.integer(1, height) + wire.integer(2, width) + wire.integer(3, channels)
    return wire.data(1, tag) + wire.data(4, sizes + wire.data(4, png))


def audio(tag: str, rate: float, channels: int, frames: int, wav: bytes) -> bytes:
    """Return a value of a summary that is a sound."""
    head = wire.single(1, rate) + wire.integer(2, channels) + wire.integer(3, frames)
    return wire.data(1, tag) + wire.data(6, head + wire.data(4, wav) + wire.data(5, "audio/wav"))


def text(tag: str, values: npt.NDArray[Any]) -> bytes:
    """Return a value of a summary that is text, of any shape, for TensorBoard's text page."""
    items = [value if isinstance(value, bytes) else str(value).encode() for value in values.ravel()]
    tensor = wire.integer(1, _TEXT) + wire.data(2, shape(values.shape))
    tensor += b"".join(wire.data(8, item) for item in items)
    metadata = wire.data(1, wire.data(1, "text"))
    return wire.data(1, tag) + wire.data(8, tensor) + wire.data(9, metadata)


class Histogram(NamedTuple):
    """Counts of numbers between limits.

    Attributes:
        limits: The upper limit of each bucket.
        counts: How many numbers are in each.
    """

    limits: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]


def _limits() -> npt.NDArray[np.float64]:
    """Return TensorFlow's limits: 0, ±1e-12 · 1.1^k below 1e20, and the largest numbers."""
    limit, positive = 1e-12, []
    while limit < 1e20:
        positive.append(limit)
        limit *= 1.1
    positive.append(float(np.finfo(np.float64).max))
    return np.array([*(-number for number in reversed(positive)), 0.0, *positive])


_LIMITS: list[npt.NDArray[np.float64]] = []


def buckets(values: npt.NDArray[np.float64]) -> Histogram:
    """Return how many numbers are in each of TensorFlow's buckets; runs of empty buckets are one.

    Source: tensorflow/core/lib/histogram/histogram.cc.

    >>> buckets(np.array([0.0, 1.0, 1.0])).counts.tolist()
    [0.0, 1.0, 0.0, 2.0, 0.0]
    """
    if not _LIMITS:
        _LIMITS.append(_limits())
    limits = _LIMITS[0]
    places = np.minimum(np.searchsorted(limits, values, side="right"), len(limits) - 1)
    counts = np.bincount(places, minlength=len(limits))
    last_of_run = np.append((counts[:-1] > 0) | (counts[1:] > 0), True)
    return Histogram(limits[last_of_run], counts[last_of_run].astype(np.float64))


def histogram(tag: str, values: npt.NDArray[np.float64]) -> bytes:
    """Return a value of a summary that is a histogram of finite numbers."""
    found = buckets(values)
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    numbers = (low, high, len(values), values.sum(), np.square(values).sum())
    head = b"".join(wire.double(i, float(number)) for i, number in enumerate(numbers, start=1))
    return wire.data(1, tag) + wire.data(
        5, head + wire.doubles(6, found.limits) + wire.doubles(7, found.counts)
    )
