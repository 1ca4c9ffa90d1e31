"""Buffers in the form that the kernels want: each kernel is compiled for one kind of array."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dataflow import kernels
from dataflow.csv.records import Buffer, Bytes, Ints


def read_only(positions: Ints) -> Ints:
    """Return an array as the kernels want it: they are compiled for one kind."""
    result = np.ascontiguousarray(positions, dtype=np.int64).view()
    result.flags.writeable = False
    return result


def as_array(buffer: Buffer) -> tuple[Bytes, int]:
    """Return the bytes as the kernels want them, in a read-only array of at least 64, and their number."""
    data = np.frombuffer(buffer, np.uint8)
    size = len(data)
    if size < 64:
        data = np.concatenate([data, np.zeros(64 - size, np.uint8)])
    data.flags.writeable = False
    return data, size


def window(data: Bytes, position: int) -> tuple[int, Bytes]:
    """Return a part of the data that starts at `position` or before it, and where it starts."""
    origin = max(0, min(position, len(data) - 64))
    return origin, data[origin:]


def records_of(values: pa.Array) -> tuple[Ints, Ints, Bytes]:
    """Return where the items of an Arrow text array start and end in its data buffer, and the buffer."""
    if len(values) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
    large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    _, offsets, data = values.buffers()
    width = np.int64 if large else np.int32
    bounds = np.frombuffer(offsets, width, len(values) + 1 + values.offset)[values.offset :].astype(np.int64)
    return bounds[:-1], bounds[1:], np.frombuffer(data or b"", np.uint8)


def count_lines(data: Bytes, start: int, stop: int) -> int:
    """Count the line ends in a range, those inside quotes too."""
    return int(kernels.csv.count_lines(data, start, stop))
