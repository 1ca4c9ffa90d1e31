import pytest

from dataflow import Dataset, InvalidArgumentError


def test_returns_the_only_element():
    assert Dataset.from_tensors({"x": 5}).get_single_element() == {"x": 5}


@pytest.mark.parametrize(("size", "what"), [(0, "none"), (2, "more")])
def test_another_number_of_elements_is_refused(size, what):
    with pytest.raises(InvalidArgumentError, match=f"there are {what}"):
        Dataset.range(size).get_single_element()


def test_as_numpy_iterator_can_be_saved_and_gives_read_only_arrays():
    iterator = Dataset.range(6).batch(2).as_numpy_iterator()
    next(iterator)
    state, second = iterator.state(), next(iterator)
    iterator.restore(state)
    assert next(iterator).tolist() == second.tolist() == [2, 3]
    with pytest.raises(ValueError, match="read-only"):
        second[0] = 1
