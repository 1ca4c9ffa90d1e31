"""The kernels of seeded order: jitted, un-jitted and the slow twin give the same."""

import numpy as np
import pytest

from dataflow.kernels import shuffle
from tests.kernels.forms import every_form
from tests.reference import order_reference as reference


@every_form(shuffle.philox)
@pytest.mark.parametrize(("start", "count"), [(0, 0), (0, 1), (0, 9), (3, 6), (1 << 20, 2)])
def test_philox_is_its_twin(kernel, start, count):
    for pair in [(0, 0), (87654321, 42), (2**40 + 5, 2**33 + 1)]:
        out = np.empty(count, np.uint32)
        kernel(np.uint64(pair[0]), np.uint64(pair[1]), start, out)
        assert out.tolist() == reference.philox(*pair, start, count)


@every_form(shuffle.philox)
def test_philox_is_that_of_tensorflow(kernel):
    out = np.empty(5, np.uint32)
    kernel(np.uint64(87654321), np.uint64(42), 0, out)
    assert out.tolist() == [2985944072, 4132877644, 929418493, 249609589, 146598941]


@every_form(shuffle.philox)
def test_philox_fills_every_other_word(kernel):
    whole = np.zeros(8, np.uint32)
    kernel(np.uint64(1), np.uint64(2), 0, whole[::2])
    assert whole[::2].tolist() == reference.philox(1, 2, 0, 4)
    assert whole[1::2].tolist() == [0] * 4


@every_form(shuffle.philox_at)
@pytest.mark.parametrize("positions", [[], [0], [5, 4, 7, 5], [0, 1, 2, 3, 4, 1 << 20, 3]])
def test_philox_at_gives_the_words_of_the_twin(kernel, positions):
    for pair in [(0, 0), (87654321, 42), (2**40 + 5, 2**33 + 1)]:
        out = np.empty(len(positions), np.uint32)
        kernel(np.uint64(pair[0]), np.uint64(pair[1]), np.array(positions, np.int64), out)
        assert out.tolist() == [reference.philox(*pair, position, 1)[0] for position in positions]


@every_form(shuffle.draw)
@pytest.mark.parametrize(
    ("count", "waiting", "draws"), [(1, 0, 0), (1, 0, 1), (1, 4, 3), (5, 7, 4), (5, 2, 7)]
)
def test_draw_is_its_twin(kernel, count, waiting, draws):
    words = np.array(reference.philox(3, 4, 0, draws), np.uint32)
    slots = np.arange(100, 100 + count + waiting)
    drawn, left = reference.draw(slots[:count].tolist(), slots[count:].tolist(), words.tolist())
    out = np.empty(draws, np.int64)
    kernel(slots, 0, count, words, out)
    assert out.tolist() == drawn
    assert slots[draws:].tolist() == left


@every_form(shuffle.draw)
def test_draw_takes_arrays_that_are_not_contiguous(kernel):
    slots, words, out = np.arange(20)[::2].copy(), np.arange(8, dtype=np.uint32)[::2], np.empty(8, np.int64)
    drawn, _ = reference.draw(slots[:6].tolist(), slots[6:].tolist(), words.tolist())
    kernel(slots, 0, 6, words, out[::2])
    assert out[::2].tolist() == drawn
