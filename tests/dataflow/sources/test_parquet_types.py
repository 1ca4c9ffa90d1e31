"""Parquet as others write it: every encoding, codec and type."""

import datetime
import decimal
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow import Dataset, InvalidArgumentError, Options, ParquetDataset, SpecError, TensorSpec

N = 300
COLUMNS = {
    "int": pa.array([i * i - 5 for i in range(N)], pa.int64()),
    "small": pa.array([i % 7 for i in range(N)], pa.int32()),
    "float": pa.array([i / 8 for i in range(N)], pa.float32()),
    "double": pa.array([i / 3 for i in range(N)]),
    "text": pa.array([f"word {i % 11}" for i in range(N)]),
    "bytes": pa.array([bytes([i % 256]) * (i % 4) for i in range(N)]),
    "flag": pa.array([i % 3 == 0 for i in range(N)]),
    "fixed": pa.array([b"%04d" % i for i in range(N)], pa.binary(4)),
}
ENCODINGS = {
    "PLAIN": list(COLUMNS),
    "DELTA_BINARY_PACKED": ["int", "small"],
    "DELTA_LENGTH_BYTE_ARRAY": ["text", "bytes"],
    "DELTA_BYTE_ARRAY": ["text", "bytes", "fixed"],
    "BYTE_STREAM_SPLIT": ["int", "small", "float", "double", "fixed"],
    "RLE": ["flag"],
}
WAYS = [Options(block_bytes=1), Options(block_bytes=500), Options()]


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def rows_of(dataset, name):
    return [row[name] for row in dataset]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", [*ENCODINGS, "dictionary"])
def test_every_encoding_in_both_kinds_of_pages(tmp_path, encoding, version):
    names = ENCODINGS.get(encoding, list(COLUMNS))
    how = {"column_encoding": dict.fromkeys(names, encoding)} if encoding in ENCODINGS else {}
    path = write(
        tmp_path / "a.parquet", {name: COLUMNS[name] for name in names}, row_group_size=130,
        use_dictionary=encoding == "dictionary", data_page_version=version, data_page_size=200,
        write_page_checksum=True, **how,
    )  # fmt: skip
    found = {
        name for i in range(len(names)) for name in pq.read_metadata(path).row_group(0).column(i).encodings
    }
    assert ("RLE_DICTIONARY" if encoding == "dictionary" else encoding) in found
    rows = list(ParquetDataset(path).with_options(Options(block_bytes=700)))
    for name in names:
        assert [row[name] for row in rows] == COLUMNS[name].to_pylist()


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_every_codec(tmp_path, codec):
    path = write(tmp_path / "a.parquet", COLUMNS, compression=codec)
    assert pq.read_metadata(path).row_group(0).column(0).compression == {"none": "UNCOMPRESSED"}.get(
        codec, codec.upper()
    )
    assert rows_of(ParquetDataset(path), "text") == COLUMNS["text"].to_pylist()


