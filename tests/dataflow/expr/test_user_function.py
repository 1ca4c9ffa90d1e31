"""Functions of the user: traced, compiled, or called per element, and how they tell."""

import warnings

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, Options, TraceError, TracingWarning, UserFunctionError

THREE = Dataset.range(3)


def tier(dataset):
    return dataset.explain("written").splitlines()[0].partition("[")[2].partition("]")[0]


def test_numpy_functions_are_traced_and_called_once_with_symbols():
    calls = []

    def function(x):
        calls.append(type(x).__name__)
        return np.log1p(x) + np.where(x > 1, 1.0, 0.0)

    dataset = THREE.map(function)
    assert tier(dataset) == "traced"
    assert calls == ["Tensor"]
    assert list(dataset) == pytest.approx([0.0, np.log(2), np.log(3) + 1])


def test_a_cast_to_the_dtype_that_is_there_adds_no_call():
    seen = []

    def function(x):
        seen.append(x.astype(np.int64) is x)
        return x.astype(np.int64)

    assert [int(x) for x in THREE.map(function)] == [0, 1, 2]
    assert seen[0]


def test_the_first_elements_are_computed_in_python_too_but_no_others():
    calls = []
    dataset = Dataset.range(100).map(lambda x: calls.append(x) or x + 1)
    assert [int(x) for x in dataset] == list(range(1, 101))
    assert [int(x) for x in calls[1:]] == [0, 1]


def test_numeric_control_flow_is_compiled():
    dataset = Dataset.range(6).map(lambda x: x + 1 if x > 3 else x)
    assert tier(dataset) == "compiled"
    assert [int(x) for x in dataset] == [0, 1, 2, 3, 5, 6]


def test_a_compiled_function_keeps_fractions_that_the_first_element_does_not_show():
    dataset = Dataset.range(3).map(lambda x: x * 0.5 if x > 0 else 0)
    assert dataset.element_spec.dtype == np.float64
    assert list(dataset) == [0.0, 0.5, 1.0]


def test_a_compiled_function_of_several_components():
    dataset = Dataset.from_tensor_slices(([1, 2], [3.0, 1.0])).map(
        lambda a, b: (a, b) if a > b else (a + 1, -b)
    )
    assert tier(dataset) == "compiled"
    assert list(dataset) == [(2, -3.0), (2, 1.0)]


def test_compiled_division_by_zero_is_that_of_numpy():
    dataset = Dataset.from_tensor_slices([2, 0, 1]).map(lambda x: 1.0 / x if x < 5 else 0.0)
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        assert list(dataset) == [0.5, np.inf, 1.0]


def test_what_neither_can_runs_in_python_and_names_the_line():
    texts = Dataset.from_tensor_slices(["a,b", "c,d"])
    with pytest.warns(TracingWarning) as caught:
        dataset = texts.map(lambda text: text.split(",")[1])
    assert tier(dataset) == "python"
    assert list(dataset) == ["b", "d"]
    message = str(caught[0].message)
    assert message.count(f"{__file__}:") == 2  # where the stage is built, and what cannot be traced
    assert "symbolic tensors have no attribute 'split'" in message


def test_python_operators_on_text_run_in_python():
    with pytest.warns(TracingWarning):
        dataset = Dataset.from_tensor_slices(["a", "b"]).map(lambda text: text + "!")
    assert list(dataset) == ["a!", "b!"]


def test_strict_tracing_refuses_where_the_stage_is_built():
    strict = THREE.with_options(Options(strict_tracing=True))
    with pytest.raises(TraceError, match="the truth of a symbolic tensor is not known yet"):
        strict.map(lambda x: x if x else 1)


def test_strict_tracing_that_is_said_later_refuses_when_iterating():
    dataset = THREE.map(lambda x: x + 1 if x > 1 else x).with_options(Options(strict_tracing=True))
    with pytest.raises(TraceError, match="cannot be traced"):
        list(dataset)


def impure(x):
    return x + np.random.default_rng().random()


def test_an_impure_function_is_noticed_and_not_frozen():
    dataset = THREE.map(impure)
    assert tier(dataset) == "traced"
    with pytest.warns(TracingWarning, match="gives another result in plain Python"):
        first = list(dataset)
    fractions = {round(float(x) % 1, 12) for x in (*first, *dataset)}
    assert len(fractions) == 6


def test_an_impure_function_is_an_error_with_strict_tracing():
    dataset = THREE.map(impure).with_options(Options(strict_tracing=True))
    for _ in range(2):
        with pytest.raises(TraceError, match="depend on its arguments alone"):
            list(dataset)


