"""`python -m estimators`: jobs, their exit codes, and what they log."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from dataflow import Dataset, read_manifest
from estimators import Estimator, EstimatorSpec, RunConfig, export, get_variable, initializers, optimizers
from estimators.command_line import main
from tests.estimators.helpers import ROOT


def times(factor):
    """A model that multiplies x."""

    def model_fn(features, labels, mode):
        weight = get_variable("weight", (), initializer=initializers.constant(factor))
        y = weight * features["x"]
        outputs = {"y": y[:, None], "both": np.stack([y, -y], axis=1)}
        serving = {"serving_default": export.PredictOutput(outputs)}
        if mode == "infer":
            return EstimatorSpec(mode, outputs, export_outputs=serving)
        loss = 0.0 * np.mean(y)  # training changes nothing
        return EstimatorSpec(mode, loss=loss, train_op=optimizers.SGD(1.0).minimize(loss))

    return model_fn


def export_model(base, factor=2.0):
    """Export it, and return the directory of the version."""
    config = RunConfig(save_checkpoints_steps=None, progress=False)
    model = Estimator(times(factor), config=config).train(({"x": np.ones(1, np.float32)}, [1.0]))
    receiver = export.build_raw_serving_input_receiver_fn({"x": np.zeros(1, np.float32)})
    return model.export_saved_model(base, receiver)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return export_model(str(tmp_path_factory.mktemp("models")))


@pytest.fixture
def rows(tmp_path):
    """Ten rows of Parquet in two files."""
    table = Dataset.range(10).map(lambda i: {"id": i, "x": i / 4})
    table.write_parquet(tmp_path / "rows", rows_per_file=6)
    return tmp_path / "rows"


def predict(model, source, output, *options):
    return main(["predict", "--model", str(model), "--input", str(source), "--output", str(output), *options])


def table(output):
    """Return the columns of what a job wrote, read in the order of the manifest."""
    read = pq.read_table if read_manifest(output).format == "parquet" else pyarrow.csv.read_csv
    return pa.concat_tables([read(path) for path in read_manifest(output).paths]).to_pydict()


def events(capsys):
    """Return the JSON lines of the log."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_parquet_into_parquet(model, rows, tmp_path):
    code = predict(model, rows / "*.parquet", tmp_path / "out", "--keep", "id", "--rows-per-file", "4")
    assert code == 0
    found = table(tmp_path / "out")
    assert found["id"] == list(range(10))
    assert found["y"] == [i / 2 for i in range(10)]
    assert found["both"][3] == [1.5, -1.5]
    assert [file.rows for file in read_manifest(tmp_path / "out").files] == [4, 4, 2]


def test_csv_into_csv(model, tmp_path):
    (tmp_path / "a.csv").write_text("name,x\nab,1\n,2.5\n")
    options = ("--keep", "name", "--format", "csv", "--compression", "gzip")
    assert predict(model, tmp_path / "a.csv", tmp_path / "out", *options) == 0
    (part,) = read_manifest(tmp_path / "out").paths
    lines = fsspec.open(part, "rt", compression="gzip").open().read().splitlines()
    assert lines == ['"name","y","both_0","both_1"', '"ab",2,2,-2', ",5,5,-5"]


def test_csv_without_a_header(model, tmp_path):
    (tmp_path / "a.csv-00000-of-00001").write_text("7;1\n8;?\n")
    options = ("--column-names", "id", "x", "--delimiter", ";", "--na-values", "?", "--keep", "id")
    more = ("--dtype", "id=int32", "--fill-null", "x=3", "--predict-keys", "y")
    assert predict(model, tmp_path / "a.csv*", tmp_path / "out", *options, *more) == 0
    assert table(tmp_path / "out") == {"id": [7, 8], "y": [2.0, 6.0]}


