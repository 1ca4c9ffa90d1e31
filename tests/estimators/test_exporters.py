"""Exporters: when they export, and what they keep."""

import json
import math

import numpy as np
import pytest

from estimators.export import (
    BestExporter,
    Exporter,
    FinalExporter,
    LatestExporter,
    build_raw_serving_input_receiver_fn,
)
from tests.estimators.helpers import line, regressor

RECEIVER = build_raw_serving_input_receiver_fn({"x": np.zeros(1, np.float32)})


@pytest.fixture
def run(tmp_path):
    """Return a function that calls an exporter, and tells which version it wrote."""
    model = regressor(tmp_path / "model").train(line())

    def export(exporter, final=False, **result):
        path = exporter.export(model, str(tmp_path / "out"), model.latest_checkpoint(), result, final)
        return None if path is None else path[-10:]

    return export


def versions(tmp_path):
    return sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())


def test_the_latest_are_kept(run, tmp_path):
    exporter = LatestExporter("all", RECEIVER, exports_to_keep=2)
    written = [run(exporter) for _ in range(4)]
    assert versions(tmp_path) == written[2:] == sorted(written[2:])
    assert isinstance(exporter, Exporter)
    assert exporter.name == "all"


def test_all_are_kept(run, tmp_path):
    written = [run(LatestExporter("all", RECEIVER, exports_to_keep=None)) for _ in range(7)]
    assert versions(tmp_path) == written


def test_directories_of_others_stay(run, tmp_path):
    for name in ("0000000001x", "123", "temp-1", "1234567890"):  # the last one is no complete export
        (tmp_path / "out" / name).mkdir(parents=True)
    written = [run(LatestExporter("all", RECEIVER, exports_to_keep=1)) for _ in range(2)]
    assert versions(tmp_path) == sorted(["0000000001x", "123", "temp-1", "1234567890", written[1]])


def test_final_exports_once(run):
    exporter = FinalExporter("last", RECEIVER)
    assert run(exporter) is None
    assert len(run(exporter, final=True)) == 10


def test_best_exports_when_the_loss_is_smaller(run):
    exporter = BestExporter(serving_input_receiver_fn=RECEIVER)
    assert exporter.name == "best_exporter"
    exported = [
        run(exporter, loss=np.float32(loss)) is not None for loss in (3, 4, math.nan, 2, 2, -math.inf)
    ]
    assert exported == [True, False, False, True, False, True]


def test_best_remembers_earlier_runs(run, tmp_path):
    for auc, exported in ((0.5, True), (0.4, False), (0.6, True)):
        exporter = BestExporter("best", RECEIVER, metric="auc", direction="max")
        assert (run(exporter, auc=auc, loss=1.0) is not None) is exported
    content = json.loads((tmp_path / "out" / "best.json").read_text())
    assert content == {
        "metric": "auc", "direction": "max", "export": versions(tmp_path)[-1],
        "values": {"auc": 0.6, "loss": 1.0},
    }  # fmt: skip


def test_nan_is_worse_than_all_numbers(run):
    assert run(BestExporter("best", RECEIVER), loss=math.nan) is not None
    assert run(BestExporter("best", RECEIVER), loss=math.nan) is None
    assert run(BestExporter("best", RECEIVER), loss=1e30) is not None


def test_best_by_a_function(run):
    def higher(best_eval_result, current_eval_result):
        return current_eval_result["f1"] > best_eval_result["f1"]

    for f1, exported in ((1.0, True), (0.5, False), (2.0, True), (2.0, False)):
        assert (run(BestExporter("best", RECEIVER, compare_fn=higher), f1=f1) is not None) is exported


def test_best_starts_anew_where_nothing_is_left_or_the_rule_is_another(run, tmp_path, caplog):
    first = run(BestExporter("best", RECEIVER), loss=1.0, auc=1.0)
    assert run(BestExporter("best", RECEIVER, metric="auc"), loss=9.0, auc=9.0) > first
    assert "of another rule" in caplog.text
    (tmp_path / "out" / "best.json").write_text("{")
    assert run(BestExporter("best", RECEIVER), loss=9.0) is not None
    for version in versions(tmp_path):
        (tmp_path / "out" / version / "saved_model.json").unlink()
    assert run(BestExporter("best", RECEIVER), loss=10.0) is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LatestExporter("", RECEIVER), "needs a name"),
        (lambda: LatestExporter("x", None), "must be a function"),
        (lambda: LatestExporter("x", RECEIVER, exports_to_keep=0), "positive number"),
        (lambda: BestExporter("x", RECEIVER, direction="up"), "'min' or 'max'"),
        (lambda: BestExporter("x", RECEIVER, compare_fn=lambda a, b: True), "best_eval_result and current"),
        (lambda: BestExporter("x", RECEIVER, compare_fn=3), "compare_fn must be a function"),
        (lambda: BestExporter("x"), "must be a function"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_metric_that_is_not_there(run):
    with pytest.raises(ValueError, match="no metric 'los'\n  what to do: did you mean 'loss'"):
        run(BestExporter("x", RECEIVER, metric="los"), loss=1.0)
