"""Kernels on bytes of text: cutting a buffer into lines, gathering strings and rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

_LF = 10
_CR = 13


@kernel
def split_lines(
    buffer: npt.NDArray[np.uint8],
    final: bool,
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
) -> tuple[int, int]:
    r"""Cut a buffer at ``\n`` and drop every ``\r``; return (lines, bytes consumed).

    Args:
        buffer: Bytes of a file.
        final: Whether the file ends here, so that a last line needs no ``\n``; it is none if it is empty.
        data: Receives the bytes of the lines; as long as `buffer`.
        offsets: Receives where lines start in `data`; one more than there can be lines. When it is
            full, the rest of the buffer is left.
    """
    lines = 0
    written = 0
    consumed = 0
    offsets[0] = 0
    for i in range(len(buffer)):
        byte = buffer[i]
        if byte == _LF:
            if lines + 1 >= len(offsets):
                return lines, consumed
            lines += 1
            offsets[lines] = written
            consumed = i + 1
        elif byte != _CR:
            data[written] = byte
            written += 1
    if final and consumed < len(buffer) and lines + 1 < len(offsets):
        if written > offsets[lines]:
            lines += 1
            offsets[lines] = written
        consumed = len(buffer)
    return lines, consumed


@kernel
def line_ends(words: npt.NDArray[np.uint64], tail: npt.NDArray[np.uint8], out: npt.NDArray[np.int64]) -> int:
    r"""Write the positions of every ``\n`` and return how many there are, or -1 if `out` is too small.

    Args:
        words: The buffer, eight bytes a word, little-endian.
        tail: What is left behind the last whole word.
        out: Receives positions.
    """
    pattern = np.uint64(0x0A0A0A0A0A0A0A0A)
    seven = np.uint64(0x7F7F7F7F7F7F7F7F)
    byte = np.uint64(0xFF)
    count = 0
    for i in range(len(words)):
        word = words[i] ^ pattern  # a byte is zero where the buffer has a line end
        if ~(((word & seven) + seven) | word | seven):  # some byte is zero; nothing overflows
            if count + 8 > len(out):
                return -1
            for j in range(8):
                if (word >> np.uint64(8 * j)) & byte == 0:
                    out[count] = 8 * i + j
                    count += 1
    for j in range(len(tail)):
        if tail[j] == _LF:
            if count >= len(out):
                return -1
            out[count] = 8 * len(words) + j
            count += 1
    return count


@kernel
def gather(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> None:
    """Copy the strings that start at ``starts[rows]`` to ``out[offsets[i]:offsets[i + 1]]``."""
    for i in range(len(rows)):
        source, start = starts[rows[i]], offsets[i]
        for k in range(offsets[i + 1] - start):
            out[start + k] = data[source + k]


@kernel
def gather_columns(columns: npt.NDArray[Any], rows: npt.NDArray[np.int64], out: npt.NDArray[Any]) -> None:
    """Gather elements of all columns: ``out[j, i] = columns[j, rows[i]]``.

    Args:
        columns: Words ``[k, m]``.
        rows: Numbers below m, ``[n]``.
        out: Receives words ``[k, n]``.
    """
    for j in range(len(columns)):
        for i in range(len(rows)):
            out[j, i] = columns[j, rows[i]]
