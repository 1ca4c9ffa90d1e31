"""Slow twins of the kernels of seeded order."""

_MASK = 0xFFFFFFFF


def philox(seed: int, seed2: int, start: int, count: int) -> list[int]:
    """Return words of Philox4x32-10, block by block."""
    words: list[int] = []
    for block in range(start // 4, (start + count + 3) // 4):
        counter = [block & _MASK, block >> 32, seed2 & _MASK, seed2 >> 32]
        key = [seed & _MASK, seed >> 32]
        for _ in range(10):
            first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
            counter = [
                (second >> 32) ^ counter[1] ^ key[0],
                second & _MASK,
                (first >> 32) ^ counter[3] ^ key[1],
                first & _MASK,
            ]
            key = [(key[0] + 0x9E3779B9) & _MASK, (key[1] + 0xBB67AE85) & _MASK]
        words.extend(counter)
    return words[start % 4 : start % 4 + count]


def draw(buffer: list[int], waiting: list[int], words: list[int]) -> tuple[list[int], list[int]]:
    """Return the items drawn, and the buffer: oldest first, refilled before each draw but the first."""
    buffer, waiting = list(buffer), list(waiting)
    drawn = []
    for i, word in enumerate(words):
        if i and waiting:
            buffer.append(waiting.pop(0))
        position = word % len(buffer)
        drawn.append(buffer[position])
        buffer[position] = buffer[0]
        buffer.pop(0)
    return drawn, buffer + waiting
