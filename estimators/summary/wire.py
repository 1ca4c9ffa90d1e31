"""The wire format of protocol buffers: fields with numbers, one behind the other.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5


def varint(value: int) -> bytes:
    """Return an integer, seven bits a byte, the lowest first; negative ones as 64 bits.

    >>> varint(300).hex()
    'ac02'
    """
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def integer(field: int, value: int) -> bytes:
    """Return a field that holds an integer, an enum or a bool."""
    return varint(field << 3 | VARINT) + varint(value)


def double(field: int, value: float) -> bytes:
    """Return a field that holds a double."""
    return varint(field << 3 | DOUBLE) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    """Return a field that holds a float."""
    return varint(field << 3 | FLOAT) + struct.pack("<f", value)


def data(field: int, value: bytes | str) -> bytes:
    """Return a field that holds bytes, text or a message.

    >>> data(2, "testing").hex()
    '120774657374696e67'
    """
    content = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | BYTES) + varint(len(content)) + content


def doubles(field: int, values: Iterable[float]) -> bytes:
    """Return a field that holds doubles, packed."""
    found = [float(value) for value in values]
    return data(field, struct.pack(f"<{len(found)}d", *found))
