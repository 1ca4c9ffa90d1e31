"""The random order behind `shuffle("global")`: sorted by random bits, without end."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.block import Block
from dataflow.random_order import RandomOrder, random_order
from dataflow.seeds import words_at
from dataflow.strings import Coded

PAIR = (87654321, 42)


def by_bits(numbers):
    """Return the slow twin of `random_order`."""
    levels = [words_at(PAIR, numbers, level).tolist() for level in range(3)]
    return sorted(range(len(numbers)), key=list(zip(*levels, strict=True)).__getitem__)


def test_rows_with_the_same_first_bits_are_ordered_by_further_ones():
    numbers = np.arange(400_000)
    first = words_at(PAIR, numbers)
    assert len(np.unique(first)) < len(first)
    assert random_order(PAIR, numbers).tolist() == by_bits(numbers)


def test_rows_keep_their_bits_whatever_else_is_ordered():
    order = random_order(PAIR, np.arange(1000))
    some = np.arange(0, 1000, 3)
    assert some[random_order(PAIR, some)].tolist() == [n for n in order if n % 3 == 0]


def test_levels_have_bits_of_their_own():
    words = [words_at(PAIR, np.arange(100), level).tolist() for level in range(3)]
    assert len({tuple(level) for level in words}) == 3


@pytest.mark.parametrize("memory_bytes", [1, 400, 5000, 1 << 20])
def test_parts_come_in_order_whatever_the_memory(memory_bytes):
    rows = RandomOrder(PAIR, memory_bytes)
    for start in range(0, 1000, 50):
        numbers = np.arange(start, start + 50)
        rows.append(Block((numbers * 10,), 50), numbers)
    parts = list(iter(rows.next, None))
    found = np.concatenate([part.block.columns[0][part.order] for part in parts])
    assert found.tolist() == (random_order(PAIR, np.arange(1000)) * 10).tolist()
    if memory_bytes < 1000:
        assert len(parts) > 256  # parts of one level were too large, and distributed again


def test_nothing_gives_nothing():
    assert RandomOrder(PAIR, 1).next() is None
    assert random_order(PAIR, np.arange(0)).tolist() == []


@pytest.mark.parametrize("memory_bytes", [400, 20_000, 1 << 20])
def test_codes_with_other_dictionaries_in_each_block_come_back(memory_bytes):
    rows, texts = RandomOrder(PAIR, memory_bytes), []
    for start in range(0, 3000, 500):
        text = [f"{start}-{i % 3}" if i % 5 else None for i in range(500)]
        column = Coded.from_arrow(pa.array(text).dictionary_encode())
        rows.append(Block((column,), 500), np.arange(start, start + 500))
        texts += text
    parts = list(iter(rows.next, None))
    rows.close()
    found = {int(n): s for p in parts for n, s in zip(p.numbers, p.block.columns[0].to_numpy(), strict=True)}
    assert found == dict(enumerate(texts))
