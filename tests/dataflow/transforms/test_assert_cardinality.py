import pytest

from dataflow import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset, FailedPreconditionError

EVEN = Dataset.range(6).filter(lambda x: x % 2 == 0)


def test_the_right_number_passes():
    dataset = EVEN.assert_cardinality(3)
    assert (len(dataset), [int(x) for x in dataset]) == (3, [0, 2, 4])


@pytest.mark.parametrize(
    ("expected", "how", "count"),
    [(4, "only 3", 3), (2, "more than 2", 2), (INFINITE_CARDINALITY, "only 3", 3)],
)
def test_a_wrong_number_raises_once_at_the_end(expected, how, count):
    iterator, found = iter(EVEN.assert_cardinality(expected)), []
    with pytest.raises(FailedPreconditionError, match=f"the dataset has {how}"):
        found.extend(iterator)
    assert len(found) == count
    assert list(iterator) == []


def test_unknown_is_not_checked():
    dataset = Dataset.range(2).assert_cardinality(UNKNOWN_CARDINALITY)
    assert (dataset.cardinality(), len(list(dataset))) == (-2, 2)
