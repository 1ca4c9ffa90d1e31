"""`repeat`."""

from dataflow import Dataset


def test_an_endless_repeat_of_nothing_ends():
    assert list(Dataset.range(0).repeat()) == []
    assert list(Dataset.range(5).filter(lambda x: x > 9).repeat()) == []


def test_repeats_of_repeats():
    assert [int(x) for x in Dataset.range(2).repeat(2).repeat(2)] == [0, 1, 0, 1, 0, 1, 0, 1]


def test_an_endless_repeat_goes_on():
    assert [int(x) for x in Dataset.range(3).repeat().skip(300).take(4)] == [0, 1, 2, 0]
