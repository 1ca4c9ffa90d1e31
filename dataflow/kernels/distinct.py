"""Kernels of sets of byte strings: which of them have not been seen before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

_PRIME = np.uint64(0x01000193)
_BASIS = np.uint64(0x811C9DC5)
_U32 = np.uint64(0xFFFFFFFF)
_16 = np.uint64(16)


@kernel
def insert(
    data: Bytes,
    starts: Ints,
    sizes: Ints,
    held: Bytes,
    held_starts: Ints,
    held_sizes: Ints,
    hashes: npt.NDArray[np.uint64],
    table: Ints,
    count: int,
    ids: Ints,
) -> int:
    """Add strings to a set in order, give each its number in the set, and return the new size of the set.

    Strings are ``data[starts[i]:starts[i] + sizes[i]]``; a size of -1 is null, which equals null alone. The
    set's first `count` strings stand behind each other in `held`; there must be room for all. `table` has a
    power of two of places, more than strings, and -1 where it is free.

    Hash: FNV-1a of 32 bits, its halves mixed.
    """
    mask = np.uint64(len(table) - 1)
    used = np.int64(0)
    if count:
        used = held_starts[count - 1] + max(held_sizes[count - 1], 0)
    for i in range(len(starts)):
        size = sizes[i]
        code = _BASIS
        for j in range(starts[i], starts[i] + size):
            code = ((code ^ np.uint64(data[j])) * _PRIME) & _U32
        code ^= code >> _16
        place = code & mask
        while True:
            found = table[place]
            if found < 0:
                held_starts[count], held_sizes[count], hashes[count] = used, size, code
                for j in range(size):
                    held[used + j] = data[starts[i] + j]
                used += max(size, 0)
                table[place] = count
                ids[i] = count
                count += 1
                break
            if hashes[found] == code and held_sizes[found] == size:
                same = True
                for j in range(size):
                    if held[held_starts[found] + j] != data[starts[i] + j]:
                        same = False
                        break
                if same:
                    ids[i] = found
                    break
            place = (place + np.uint64(1)) & mask
    return count


@kernel
def fill(hashes: npt.NDArray[np.uint64], table: Ints) -> None:
    """Put strings 0, 1, … with these hashes into a table of free places."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(hashes)):
        place = hashes[i] & mask
        while table[place] >= 0:
            place = (place + np.uint64(1)) & mask
        table[place] = i
