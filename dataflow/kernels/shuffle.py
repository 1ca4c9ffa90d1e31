"""Kernels of seeded order: the Philox generator and the draws of a shuffle buffer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel, part

_U32 = np.uint64(0xFFFFFFFF)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_K0 = np.uint64(0x9E3779B9)
_K1 = np.uint64(0xBB67AE85)
_32 = np.uint64(32)
_ZERO = np.uint64(0)


@part
def _block(seed: int, seed2: int, block: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return four words of Philox4x32-10.

    Key = the two halves of `seed`, counter = (halves of `block`, halves of `seed2`). Source: Salmon et
    al., "Parallel random numbers: as easy as 1, 2, 3".
    """
    c0 = np.uint64(block) & _U32
    c1 = np.uint64(block) >> _32
    c2 = np.uint64(seed2) & _U32
    c3 = np.uint64(seed2) >> _32
    k0 = np.uint64(seed) & _U32
    k1 = np.uint64(seed) >> _32
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _U32, (p0 >> _32) ^ c3 ^ k1, p0 & _U32
        k0 = (k0 + _K0) & _U32
        k1 = (k1 + _K1) & _U32
    return c0, c1, c2, c3


@kernel
def philox(seed: int, seed2: int, start: int, out: npt.NDArray[np.uint32]) -> None:
    """Fill `out` with words ``start, start + 1, …``: the counter grows by one every four words."""
    for at in range(-(start & 3), len(out), 4):
        w0, w1, w2, w3 = _block(seed, seed2, (start + at) >> 2)
        if at >= 0:
            out[at] = w0
        if at + 1 >= 0 and at + 1 < len(out):
            out[at + 1] = w1
        if at + 2 >= 0 and at + 2 < len(out):
            out[at + 2] = w2
        if at + 3 < len(out):
            out[at + 3] = w3


@kernel
def philox_at(seed: int, seed2: int, positions: npt.NDArray[np.int64], out: npt.NDArray[np.uint32]) -> None:
    """Fill `out` with the words of `philox` at any positions; quicker where neighbours share a block."""
    block = np.int64(-1)
    low, high = _ZERO, _ZERO  # two words each
    for i in range(len(out)):
        position = positions[i]
        if position >> 2 != block:
            block = position >> 2
            w0, w1, w2, w3 = _block(seed, seed2, block)
            low, high = w0 | (w1 << _32), w2 | (w3 << _32)
        two = high if position & 2 else low
        out[i] = np.uint32((two >> _32 if position & 1 else two) & _U32)


@kernel
def draw(
    slots: npt.NDArray[np.int64],
    head: int,
    count: int,
    words: npt.NDArray[np.uint32],
    out: npt.NDArray[np.int64],
) -> None:
    """Draw ``len(out)`` items from a shuffle buffer, refilled by one item before each draw but the first.

    ``slots[head:head + count]`` is the buffer before the first draw, and what follows in `slots` are
    the items that enter it, one for each further draw while there are any (then the buffer shrinks).
    Draw i picks position ``words[i] mod count``; the oldest item moves into its place.
    """
    for i in range(len(out)):
        position = head + np.int64(words[i] % np.uint32(count))
        out[i] = slots[position]
        slots[position] = slots[head]
        head += 1
        if head + count > len(slots):
            count -= 1
