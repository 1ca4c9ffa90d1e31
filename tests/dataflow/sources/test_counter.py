import numpy as np
import pytest

from dataflow import Dataset, SpecError


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), [0, 1, 2]),
        ((10, -2), [10, 8, 6]),
        ((0.5, 0.25, np.float32), [0.5, 0.75, 1.0]),
        ((7, 0), [7, 7, 7]),
    ],
)
def test_counts(arguments, wanted):
    assert [x.item() for x in Dataset.counter(*arguments).take(3)] == wanted


def test_integers_wrap_around():
    assert [int(x) for x in Dataset.counter(126, dtype=np.int8).take(3)] == [126, 127, -128]


def test_is_endless_and_has_the_dtype():
    dataset = Dataset.counter(dtype=np.uint8)
    assert (dataset.cardinality(), dataset.element_spec.dtype) == (-1, np.uint8)


def test_fractions_need_a_float_dtype():
    with pytest.raises(SpecError, match=r"start=0\.5 is not a whole number"):
        Dataset.counter(0.5)


def test_counts_from_an_element():
    dataset = Dataset.range(3).flat_map(lambda n: Dataset.counter(n, n).take(2))
    assert [int(x) for x in dataset] == [0, 0, 1, 2, 2, 4]
