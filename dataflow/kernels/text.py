"""Kernels on bytes of text: cutting a buffer into lines, gathering strings."""

from __future__ import annotations

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
    offsets: npt.NDArray[np.int32],
) -> tuple[int, int]:
    r"""Cut a buffer at ``\n`` and drop every ``\r``; return (lines, bytes consumed).

    Args:
        buffer: Bytes of a file.
        final: Whether the file ends here, so that a last line needs no ``\n``.
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
        lines += 1
        offsets[lines] = written
        consumed = len(buffer)
    return lines, consumed


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
        source = starts[rows[i]]
        target = offsets[i]
        for j in range(offsets[i + 1] - target):
            out[target + j] = data[source + j]