TYPES = {
    "float16": (pa.array(np.arange(3, dtype=np.float16)), np.float16, [0, 1, 2]),
    "uint8": (pa.array([0, 1, 255], pa.uint8()), np.uint8, [0, 1, 255]),
    "uint16": (pa.array([0, 1, 65535], pa.uint16()), np.uint16, [0, 1, 65535]),
    "uint32": (pa.array([0, 1, 2**32 - 1], pa.uint32()), np.uint32, [0, 1, 2**32 - 1]),
    "uint64": (pa.array([0, 1, 2**64 - 1], pa.uint64()), np.uint64, [0, 1, 2**64 - 1]),
    "int8": (pa.array([-128, 0, 127], pa.int8()), np.int8, [-128, 0, 127]),
    "fixed bytes": (pa.array([b"ab", None, b"cd"], pa.binary(2)), bytes, [b"ab", None, b"cd"]),
    "large text": (pa.array(["a", None, "c"], pa.large_string()), str, ["a", None, "c"]),
    "text view": (pa.array(["a", None, "c"], pa.string_view()), str, ["a", None, "c"]),
    "large bytes": (pa.array([b"a", None, b""], pa.large_binary()), bytes, [b"a", None, b""]),
    "dictionary": (pa.array(["a", None, "a"]).dictionary_encode(), str, ["a", None, "a"]),
    "numbers in a dictionary": (pa.array([5, 6, 5]).dictionary_encode(), np.int64, [5, 6, 5]),
    "time of day": (
        pa.array([datetime.time(1), datetime.time(0), datetime.time(0, 0, 1)], pa.time32("ms")),
        "m8[ms]",
        [np.timedelta64(3600, "s"), np.timedelta64(0), np.timedelta64(1000, "ms")],
    ),
    "fine time of day": (
        pa.array([1, 2, 3], pa.time64("us")), "m8[us]", [np.timedelta64(i, "us") for i in (1, 2, 3)],
    ),
    "duration": (
        pa.array([1, 2, 3], pa.duration("ms")), "m8[ms]", [np.timedelta64(i, "ms") for i in (1, 2, 3)],
    ),
    "date": (
        pa.array([datetime.date(2024, 2, 29)] * 3), "M8[D]", [np.datetime64("2024-02-29")] * 3,
    ),
    "timestamp": (
        pa.array([datetime.datetime(2024, 1, 1, 12)] * 3, pa.timestamp("ms")),
        "M8[ms]",
        [np.datetime64("2024-01-01T12:00")] * 3,
    ),
    "timestamp in a zone, as UTC": (
        pa.array([datetime.datetime(2024, 1, 1, 12)] * 3, pa.timestamp("us", "Europe/Berlin")),
        "M8[us]",
        [np.datetime64("2024-01-01T12:00")] * 3,
    ),
    "large list": (pa.array([[1], [], [2, 3]], pa.large_list(pa.int16())), np.int16, [[1], [], [2, 3]]),
    "list view": (pa.array([[1], [], [2, 3]], pa.list_view(pa.int16())), np.int16, [[1], [], [2, 3]]),
    "list of texts": (pa.array([["a"], [], ["b", None]]), str, [["a"], [], ["b", None]]),
    "null list": (pa.array([[1.5], None, []]), np.float64, [[1.5], [], []]),
    "list of fixed size": (
        pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int8(), 2)), np.int8, [[1, 2], [3, 4], [5, 6]],
    ),
    "json": (pa.array(['{"a": 1}', None, "2"], pa.json_()), str, ['{"a": 1}', None, "2"]),
    "uuid": (pa.array([b"0123456789abcdef"] * 3, pa.uuid()), bytes, [b"0123456789abcdef"] * 3),
}  # fmt: skip


@pytest.mark.parametrize("options", WAYS, ids=repr)
@pytest.mark.parametrize("name", TYPES)
def test_every_type(tmp_path, name, options):
    array, dtype, values = TYPES[name]
    dataset = ParquetDataset(write(tmp_path / "a.parquet", {"c": array})).with_options(options)
    spec = dataset.element_spec["c"]
    assert spec.dtype == TensorSpec((), dtype).dtype
    found = rows_of(dataset, "c")
    assert [value.tolist() if spec.rank else value for value in found] == values


def test_nulls_of_floats_and_times_are_nan_and_nat(tmp_path):
    columns = {
        "half": pa.array([None, np.float16(1)], pa.float16()),
        "day": pa.array([None, datetime.date(2024, 1, 1)]),
        "time": pa.array([None, 5], pa.time32("ms")),
    }
    first, second = ParquetDataset(write(tmp_path / "a.parquet", columns))
    assert math.isnan(first["half"])
    assert np.isnat(first["day"])
    assert np.isnat(first["time"])
    assert (second["half"], second["time"]) == (1, np.timedelta64(5, "ms"))


def test_old_timestamps_of_96_bits(tmp_path):
    moment = datetime.datetime(2024, 1, 1, 12, 0, 1)
    path = write(tmp_path / "a.parquet", {"t": [moment]}, use_deprecated_int96_timestamps=True)
    assert rows_of(ParquetDataset(path), "t") == [np.datetime64(moment)]


DECIMALS = [decimal.Decimal("0.10"), None, decimal.Decimal("123456789012.37"), decimal.Decimal("-2.45")]