def test_columns_of_other_names(model, rows, tmp_path):
    options = ("--rename", "x=id", "y2=x", "--keep", "y2", "--predict-keys", "y")
    assert predict(model, rows, tmp_path / "out", *options) == 0
    found = table(tmp_path / "out")
    assert found == {"y2": [i / 4 for i in range(10)], "y": [2.0 * i for i in range(10)]}


def test_columns_in_the_names_of_directories(model, rows, tmp_path):
    rows.rename(tmp_path / "x=3")
    assert predict(model, tmp_path / "x=*" / "*.parquet", tmp_path / "out", "--predict-keys", "y") == 0
    assert table(tmp_path / "out") == {"y": [6.0] * 10}


def test_urls(model, rows):
    files = fsspec.filesystem("memory")
    files.put(str(rows), "/command_line/in", recursive=True)
    assert predict(model, "memory://command_line/in/*.parquet", "memory://command_line/out") == 0
    assert read_manifest("memory://command_line/out").rows == 10
    files.rm("/command_line", recursive=True)


def test_a_complete_output_is_left_alone(model, rows, tmp_path, capsys):
    assert predict(model, rows, tmp_path / "out") == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    shutil.rmtree(rows)  # not even read
    capsys.readouterr()
    assert predict(model, rows, tmp_path / "out", "--log", "json") == 0
    (event,) = events(capsys)
    assert (event["event"], event["rows"], event["files"]) == ("complete", 10, 1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_a_half_done_output_is_continued_with_what_it_began_with(tmp_path, capsys):
    export_model(str(tmp_path / "models"), 2.0)
    source = tmp_path / "a.csv"
    source.write_text("id,x\n0,1\n1,2\n2,3\n3,!\n4,5\n")
    options = ("--keep", "id", "--predict-keys", "y", "--rows-per-file", "2", "--batch-size", "1")
    command = (tmp_path / "models", tmp_path / "*.csv", tmp_path / "out", *options)
    assert predict(*command) == 1
    assert read_manifest(tmp_path / "out").rows == 2
    source.write_text("id,x\n0,1\n1,2\n2,3\n3,4\n4,5\n")
    export_model(str(tmp_path / "models"), 100.0)
    (tmp_path / "b.csv").write_text("id,x\n5,6\n")
    capsys.readouterr()
    assert predict(*command, "--log", "json") == 0
    assert events(capsys)[0]["message"].startswith("continuing behind 2 rows")
    assert table(tmp_path / "out") == {"id": [0, 1, 2, 3, 4], "y": [2.0, 4.0, 6.0, 8.0, 10.0]}


def test_the_output_of_another_command_is_not_touched(model, rows, tmp_path, capsys):
    assert predict(model, rows, tmp_path / "out") == 0
    capsys.readouterr()
    assert predict(model, rows, tmp_path / "out", "--keep", "id", "--log", "json") == 2
    (event,) = events(capsys)
    assert "--keep was nothing, and is id" in event["message"]
    assert "--overwrite" in event["hint"]
    assert predict(model, rows, tmp_path / "out", "--keep", "id", "--overwrite") == 0
    assert table(tmp_path / "out")["id"] == list(range(10))


def test_files_of_others_are_not_touched(model, rows, capsys):
    assert predict(model, rows / "*.parquet", rows) == 2
    assert "holds what no such command wrote" in capsys.readouterr().err


def test_a_model_that_is_gone(rows, tmp_path, capsys):
    version = export_model(str(tmp_path / "models"))
    (tmp_path / "a.csv").write_text("x\n1\n!\n")
    command = (tmp_path / "models", tmp_path / "a.csv", tmp_path / "out", "--rows-per-file", "1")
    command = (*command, "--batch-size", "1")
    assert predict(*command) == 1
    shutil.move(version, tmp_path / "models" / "9999999999")
    assert predict(*command) == 2
    assert f"was begun with {version}, which is gone" in capsys.readouterr().err
    assert predict(*command, "--overwrite", "--on-bad-rows", "skip") == 0
    assert table(tmp_path / "out")["y"] == [2.0]


def test_a_model_that_is_another_now(tmp_path, capsys):
    version = export_model(str(tmp_path / "models"))
    (tmp_path / "a.csv").write_text("x\n1\n!\n")
    command = (version, tmp_path / "a.csv", tmp_path / "out", "--rows-per-file", "1", "--batch-size", "1")
    assert predict(*command) == 1
    shutil.rmtree(version)
    shutil.move(export_model(str(tmp_path / "others"), 3.0), version)
    assert predict(*command) == 2
    assert f"was begun with other values of {version}" in capsys.readouterr().err
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert predict(*command, "--overwrite") == 0
    assert table(tmp_path / "out")["y"] == [3.0]


def test_an_error_in_the_data_says_where(model, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x\n1\n2,5\n")
    assert predict(model, tmp_path / "a.csv", tmp_path / "out", "--log", "json") == 1
    start, error = events(capsys)
    assert (start["event"], start["level"], error["event"], error["level"]) == (
        "start",
        "info",
        "error",
        "error",
    )
    assert error["where"] == {"file": str(tmp_path / "a.csv"), "line": 3, "value": "2,5"}
    assert error["hint"] == "leave such rows out with --on-bad-rows skip, or keep them with quarantine"


def test_a_null_in_parquet_says_where_and_may_have_a_value(model, tmp_path, capsys):
    pq.write_table(pa.table({"x": [0.5, 1.0], "n": pa.array([1, None])}), tmp_path / "a.parquet")
    assert predict(model, tmp_path / "a.parquet", tmp_path / "out", "--keep", "n") == 1
    error = capsys.readouterr().err
    assert f"where: file {tmp_path / 'a.parquet'}, row group 0, row 1, column n" in error
    assert "what to do: give a default: --fill-null n=0" in error
    assert predict(model, tmp_path / "a.parquet", tmp_path / "out", "--keep", "n", "--fill-null", "n=-1") == 0
    assert table(tmp_path / "out")["n"] == [1, -1]


def test_bad_rows_are_left_out_or_set_aside(model, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x\n1\nzz\n3\n")
    assert (
        predict(model, tmp_path / "a.csv", tmp_path / "skip", "--on-bad-rows", "skip", "--log", "json") == 0
    )
    (logged,) = [event for event in events(capsys) if event["event"] == "log"]
    assert "1 of 3 rows were bad" in logged["message"]
    assert predict(model, tmp_path / "a.csv", tmp_path / "aside", "--on-bad-rows", "quarantine") == 0
    assert table(tmp_path / "skip")["y"] == table(tmp_path / "aside")["y"] == [2.0, 6.0]
    bad = json.loads((tmp_path / "aside" / "_bad_rows.jsonl").read_text())
    assert (bad["line"], bad["text"]) == (3, "zz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", "idd"], "did you mean 'id'"),
        (["--keep", "y", "--rename", "y=id"], "an output has this name too"),
        (["--rename", "x=nothing"], "The model takes 'x'; --rename NAME=COLUMN gives a column a name"),
        (["--rename", "z=x"], "the signature has no input 'z'"),
        (["--rename", "x"], "each must be NAME=VALUE"),
        (["--predict-keys", "z"], "there is no output 'z'"),
        (["--signature", "z"], "no signature 'z'"),
        (["--input", "nowhere/*.parquet"], "no file matches nowhere"),
        (["--input", "setup.cfg"], "do not tell one format"),
        (["--model", "nowhere"], "nowhere holds no exported model"),
        (["--batch-size", "0"], "'0' is no number of at least 1"),
        (["--on-bad-rows", "skip"], "is for CSV files"),
        (["--compression", "zip"], "zip"),
        (["--no-such-option"], "unrecognized arguments"),
    ],
)
def test_wrong_commands(model, rows, tmp_path, capsys, options, message):
    assert predict(model, rows, tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_rows_of_lists_are_no_columns_of_csv(model, tmp_path, capsys):
    receiver = export.build_raw_serving_input_receiver_fn({"x": np.zeros((1, 3), np.float32)})

    def model_fn(features, labels, mode):
        weight = get_variable("weight", (), initializer=initializers.constant(1.0))
        loss = np.mean(weight * features["x"])
        return EstimatorSpec(mode, features["x"] * weight, loss, optimizers.SGD(1.0).minimize(loss))

    config = RunConfig(progress=False)
    estimator = Estimator(model_fn, config=config).train(({"x": np.ones((1, 3), np.float32)}, [1.0]))
    (tmp_path / "a.csv").write_text("x\n1\n")
    base = estimator.export_saved_model(str(tmp_path / "models"), receiver)
    assert predict(base, tmp_path / "a.csv", tmp_path / "out") == 2
    assert "CSV has single values" in capsys.readouterr().err


def test_progress_as_json_lines(model, rows, tmp_path, capsys):
    assert predict(model, rows, tmp_path / "out", "--log=json", "--log-every", "0") == 0
    found = events(capsys)
    assert [event["event"] for event in found][::2] == ["start", "done"]
    for event in found:
        assert event.keys() >= {"time", "level", "event", "rows", "rows_per_s", "files"}
    assert [(event["rows"], event["rows_total"]) for event in found] == [(0, 10), (10, 10), (10, 10)]


@pytest.mark.parametrize(("which", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_keep_what_is_complete(model, tmp_path, which, code):
    Dataset.range(60_000).map(lambda i: {"id": i, "x": i * 1.0}).write_parquet(tmp_path / "rows")
    paths = ["--model", model, "--input", str(tmp_path / "rows"), "--output", str(tmp_path / "out")]
    sizes = ["--rows-per-file", "1000", "--batch-size", "1", "--keep", "id", "--predict-keys", "y"]
    command = [sys.executable, "-m", "estimators", "predict", *paths, *sizes, "--log", "json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as job:
        while job.poll() is None and not (tmp_path / "out" / "part-00001.parquet").exists():
            time.sleep(0.001)
        job.send_signal(which)
        last = json.loads(job.communicate()[1].splitlines()[-1])
    assert (job.returncode, last["event"], last["signal"]) == (code, "stopped", which.name)
    assert 1000 <= last["rows"] == read_manifest(tmp_path / "out").rows < 60_000
    assert main(command[3:]) == 0
    assert table(tmp_path / "out")["id"] == list(range(60_000))


def test_describe(model, capsys):
    assert main(["describe", model]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{model}, exported at step 1"
    assert "    x     float32 [None]" in lines
    assert "    both  float32 [None, 2]" in lines
    assert main(["describe", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["signatures"]["serving_default"]
    assert found["outputs"]["both"] == {"dtype": "float32", "shape": [None, 2]}


def test_the_model_directory_of_a_training_that_exported(model, tmp_path, capsys):
    shutil.copytree(model, tmp_path / "export" / "latest" / "0000000007")
    assert main(["describe", str(tmp_path)]) == 0
    assert "latest/0000000007, exported" in capsys.readouterr().out
    shutil.copytree(model, tmp_path / "export" / "best" / "0000000007")
    assert main(["describe", str(tmp_path)]) == 2
    assert "several exporters: best, latest" in capsys.readouterr().err


def test_a_damaged_model_is_an_error_of_the_data(model, tmp_path, capsys):
    shutil.copytree(model, tmp_path / "model")
    Path(tmp_path / "model" / "variables" / "variables.safetensors").write_bytes(b"")
    assert main(["describe", str(tmp_path / "model")]) == 1
    assert "variables.safetensors has 0 bytes" in capsys.readouterr().err


def test_help_and_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["predict", "--help"])
    assert left.value.code == 0
    assert "Exit codes: 0 all done" in capsys.readouterr().out
