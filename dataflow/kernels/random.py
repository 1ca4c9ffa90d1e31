"""Kernels of stateless random numbers: arrays from a pair of seeds, the same on every machine.

The bits are those of Philox4x32-10, of which block i of a seed is computed by itself. Logarithm, sine and
cosine are polynomials in correctly rounded operations, so that no library of the machine decides on a bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

_U32 = np.uint64(0xFFFFFFFF)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_K0 = np.uint64(0x9E3779B9)
_K1 = np.uint64(0xBB67AE85)
_32 = np.uint64(32)
_SEED_KEY0 = np.uint64(0x3EC8F720)
_SEED_KEY1 = np.uint64(0x02461E29)

_CHUNK = 256
"""Blocks of four words that are made at once: their words stay in the first-level cache."""

_FRACTION = np.uint32(0x7FFFFF)
_F32_STEP = np.float32(2.0**-23)
_SMALLEST = np.float32(1.0e-7)
_MANTISSA = np.int32(0x7FFFFF)
_HALF_BITS = np.int32(0x3F3504F3)  # of sqrt(1/2)
_ONE = np.float32(1.0)
_HALF = np.float32(0.5)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_HALF_PI = np.float32(1.57079632679489661923)

# Coefficients of the single-precision log, sin and cos of the Cephes library (S. Moshier).
_L0, _L1, _L2 = np.float32(7.0376836292e-2), np.float32(-1.1514610310e-1), np.float32(1.1676998740e-1)
_L3, _L4, _L5 = np.float32(-1.2420140846e-1), np.float32(1.4249322787e-1), np.float32(-1.6668057665e-1)
_L6, _L7, _L8 = np.float32(2.0000714765e-1), np.float32(-2.4999993993e-1), np.float32(3.3333331174e-1)
_S0, _S1, _S2 = np.float32(-1.9515295891e-4), np.float32(8.3321608736e-3), np.float32(-1.6666654611e-1)
_C0, _C1, _C2 = (
    np.float32(2.443315711809948e-5),
    np.float32(-1.388731625493765e-3),
    np.float32(4.166664568298827e-2),
)


@kernel
def _mixed(seeds: npt.NDArray[np.int64], words: npt.NDArray[np.uint64]) -> None:
    """Mix a pair of seeds into a key (words 0, 1) and the upper half of a counter (words 2, 3)."""
    one, two = np.uint64(seeds[0]), np.uint64(seeds[1])
    c0, c1, c2, c3 = one & _U32, one >> _32, two & _U32, two >> _32
    k0, k1 = _SEED_KEY0, _SEED_KEY1
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _U32, (p0 >> _32) ^ c3 ^ k1, p0 & _U32
        k0 = (k0 + _K0) & _U32
        k1 = (k1 + _K1) & _U32
    words[0], words[1], words[2], words[3] = c0, c1, c2, c3


@kernel
def _blocks(mixed: npt.NDArray[np.uint64], first: int, count: int, out: npt.NDArray[np.uint32]) -> None:
    """Fill ``out[:, :count]`` with the four words of blocks ``first, first + 1, …``."""
    for i in range(count):
        block = np.uint64(first + i)
        c0, c1, c2, c3 = block & _U32, block >> _32, mixed[2], mixed[3]
        k0, k1 = mixed[0], mixed[1]
        for _ in range(10):
            p0 = _M0 * c0
            p1 = _M1 * c2
            c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _U32, (p0 >> _32) ^ c3 ^ k1, p0 & _U32
            k0 = (k0 + _K0) & _U32
            k1 = (k1 + _K1) & _U32
        out[0, i] = np.uint32(c0)
        out[1, i] = np.uint32(c1)
        out[2, i] = np.uint32(c2)
        out[3, i] = np.uint32(c3)


@kernel
def _normal_pairs(
    first: npt.NDArray[np.uint32],
    second: npt.NDArray[np.uint32],
    count: int,
    bits: npt.NDArray[np.int32],
    values: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """Make two normal numbers, ``out[:, i]``, of two words, by the method of Box and Muller.

    Args:
        first: Words that give the distance from 0.
        second: Words that give the direction.
        count: How many of each.
        bits: Scratch, one number for each word: the memory of `values`.
        values: The same memory as `bits`.
        out: Receives numbers ``[2, count]``.
    """
    for i in range(count):
        values[i] = max(np.float32(first[i] & _FRACTION) * _F32_STEP, _SMALLEST)
    for i in range(count):
        # u = m * 2**e with m in [sqrt(1/2), sqrt(2)), by its bits
        shifted = bits[i] - _HALF_BITS
        e = np.float32(shifted >> np.int32(23))
        bits[i] = (shifted & _MANTISSA) + _HALF_BITS
        x = values[i] - _ONE
        z = x * x
        y = _L0 * x + _L1
        y = y * x + _L2
        y = y * x + _L3
        y = y * x + _L4
        y = y * x + _L5
        y = y * x + _L6
        y = y * x + _L7
        y = y * x + _L8
        y = y * x * z + _LN2_LOW * e - _HALF * z
        logarithm = x + y + _LN2_HIGH * e
        radius = np.sqrt(np.float32(-2.0) * logarithm)
        # the angle is a quarter turn times (quarter + rest), with the rest in [-1/2, 1/2)
        turn = second[i] & _FRACTION
        quarter = (turn + np.uint32(1 << 20)) >> np.uint32(21)
        rest = np.float32(np.int32(turn) - np.int32(quarter << np.uint32(21))) * np.float32(2.0**-21)
        r = rest * _HALF_PI
        z = r * r
        sine = ((_S0 * z + _S1) * z + _S2) * z * r + r
        cosine = ((_C0 * z + _C1) * z + _C2) * z * z - _HALF * z + _ONE
        odd = (quarter & np.uint32(1)) != 0
        one = cosine if odd else sine
        two = sine if odd else cosine
        out[0, i] = (-one if (quarter & np.uint32(2)) != 0 else one) * radius
        out[1, i] = (-two if ((quarter + np.uint32(1)) & np.uint32(2)) != 0 else two) * radius


@kernel
def normals(seeds: npt.NDArray[np.int64], out: npt.NDArray[np.float32]) -> None:
    """Fill each row with normal numbers of mean 0 and deviation 1, four of each block.

    Args:
        seeds: A pair for each row, ``[n, 2]``.
        out: Receives numbers, ``[n, m]``.
    """
    mixed = np.empty(4, np.uint64)
    words = np.empty((4, _CHUNK), np.uint32)
    bits = np.empty(_CHUNK, np.int32)
    values = bits.view(np.float32)
    pairs = np.empty((4, _CHUNK), np.float32)
    for row in range(len(out)):
        _mixed(seeds[row], mixed)
        line = out[row]
        blocks = (len(line) + 3) // 4
        for start in range(0, blocks, _CHUNK):
            count = min(_CHUNK, blocks - start)
            _blocks(mixed, start, count, words)
            _normal_pairs(words[0], words[1], count, bits, values, pairs[:2])
            _normal_pairs(words[2], words[3], count, bits, values, pairs[2:])
            whole = min(count, len(line) // 4 - start)
            for i in range(whole):
                at = 4 * (start + i)
                line[at] = pairs[0, i]
                line[at + 1] = pairs[1, i]
                line[at + 2] = pairs[2, i]
                line[at + 3] = pairs[3, i]
            for at in range(4 * (start + whole), min(4 * (start + count), len(line))):
                line[at] = pairs[at & 3, whole]


@kernel
def words(seeds: npt.NDArray[np.int64], out: npt.NDArray[np.uint32]) -> None:
    """Fill each row with the words of its pair of seeds: ``out[n, m]`` for seeds ``[n, 2]``."""
    mixed = np.empty(4, np.uint64)
    made = np.empty((4, _CHUNK), np.uint32)
    for row in range(len(out)):
        _mixed(seeds[row], mixed)
        line = out[row]
        blocks = (len(line) + 3) // 4
        for start in range(0, blocks, _CHUNK):
            count = min(_CHUNK, blocks - start)
            _blocks(mixed, start, count, made)
            for i in range(count):
                at = 4 * (start + i)
                for j in range(min(4, len(line) - at)):
                    line[at + j] = made[j, i]


@kernel
def truncated_normals(seeds: npt.NDArray[np.int64], out: npt.NDArray[np.float32]) -> None:
    """Fill each row with normal numbers between -2 and 2: others are drawn again.

    Four numbers each take what they need of 256 blocks of their own.

    Args:
        seeds: A pair for each row, ``[n, 2]``.
        out: Receives numbers, ``[n, m]``.
    """
    mixed = np.empty(4, np.uint64)
    made = np.empty((4, 1), np.uint32)
    bits = np.empty(1, np.int32)
    values = bits.view(np.float32)
    pair = np.empty((2, 1), np.float32)
    for row in range(len(out)):
        _mixed(seeds[row], mixed)
        line = out[row]
        for first in range(0, len(line), 4):
            block = 64 * first
            found, wanted = 0, min(4, len(line) - first)
            while found < wanted:
                _blocks(mixed, block, 1, made)
                block += 1
                for half in range(0, 4, 2):
                    _normal_pairs(made[half], made[half + 1], 1, bits, values, pair)
                    for j in range(2):
                        if abs(pair[j, 0]) < 2 and found < wanted:
                            line[first + found] = pair[j, 0]
                            found += 1