@pytest.mark.parametrize("kind", [pa.decimal64(16, 2), pa.decimal128(20, 2), pa.decimal256(40, 2)], ids=str)
def test_decimals_are_refused_or_the_nearest_floats(tmp_path, kind):
    path = write(
        tmp_path / "a.parquet",
        {"d": pa.array(DECIMALS, kind), "l": pa.array([[d] for d in DECIMALS], pa.list_(kind))},
    )
    with pytest.raises(SpecError, match=r"column 'd' has type decimal(.|\n)*decimals=.float64."):
        ParquetDataset(path)
    rows = list(ParquetDataset(path, decimals="float64"))
    wanted = [float(d) if d is not None else math.nan for d in DECIMALS]
    np.testing.assert_array_equal([row["d"] for row in rows], wanted)
    assert rows[2]["l"].tolist() == [wanted[2]]
    with pytest.raises(InvalidArgumentError, match='decimals must be None or "float64"'):
        ParquetDataset(path, decimals="exact")


STRUCTS = {
    "s": pa.array([{"x": 1, "y": {"z": "a"}}, {"x": 3, "y": None}, None, {"x": 4, "y": {"z": "d"}}]),
    "l": pa.array([[{"u": 1.5, "v": "a"}], None, [], [{"u": 2.0, "v": "b"}, {"u": 3.0, "v": None}]]),
    "x": pa.array([7, 8, 9, 10]),
}


@pytest.mark.parametrize("options", WAYS, ids=repr)
def test_structs_are_dicts_and_lists_of_structs_dicts_of_lists(tmp_path, options):
    path = write(tmp_path / "a.parquet", STRUCTS, row_group_size=3)
    dataset = ParquetDataset(path, fill_nulls={"s.x": -1}).with_options(options)
    assert dataset.element_spec == {
        "s": {"x": TensorSpec((), np.int64), "y": {"z": TensorSpec((), str)}},
        "l": {"u": TensorSpec((None,), np.float64), "v": TensorSpec((None,), str)},
        "x": TensorSpec((), np.int64),
    }
    rows = list(dataset)
    assert [row["s"] for row in rows] == [
        {"x": 1, "y": {"z": "a"}},
        {"x": 3, "y": {"z": None}},
        {"x": -1, "y": {"z": None}},
        {"x": 4, "y": {"z": "d"}},
    ]
    assert [row["l"]["u"].tolist() for row in rows] == [[1.5], [], [], [2, 3]]
    assert [row["l"]["v"].tolist() for row in rows] == [["a"], [], [], ["b", None]]


def test_a_null_struct_is_refused_where_its_integers_have_no_value(tmp_path):
    path = write(tmp_path / "a.parquet", STRUCTS)
    iterator = iter(ParquetDataset(path, columns=["s.x"]))
    assert [next(iterator)["s"]["x"] for _ in range(2)] == [1, 3]
    with pytest.raises(InvalidArgumentError, match=r"row 2, column s\.x"):
        next(iterator)
    assert next(iterator)["s"]["x"] == 4


def test_fields_of_structs_are_chosen_by_name_and_by_use(tmp_path):
    path = write(tmp_path / "a.parquet", STRUCTS)
    assert list(ParquetDataset(path, columns=["s.y", "x"]).take(1)) == [{"s": {"y": {"z": "a"}}, "x": 7}]
    used = ParquetDataset(path).map(lambda row: row["s"]["y"]["z"] == "a")
    assert "columns=(('s', 'y', 'z'),)" in used.explain()
    assert [bool(x) for x in used] == [True, False, False, False]
    with pytest.raises(InvalidArgumentError, match=r"has no column 's\.w'(.|\n)*did you mean 's\.x'"):
        ParquetDataset(path, columns=["s.w"])
    with pytest.raises(InvalidArgumentError, match=r"column 's\.x' is chosen twice"):
        ParquetDataset(path, columns=["s", "s.x"])


def test_structs_in_lists_of_fixed_size(tmp_path):
    kind = pa.list_(pa.struct([("x", pa.int32())]), 2)
    path = write(tmp_path / "a.parquet", {"p": pa.array([[{"x": 1}, {"x": 2}], [{"x": 3}, {"x": 4}]], kind)})
    for dataset in (ParquetDataset(path), ParquetDataset(path).skip(0)):
        assert [row["p"]["x"].tolist() for row in dataset] == [[1, 2], [3, 4]]


