"""Orders, inferred dtypes, elements and error classes of `make_csv_dataset` are those of tf.data."""

import itertools

import numpy as np
import pytest

import dataflow as df
from dataflow.spec import dtype_name, flatten
from tests.dataflow.test_golden import plain
from tests.golden_values import golden

GOLDEN = golden("csv_dataset")
ONCE = {"batch_size": 10, "shuffle": False, "num_epochs": 1}
DTYPES = {"@int32": np.int32, "@int64": np.int64, "@string": str}
ERRORS = {"ValueError": ValueError, "InvalidArgumentError": df.InvalidArgumentError}


def make(directory, files, arguments):
    for name, text in files.items():
        (directory / name).write_bytes(text.encode())
    if "column_defaults" in arguments:
        defaults = [DTYPES.get(d, d) if isinstance(d, str) else d for d in arguments["column_defaults"]]
        arguments = {**arguments, "column_defaults": defaults}
    return df.make_csv_dataset(f"{directory}/*.csv", **arguments)


def dtypes(dataset):
    spec = dataset.element_spec
    features = spec[0] if isinstance(spec, tuple) else spec
    return [(name, dtype_name(component.dtype)) for name, component in features.items()]


@pytest.mark.parametrize("case", GOLDEN["orders"], ids=lambda case: str(case["args"]))
def test_order(tmp_path, case):
    dataset = make(tmp_path, GOLDEN["files"], case["args"])
    assert dtypes(dataset) == list(case["dtypes"].items())
    shapes = [list(component.shape) for component in flatten(dataset.element_spec)]
    assert sorted(shapes, key=str) == sorted(case["shapes"], key=str)
    assert [plain(element) for element in itertools.islice(dataset, case["take"])] == case["ok"]


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_case(tmp_path, name):
    case = GOLDEN["cases"][name]
    files, arguments = {"a.csv": case["text"]}, {**ONCE, **case["args"]}
    if case.get("at") == "construction":
        with pytest.raises(ERRORS[case["error"]]):
            make(tmp_path, files, arguments)
    elif "error" in case:  # what tf.data says while iterating may be said at once
        with pytest.raises(ERRORS[case["error"]]):
            list(make(tmp_path, files, arguments))
    else:
        dataset = make(tmp_path, files, arguments)
        assert dtypes(dataset) == list(case["dtypes"].items())
        assert [plain(element) for element in dataset] == case["ok"]
