"""A failure names what was read, where it was read, and which line built the stage; then the rest goes on."""

import numpy as np
import pytest

import dataflow as df
from dataflow import CsvDataset, Dataset, ParquetDataset, TensorSpec, TextLineDataset, decode_csv
from dataflow.errors import did_you_mean

INT = TensorSpec((), np.int64)


def events(dataset):
    """Return elements, and errors in their places."""
    found, iterator = [], iter(dataset)
    while True:
        try:
            found.append(next(iterator))
        except StopIteration:
            return found
        except df.DataflowError as error:
            found.append(error)


def errors(dataset):
    return [event for event in events(dataset) if isinstance(event, Exception)]


@pytest.fixture
def taxi(tmp_path):
    """Two CSV files; line 3 of the second has a bad longitude."""
    (tmp_path / "1.csv").write_text("2.5,-73.9,1\n3.0,-73.8,2\n")
    (tmp_path / "2.csv").write_text("4.5,-73.7,1\n5.0,-73.6,3\n6.5,west,2\n7.0,-73.5,1\n")
    return [str(tmp_path / "1.csv"), str(tmp_path / "2.csv")]


def parse(line):
    fare, longitude, passengers = decode_csv(line, [[0.0], [0.0], [0]])
    return {"fare": fare, "pickup_longitude": longitude, "passengers": passengers}


WAYS = [df.Options(block_bytes=b, threads=t) for b in (1, 20, 1 << 20) for t in (0, 3)]


@pytest.mark.parametrize("options", WAYS, ids=repr)
def test_a_bad_csv_field_names_file_line_column_value_and_stage(taxi, options):
    dataset = TextLineDataset(taxi).map(parse)
    found = events(dataset.with_options(options))
    assert [event if isinstance(event, Exception) else event["fare"] for event in found][:4] == [
        2.5,
        3.0,
        4.5,
        5.0,
    ]
    assert found[5]["fare"] == 7.0
    message = str(found[4])
    assert f"where: file {taxi[1]}, line 3, column pickup_longitude, value 'west'" in message
    assert f"stage: Map built at {__file__}:" in message


def test_the_column_is_named_after_the_component_it_flows_into(taxi):
    def distances(line):
        fare, longitude, _ = decode_csv(line, [[0.0], [0.0], [0]])
        return {"fare": fare, "distance": np.abs(longitude + 74.0)}

    assert "column distance, value 'west'" in str(errors(TextLineDataset(taxi).map(distances))[0])


def test_names_of_a_first_map_are_kept_when_maps_are_fused(taxi):
    dataset = TextLineDataset(taxi).map(parse).map(lambda row: (row["pickup_longitude"] * 2, row["fare"]))
    assert dataset.explain().count("Map(") == 1
    assert "line 3, column pickup_longitude, value 'west'" in str(errors(dataset)[0])


def test_a_tuple_keeps_the_position_in_the_record(taxi):
    dataset = TextLineDataset(taxi).map(lambda line: tuple(decode_csv(line, [[0.0], [0.0], [0]])[:2]))
    assert "line 3, column 1, value 'west'" in str(errors(dataset)[0])


def test_behind_a_shuffle_the_value_is_named_without_a_place(taxi):
    (error,) = errors(TextLineDataset(taxi).shuffle(3, seed=1).map(parse))
    assert "where: column pickup_longitude, value 'west'" in str(error)


def test_filters_and_batches_go_on_behind_a_bad_element(taxi):
    rows = TextLineDataset(taxi).map(parse).map(lambda row: row["fare"])
    assert [event for event in events(rows.filter(lambda x: x > 3)) if not isinstance(event, Exception)] == [
        4.5,
        5,
        7,
    ]
    batches = [e if isinstance(e, Exception) else e.tolist() for e in events(rows.batch(3))]
    assert batches[0] == [2.5, 3.0, 4.5]
    assert isinstance(batches[1], df.InvalidArgumentError)  # with it went 5.0, as in tf.data
    assert batches[2] == [7.0]


def test_zip_passes_over_the_partners_of_a_bad_element():
    texts = Dataset.from_tensor_slices(["10", "x", "12"]).map(lambda text: text.astype(np.int64))
    found = events(Dataset.zip(Dataset.range(3), texts))
    assert [found[0], found[2]] == [(0, 10), (2, 12)]


def test_interleave_raises_an_error_where_its_element_is_due():
    def numbers(i):
        texts = Dataset.from_tensor_slices(["1", "x", "3"]).map(lambda text: text.astype(np.int64))
        return texts.map(lambda n: n + 10 * i)

    dataset = Dataset.range(2).interleave(numbers, cycle_length=2)
    for options in WAYS:
        found = events(dataset.with_options(options))
        found = ["error" if isinstance(e, Exception) else int(e) for e in found]
        assert found == [1, 11, "error", 3, "error", 13]  # an error ends no turn, as in tf.data


def test_a_csv_file_names_line_and_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,fare\n1,2.5\n2,"a\nb"\n3,4.5\n')
    found = events(CsvDataset(str(path), [int, float], header=True))
    assert [found[0]["id"], found[2]["id"]] == [1, 3]
    assert f"where: file {path}, line 3, column fare" in str(found[1])