def test_names_with_dots_are_columns_before_they_are_fields(tmp_path):
    columns = {"a": pa.array([{"b": 1}]), "a.b": pa.array(["dotted"])}
    path = write(tmp_path / "a.parquet", columns)
    assert list(ParquetDataset(path)) == [{"a": {"b": 1}, "a.b": "dotted"}]
    assert list(ParquetDataset(path, columns=["a.b"])) == [{"a.b": "dotted"}]


def test_filters_on_fields_of_structs_pass_over_row_groups(tmp_path):
    structs = pa.array([{"day": day} for day in range(30)])
    path = write(tmp_path / "a.parquet", {"s": structs}, row_group_size=10)
    dataset = ParquetDataset(path).filter(lambda row: row["s"]["day"] > 25)
    assert "where=((('s', 'day'), 'greater', 25),)" in dataset.explain()
    assert [int(row["s"]["day"]) for row in dataset] == [26, 27, 28, 29]


def test_a_value_that_stands_for_nulls_is_not_in_the_statistics(tmp_path):
    path = write(tmp_path / "a.parquet", {"x": [1.0, None, 2.0]})
    dataset = ParquetDataset(path, fill_nulls={"x": 9.0}).filter(lambda row: row["x"] > 5)
    assert list(dataset) == [{"x": 9.0}]


def test_text_that_is_not_utf8_is_refused_in_its_row_and_can_be_read_as_bytes(tmp_path):
    raw = pa.array([b"ok", "größe".encode("latin-1"), b"ok too"])
    text = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    for use_dictionary in (True, False):
        texts = pa.concat_arrays([text] + [text.slice(0, 1)] * 50)
        columns = {"t": texts, "n": [1, 2, 3] + [4] * 50}
        path = write(tmp_path / "a.parquet", columns, use_dictionary=use_dictionary)
        rows = ParquetDataset(path)
        with pytest.raises(ValueError, match=r"not UTF-8(.|\n)*row 1, column t(.|\n)*schema=\{'t': bytes"):
            list(rows)
        assert [int(row["n"]) for row in rows.ignore_errors()] == [1, 3] + [4] * 50
        assert rows_of(ParquetDataset(path, schema={"t": bytes}).take(3), "t") == raw.to_pylist()


def test_nested_columns_come_back_from_what_is_written(tmp_path):
    path = write(tmp_path / "a.parquet", STRUCTS)
    dataset = ParquetDataset(path, fill_nulls={"s.x": 0}).map(lambda row: row["s"]["x"]).batch(4)
    assert [batch.tolist() for batch in dataset] == [[1, 3, 0, 4]]
    assert Dataset.zip(dataset, dataset).take(1).cardinality() == 1


def test_extension_types_are_filled_and_coded_as_what_they_are_stored_as(tmp_path):
    texts = pa.array(["1", None, "2"] * 100, pa.json_())
    dataset = ParquetDataset(write(tmp_path / "a.parquet", {"j": texts}), fill_nulls={"j": "null"})
    assert rows_of(dataset, "j") == ["1", "null", "2"] * 100
    assert rows_of(ParquetDataset(str(tmp_path / "a.parquet")), "j") == ["1", None, "2"] * 100


def test_tensors_of_one_shape(tmp_path):
    values = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(12).reshape(2, 3, 2))
    dataset = ParquetDataset(write(tmp_path / "a.parquet", {"t": values}))
    assert dataset.element_spec == {"t": TensorSpec((3, 2), np.int64)}
    assert [row["t"].tolist() for row in dataset][1] == [[6, 7], [8, 9], [10, 11]]


def test_a_dataset_of_paths(tmp_path):
    paths = [write(tmp_path / f"{i}.parquet", {"x": [i, i + 0.5]}) for i in range(2)]
    dataset = ParquetDataset(Dataset.from_tensor_slices(paths))
    assert rows_of(dataset, "x") == [0, 0.5, 1, 1.5]
