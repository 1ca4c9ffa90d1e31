"""`range`, `from_tensors`, `from_tensor_slices`, `from_generator`."""

import collections

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, Options, StateError, TensorSpec

INT = TensorSpec((), np.int64)


def test_a_long_range_comes_in_blocks():
    assert (
        sum(int(x) for x in Dataset.range(0, 30_000, 3).with_options(Options(block_bytes=1000)))
        == 149_985_000
    )


def test_ranges_of_other_dtypes():
    assert [type(x) for x in Dataset.range(2, output_type=np.int32)] == [np.int32] * 2


def test_tensors_are_one_element_and_scalars_stay_scalars():
    (element,) = Dataset.from_tensors({"x": [[1, 2]], "y": 5, "t": "text"})
    assert element["x"].shape == (1, 2)
    assert (element["y"], element["t"]) == (5, "text")
    assert Dataset.from_tensors(5).element_spec == INT


def test_slices_of_matrices_text_and_bytes():
    dataset = Dataset.from_tensor_slices((np.eye(2), np.array(["a", "b"]), np.array([b"x", b"\xff"])))
    rows = [(row.tolist(), text, data) for row, text, data in dataset]
    assert rows == [([1.0, 0.0], "a", b"x"), ([0.0, 1.0], "b", b"\xff")]


def test_dicts_keep_their_order_and_namedtuples_their_class():
    Point = collections.namedtuple("Point", "y x")
    (element,) = Dataset.from_tensors({"b": 1, "a": Point(2, 3)})
    assert list(element) == ["b", "a"]
    assert element["a"] == Point(y=2, x=3)


def test_arrays_of_other_libraries():
    import pandas as pd
    import pyarrow as pa

    assert list(Dataset.from_tensor_slices(pd.Series([1.5, 2.5]))) == [1.5, 2.5]
    assert list(Dataset.from_tensor_slices(pa.array(["a", "b"]).to_numpy(zero_copy_only=False))) == ["a", "b"]


def test_ragged_lists_are_refused():
    with pytest.raises(TypeError, match="pad ragged lists to one shape"):
        Dataset.from_tensor_slices([[1], [2, 3]])


def test_a_generator_of_structures_and_arguments():
    spec = {"n": INT, "v": TensorSpec((None,), np.float32)}

    def generate(start, name):
        assert name == "x"
        for i in range(start, start + 2):
            yield {"v": [0.5] * i, "n": i}

    dataset = Dataset.from_generator(generate, output_signature=spec, args=(1, "x"))
    assert [(row["n"], row["v"].tolist()) for row in dataset] == [(1, [0.5]), (2, [0.5, 0.5])]


def test_types_and_shapes_instead_of_a_signature():
    dataset = Dataset.from_generator(lambda: iter([(1, [2.0])]), (np.int32, np.float32), ((), (1,)))
    assert dataset.element_spec == (TensorSpec((), np.int32), TensorSpec((1,), np.float32))
    assert [(int(a), b.tolist()) for a, b in dataset] == [(1, [2.0])]


@pytest.mark.parametrize(
    ("value", "dtype"), [(300, np.uint8), (-1, np.uint8), (1.5, np.int64), ("1", np.int64)]
)
def test_values_that_a_dtype_cannot_hold_are_refused(value, dtype):
    dataset = Dataset.from_generator(lambda: iter([value]), output_signature=TensorSpec((), dtype))
    with pytest.raises(InvalidArgumentError, match="does not fit output_signature"):
        list(dataset)


def test_a_generator_that_has_become_shorter_cannot_be_resumed():
    values = [1, 2, 3]
    dataset = Dataset.from_generator(lambda: iter(values), output_signature=INT)
    iterator = iter(dataset)
    state = [next(iterator), next(iterator), iterator.state()][2]
    values[:] = [1]
    iterator.restore(state)
    with pytest.raises(StateError, match="the input ended 1 elements before the saved position"):
        next(iterator)


def test_errors_that_a_generator_raised_before_a_resume_are_not_raised_again():
    dataset = Dataset.from_generator(lambda: iter([1, "x", 3, 4]), output_signature=INT)
    iterator = iter(dataset)
    next(iterator)
    with pytest.raises(InvalidArgumentError):
        next(iterator)
    other = iter(dataset)
    other.restore(iterator.state())
    assert [int(x) for x in other] == [3, 4]


def test_reduce():
    assert Dataset.range(5).reduce(np.int64(0), lambda total, x: total + x) == 10
    pairs = Dataset.from_tensor_slices(([1, 2, 3], [0.5, 1.5, 1.0]))
    state = pairs.reduce((0, 0.0), lambda state, pair: (state[0] + pair[0], max(state[1], pair[1])))
    assert state == (6, 1.5)
    assert [type(value) for value in state] == [np.int64, np.float64]


def test_reduce_refuses_a_state_of_another_dtype():
    with pytest.raises(TypeError, match="the state 'value' of reduce was int64 and became float64"):
        Dataset.range(3).reduce(np.int64(0), lambda total, x: total + x / 2)


def test_a_long_reduce_is_compiled_and_gives_the_same():
    calls = []

    def longest(state, x):
        return (state[0] + 1, x) if x > state[1] else state

    def counted(state, x):
        calls.append(1)
        return longest(state, x)

    dataset = Dataset.range(5000).map(lambda x: x * 7919 % 5000)
    wanted = dataset.reduce((np.int64(0), np.int64(-1)), counted)
    assert len(calls) == 5000
    assert dataset.reduce((np.int64(0), np.int64(-1)), longest) == wanted


def test_a_long_reduce_keeps_its_dtype_too():
    with pytest.raises(TypeError, match="was int64 and became float64"):
        Dataset.range(5000).reduce(np.int64(0), lambda total, x: total if x < 3000 else total + 0.5)


def test_close_closes_the_generator():
    ended = []

    def generate():
        try:
            yield from range(10_000)
        finally:
            ended.append(True)

    iterator = iter(Dataset.from_generator(generate, output_signature=INT))
    assert (int(next(iterator)), ended) == (0, [])
    iterator.close()
    assert ended == [True]
