"""Kernels of hashes of bytes: Fingerprint64 of FarmHash, and SipHash with a key.

Run without compiling, they need ``np.errstate(over="ignore")``: arithmetic is modulo 2^64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

_A = np.uint64(0xC3A5C85C97CB3127)
_B = np.uint64(0xB492B66FBE98F273)
_C = np.uint64(0x9AE16A3B2F90404F)
_1, _2, _3, _8, _9 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(8), np.uint64(9)
_16, _32, _47, _113 = np.uint64(16), np.uint64(32), np.uint64(47), np.uint64(113)
_SEED = np.uint64(81)
_BYTE = np.uint64(0xFF)


@kernel
def _word(data: npt.NDArray[np.uint8], at: int) -> np.uint64:
    """Return the eight bytes from `at`, little-endian."""
    low = _half(data, at)
    return low | (_half(data, at + 4) << _32)


@kernel
def _half(data: npt.NDArray[np.uint8], at: int) -> np.uint64:
    """Return the four bytes from `at`, little-endian."""
    return (
        np.uint64(data[at])
        | (np.uint64(data[at + 1]) << _8)
        | (np.uint64(data[at + 2]) << _16)
        | (np.uint64(data[at + 3]) << np.uint64(24))
    )


@kernel
def _rotated(word: np.uint64, bits: int) -> np.uint64:
    """Return the word turned to the right."""
    return (word >> np.uint64(bits)) | (word << np.uint64(64 - bits))


@kernel
def _folded(word: np.uint64) -> np.uint64:
    return word ^ (word >> _47)


@kernel
def _joined(first: np.uint64, second: np.uint64, factor: np.uint64) -> np.uint64:
    """Hash two words to one."""
    a = _folded((first ^ second) * factor)
    return _folded((second ^ a) * factor) * factor


@kernel
def _up_to_16(data: npt.NDArray[np.uint8], at: int, length: int) -> np.uint64:
    size = np.uint64(length)
    factor = _C + size * _2
    if length >= 8:
        a = _word(data, at) + _C
        b = _word(data, at + length - 8)
        return _joined(_rotated(b, 37) * factor + a, (_rotated(a, 25) + b) * factor, factor)
    if length >= 4:
        return _joined(size + (_half(data, at) << _3), _half(data, at + length - 4), factor)
    if length > 0:
        y = np.uint64(data[at]) + (np.uint64(data[at + (length >> 1)]) << _8)
        z = size + (np.uint64(data[at + length - 1]) << _2)
        return _folded(y * _C ^ z * _A) * _C
    return _C


@kernel
def _up_to_64(data: npt.NDArray[np.uint8], at: int, length: int) -> np.uint64:
    """Hash 17 to 64 bytes: up to 32 once, more in a second round."""
    factor = _C + np.uint64(length) * _2
    a = _word(data, at) * (_B if length <= 32 else _C)
    b = _word(data, at + 8)
    c = _word(data, at + length - 8) * factor
    d = _word(data, at + length - 16) * _C
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _joined(y, a + _rotated(b + _C, 18) + c, factor)
    if length <= 32:
        return z
    e = _word(data, at + 16) * factor
    f = _word(data, at + 24)
    g = (y + _word(data, at + length - 32)) * factor
    h = (z + _word(data, at + length - 24)) * factor
    return _joined(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, factor)


@kernel
def _weak(data: npt.NDArray[np.uint8], at: int, a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Mix 32 bytes into two words."""
    last = _word(data, at + 24)
    a += _word(data, at)
    b = _rotated(b + a + last, 21)
    c = a
    a += _word(data, at + 8) + _word(data, at + 16)
    return a + last, b + _rotated(a, 44) + c


@kernel
def _long(data: npt.NDArray[np.uint8], at: int, length: int) -> np.uint64:
    """Hash more than 64 bytes: rounds of 64, the last one over the last 64."""
    rounds = (length - 1) // 64
    rest = np.uint64((length - 1) & 63)
    y = _SEED * _B + _113
    z = _folded(y * _C + _113) * _C
    x = _SEED * _C + _word(data, at)
    v0 = v1 = w0 = w1 = np.uint64(0)
    factor, nine = _B, _1
    for i in range(rounds + 1):
        s = at + 64 * i
        if i == rounds:
            s = at + length - 64
            factor, nine = _B + ((z & _BYTE) << _1), _9
            w0 += rest
            v0 += w0
            w0 += v0
        x = _rotated(x + y + v0 + _word(data, s + 8), 37) * factor
        y = _rotated(y + v1 + _word(data, s + 48), 42) * factor
        x ^= w1 * nine
        y += v0 * nine + _word(data, s + 40)
        z = _rotated(z + w0, 33) * factor
        v0, v1 = _weak(data, s, v1 * factor, x + w0)
        w0, w1 = _weak(data, s + 32, z + w1, y + _word(data, s + 16))
        x, z = z, x
    first = _joined(v0, w0, factor) + _folded(y) * _A + z
    return _joined(first, _joined(v1, w1, factor) + x, factor)


@kernel
def fingerprint64(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint64],
) -> None:
    """Hash strings as FarmHash's Fingerprint64 does (its farmhashna::Hash64, by Geoff Pike).

    Args:
        data: Bytes of all strings.
        starts: Where each begins.
        sizes: Its bytes; below 0 counts as none.
        out: Receives a hash for each.
    """
    for i in range(len(starts)):
        size = max(sizes[i], 0)
        if size <= 16:
            out[i] = _up_to_16(data, starts[i], size)
        elif size <= 64:
            out[i] = _up_to_64(data, starts[i], size)
        else:
            out[i] = _long(data, starts[i], size)


@kernel
def siphash(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    key: npt.NDArray[np.uint64],
    out: npt.NDArray[np.uint64],
) -> None:
    """Hash strings with a key of two words, by SipHash-2-4 (Aumasson and Bernstein, 2012).

    Args:
        data: Bytes of all strings.
        starts: Where each begins.
        sizes: Its bytes; below 0 counts as none.
        key: Two words.
        out: Receives a hash for each.
    """
    for i in range(len(starts)):
        size = max(sizes[i], 0)
        a, b = key[0] ^ np.uint64(0x736F6D6570736575), key[1] ^ np.uint64(0x646F72616E646F6D)
        c, d = key[0] ^ np.uint64(0x6C7967656E657261), key[1] ^ np.uint64(0x7465646279746573)
        words = size // 8
        for word in range(words + 2):  # the last one but one ends with the size; behind it the hash is closed
            at = starts[i] + 8 * word
            m = np.uint64(0)
            if word < words:
                m = np.uint64(_word(data, at))
            elif word == words:
                m = np.uint64(size & 0xFF) << np.uint64(56)
                for j in range(size & 7):
                    m |= np.uint64(data[at + j]) << np.uint64(8 * j)
            else:
                c ^= _BYTE
            d ^= m
            for _ in range(2 if word <= words else 4):
                a += b
                c += d
                b = ((b << np.uint64(13)) | (b >> np.uint64(51))) ^ a
                d = ((d << _16) | (d >> np.uint64(48))) ^ c
                a = (a << _32) | (a >> _32)
                c += b
                a += d
                b = ((b << np.uint64(17)) | (b >> _47)) ^ c
                d = ((d << np.uint64(21)) | (d >> np.uint64(43))) ^ a
                c = (c << _32) | (c >> _32)
            a ^= m
        out[i] = a ^ b ^ c ^ d
