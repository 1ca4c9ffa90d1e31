import numpy as np
import pytest

from dataflow import (
    Dataset,
    InvalidArgumentError,
    Options,
    SpecError,
    TraceError,
    TracingWarning,
    UserFunctionError,
)
from dataflow.kernels import loops
from tests.golden_values import golden


def running_sum(total, x):
    return total + x, total + x


def test_carries_the_state():
    dataset = Dataset.range(1, 6).scan(np.int64(0), running_sum)
    assert [int(x) for x in dataset] == golden("stages")["elements"]["scan_cumsum"]
    assert len(dataset) == 5


def test_a_function_of_scalars_is_compiled():
    dataset = Dataset.range(3).scan(0, running_sum)
    assert "running_sum [compiled]" in dataset.explain()


def test_tuples_of_scalars():
    dataset = (
        Dataset.range(4).enumerate().scan((0, 1.0), lambda s, e: ((s[0] + e[0], s[1] * 2), (s[1], e[1])))
    )
    assert [(float(a), int(b)) for a, b in dataset] == [(1.0, 0), (2.0, 1), (4.0, 2), (8.0, 3)]


def test_narrow_numbers_stay_narrow():
    dataset = Dataset.range(3, output_type=np.int8).scan(np.int8(120), lambda s, x: (s + np.int8(5), s))
    assert [(int(x), x.dtype) for x in dataset] == [(120, np.int8), (125, np.int8), (-126, np.int8)]


def test_arrays_and_dicts_run_in_python():
    with pytest.warns(TracingWarning, match="runs per element in Python"):
        dataset = Dataset.range(4).batch(2).scan({"sum": np.zeros(2, int)}, lambda s, x: (s, s["sum"] + x))
    assert [x.tolist() for x in dataset] == [[0, 1], [2, 3]]


def test_text_is_carried_and_saved():
    with pytest.warns(TracingWarning):
        dataset = Dataset.from_tensor_slices(["a", "b", "c"]).scan("", lambda s, x: (s + x, s + x))
    iterator = iter(dataset.with_options(Options(block_bytes=1)))
    assert [next(iterator), next(iterator)] == ["a", "ab"]
    state = iterator.state()
    iterator.restore(state)
    assert list(iterator) == ["abc"]


@pytest.mark.parametrize(
    "function", [lambda s, x: (s * 0.5, x), lambda s, x: ((s, s), x), lambda s, x: (s.astype(np.int32), x)]
)
def test_a_state_of_another_kind_is_refused(function):
    with pytest.raises(SpecError):
        Dataset.range(3).scan(np.int64(0), function)


def test_a_result_that_is_no_pair_is_refused():
    with pytest.raises(SpecError, match="must return a pair"):
        Dataset.range(3).scan(0, lambda s, x: s + x)


def test_bytes_are_refused_as_state():
    with pytest.raises(InvalidArgumentError, match="must be numbers or text"):
        Dataset.range(3).scan(b"", lambda s, x: (s, x))


def test_an_element_that_fails_leaves_the_state_as_it_was():
    def fails_on_two(total, x):
        if int(x) == 2:
            raise KeyError("two")
        return total + x, total + x

    with pytest.warns(TracingWarning):
        iterator = iter(Dataset.range(5).scan(np.int64(0), fails_on_two))
    assert [int(next(iterator)), int(next(iterator))] == [0, 1]
    with pytest.raises(UserFunctionError, match="KeyError: 'two'"):
        next(iterator)
    assert [int(x) for x in iterator] == [4, 8]


def test_strict_tracing_refuses_python():
    with pytest.raises(TraceError, match="cannot be compiled"):
        Dataset.range(4).batch(2).with_options(Options(strict_tracing=True)).scan(0, lambda s, x: (s, x))


def test_a_function_that_is_impure_is_noticed():
    dataset = Dataset.range(3).scan(0, lambda state, x: (state, x + np.random.random()))
    with pytest.warns(TracingWarning, match="gives another result in plain Python"):
        assert [int(x) for x in dataset] == [0, 1, 2]


def test_a_function_that_is_made_again_is_compiled_once():
    def make(offset):
        return lambda total, x: (total + x, total + offset)

    def compiled(offset):
        return loops.compile_scan(make(offset), ((np.dtype(int),),) * 3, (False, False, False))

    assert compiled(1) is compiled(1)
    assert compiled(1) is not compiled(2)
    assert compiled(np.int64(1)) is not compiled(1)
    groups = [Dataset.range(3).scan(np.int64(0), make(offset)) for offset in (1, 2, 1)]
    assert [[int(x) for x in group] for group in groups] == [[1, 1, 2], [2, 2, 3], [1, 1, 2]]
