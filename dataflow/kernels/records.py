"""Kernels on framed records: checksums, and cutting a buffer of TFRecord frames into records.

A frame is the length (uint64), its checksum, the record, and its checksum, all little-endian. The checksum
is CRC-32C, rotated right by 15 bits and added to a constant.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

GOOD = 0
"""The frames end with the buffer, or the next one is not complete."""
BAD_LENGTH = 1
"""The length of the next frame does not match its checksum."""
BAD_DATA = 2
"""The record of the next frame does not match its checksum; its length does."""


def _tables() -> npt.NDArray[np.uint32]:
    """Return what a byte adds to a CRC-32C when 0 to 7 more bytes follow it, for "slicing by 8"."""
    tables = np.empty((8, 256), np.uint32)
    tables[0] = np.arange(256)
    for _ in range(8):
        tables[0] = np.where(tables[0] & 1, (tables[0] >> 1) ^ np.uint32(0x82F63B78), tables[0] >> 1)
    for i in range(1, 8):
        tables[i] = (tables[i - 1] >> 8) ^ tables[0][tables[i - 1] & 255]
    return tables


_TABLES = _tables()


@kernel
def _word(data: npt.NDArray[np.uint8], start: int, size: int) -> np.uint64:
    """Return the little-endian number in `size` bytes."""
    word = np.uint64(0)
    for i in range(size):
        word |= np.uint64(data[start + i]) << np.uint64(8 * i)
    return word


@kernel
def _crc(data: npt.NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    """Return the CRC-32C of ``data[start:stop]``."""
    eight, low = np.uint64(8), np.uint64(255)
    crc = np.uint64(0xFFFFFFFF)
    whole = start + ((stop - start) & ~7)
    for i in range(start, whole, 8):
        crc ^= _word(data, i, 4)
        crc = np.uint64(
            _TABLES[7, crc & low]
            ^ _TABLES[6, (crc >> eight) & low]
            ^ _TABLES[5, (crc >> np.uint64(16)) & low]
            ^ _TABLES[4, crc >> np.uint64(24)]
            ^ _TABLES[3, data[i + 4]]
            ^ _TABLES[2, data[i + 5]]
            ^ _TABLES[1, data[i + 6]]
            ^ _TABLES[0, data[i + 7]]
        )
    for i in range(whole, stop):
        crc = np.uint64(_TABLES[0, (crc ^ np.uint64(data[i])) & low]) ^ (crc >> eight)
    return crc ^ np.uint64(0xFFFFFFFF)


@kernel
def _checksum(data: npt.NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    """Return the masked CRC-32C, as frames have it."""
    crc = _crc(data, start, stop)
    turned = (crc >> np.uint64(15)) | (crc << np.uint64(17))
    return (turned + np.uint64(0xA282EAD8)) & np.uint64(0xFFFFFFFF)


@kernel
def crc32c(data: npt.NDArray[np.uint8]) -> np.uint64:
    """Return the CRC-32C (Castagnoli) of the bytes."""
    return _crc(data, 0, len(data))


@kernel
def unframe(
    buffer: npt.NDArray[np.uint8], data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[int, int, int]:
    """Cut a buffer of frames into records; return (records, bytes consumed, what stopped it).

    Args:
        buffer: Frames one behind the other; the last need not be complete.
        data: Receives the bytes of the records; as long as `buffer`.
        offsets: Receives where records start in `data`; at least ``len(buffer) // 16 + 1`` long.
    """
    count = 0
    written = 0
    at = 0
    reason = GOOD
    offsets[0] = 0
    while len(buffer) - at >= 12:
        if _checksum(buffer, at, at + 8) != _word(buffer, at + 8, 4):
            reason = BAD_LENGTH
            break
        length = _word(buffer, at, 8)  # any uint64: compared before it becomes an int
        if len(buffer) - at < 16 or length > np.uint64(len(buffer) - at - 16):
            break
        start = at + 12
        stop = start + int(np.int64(length))
        if _checksum(buffer, start, stop) != _word(buffer, stop, 4):
            reason = BAD_DATA
            break
        end = written + stop - start
        for k in range(stop - start):
            data[written + k] = buffer[start + k]
        written = end
        count += 1
        offsets[count] = written
        at = stop + 4
    return count, at, reason


@kernel
def frame(record: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]) -> None:
    """Write the frame of a record to `out`, which has 16 bytes more."""
    size = len(record)
    for i in range(8):
        out[i] = (size >> (8 * i)) & 255
    for k in range(size):
        out[12 + k] = record[k]
    of_length = _checksum(out, 0, 8)
    of_data = _checksum(out, 12, 12 + size)
    for i in range(4):
        out[8 + i] = (of_length >> np.uint64(8 * i)) & np.uint64(255)
        out[12 + size + i] = (of_data >> np.uint64(8 * i)) & np.uint64(255)


@kernel
def hop(data: npt.NDArray[np.uint8], at: int, wanted: int) -> tuple[int, int, int]:
    """Pass over up to `wanted` frames from `at` on; return (frames, where the next one is, reason).

    The next one may be behind `data`. Checksums of lengths are verified, those of records are not.
    """
    count = 0
    while count < wanted and len(data) - at >= 12:
        if _checksum(data, at, at + 8) != _word(data, at + 8, 4):
            return count, at, BAD_LENGTH
        length = _word(data, at, 8)
        if length > np.uint64(1 << 62):
            return count, at, BAD_LENGTH
        at += 16 + int(np.int64(length))
        count += 1
    return count, at, GOOD


@kernel
def find_frame(data: npt.NDArray[np.uint8], at: int, size: int) -> int:
    """Return the first position from `at` on where a frame begins, or -1.

    The checksum of its length fits, and that of the frame behind it; or it ends with the file.

    Args:
        data: A piece of a file.
        at: Where to begin.
        size: Bytes from the beginning of `data` to the end of the file.
    """
    for i in range(at, len(data) - 11):
        if _checksum(data, i, i + 8) == _word(data, i + 8, 4):
            length = _word(data, i, 8)
            if length > np.uint64(max(size - i - 16, 0)):
                continue
            behind = i + 16 + int(np.int64(length))
            if len(data) - behind < 12 or _checksum(data, behind, behind + 8) == _word(data, behind + 8, 4):
                return i
    return -1
