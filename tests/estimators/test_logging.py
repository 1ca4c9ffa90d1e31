import logging
import re
import subprocess
import sys

import numpy as np
import pytest

from estimators import LinearRegressor, RunConfig, feature_column
from estimators.progress import number
from tests.estimators.helpers import ROOT, finish, housing_columns, housing_input, line, regressor, start


@pytest.fixture
def messages(caplog):
    """Return a function that gives the messages so far."""
    caplog.set_level("INFO", "estimators")
    return lambda: caplog.messages


def housing(model_dir, **config):
    config = RunConfig(progress=False, **config)
    return LinearRegressor(housing_columns(), model_dir, config=config, loss_reduction="sum")


def test_lines_of_a_training_run(tmp_path, messages):
    housing(tmp_path).train(housing_input().repeat(), steps=100)
    text = [message.replace(str(tmp_path), "DIR") for message in messages()]
    assert text[0].startswith("Using config: RunConfig(model_dir='DIR', ")
    assert text[1:] == [
        "Calling model_fn.",
        "Done calling model_fn.",
        "Create CheckpointSaverHook.",
        "Graph was finalized.",
        "Running local_init_op.",
        "Done running local_init_op.",
        "Calling checkpoint listeners before saving checkpoint 0...",
        "Saving checkpoints for 0 into DIR/model.ckpt.",
        "Calling checkpoint listeners after saving checkpoint 0...",
        "loss = 9290000.0, step = 0",
        "Calling checkpoint listeners before saving checkpoint 100...",
        "Saving checkpoints for 100 into DIR/model.ckpt.",
        "Calling checkpoint listeners after saving checkpoint 100...",
        "Loss for final step: 144267.48.",
    ]


def test_a_second_run_says_what_it_restores(tmp_path, messages):
    model = housing(tmp_path).train(housing_input().repeat(), steps=3)
    model.train(housing_input().repeat(), steps=2)
    assert f"Restoring parameters from {tmp_path}/model.ckpt-3" in messages()
    steps = [m.split()[3] for m in messages() if m.startswith("Saving checkpoints")]
    assert steps == ["0", "3", "3", "5"]
    assert [m for m in messages() if m.startswith("loss")][1].endswith("step = 3")


def test_loss_and_speed_every_so_many_steps(tmp_path, messages):
    housing(tmp_path, log_step_count_steps=4).train(housing_input().repeat(), steps=10)
    lines = [m for m in messages() if m.startswith(("loss", "global_step/sec"))]
    patterns = [
        r"loss = 9290000\.0, step = 0",
        r"global_step/sec: [\d.e+]+",
        r"loss = \d+\.\d+, step = 4 \(\d+\.\d{3} sec\)",
        r"global_step/sec: [\d.e+]+",
        r"loss = \d+\.\d+, step = 8 \(\d+\.\d{3} sec\)",
    ]
    assert all(re.fullmatch(p, text) for p, text in zip(patterns, lines, strict=True))


def test_no_loss_lines_if_not_wanted(tmp_path, messages):
    housing(tmp_path, log_step_count_steps=None).train(housing_input().repeat(), steps=3)
    assert [m for m in messages() if m.startswith("loss")] == []


def test_evaluation_lines(tmp_path, messages):
    housing(tmp_path).train(housing_input().repeat(), steps=100).evaluate(housing_input(), name="all")
    start_at = next(i for i, m in enumerate(messages()) if m.startswith("Starting evaluation all at 20"))
    assert messages()[-2].startswith("Finished evaluation all at 20")
    assert messages()[start_at + 1 : -2] == [
        "Graph was finalized.",
        f"Restoring parameters from {tmp_path}/model.ckpt-100",
        "Running local_init_op.",
        "Done running local_init_op.",
    ]
    assert messages()[-1] == (
        "Saving dict for global step 100: average_loss = 24040.438, global_step = 100, "
        "label/mean = 1150.0, loss = 144242.62, prediction/mean = 1142.9995"
    )


def test_evaluation_shows_how_far_it_is(tmp_path, messages):
    regressor(tmp_path).evaluate(line().repeat(), steps=40)
    found = [m for m in messages() if m.startswith("Evaluation [")]
    assert found == [f"Evaluation [{count}/40]" for count in range(4, 41, 4)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(1548333.4), "1548333.4"),
        (np.float32(0.1), "0.1"),
        (np.float32(-2.5e7), "-25000000.0"),
        (np.float32(1e-5), "1e-05"),
        (np.float32(0), "0.0"),
        (np.float32(np.nan), "nan"),
        (np.float32(np.inf), "inf"),
        (np.int64(100), "100"),
    ],
)
def test_numbers_are_written_as_tf_does(value, text):
    assert number(value) == text


def test_no_progress_bar_where_nobody_watches(tmp_path, capsys):
    columns = [feature_column.numeric_column("x")]
    LinearRegressor(columns, tmp_path, config=RunConfig()).train(line())
    assert "step/s" not in capsys.readouterr().err


def test_progress_bar_when_told(tmp_path, capsys):
    columns = [feature_column.numeric_column("x")]
    model = LinearRegressor(columns, tmp_path, config=RunConfig(progress=True))
    model.train(line(rows=20, batch=2), max_steps=8)
    written = capsys.readouterr().err
    assert "train: 100%" in written
    assert "8/8" in written
    assert "loss=" in written


def test_lines_go_to_stderr_unless_logging_is_set_up(tmp_path):
    text = finish(start("housing_job", tmp_path, 1, "sum"))
    assert "INFO:estimators:loss = 9290000.0, step = 0\n" in text


@pytest.mark.parametrize("progress", [False, True])
def test_a_program_that_sets_logging_up_sees_each_line_once(tmp_path, progress):
    code = f"""
import logging
from tests.estimators.helpers import housing_columns, housing_input
from estimators import LinearRegressor, RunConfig
model = LinearRegressor(housing_columns(), {str(tmp_path)!r}, config=RunConfig(progress={progress}))
logging.basicConfig(level=logging.INFO, format="mine %(message)s")
model.train(housing_input())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert len(re.findall("Loss for final step", result.stderr)) == 1
    assert re.findall("mine Loss for final step", result.stderr) == ["mine Loss for final step"]


def test_handlers_are_added_once(tmp_path):
    before = list(logging.getLogger("estimators").handlers)
    for _ in range(3):
        regressor(tmp_path)
    assert logging.getLogger("estimators").handlers == before
