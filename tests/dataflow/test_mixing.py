"""`shuffle_mixing`."""

import numpy as np
import pytest

from dataflow import UNKNOWN_CARDINALITY, Dataset, InvalidArgumentError, shuffle_mixing


def order_of(rows, buffer_size, seed):
    return np.array([int(x) for x in Dataset.range(rows).shuffle(buffer_size, seed=seed)])


@pytest.mark.parametrize(("rows", "buffer_size"), [(3000, 50), (3000, 5000), (2, 1), (129, 7), (70_000, 300)])
def test_the_figures_are_those_of_the_very_shuffle(rows, buffer_size):
    order, places = order_of(rows, buffer_size, 4), np.arange(rows)
    found = shuffle_mixing(rows, buffer_size, seed=4)
    assert found.rank_correlation == pytest.approx(np.corrcoef(order, places)[0, 1])
    assert found.displacement == pytest.approx(np.abs(order - places).sum() / ((rows**2 - 1) / 3))


def test_a_label_that_comes_sorted_stays_so_in_a_small_buffer():
    order = order_of(12_800, 100, 1)
    shares = (order >= 6400).reshape(100, 128).mean(axis=1)
    uniform = np.sqrt(0.25 / 128 * (12_800 - 128) / (12_800 - 1))
    assert shuffle_mixing(12_800, 100, seed=1).label_spread == pytest.approx(shares.std() / uniform)
    assert shuffle_mixing(12_800, 1).label_spread == pytest.approx(11.37, abs=0.01)


def test_a_buffer_of_all_rows_mixes_like_a_uniform_shuffle():
    found = shuffle_mixing(100_000, UNKNOWN_CARDINALITY, seed=1)
    assert found.rank_correlation == pytest.approx(0, abs=0.01)
    assert found.displacement == pytest.approx(1, abs=0.01)
    assert found.label_spread == pytest.approx(1, abs=0.08)


def test_it_prints_what_the_figures_mean():
    assert str(shuffle_mixing(1000, 1)).splitlines() == [
        "1000 sorted rows through a shuffle buffer of 1:",
        "  rank correlation, before and after  1.000  (0: mixed, 1: order kept)",
        "  mean displacement                   0.000  (1: as of a uniform shuffle)",
        "  spread of a label over batches      11.84  (1: as of a uniform shuffle)",
    ]


@pytest.mark.parametrize(("rows", "buffer_size"), [(1, 1), (0, 5), (5, 0), (5, -1)])
def test_sizes_without_meaning_are_refused(rows, buffer_size):
    with pytest.raises(InvalidArgumentError, match="rows must be at least 2 and buffer_size at least 1"):
        shuffle_mixing(rows, buffer_size)
