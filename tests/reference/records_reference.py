"""Slow twins of the kernels on framed records."""


def crc32c(data: bytes) -> int:
    """Return the CRC-32C, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def checksum(data: bytes) -> bytes:
    """Return the masked CRC-32C as it stands in a file."""
    crc = crc32c(data)
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32).to_bytes(4, "little")


def frame(record: bytes) -> bytes:
    """Return the record with its length and checksums."""
    length = len(record).to_bytes(8, "little")
    return length + checksum(length) + record + checksum(record)


def unframe(buffer: bytes) -> tuple[list[bytes], int, str]:
    """Return (records, bytes consumed, what stopped it)."""
    records, at = [], 0
    while len(buffer) - at >= 12:
        size = int.from_bytes(buffer[at : at + 8], "little")
        if checksum(buffer[at : at + 8]) != buffer[at + 8 : at + 12]:
            return records, at, "bad length"
        end = at + 16 + size
        if end > len(buffer):
            break
        record = buffer[at + 12 : at + 12 + size]
        if checksum(record) != buffer[end - 4 : end]:
            return records, at, "bad data"
        records.append(record)
        at = end
    return records, at, "good"
