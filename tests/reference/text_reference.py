"""Slow twins of the kernels on bytes of text."""


def split_lines(buffer: bytes, final: bool) -> tuple[list[bytes], int]:
    """Return the lines without carriage returns, and how many bytes they take with their ends."""
    parts = buffer.split(b"\n")
    last = parts.pop()
    if final:
        last = last.replace(b"\r", b"")
        return [line.replace(b"\r", b"") for line in (*parts, *([last] if last else []))], len(buffer)
    return [line.replace(b"\r", b"") for line in parts], len(buffer) - len(last)


def line_ends(buffer: bytes) -> list[int]:
    """Return the positions of line ends."""
    return [i for i, byte in enumerate(buffer) if byte == 10]


def gather(data: bytes, starts: list[int], sizes: list[int], rows: list[int]) -> bytes:
    """Return the strings of the rows, one behind the other."""
    return b"".join(data[starts[row] : starts[row] + sizes[row]] for row in rows)
