"""`to_arrow`, `to_reader`, `to_pandas` and the Arrow stream of a dataset."""

import gc
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dataflow import Dataset, Options, SpecError, TensorSpec

TABLE = pa.table(
    {
        "z": [1, 2, 3],
        "text": ["a", None, "c"],
        "raw": [b"x", b"", None],
        "list": [[1], [], [2, 3]],
        "pair": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2)),
        "boxes": pa.array([[[1, 2], [3, 4]], [], [[5, 6]]], pa.list_(pa.list_(pa.int32(), 2))),
        "deep": [[[1, 2], [3, 4]], [], [[5], [6]]],
        "words": [["a", None], [], ["b"]],
        "day": pa.array([1, 2, None], pa.date32()),
        "time": pa.array([1, None, 3], pa.timestamp("us")),
        "for": pa.array([1, None, 3], pa.duration("s")),
        "flag": [True, False, True],
        "half": pa.array(np.arange(3, dtype=np.float16)),
    }
)


@pytest.mark.parametrize("block_bytes", [1, 64, 1 << 20])
def test_there_and_back(block_bytes):
    dataset = Dataset.from_arrow(TABLE).with_options(Options(block_bytes=block_bytes))
    assert dataset.to_arrow().equals(TABLE)


def test_batches_are_lists_of_their_elements():
    table = Dataset.from_arrow(TABLE.select(["z", "text", "pair", "flag"])).batch(2).to_arrow()
    assert table.schema.field("pair").type == pa.list_(pa.list_(pa.int32(), 2))
    assert table.to_pylist()[1] == {"z": [3], "text": ["c"], "pair": [[5, 6]], "flag": [True]}
    assert Dataset.from_arrow(table).to_arrow().equals(table)


def test_columns_are_named_by_keys_and_positions():
    point = namedtuple("Point", "x y")
    dataset = Dataset.range(2).map(lambda x: {"b": x, "a": (x, {"c": x}), "p": point(x, x)})
    assert dataset.to_arrow().column_names == ["b", "a/0", "a/1/c", "p/0", "p/1"]
    assert Dataset.range(2).to_arrow().column_names == ["value"]


def test_two_components_with_one_name_are_refused():
    with pytest.raises(SpecError, match="would share a column"):
        Dataset.range(2).map(lambda x: {"a/b": x, "a": {"b": x}}).to_arrow()


def test_a_dtype_that_arrow_does_not_have_is_named():
    with pytest.raises(SpecError, match="component 'value' has dtype complex64"):
        Dataset.from_tensor_slices(np.ones(2, np.complex64)).to_arrow()


def test_dictionaries_are_written_out():
    kinds = pa.table({"k": pa.array(["a", None, "a"]).dictionary_encode()})
    assert Dataset.from_arrow(kinds).to_arrow().equals(pa.table({"k": ["a", None, "a"]}))


def test_no_elements_make_an_empty_table():
    table = Dataset.from_arrow(TABLE).take(0).to_arrow()
    assert (table.num_rows, table.schema) == (0, TABLE.schema)


def test_arrays_without_items():
    dataset = Dataset.from_tensor_slices(np.zeros((2, 0, 3)))
    assert dataset.to_arrow().to_pydict() == {"value": [[], []]}


def test_endless_datasets_need_a_limit():
    for method in ("to_arrow", "to_pandas"):
        with pytest.raises(SpecError, match=rf"the dataset is infinite(.|\n)*{method}\(max_rows="):
            getattr(Dataset.counter(), method)()
    assert Dataset.counter().to_arrow(max_rows=3).to_pydict() == {"value": [0, 1, 2]}
    assert Dataset.counter().to_pandas(max_rows=2)["value"].tolist() == [0, 1]


def test_a_reader_runs_as_far_as_it_is_read():
    made = []

    def numbers():
        for i in range(1000):
            made.append(i)
            yield i

    dataset = Dataset.from_generator(numbers, output_signature=TensorSpec((), np.int64))
    reader = dataset.with_options(Options(threads=0)).to_reader()
    assert made == []
    assert reader.read_next_batch().num_rows == len(made) < 1000


def test_a_reader_that_is_dropped_closes_the_pipeline():
    closed = []

    def numbers():
        try:
            yield from range(1 << 20)
        finally:
            closed.append(True)

    dataset = Dataset.from_generator(numbers, output_signature=TensorSpec((), np.int64))
    reader = dataset.with_options(Options(threads=0)).to_reader()
    reader.read_next_batch()
    del reader
    gc.collect()
    assert closed == [True]


def test_a_dataset_is_an_arrow_stream():
    dataset = Dataset.from_arrow(TABLE)
    assert pa.RecordBatchReader.from_stream(dataset).read_all().equals(TABLE)
    assert pa.table(dataset).equals(TABLE)
    assert pl.DataFrame(dataset.take(2))["list"].to_list() == [[1], []]
    assert Dataset.from_arrow(dataset).to_arrow().equals(TABLE)


def test_a_stream_can_be_asked_for_other_types():
    wanted = pa.schema([("value", pa.int32())])
    reader = pa.RecordBatchReader.from_stream(Dataset.range(3), schema=wanted)
    assert reader.read_all().schema == wanted


def test_pandas():
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "s": ["a", None],
            "t": pd.to_datetime(["2020-01-01", None]).as_unit("us"),
            "x": [0.5, np.nan],
        }
    )
    back = Dataset.from_pandas(frame).to_pandas()
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert (back["t"].dtype, back["i"].dtype) == (frame["t"].dtype, np.int64)


def test_dates_stay_numbers_in_pandas():
    assert Dataset.from_arrow(TABLE.select(["day"])).to_pandas()["day"].dtype.kind == "M"


def test_without_pandas_the_extra_is_named():
    code = (
        "import sys, dataflow\n"
        "class Missing:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'pandas': raise ImportError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "try: dataflow.Dataset.range(2).to_pandas()\n"
        "except dataflow.OptionalDependencyError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "dataflow-estimators[pandas]" in result.stdout
