import numpy as np
import pytest

from dataflow import Dataset, DatasetSpec, InvalidArgumentError, Options, SpecError, TensorSpec
from dataflow.testing import check
from dataflow.testing.cases import INPUTS
from dataflow.transforms.window import Window
from tests.golden_values import golden


@pytest.mark.parametrize("block_bytes", [1, 24, 1 << 20])
@pytest.mark.parametrize("case", golden("stages")["window"])
def test_windows_are_those_of_tensorflow(case, block_bytes):
    dataset = Dataset.range(case["n"]).window(**case["args"], as_batch=True)
    dataset = dataset.with_options(Options(block_bytes=block_bytes))
    assert [x.tolist() for x in dataset] == case["windows"]
    assert len(dataset) == len(case["windows"])


def test_components_and_texts():
    dataset = Dataset.from_tensor_slices((np.arange(3), np.array(["a", "b", "c"]))).window(
        2, 1, as_batch=True
    )
    assert [(x.tolist(), y.tolist()) for x, y in dataset][:2] == [([0, 1], ["a", "b"]), ([1, 2], ["b", "c"])]


def test_the_size_is_known_where_nothing_is_shorter():
    assert Dataset.range(9).window(3, as_batch=True).element_spec == TensorSpec((None,), np.int64)
    fixed = Dataset.range(9).window(3, drop_remainder=True, as_batch=True)
    assert fixed.element_spec == TensorSpec((3,), np.int64)


def test_an_endless_dataset():
    dataset = Dataset.counter().window(2, 3, as_batch=True)
    assert dataset.cardinality() == -1
    assert [x.tolist() for x in dataset.take(2)] == [[0, 1], [3, 4]]


@pytest.mark.parametrize("arguments", [(0,), (2, 0), (2, 1, 0)])
def test_numbers_below_1_are_refused(arguments):
    with pytest.raises(InvalidArgumentError, match="must be at least 1"):
        Dataset.range(5).window(*arguments, as_batch=True)


def plain(value):
    """Return windows as nested lists."""
    return [plain(item) for item in value] if isinstance(value, Dataset | list) else value.tolist()


@pytest.mark.parametrize("block_bytes", [1, 24, 1 << 20])
@pytest.mark.parametrize("case", golden("stages")["window"])
def test_datasets_are_those_of_tensorflow(case, block_bytes):
    dataset = Dataset.range(case["n"]).window(**case["args"])
    assert plain(dataset.with_options(Options(block_bytes=block_bytes))) == case["windows"]
    assert [len(window) for window in dataset] == [len(window) for window in case["windows"]]
    assert len(dataset) == len(case["windows"])


@pytest.mark.parametrize("case", golden("stages")["window"])
def test_datasets_become_batches(case):
    dataset = Dataset.range(case["n"]).window(**case["args"]).flat_map(lambda window: window.batch(5))
    assert [x.tolist() for x in dataset] == case["windows"]
    assert dataset.element_spec == TensorSpec((None,), np.int64)


def columns():
    parts = {"a": np.arange(4), "b": (np.arange(4.0), np.array(list("wxyz")))}
    return Dataset.from_tensor_slices(parts).window(2)


def test_each_component_is_a_dataset():
    text = DatasetSpec(TensorSpec((), str))
    spec = {"a": DatasetSpec(TensorSpec((), np.int64)), "b": (DatasetSpec(TensorSpec((), np.float64)), text)}
    assert columns().element_spec == spec
    first = next(iter(columns()))
    assert (list(first["a"]), list(first["b"][1])) == ([0, 1], ["w", "x"])


def test_components_are_zipped_again():
    pairs = columns().flat_map(lambda window: Dataset.zip((window["a"], window["b"][1])))
    assert list(pairs) == [(0, "w"), (1, "x"), (2, "y"), (3, "z")]
    assert list(columns().flat_map(Dataset.zip))[3] == {"a": 3, "b": (3.0, "z")}


def test_a_tuple_of_datasets_is_unpacked():
    dataset = Dataset.from_tensor_slices((np.arange(3), np.arange(3) * 10)).window(2)
    batches = dataset.flat_map(lambda a, b: Dataset.zip((a.batch(2), b.batch(2))))
    assert [(a.tolist(), b.tolist()) for a, b in batches] == [([0, 1], [0, 10]), ([2], [20])]


