"""The history of runs, and pictures."""

import json

import matplotlib as mpl
import numpy as np
import pytest

from estimators import plots
from estimators.evaluation import evaluations
from tests.estimators.helpers import classes, classifier, line, regressor

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def entries(path):
    return [json.loads(text) for text in (path / "history.jsonl").read_text().splitlines()]


def test_losses_are_kept_as_often_as_they_are_logged(tmp_path):
    regressor(tmp_path, log_step_count_steps=10).train(line().repeat(), steps=25)
    found = entries(tmp_path)
    assert [entry["step"] for entry in found] == [0, 10, 20, 24]
    assert found[0]["loss"] == 30.0  # the mean of 4, 16, 36, 64


def test_without_logging_there_is_no_history(tmp_path):
    regressor(tmp_path, log_step_count_steps=None).train(line())
    assert not (tmp_path / "history.jsonl").exists()


def test_later_runs_are_added(tmp_path):
    model = regressor(tmp_path, log_step_count_steps=10)
    model.train(line().repeat(), steps=15).train(line().repeat(), steps=15)
    assert [entry["step"] for entry in entries(tmp_path)] == [0, 10, 14, 15, 25, 29]


def test_what_an_older_checkpoint_does_not_know_is_forgotten(tmp_path):
    model = regressor(tmp_path, log_step_count_steps=5).train(line().repeat(), steps=10)
    model.evaluate(line())
    index = (tmp_path / "checkpoint").read_text()
    model.train(line().repeat(), steps=10).evaluate(line())
    whole = entries(tmp_path)
    (tmp_path / "checkpoint").write_text(index)
    model.train(line().repeat(), max_steps=12)
    assert [entry["step"] for entry in entries(tmp_path)] == [0, 5, 9, 10, 11]
    assert entries(tmp_path)[:4] == whole[:4]
    assert [evaluation.step for evaluation in evaluations.read(model.eval_dir())] == [10]


def test_evaluations_are_kept_by_name_and_step(tmp_path):
    model = classifier(tmp_path).train(classes())
    model.evaluate(classes())
    results = model.evaluate(classes())
    model.train(classes()).evaluate(classes(), name="test")
    (kept,) = evaluations.read(model.eval_dir())
    assert kept.step == 1
    assert kept.metrics["auc"] == pytest.approx(float(results["auc"]))
    assert [other.step for other in evaluations.read(str(tmp_path / "eval_test"))] == [2]


def test_evaluation_goes_on_where_it_cannot_be_kept(tmp_path, caplog):
    model = regressor(tmp_path).train(line())
    (tmp_path / "eval").write_text("in the way")
    assert model.evaluate(line())["global_step"] == 2
    assert "The evaluation is not kept" in caplog.text


def test_a_history_that_cannot_be_read_is_named(tmp_path):
    model = regressor(tmp_path).train(line())
    (tmp_path / "history.jsonl").write_text("{")
    with pytest.raises(ValueError, match=r"history.jsonl is no history of steps(?s:.*)delete it"):
        model.plot_training()


def test_training_is_drawn_with_its_evaluations(tmp_path):
    model = classifier(tmp_path).train(classes().repeat(), steps=10)
    model.evaluate(classes())
    figure = model.train(classes().repeat(), steps=10).plot_training(metrics=["auc"])
    loss, auc = figure.axes
    assert (loss.get_title(), auc.get_title()) == ("loss", "auc")
    assert [drawn.get_label() for drawn in loss.lines] == ["train", "evaluation"]
    assert list(loss.lines[0].get_xdata()) == [0, 9, 10, 19]
    assert list(auc.lines[0].get_xdata()) == [10]


def test_all_metrics_are_drawn_by_default(tmp_path):
    model = classifier(tmp_path).train(classes())
    model.evaluate(classes())
    titles = [ax.get_title() for ax in model.plot_training().axes]
    assert titles[0] == "loss"
    assert {"accuracy", "auc", "precision", "recall"} < set(titles)
    assert "accuracy_baseline" not in titles


def test_there_must_be_something_to_draw(tmp_path):
    with pytest.raises(ValueError, match=r"no history in(?s:.*)train first"):
        regressor(tmp_path).plot_training()
    model = regressor(tmp_path).train(line())
    model.evaluate(line())
    with pytest.raises(ValueError, match=r"gave 'average_los'(?s:.*)did you mean 'average_loss'"):
        model.plot_training(["average_los"])


def test_roc_treats_equal_scores_as_one_point():
    ax = plots.plot_roc([0, 1, 1, 0, 1], [0.5, 0.5, 0.9, 0.1, 0.5])
    assert ax.lines[1].get_xydata().round(3).tolist() == [[0, 0], [0, 0.333], [0.5, 1], [1, 1]]
    assert ax.get_title() == "ROC, area 0.8333"


def test_predictions_of_a_classifier_can_be_drawn_as_they_are(tmp_path):
    model = classifier(tmp_path).train(classes().repeat(), steps=20)
    found = next(model.predict(classes(), yield_single_examples=False))
    for probabilities in (found["logistic"], found["probabilities"]):
        assert plots.plot_roc([[0], [1], [1], [0]], probabilities).get_title() == "ROC, area 1.0000"


def test_calibration_is_drawn_over_the_bins_that_have_examples():
    ax = plots.plot_calibration([0, 1, 1, 1], [0.05, 0.05, 0.95, 1.0], bins=10)
    assert ax.lines[1].get_xydata().tolist() == [[0.05, 0.5], [pytest.approx(0.975), 1.0]]


def test_pictures_are_drawn_where_one_says():
    from matplotlib import pyplot

    _, ax = pyplot.subplots()
    assert (
        plots.plot_calibration([0, 1], [0.5, 0.5], ax=ax) is ax is plots.plot_roc([0, 1], [0.1, 0.2], ax=ax)
    )


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [0.5], "2 labels and 1 probabilities"),
        ([0, 2], [0.5, 0.5], "labels must be 0 or 1"),
        ([0, 1], [0.5, 1.5], "between 0 and 1"),
        ([0, 1], [0.5, np.nan], "between 0 and 1"),
        ([1, 1], [0.5, 0.5], "all labels are 1"),
    ],
)
def test_wrong_labels_and_probabilities_are_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_roc(labels, probabilities)
