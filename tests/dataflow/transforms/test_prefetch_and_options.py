"""`prefetch` and `with_options`."""

import pytest

from dataflow import Dataset, InvalidArgumentError, Options


def test_prefetch_changes_nothing():
    assert [int(x) for x in Dataset.range(100).prefetch(3).prefetch(None)] == list(range(100))


def test_what_is_nearer_to_the_end_wins():
    dataset = Dataset.range(3).with_options(Options(threads=1, rewrites=False)).map(lambda x: x)
    options = dataset.with_options(Options(threads=2)).options()
    assert (options.threads, options.rewrites, options.block_bytes) == (2, False, None)


@pytest.mark.parametrize("wrong", [{"block_bytes": 0}, {"threads": -1}])
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidArgumentError, match="block_bytes must be at least 1 and threads at least 0"):
        Options(**wrong)


def test_options_cannot_be_changed():
    with pytest.raises(AttributeError):
        Options().threads = 2