def test_an_impure_function_is_noticed_in_fused_maps_too():
    with pytest.warns(TracingWarning):
        assert len({float(x) % 1 for x in THREE.map(impure).map(lambda x: x * 1.0)}) == 3


def test_a_returned_list_is_a_tuple_and_a_list_in_it_an_array_also_between_fused_maps():
    dataset = Dataset.range(2).map(lambda x: [x, [x, x + 1]]).map(lambda x, v: (x, v * 2))
    assert [(int(x), v.tolist()) for x, v in dataset] == [(0, [0, 2]), (1, [2, 4])]


def test_a_python_number_has_a_dtype_of_its_own():
    numbers = Dataset.from_tensor_slices(np.arange(2, dtype=np.float32))
    dataset = numbers.map(lambda x: (x, 1)).map(lambda x, one: x + one)
    assert dataset.element_spec.dtype == np.float64
    assert {x.dtype for x in dataset} == {np.dtype(np.float64)}


def test_a_function_may_change_the_dict_that_it_is_given():
    dataset = Dataset.from_tensor_slices({"a": [1, 2], "b": [3, 4]})
    assert list(dataset.map(lambda d: d.pop("a") + d["b"])) == [4, 6]
    assert next(iter(dataset)) == {"a": 1, "b": 3}


def test_a_missing_key_fails_where_the_stage_is_built():
    with pytest.raises(KeyError, match="fare"):
        Dataset.from_tensor_slices({"a": [1]}).map(lambda d: d["fare"])


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_an_exception_of_the_function_names_stage_and_line_and_keeps_the_cause():
    def function(text):
        return {"1": 1, "2": 2}[text]

    iterator = iter(Dataset.from_tensor_slices(["1", "x", "2"]).map(function))
    assert next(iterator) == 1
    with pytest.raises(UserFunctionError) as caught:
        next(iterator)
    assert isinstance(caught.value.__cause__, KeyError)
    line = function.__code__.co_firstlineno + 1
    assert f"function raised KeyError: 'x', at {__file__}:{line}" in str(caught.value)
    assert f"stage: Map built at {__file__}:{line + 2}" in str(caught.value)
    assert next(iterator) == 2


def test_an_exception_in_a_compiled_function_names_the_line():
    def function(x):
        if x == 2:
            raise ValueError("two")
        return x

    iterator = iter(Dataset.range(5).map(function))
    assert [int(next(iterator)) for _ in range(2)] == [0, 1]
    with pytest.raises(UserFunctionError, match=rf"ValueError: two, at {__file__}:"):
        next(iterator)
    assert [int(x) for x in iterator] == [3, 4]


def test_a_kernel_that_fails_blames_one_element_and_names_the_line():
    ragged = Dataset.range(4).batch(3)  # three rows, then one
    iterator = iter(ragged.map(lambda x: x.reshape(3, 1)))
    assert next(iterator).shape == (3, 1)
    with pytest.raises(InvalidArgumentError, match=rf"reshape failed with ValueError.*at {__file__}:"):
        next(iterator)


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_a_result_of_another_kind_than_the_first_is_an_error_not_a_rounding():
    values = {"a": 1, "b": 2.5, "c": 3}
    iterator = iter(Dataset.from_tensor_slices(["a", "b", "c"]).map(lambda key: values[key]))
    assert next(iterator) == 1
    with pytest.raises(TypeError, match=r"2\.5 is a float64 that does not fit"):
        next(iterator)
    assert next(iterator) == 3


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
@pytest.mark.parametrize("prefetch", [False, True])
def test_a_keyboard_interrupt_is_passed_on(prefetch):
    def stops(text):
        if str(text) == "b":
            raise KeyboardInterrupt
        return len(text)

    dataset = Dataset.from_tensor_slices(["aa", "b"]).map(stops)
    iterator = iter(dataset.prefetch(1) if prefetch else dataset)
    assert next(iterator) == 2
    with pytest.raises(KeyboardInterrupt):
        next(iterator)
    iterator.close()


def test_building_a_stage_does_not_count_as_an_epoch_of_a_shuffle():
    shuffled = Dataset.range(10).shuffle(10, seed=42)
    dataset = shuffled.map(lambda x: x + 1 if x > 100 else x)
    assert [int(x) for x in dataset] == [5, 9, 6, 4, 7, 1, 2, 8, 3, 0]


def test_a_function_over_nothing_keeps_the_input_spec():
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        dataset = Dataset.range(0).map(lambda x: x if x else 1)
    assert list(dataset) == []
