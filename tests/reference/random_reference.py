"""Slow twins of the kernels of stateless random numbers."""

import math

from tests.reference.order_reference import philox

_MASK = 0xFFFFFFFF
_KEY = 0x3EC8F720 | 0x02461E29 << 32


def words(seed: tuple[int, int], start: int, count: int) -> list[int]:
    """Return words of the generator that a pair of seeds starts: one block of another one mixes them."""
    first, second = (part % 2**64 for part in seed)
    mixed = philox(_KEY, second, 4 * first, 4)
    return philox(mixed[0] | mixed[1] << 32, mixed[2] | mixed[3] << 32, start, count)


def pair_of_normals(first: int, second: int) -> tuple[float, float]:
    """Return two normal numbers by the formula of Box and Muller."""
    distance = max((first & 0x7FFFFF) / 2**23, 1.0e-7)
    angle = 2 * math.pi * (second & 0x7FFFFF) / 2**23
    radius = math.sqrt(-2 * math.log(distance))
    return math.sin(angle) * radius, math.cos(angle) * radius


def normals(seed: tuple[int, int], count: int) -> list[float]:
    """Return normal numbers, two of each two words."""
    made = words(seed, 0, count + 2)
    return [x for i in range(0, count, 2) for x in pair_of_normals(made[i], made[i + 1])][:count]


def truncated_normals(seed: tuple[int, int], count: int) -> list[float]:
    """Return normal numbers below 2: each four take them from words of their own."""
    result: list[float] = []
    for group in range((count + 3) // 4):
        made = words(seed, 1024 * group, 64)
        pairs = [x for i in range(0, 64, 2) for x in pair_of_normals(made[i], made[i + 1])]
        result += [x for x in pairs if abs(x) < 2][:4]
    return result[:count]