def test_functions_of_windows_are_not_traced_and_not_warned_of():
    windows = Dataset.range(7).window(3)
    total = windows.map(lambda window: window.reduce(np.int64(0), lambda a, b: a + b))
    assert [x.tolist() for x in total.batch(2)] == [[3, 12], [6]]
    assert plain(windows.filter(lambda window: len(window) == 3)) == [[0, 1, 2], [3, 4, 5]]
    assert windows.reduce(np.int64(0), lambda state, window: state + len(window)) == 7
    assert list(windows.scan(np.int64(0), lambda state, window: (state + len(window), state))) == [0, 3, 6]
    assert list(windows.interleave(lambda window: window, 2)) == [0, 3, 1, 4, 2, 5, 6]


def test_a_function_may_return_datasets():
    halves = Dataset.range(7).window(3).map(lambda window: window.batch(2))
    assert halves.element_spec == DatasetSpec(TensorSpec((None,), np.int64))
    assert plain(halves) == [[[0, 1], [2]], [[3, 4], [5]], [[6]]]


def test_a_function_that_needs_the_real_window():
    dataset = Dataset.range(7).window(3).flat_map(lambda window: window.batch(len(window)))
    assert plain(dataset) == [[0, 1, 2], [3, 4, 5], [6]]


def test_windows_beside_arrays():
    dataset = Dataset.range(5).window(2).enumerate().flat_map(lambda i, w: w.map(lambda x: x * 10 + i))
    assert [int(x) for x in dataset] == [0, 10, 21, 31, 42]


def test_windows_of_windows():
    assert plain(Dataset.range(7).window(2).window(2)) == [[[0, 1], [2, 3]], [[4, 5], [6]]]


def test_windows_of_elements_of_different_shapes():
    dataset = Dataset.from_list([[1], [2, 3], [4, 5, 6]]).window(2)
    assert plain(dataset) == [[[1], [2, 3]], [[4, 5, 6]]]
    assert plain(dataset.flat_map(lambda window: window.padded_batch(2))) == [[[1, 0], [2, 3]], [[4, 5, 6]]]


def test_what_windows_return_is_known_without_elements():
    assert Dataset.range(0).window(2).flat_map(lambda w: w.batch(2)).element_spec == TensorSpec(
        (None,), np.int64
    )
    calls = []
    source = Dataset.from_generator(
        lambda: calls.append(1) or iter([1]), output_signature=TensorSpec((), np.int64)
    )
    source.window(2).flat_map(lambda w: w.batch(2))
    assert calls == []


def test_stages_that_hand_windows_on():
    windows = Dataset.range(7).window(3)
    assert plain(windows.take(2).repeat(2).concatenate(windows).skip(5)) == [[3, 4, 5], [6]]
    assert sorted(plain(windows.shuffle(2, seed=1).prefetch(1))) == [[0, 1, 2], [3, 4, 5], [6]]
    kept = windows.cache()
    assert plain(kept) == plain(kept) == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("stage", ["batch", "padded_batch", "ragged_batch", "rebatch", "unbatch", "window"])
def test_stages_that_need_arrays_say_what_to_do(stage):
    arguments = {"unbatch": {}, "window": {"size": 2, "as_batch": True}}.get(stage, {"batch_size": 2})
    with pytest.raises((SpecError, InvalidArgumentError), match=r"as_batch=True|rank 1 or more"):
        getattr(Dataset.range(5).window(2), stage)(**arguments)


def test_a_file_cannot_hold_windows(tmp_path):
    with pytest.raises(SpecError, match="keep them in memory"):
        Dataset.range(5).window(2).cache(str(tmp_path / "kept"))


def test_windows_are_no_numpy_values():
    with pytest.raises(TypeError, match="iterate over the dataset itself"):
        Dataset.range(5).window(2).as_numpy_iterator()


def test_datasets_in_a_list_and_from_a_generator():
    parts = [Dataset.range(2), Dataset.range(5, 8)]
    spec = DatasetSpec(TensorSpec((), np.int64))
    for dataset in (Dataset.from_list(parts), Dataset.from_generator(lambda: parts, output_signature=spec)):
        assert dataset.element_spec == spec
        assert plain(dataset) == [[0, 1], [5, 6, 7]]


def _windows(source, size, shift, stride=1, drop_remainder=False):
    return Window(source, size, shift, stride, drop_remainder, as_batch=False, handle=Dataset)


@pytest.mark.parametrize("sizes", [(3, 3), (3, 1, 2, True), (2, 5)])
@pytest.mark.parametrize("kind", INPUTS)
def test_datasets_conform(kind, sizes):
    check(lambda: _windows(INPUTS[kind](), *sizes))


def test_resumed_within_a_window():
    dataset = Dataset.range(7).window(3, 2).flat_map(lambda window: window)
    iterator = iter(dataset)
    taken = [int(next(iterator)) for _ in range(4)]
    other = iter(dataset)
    other.restore(iterator.state())
    assert taken + [int(x) for x in other] == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6]
