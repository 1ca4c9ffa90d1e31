"""`from_arrow`, `from_pandas`, `from_polars`: tables, streams, nulls, nested lists."""

import datetime
import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dataflow import (
    UNKNOWN_CARDINALITY,
    Dataset,
    FailedPreconditionError,
    InvalidArgumentError,
    Options,
    ParquetDataset,
    SpecError,
    StateError,
    TensorSpec,
    UserFunctionError,
)

COLUMNS = {
    "id": pa.array(range(10), pa.int32()),
    "fare": pa.array([None if i == 3 else i / 2 for i in range(10)]),
    "kind": pa.array([None if i == 5 else "ab"[i % 2] for i in range(10)]).dictionary_encode(),
    "tags": pa.array([[i] * (i % 3) for i in range(10)]),
    "pair": pa.array([[i, -i] for i in range(10)], pa.list_(pa.int64(), 2)),
    "day": pa.array([datetime.date(2020, 1, 1 + i) for i in range(10)]),
    "time": pa.array(range(10), pa.timestamp("us", "Europe/Berlin")),
    "raw": pa.array([bytes([i]) for i in range(10)]),
    "flag": pa.array([i % 2 == 0 for i in range(10)]),
}
TABLE = pa.concat_tables([pa.table(COLUMNS).slice(0, 4), pa.table(COLUMNS).slice(4)])
WAYS = [Options(block_bytes=1), Options(block_bytes=100), Options()]


