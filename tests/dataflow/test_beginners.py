"""What a beginner gets wrong is answered with what to do."""

from pathlib import Path

import numpy as np
import pytest

from dataflow import Dataset, ParquetDataset, TextLineDataset, TracingWarning, decode_csv


def test_a_list_of_numbers_and_text_is_refused_in_a_component():
    lines = Dataset.from_tensor_slices(["1,a"])
    assert list(lines.map(lambda line: decode_csv(line, [[0.0], [""]]))) == [(1.0, "a")]
    with pytest.raises(TypeError, match=r"holds float32 and string(?s:.*)return a tuple or a dict"):
        lines.map(lambda line: {"fields": decode_csv(line, [[0.0], [""]])})


def test_a_wrong_key_in_a_function_is_told_what_there_is():
    with pytest.raises(KeyError) as caught:
        Dataset.from_tensor_slices({"fare_amount": [1.0]}).map(lambda row: row["fare"])
    assert caught.value.__notes__ == [
        "the element has no 'fare': did you mean 'fare_amount'? Available: 'fare_amount'"
    ]


def test_a_pattern_given_to_a_reader_is_sent_to_list_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"patterns go through Dataset\.list_files"):
        next(iter(TextLineDataset(str(tmp_path / "train-*"))))


def test_a_value_for_nulls_of_another_type_is_refused_when_the_dataset_is_built():
    files = [str(Path(__file__).parents[2] / "fixtures/taxi_parquet/valid-00000-of-00001.parquet")]
    with pytest.raises(ValueError, match=r"fill_nulls\['passengers'\] must be a double, not 'x'"):
        ParquetDataset(files, fill_nulls={"passengers": "x"})


def test_the_warning_of_a_function_that_runs_in_python_points_to_the_users_line():
    with pytest.warns(TracingWarning) as caught:
        Dataset.from_tensor_slices(["a"]).map(lambda text: np.int64(len(text.split("b"))))
    assert caught[0].filename == __file__


def test_a_function_that_takes_another_number_of_arguments_is_named_with_its_line():
    pairs = Dataset.from_tensor_slices(([1], [2]))
    with pytest.raises(RuntimeError, match=rf"takes 1 positional argument but 2 .* at {__file__}:\d+"):
        pairs.map(lambda row: row)
