"""Slow twins of the kernels that find where records of text begin."""


def starts(data: bytes, quoting: bool, returns: bool) -> list[int]:
    """Return where records begin, of text without bad quotes."""
    found, inside, fresh = [], False, True
    for i, byte in enumerate(data):
        swallowed = returns and byte == 10 and i > 0 and data[i - 1] == 13
        if fresh and not swallowed:
            found.append(i)
            fresh = False
        inside ^= quoting and byte == 34
        fresh = fresh or (not inside and (byte == 10 or (returns and byte == 13)))
    return found