class Stream:
    """Whatever has the method is a stream."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def reader():
    return pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches())


@pytest.mark.parametrize("options", WAYS, ids=repr)
@pytest.mark.parametrize("make", [lambda: TABLE, reader, lambda: Stream(TABLE)])
def test_every_type(make, options):
    rows = list(Dataset.from_arrow(make()).with_options(options))
    assert [int(row["id"]) for row in rows] == list(range(10))
    assert [i for i, row in enumerate(rows) if math.isnan(row["fare"])] == [3]
    assert [row["kind"] for row in rows][4:7] == ["a", None, "a"]
    assert [row["tags"].tolist() for row in rows][:4] == [[], [1], [2, 2], []]
    assert rows[2]["pair"].tolist() == [2, -2]
    assert rows[1]["day"] == np.datetime64("2020-01-02")
    assert rows[1]["time"] == np.datetime64("1970-01-01T00:00:00.000001")
    assert (rows[7]["raw"], bool(rows[7]["flag"])) == (b"\x07", False)


def test_the_spec_is_that_of_the_schema():
    spec = Dataset.from_arrow(TABLE).element_spec
    assert list(spec) == list(COLUMNS)
    assert (spec["id"], spec["pair"]) == (TensorSpec((), np.int32), TensorSpec((2,), np.int64))
    assert (spec["kind"], spec["tags"]) == (TensorSpec((), str), TensorSpec((None,), np.int64))
    assert (spec["day"], spec["time"]) == (TensorSpec((), "M8[D]"), TensorSpec((), "M8[us]"))


def test_a_table_has_a_length_and_can_be_iterated_again_and_again():
    dataset = Dataset.from_arrow(TABLE, columns=["id"])
    assert (len(dataset), len(list(dataset)), len(list(dataset.repeat(2)))) == (10, 10, 20)


def test_numbers_are_not_copied():
    column = np.arange(5.0)
    block = Dataset.from_arrow(pa.table({"x": column})).blocks().read(5)
    assert np.shares_memory(block.columns[0], column)


def test_a_record_batch_and_an_array_of_structs_are_tables():
    batch = TABLE.select(["id"]).to_batches()[1]
    assert [int(row["id"]) for row in Dataset.from_arrow(batch)] == [4, 5, 6, 7, 8, 9]
    assert list(Dataset.from_arrow(pa.array([{"x": 1}, {"x": 2}]))) == [{"x": 1}, {"x": 2}]


def test_columns_and_an_unknown_one():
    assert list(Dataset.from_arrow(TABLE, columns=["kind", "id"]).take(1)) == [{"kind": "a", "id": 0}]
    with pytest.raises(InvalidArgumentError, match="has no column 'far'") as caught:
        Dataset.from_arrow(TABLE, columns=["far"])
    assert "did you mean 'fare'" in str(caught.value)


def test_lists_in_lists_are_tensors_where_they_are_boxes():
    nested = pa.array([[[1, 2], [3, 4]], [], [[5], [6]]])
    dataset = Dataset.from_arrow(pa.table({"n": nested}))
    assert dataset.element_spec == {"n": TensorSpec((None, None), np.int64)}
    assert [row["n"].tolist() for row in dataset] == [[[1, 2], [3, 4]], [], [[5], [6]]]


def test_lists_that_differ_in_length_are_refused_in_their_row():
    iterator = iter(Dataset.from_arrow(pa.table({"n": pa.array([[[1]], [[1], [2, 3]], [[4]]])})))
    assert next(iterator)["n"].tolist() == [[1]]
    with pytest.raises(InvalidArgumentError, match="row 1, column n"):
        next(iterator)
    assert next(iterator)["n"].tolist() == [[4]]


def test_fixed_shape_tensors_have_their_shape():
    values = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(12).reshape(2, 3, 2))
    dataset = Dataset.from_arrow(pa.table({"t": values}))
    assert dataset.element_spec == {"t": TensorSpec((3, 2), np.int64)}
    assert [row["t"].tolist() for row in dataset][1] == [[6, 7], [8, 9], [10, 11]]


def test_nulls_of_integers_need_a_value():
    table = pa.table({"n": pa.array([1, None, 3])})
    iterator = iter(Dataset.from_arrow(table))
    assert int(next(iterator)["n"]) == 1
    with pytest.raises(InvalidArgumentError, match=r"row 1, column n(.|\n)*fill_nulls=\{'n': 0\}"):
        next(iterator)
    assert int(next(iterator)["n"]) == 3
    assert [int(row["n"]) for row in Dataset.from_arrow(table, fill_nulls={"n": -1})] == [1, -1, 3]


def test_fill_nulls_fills_dictionaries_and_is_checked():
    filled = Dataset.from_arrow(TABLE, columns=["kind"], fill_nulls={"kind": "?"})
    assert [row["kind"] for row in filled][4:7] == ["a", "?", "a"]
    with pytest.raises(InvalidArgumentError, match=r"fill_nulls\['id'\] must be a int32, not 'x'"):
        Dataset.from_arrow(TABLE, fill_nulls={"id": "x"})


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        (pa.array([{"x": 1}]), "flatten it"),
        (pa.array([1], pa.decimal128(4, 2)), "cast it to float64"),
        (pa.array([None]), "cast it to a number"),
    ],
)
def test_a_type_that_no_tensor_can_hold_is_named(column, hint):
    with pytest.raises(SpecError, match="column 'c' has type") as caught:
        Dataset.from_arrow(pa.table({"c": column, "i": [1]}))
    assert hint in str(caught.value)
    assert list(Dataset.from_arrow(pa.table({"c": column, "i": [1]}), columns=["i"])) == [{"i": 1}]


@pytest.mark.parametrize("data", [pa.array([1]), pa.chunked_array([[1]]), {"a": [1]}, pl.Series([1]), 3])
def test_what_is_no_table_is_refused_with_advice(data):
    with pytest.raises(SpecError, match=r"pyarrow\.table"):
        Dataset.from_arrow(data)


def test_names_must_differ():
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(InvalidArgumentError, match="has several columns 'a'"):
        Dataset.from_arrow(table)


def test_a_reader_can_be_read_once():
    dataset = Dataset.from_arrow(reader())
    assert dataset.cardinality() == UNKNOWN_CARDINALITY
    assert len(list(dataset)) == 10
    with pytest.raises(FailedPreconditionError, match=r"(.|\n)*read_all\(\)(.|\n)*cache\(\)"):
        next(iter(dataset))


def test_a_reader_behind_a_cache_can_be_repeated():
    dataset = Dataset.from_arrow(reader()).map(lambda row: row["id"]).cache().repeat(3)
    assert [int(x) for x in dataset] == [*range(10)] * 3


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_a_reader_is_not_used_up_by_a_function_that_is_tried_on_an_element():
    dataset = Dataset.from_arrow(reader()).map(lambda row: len(str(int(row["id"]))))
    assert [int(x) for x in dataset] == [1] * 10


def test_a_new_reader_goes_on_at_a_saved_position_and_an_old_one_cannot():
    dataset = Dataset.from_arrow(reader(), columns=["id"]).with_options(Options(block_bytes=8))
    iterator = iter(dataset)
    taken = [int(next(iterator)["id"]) for _ in range(7)]
    state = json.loads(json.dumps(iterator.state()))
    again = iter(Dataset.from_arrow(reader(), columns=["id"]).with_options(Options(block_bytes=8)))
    again.restore(state)
    assert taken + [int(row["id"]) for row in again] == list(range(10))
    with pytest.raises(StateError, match="cannot go back"):
        iter(dataset).restore(state)


def test_a_stream_that_fails_says_so():
    def batches():
        yield TABLE.to_batches()[0]
        raise RuntimeError("lost")

    iterator = iter(Dataset.from_arrow(pa.RecordBatchReader.from_batches(TABLE.schema, batches())))
    assert [int(next(iterator)["id"]) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(UserFunctionError, match="lost"):
        next(iterator)
    assert list(iterator) == []


def test_a_resume_seeks_to_the_row():
    iterator = iter(Dataset.from_arrow(TABLE, columns=["id"]).with_options(Options(block_bytes=8)))
    for _ in range(6):
        next(iterator)
    assert iterator.state()["position"]["state"]["row"] == 6


def test_a_saved_file_gives_the_same_elements(tmp_path):
    import pyarrow.parquet as pq

    table = TABLE.drop_columns(["fare"])  # a NaN is equal to nothing
    pq.write_table(table, tmp_path / "a.parquet")
    dataset = Dataset.from_arrow(table)
    assert ParquetDataset(str(tmp_path / "a.parquet")).element_spec == dataset.element_spec
    assert ParquetDataset(str(tmp_path / "a.parquet")).to_arrow() == dataset.to_arrow()


FRAME = pd.DataFrame(
    {
        "n": pd.array([1, None, 3], dtype="Int64"),
        "text": np.array(["a", None, "c"], object),
        "kind": pd.Categorical(["u", "v", None]),
        "time": pd.date_range("2020-01-01", periods=3, unit="ns"),
        "x": [1.0, np.nan, 3.0],
    },
    index=pd.Index([7, 8, 9], name="key"),
)


def test_pandas():
    rows = list(Dataset.from_pandas(FRAME, fill_nulls={"n": -1}))
    assert list(rows[0]) == ["n", "text", "kind", "time", "x"]
    assert [int(row["n"]) for row in rows] == [1, -1, 3]
    assert [row["text"] for row in rows] == ["a", None, "c"]
    assert [row["kind"] for row in rows] == ["u", "v", None]
    assert rows[1]["time"] == np.datetime64("2020-01-02")
    assert np.isnan([row["x"] for row in rows]).tolist() == [False, True, False]


def test_pandas_with_its_index():
    dataset = Dataset.from_pandas(FRAME, index=True, columns=["key", "x"])
    assert [int(row["key"]) for row in dataset] == [7, 8, 9]


def test_pandas_and_polars_frames_are_taken_by_from_arrow_too():
    assert list(Dataset.from_arrow(FRAME[["text"]])) == [{"text": "a"}, {"text": None}, {"text": "c"}]
    assert list(Dataset.from_arrow(pl.DataFrame({"a": [1]}))) == [{"a": 1}]


def test_pandas_columns_of_mixed_types_are_refused():
    with pytest.raises(SpecError, match="column mixed"):
        Dataset.from_pandas(pd.DataFrame({"mixed": np.array([1, "x"], object)}))
    with pytest.raises(SpecError, match="to_frame"):
        Dataset.from_pandas(pd.Series([1]))


def test_polars_eager_and_lazy():
    frame = pl.DataFrame(
        {"n": [1, 2], "s": ["x", None], "l": [[1], [2, 3]], "c": pl.Series(["u", "v"], dtype=pl.Categorical)}
    )
    for data in (frame, frame.lazy()):
        rows = list(Dataset.from_polars(data, columns=["s", "l", "c"]))
        assert [(row["s"], row["l"].tolist(), row["c"]) for row in rows] == [
            ("x", [1], "u"),
            (None, [2, 3], "v"),
        ]
    with pytest.raises(SpecError, match="to_frame"):
        Dataset.from_polars(pl.Series([1]))


def test_only_the_columns_that_are_asked_for_are_converted():
    mixed = np.array([1, "x"], object)
    assert list(Dataset.from_pandas(pd.DataFrame({"a": [1, 2], "mixed": mixed}), columns=["a"])) == [
        {"a": 1},
        {"a": 2},
    ]
    for method, frame in ((Dataset.from_pandas, pd.DataFrame), (Dataset.from_polars, pl.DataFrame)):
        with pytest.raises(InvalidArgumentError, match="has no column 'b'"):
            method(frame({"a": [1, 2]}), columns=["b"])


def test_slices_of_the_columns_of_a_frame():
    rows = list(Dataset.from_tensor_slices(dict(FRAME[["text", "kind", "time", "x"]])))
    assert [row["text"] for row in rows] == ["a", None, "c"]
    assert [row["kind"] for row in rows] == ["u", "v", None]
    assert rows[1]["time"] == np.datetime64("2020-01-02")


def test_slices_of_the_values_of_a_frame():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    assert [row.tolist() for row in Dataset.from_tensor_slices(frame.values)] == [[1, 0.5], [2, 1.5]]
    features, labels = dict(frame[["a"]]), frame["b"]
    assert list(Dataset.from_tensor_slices((features, labels))) == [({"a": 1}, 0.5), ({"a": 2}, 1.5)]