def test_a_null_names_row_group_row_and_column(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = str(tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": pa.array([0, 1, 2, 3, None, 5])}), path, row_group_size=3)
    for options in WAYS:
        found = events(ParquetDataset(path).map(lambda row: row["id"]).with_options(options))
        assert [e for e in found if not isinstance(e, Exception)] == [0, 1, 2, 3, 5]
        assert f"where: file {path}, row group 1, row 1, column id, value 'null'" in str(found[4])
        assert "fill_nulls={'id': 0}" in str(found[4])


def test_a_missing_file_in_a_flat_map_names_it_and_goes_on(tmp_path):
    (tmp_path / "b.txt").write_text("here")
    names = Dataset.from_tensor_slices([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    error, line = events(names.flat_map(TextLineDataset))
    assert isinstance(error, FileNotFoundError)
    assert f"file not found: {tmp_path / 'a.txt'}" in str(error)
    assert f"stage: TextLines built at {__file__}:" in str(error)
    assert line == "here"


@pytest.mark.parametrize("reader", [TextLineDataset, lambda p: CsvDataset(p, [""])])
def test_missing_files_are_passed_over(tmp_path, reader):
    (tmp_path / "b").write_text("x\n")
    found = events(reader([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "c")]))
    assert [isinstance(event, df.NotFoundError) for event in found] == [True, False, True]


def test_a_missing_parquet_file_is_passed_over(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = [str(tmp_path / name) for name in ("a", "b", "c")]
    pq.write_table(pa.table({"x": [1]}), paths[0])
    pq.write_table(pa.table({"x": ["text"]}), paths[2])
    row, missing, other = events(ParquetDataset(paths))
    assert row == {"x": 1}
    assert isinstance(missing, df.NotFoundError)
    assert "write all shards with one schema" in str(other)


def test_an_error_in_a_generator_names_its_line_and_ends_it():
    def generate():
        yield 1
        raise ZeroDivisionError("no")

    one, error = events(Dataset.from_generator(generate, output_signature=INT))
    assert one == 1
    line = generate.__code__.co_firstlineno + 2
    assert f"the generator raised ZeroDivisionError: no, at {__file__}:{line}" in str(error)
    assert f"stage: FromGenerator built at {__file__}:{line + 2}" in str(error)


def test_a_generator_goes_on_behind_an_element_that_does_not_fit():
    found = events(Dataset.from_generator(lambda: iter([1, "x", 2**70, 2.5, 4]), output_signature=INT))
    assert [event for event in found if not isinstance(event, Exception)] == [1, 4]
    assert [type(event) for event in found[1:4]] == [df.InvalidArgumentError] * 3


def test_a_function_of_flat_map_that_raises_names_its_line():
    def read(n):
        if int(n) == 1:
            raise OSError("broken")
        return Dataset.range(int(n))

    found = events(Dataset.range(3).flat_map(read))
    assert [e if isinstance(e, Exception) else int(e) for e in found][1:] == [0, 1]
    assert f"raised OSError: broken, at {__file__}:{read.__code__.co_firstlineno + 2}" in str(found[0])


def test_a_setting_that_is_wrong_names_the_line_that_gave_it():
    with pytest.raises(
        ValueError, match=rf"batch_size must be at least 1, not 0\n  stage: Batch built at {__file__}:"
    ):
        Dataset.range(3).batch(0)


@pytest.mark.parametrize("options", WAYS[:2], ids=repr)
def test_errors_in_a_prefetching_thread_come_in_their_place(options):
    texts = Dataset.from_tensor_slices(["1", "x", "3", "y"]).map(lambda text: text.astype(np.int64))
    found = events(texts.prefetch(2).with_options(options))
    assert ["error" if isinstance(e, Exception) else int(e) for e in found] == [1, "error", 3, "error"]


def test_an_error_that_is_not_ours_comes_through_a_thread_too():
    def generate():
        yield 1
        raise SystemExit

    iterator = iter(Dataset.from_generator(generate, output_signature=INT).prefetch(1))
    assert next(iterator) == 1
    with pytest.raises(SystemExit):
        next(iterator)
    assert list(iterator) == []


def test_a_line_that_is_not_utf8_names_file_and_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\n\xff\nfour")
    for options in WAYS:
        found = events(TextLineDataset(str(path)).with_options(options))
        assert [e for e in found if not isinstance(e, Exception)] == ["one", "two", "four"]
        assert f"where: file {path}, line 3" in str(found[2])


@pytest.mark.parametrize(
    ("ours", "builtin"),
    [
        (df.InvalidArgumentError, ValueError),
        (df.SpecError, TypeError),
        (df.TraceError, TypeError),
        (df.NotFoundError, FileNotFoundError),
        (df.AlreadyExistsError, FileExistsError),
        (df.DataLossError, ValueError),
        (df.FailedPreconditionError, RuntimeError),
        (df.StateError, ValueError),
        (df.UserFunctionError, RuntimeError),
        (df.OptionalDependencyError, ImportError),
    ],
)
def test_errors_are_builtins_too(ours, builtin):
    assert issubclass(ours, builtin)
    assert str(ours("what", hint="do")) == "what\n  what to do: do"


def test_did_you_mean_names_the_closest():
    assert did_you_mean("fare", ["fare_amount"]) == "did you mean 'fare_amount'? Available: 'fare_amount'"
    assert did_you_mean("x", []) == "Available: nothing"
