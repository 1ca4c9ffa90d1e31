"""What tf.data does in corner cases, and where it is done otherwise here, with the reason."""

import os

import numpy as np
import pytest

import dataflow as df
from dataflow import Dataset, Options, TensorSpec
from tests.dataflow.test_golden import elements, plain
from tests.golden_values import golden

GOLDEN = golden("behaviour")
FIVE = Dataset.range(5)
INT = TensorSpec((), np.int64)


def twice(x):
    return Dataset.from_tensors(x).repeat(2)


def generate():
    yield 1
    raise ZeroDivisionError


def set_option(options, name):
    setattr(options, name, False)


def arrays_of_unknown_rank():
    return Dataset.from_generator(lambda: iter([[1], [2, 3]]), np.int64).padded_batch(2)


def cached_in_a_file():
    """Return what two iterators at a time give, the files they leave, and what another pipeline gets."""
    kept = Dataset.range(4).cache("kept")
    first, second = iter(kept), iter(kept)
    one_each = [next(first), next(second)]
    rest = [*second], [*first]
    with pytest.raises(df.AlreadyExistsError) as caught:
        list(Dataset.range(5).cache("kept"))
    return plain([one_each, rest, os.listdir(), type(caught.value).__name__])


CASES = {
    "shuffle -2": lambda: sorted(elements(Dataset.range(3).shuffle(-2))),
    "interleave default cycle (2 cpus)": lambda: Dataset.range(6).interleave(twice),
    "flat_map non dataset": lambda: FIVE.flat_map(lambda x: x),
    "from_generator raising": lambda: Dataset.from_generator(generate, output_signature=INT),
    "padded unknown rank no shapes": arrays_of_unknown_rank,
    "bad name": lambda: FIVE.map(lambda x: x, name="not valid"),
    "csv options setattr": lambda: set_option(Options(), "nothing"),
    "options frozen": lambda: set_option(FIVE.options(), "deterministic"),
    "cache file": cached_in_a_file,
}
DIFFERENT = {
    "shuffle -2": "no seed: the order is another one on each run, here as there",
    "flat_map non dataset": "a TypeError says what was returned; tf's AttributeError is an accident",
    "from_generator raising": "all errors of user functions are of one class, with the cause and its line",
    "padded unknown rank no shapes": "the rank of a component is always known; no shape means a scalar",
    "bad name": "no stage has an argument name=: there is no graph in which names are needed",
    "options frozen": "Options is a frozen dataclass, always; such a one raises AttributeError",
    "cache file": "written beside and renamed: no lock to wait for; another pipeline's elements are refused",
}
OURS = {
    "shuffle -2": [0, 1, 2],
    "flat_map non dataset": TypeError,
    "from_generator raising": df.UserFunctionError,
    "padded unknown rank no shapes": df.InvalidArgumentError,
    "bad name": TypeError,
    "options frozen": AttributeError,
    "cache file": [[0, 0], [[1, 2, 3], [1, 2, 3]], ["kept.cache"], "AlreadyExistsError"],
}
ERRORS = {
    "InvalidArgumentError": df.InvalidArgumentError,
    "ValueError": ValueError,
    "AttributeError": AttributeError,
}


def check(make, wanted):
    """Compare with values, or with the class of an error, on the way to the end of a dataset."""
    if isinstance(wanted, type):
        with pytest.raises(wanted):
            elements(make())
    else:
        found = make()
        assert (elements(found) if isinstance(found, Dataset) else found) == wanted


def from_tensorflow(case):
    return case["ok"] if "ok" in case else ERRORS[case["error"]]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Work in an empty folder, with two cores."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)


@pytest.mark.parametrize("name", CASES)
def test_behaviour(machine, name):
    wanted = OURS[name] if name in OURS else from_tensorflow(GOLDEN["behaviour"][name])
    check(CASES[name], wanted)


CARDINALITY = {
    "ragged_batch": lambda: FIVE.ragged_batch(2),
    "snapshot": lambda: FIVE.snapshot("kept"),
    "v1 range(5).map": lambda: FIVE.map(lambda x: x),
}
DIFFERENT_CARDINALITY = {"v1 range(5).map": "there is one class Dataset, which does as that of TensorFlow 2"}
OUR_CARDINALITY = {"v1 range(5).map": 5}


@pytest.mark.parametrize("name", CARDINALITY)
def test_cardinality(machine, name):
    wanted = {**GOLDEN["cardinality"], **OUR_CARDINALITY}[name]
    assert CARDINALITY[name]().cardinality() == wanted


@pytest.mark.parametrize(("name", "stop"), [("exhaust", False), ("stop", True)])
def test_a_sampled_dataset_that_ends(name, stop):
    inputs = [Dataset.range(2), Dataset.range(10, 20)]
    some = Dataset.sample_from_datasets(inputs, [0.9, 0.1], seed=1, stop_on_empty_dataset=stop)
    assert elements(some) == GOLDEN["sample"][name]


@pytest.mark.parametrize("case", golden("data")["interleave"])
def test_interleave_order_of_parallel_calls(case):
    sizes = np.array(case["source_sizes"])
    sources = Dataset.from_tensor_slices((np.arange(len(sizes)) * 100, sizes))
    dataset = sources.interleave(
        lambda first, size: Dataset.range(first, first + size),
        case["cycle_length"],
        case["block_length"],
        num_parallel_calls=case["cycle_length"],
    )
    assert elements(dataset) == case["parallel_deterministic"]


def test_every_case_of_tensorflow_is_tried():
    assert (CASES.keys(), CARDINALITY.keys()) == (GOLDEN["behaviour"].keys(), GOLDEN["cardinality"].keys())


def test_every_difference_has_a_reason():
    assert (OURS.keys(), OUR_CARDINALITY.keys()) == (DIFFERENT.keys(), DIFFERENT_CARDINALITY.keys())
