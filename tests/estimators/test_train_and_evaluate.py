"""Training with evaluations and exports on the way."""

import json
import logging

import numpy as np
import pytest

import estimators.evaluation.evaluator
from dataflow import Dataset
from estimators import (
    CheckpointSaverListener,
    EarlyStopping,
    EvalSpec,
    KeepBest,
    NanLossDuringTrainingError,
    SessionRunHook,
    TrainSpec,
    feature_column,
    train_and_evaluate,
)
from estimators.evaluation import evaluations
from estimators.export.exporters import Exporter
from estimators.values import checkpoint as checkpoints
from tests.estimators.helpers import assert_same_bits, classes, classifier, line, regressor, variables


class Noting(Exporter):
    """Notes what it is called with."""

    def __init__(self, name="noting"):
        self._name = name
        self.calls = []
        self.paths = []

    @property
    def name(self):
        return self._name

    def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
        assert f"model.ckpt-{eval_result['global_step']}" in checkpoint_path
        self.calls.append((int(eval_result["global_step"]), is_the_final_export))
        self.paths.append((export_path, checkpoint_path))
        return f"{self.name} {len(self.calls)}"


def endless():
    return line().repeat()


def run(model, max_steps=30, train=None, early_stopping=None, **settings):
    settings = {"steps": None, "throttle_secs": 0, **settings}
    spec = EvalSpec(line(), **settings)
    return train_and_evaluate(
        model, TrainSpec(train or endless(), max_steps=max_steps), spec, early_stopping=early_stopping
    )


def evaluated(model, name=None):
    return [evaluation.step for evaluation in evaluations.read(model.eval_dir(name))]


# The schedule of tf: the numbers of its own run ---------------------------------------------------------


def test_each_checkpoint_but_the_first_is_evaluated_and_exported(tmp_path):
    exporter = Noting()
    model = regressor(tmp_path, save_checkpoints_steps=10)
    metrics, exports = run(model, exporters=exporter)
    assert exporter.calls == [(10, False), (20, False), (30, True)]
    assert exporter.paths[0] == (str(tmp_path / "export" / "noting"), str(tmp_path / "model.ckpt-10"))
    assert metrics["average_loss"] == pytest.approx(5.861378192901611, rel=1e-5)
    assert metrics["global_step"] == 30
    assert exports == ["noting 3"]


def test_throttled_evaluations(tmp_path, caplog):
    exporter = Noting()
    with caplog.at_level(logging.INFO):
        run(regressor(tmp_path, save_checkpoints_steps=10), exporters=exporter, throttle_secs=600)
    assert exporter.calls == [(10, False), (30, True)]
    assert "Skip the current checkpoint eval due to throttle secs (600 secs" in caplog.text


def test_a_run_that_has_finished_does_nothing(tmp_path, caplog):
    exporter = Noting()
    model = regressor(tmp_path, save_checkpoints_steps=10)
    run(model, exporters=exporter)
    with caplog.at_level(logging.INFO):
        assert run(model, exporters=exporter) == (None, None)
    assert len(exporter.calls) == 3
    assert "Skipping training since max_steps has already saved." in caplog.text


def test_the_end_of_the_input_is_final_too(tmp_path):
    exporter = Noting()
    model = regressor(tmp_path, save_checkpoints_steps=10)
    run(model, None, line(60), exporters=exporter)
    assert exporter.calls == [(10, False), (15, True)]
    run(model, None, line(40), exporters=exporter)  # a checkpoint is due where the input ends
    assert exporter.calls[2:] == [(25, False), (25, True)]


def test_training_is_one_run_over_its_input(tmp_path):
    plain = regressor(tmp_path / "plain").train(line(96).shuffle(9, seed=1).repeat(), max_steps=50)
    model = regressor(tmp_path / "evaluated", save_checkpoints_steps=7)
    run(model, 50, line(96).shuffle(9, seed=1).repeat())
    assert_same_bits(variables(model), variables(plain))


def test_listeners_and_hooks_of_training_are_called(tmp_path):
    seen = []

    class Listener(CheckpointSaverListener):
        def after_save(self, session, global_step_value):
            seen.append(f"saved {global_step_value}, evaluated {evaluated(model)}")

    class Hook(SessionRunHook):
        def end(self, session):
            seen.append(f"end, evaluated {evaluated(model)}")

    model = regressor(tmp_path, save_checkpoints_steps=2)
    spec = TrainSpec(endless(), max_steps=3, hooks=[Hook()], saving_listeners=[Listener()])
    train_and_evaluate(model, spec, EvalSpec(line(), throttle_secs=0))
    assert seen == [
        "saved 0, evaluated []",
        "saved 2, evaluated []",
        "saved 3, evaluated [2]",
        "end, evaluated [2, 3]",
    ]


# What tf does not have ----------------------------------------------------------------------------------


def test_evaluations_at_steps_write_checkpoints(tmp_path):
    model = regressor(tmp_path)
    run(model, 25, every_steps=10, throttle_secs=600)
    assert evaluated(model) == [10, 20, 25]
    assert [path.rpartition("-")[2] for path in checkpoints.listed(str(tmp_path))] == ["0", "10", "20", "25"]


def test_steps_of_evaluations_do_not_depend_on_where_a_run_begins(tmp_path):
    model = regressor(tmp_path).train(endless(), steps=7)
    run(model, 25, every_steps=10)
    assert evaluated(model) == [10, 20, 25]


def test_evaluations_by_epochs(tmp_path):
    model = regressor(tmp_path)
    rows = Dataset.range(10).map(lambda x: ({"x": x}, 2 * x))
    run(model, 12, rows.repeat().batch(4), every_epochs=2)  # epochs end within batches 3, 5, 8, 10, 13
    assert evaluated(model) == [5, 10, 12]


def test_epochs_of_files_are_counted(tmp_path):
    from dataflow import TextLineDataset, decode_csv

    (tmp_path / "rows.csv").write_text("".join(f"{i},{2 * i}\n" for i in range(10)))
    rows = TextLineDataset(str(tmp_path / "rows.csv")).map(lambda text: decode_csv(text, [[0.0], [0.0]]))
    data = rows.map(lambda x, y: ({"x": x}, y)).shuffle(10).repeat().batch(5)
    model = regressor(tmp_path / "model")
    run(model, 5, data, every_epochs=1)
    assert evaluated(model) == [2, 4, 5]


def test_epochs_that_cannot_be_counted(tmp_path):
    data = line().unbatch().filter(lambda features, label: label > 0).repeat().batch(4)
    with pytest.raises(ValueError, match=r"every_epochs needs the number(?s:.*)assert_cardinality"):
        run(regressor(tmp_path), 5, data, every_epochs=1)


def test_several_evaluations(tmp_path):
    model = regressor(tmp_path, save_checkpoints_steps=10)
    exporter = Noting()
    specs = [
        EvalSpec(line(), steps=None, name="all", every_steps=10, exporters=[exporter]),
        EvalSpec(line(4), steps=None, name="few", throttle_secs=600),
    ]
    metrics, exports = train_and_evaluate(model, TrainSpec(endless(), max_steps=30), specs)
    assert evaluated(model, "all") == [10, 20, 30]
    assert evaluated(model, "few") == [10, 30]
    assert [float(results["label/mean"]) for results in metrics] == [9.0, 5.0]
    assert exports == [["noting 3"], []]


def test_the_plan_is_logged(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        run(regressor(tmp_path), 4, every_steps=2, name="test", exporters=Noting(), steps=7)
    plan = [message for message in caplog.messages if message.startswith("Plan: ")]
    assert plan == [
        "Plan: train from step 0 to step 4; checkpoints every 600 seconds, and at the end.",
        "Plan: evaluate test (7 batches) every 2 steps, and at the end; then export: noting.",
    ]


def test_evaluations_use_the_values_in_memory_and_one_model(tmp_path, caplog):
    model = regressor(tmp_path, save_checkpoints_steps=10)
    with caplog.at_level(logging.INFO):
        metrics, _ = run(model)
    assert caplog.messages.count("Calling model_fn.") == 2  # one to train, one to evaluate
    again = regressor(tmp_path).evaluate(line())
    assert {name: value.tobytes() for name, value in metrics.items()} == {
        name: value.tobytes() for name, value in again.items()
    }


def shuffled():
    x = np.arange(40, dtype=np.float32)
    return Dataset.from_tensor_slices(({"x": x}, 2 * x)).shuffle(40, seed=1).batch(4)


@pytest.mark.parametrize("hooks", [[], [SessionRunHook()]])
def test_each_evaluation_sees_the_same_batches_and_leaves_training_alone(tmp_path, hooks):
    plain = regressor(tmp_path / "plain", save_checkpoints_steps=10)
    plain.train(shuffled().repeat(), max_steps=30)
    rows = shuffled()  # one object, to train and to evaluate
    model = regressor(tmp_path / "model", save_checkpoints_steps=10)
    spec = EvalSpec(rows, steps=2, throttle_secs=0, hooks=hooks)
    train_and_evaluate(model, TrainSpec(rows.repeat(), max_steps=30), spec)
    assert_same_bits(variables(model), variables(plain))
    seen = [evaluation.metrics["label/mean"] for evaluation in evaluations.read(model.eval_dir())]
    first = [float(label.mean()) for _, label in shuffled().take(2)]
    assert seen == 3 * [np.mean(first)]


def test_hooks_of_evaluations_get_a_model_of_their_own(tmp_path):
    class Hook(SessionRunHook):
        steps = 0
        begun = 0

        def begin(self):
            self.begun += 1

        def after_run(self, run_context, run_values):
            self.steps += 1

    hook = Hook()
    run(regressor(tmp_path, save_checkpoints_steps=10), hooks=[hook])
    assert (hook.begun, hook.steps) == (3, 6)


# Live values --------------------------------------------------------------------------------------------


def test_evaluate_after_train_reads_no_checkpoint(tmp_path, monkeypatch):
    model = regressor(tmp_path).train(line())
    expected = regressor(tmp_path).evaluate(line())
    monkeypatch.setattr(checkpoints, "load", None)
    assert model.evaluate(line()) == expected
    assert len(list(model.predict(line()))) == 8


def test_the_disk_is_the_truth(tmp_path):
    model = regressor(tmp_path, save_checkpoints_steps=1).train(endless(), max_steps=3)
    first = float(model.evaluate(line())["loss"])
    (tmp_path / "checkpoint").unlink()
    for path in tmp_path.glob("model.ckpt*"):
        path.unlink()
    other = regressor(tmp_path).train(line(4, 1).take(3))
    assert float(model.evaluate(line())["loss"]) == float(other.evaluate(line())["loss"]) != first


def test_a_run_that_failed_leaves_no_values_in_memory(tmp_path):
    data = line(16).map(lambda x, y: (x, np.where(y > 16, np.float32(np.nan), y)))  # NaN in the third batch
    model = regressor(tmp_path, save_checkpoints_steps=2)
    with pytest.raises(NanLossDuringTrainingError):
        model.train(data)
    assert model.evaluate(line()) == regressor(tmp_path).evaluate(line())


def test_evaluations_inside_of_training_see_the_checkpoint(tmp_path):
    seen = []

    class Evaluating(SessionRunHook):
        def after_run(self, run_context, run_values):
            seen.append(float(model.evaluate(line())["loss"]))

    model = regressor(tmp_path, save_checkpoints_steps=2)
    model.train(endless(), max_steps=4, hooks=[Evaluating()])
    at = {
        step: float(
            regressor(tmp_path).evaluate(line(), checkpoint_path=f"{tmp_path}/model.ckpt-{step}")["loss"]
        )
        for step in (0, 2, 4)
    }
    assert seen == [at[0], at[2], at[2], at[4]]


# The best -----------------------------------------------------------------------------------------------


def scripted(monkeypatch, losses):
    """Let evaluations of so many steps give these losses."""
    whole = estimators.evaluation.evaluator.loop.evaluate

    def evaluate(session, metrics, steps):
        step = int(session.values["global_step"])
        return {**whole(session, metrics, steps), "loss": np.float32(losses[step])}

    monkeypatch.setattr(estimators.evaluation.evaluator.loop, "evaluate", evaluate)


LOSSES = {10: 5, 20: 3, 30: 4, 40: 3, 50: 6, 60: 1, 70: 2, 80: 2, 90: 2}


def test_early_stopping_restores_the_best(tmp_path, monkeypatch, caplog):
    scripted(monkeypatch, LOSSES)
    exporter = Noting()
    model = regressor(tmp_path, keep_checkpoint_max=1)
    with caplog.at_level(logging.INFO):
        metrics, _ = run(
            model, 90, every_steps=10, exporters=exporter, early_stopping=EarlyStopping(patience=3)
        )
    assert "Stopping early: loss was best, 3, at step 20, 3 evaluations ago." in caplog.text
    assert evaluated(model) == [10, 20, 30, 40, 50]
    assert (model.latest_checkpoint(), metrics["loss"]) == (str(tmp_path / "model.ckpt-20"), 3)
    assert exporter.calls[-1] == (20, True)
    plain = regressor(tmp_path / "plain").train(endless(), max_steps=20)
    assert_same_bits(variables(model), variables(plain))


def test_a_run_that_was_stopped_early_stays_so(tmp_path, monkeypatch):
    scripted(monkeypatch, LOSSES)
    model = regressor(tmp_path)
    run(model, 90, every_steps=10, early_stopping=EarlyStopping(patience=2))
    assert run(model, 90, every_steps=10, early_stopping=EarlyStopping(patience=2)) == (None, None)
    metrics, _ = run(model, 90, every_steps=10, early_stopping=EarlyStopping(patience=4))
    assert (metrics["global_step"], metrics["loss"]) == (60, 1)


def test_the_best_is_restored_at_the_end_of_training_too(tmp_path, monkeypatch):
    scripted(monkeypatch, LOSSES)
    exporter = Noting()
    model = regressor(tmp_path, keep_checkpoint_max=1)
    stopping = EarlyStopping(patience_steps=100)
    metrics, _ = run(model, 80, every_steps=20, exporters=exporter, early_stopping=stopping)
    assert metrics["global_step"] == 60
    assert exporter.calls == [(20, False), (40, False), (60, False), (60, True)]
    assert run(model, 80, every_steps=20, early_stopping=stopping) == (None, None)


def test_early_stopping_may_keep_the_last(tmp_path, monkeypatch):
    scripted(monkeypatch, LOSSES)
    stopping = EarlyStopping(patience_steps=20, min_steps=60, restore_best=False)
    metrics, _ = run(regressor(tmp_path), 90, every_steps=10, early_stopping=stopping)
    assert (metrics["global_step"], metrics["loss"]) == (80, 2)


@pytest.mark.parametrize(
    ("stopping", "values", "expected"),
    [
        (EarlyStopping(patience=2), [3, 2, 2], None),
        (EarlyStopping(patience=2), [3, 2, 2, 2], 3),
        (EarlyStopping(patience=2, min_delta=0.5), [3, 2.6, 2.4, 2.2, 2.1], 4),
        (EarlyStopping(patience=2), [3, float("nan"), float("nan")], 2),
        (EarlyStopping("auc", patience=1), [0.5, 0.6, 0.7], None),
        (EarlyStopping("gain", mode="max", patience=1), [0.5, 0.6, 0.5], 2),
        (EarlyStopping(patience_steps=3), [1, 2, 2], None),
        (EarlyStopping(patience_steps=3), [1, 2, 2, 2], 3),
    ],
)
def test_when_training_stops_early(tmp_path, stopping, values, expected):
    whys = []
    for step, value in enumerate(values):
        evaluations.append(str(tmp_path / "eval"), step, {stopping.metric: value})
        whys.append(stopping.why_stop(str(tmp_path)))
    stops = [step for step, why in enumerate(whys) if why is not None]
    assert (stops[0] if stops else None) == expected


def test_the_best_checkpoints_are_kept(tmp_path, monkeypatch):
    scripted(monkeypatch, LOSSES)
    model = regressor(tmp_path, keep_checkpoint_max=2, keep_best=2)
    run(model, 90, every_steps=10)
    assert checkpoints.listed(str(tmp_path)) == [f"model.ckpt-{step}" for step in (60, 70, 80, 90)]
    kept = regressor(tmp_path / "auc", keep_checkpoint_max=1, keep_best=KeepBest("average_loss", "max"))
    run(kept, 30, every_steps=10)
    assert checkpoints.listed(str(tmp_path / "auc")) == ["model.ckpt-10", "model.ckpt-30"]


# Going on -----------------------------------------------------------------------------------------------


class Broken(Noting):
    """Fails at a step."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def export(self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export):
        if eval_result["global_step"] == self.at:
            self.at = None
            raise OSError("the disk is full")
        return super().export(estimator, export_path, checkpoint_path, eval_result, is_the_final_export)


@pytest.mark.parametrize("max_steps", [30, None])
def test_a_final_export_that_failed_is_made_again(tmp_path, max_steps):
    data, exporter = line(120), Broken(30)
    model = regressor(tmp_path, save_checkpoints_steps=20)
    with pytest.raises(OSError, match="full"):
        run(model, max_steps, data, exporters=exporter)
    metrics, exports = run(model, max_steps, data, exporters=exporter)
    assert exporter.calls == [(20, False), (30, True)]
    assert (metrics["global_step"], exports) == (30, ["noting 2"])


def test_a_final_export_of_the_best_that_failed_is_made_again(tmp_path, monkeypatch):
    scripted(monkeypatch, LOSSES)
    exporter = Broken(20)
    model = regressor(tmp_path)
    run(model, 20, every_steps=10)
    stopping = EarlyStopping(patience=3)
    with pytest.raises(OSError, match="full"):
        run(model, 90, every_steps=10, exporters=exporter, early_stopping=stopping)
    metrics, exports = run(model, 90, every_steps=10, exporters=exporter, early_stopping=stopping)
    assert exporter.calls == [(30, False), (40, False), (50, False), (20, True)]
    assert (metrics["global_step"], metrics["loss"], exports) == (20, 3, ["noting 4"])
    assert evaluated(model) == [10, 20, 30, 40, 50]


def test_other_limits_after_a_failure_go_on_with_training(tmp_path):
    exporter = Broken(20)
    model = regressor(tmp_path)
    with pytest.raises(OSError, match="full"):
        run(model, 20, every_steps=20, exporters=exporter)
    run(model, 40, every_steps=20, exporters=exporter)
    assert exporter.calls == [(40, True)]


def test_an_evaluation_that_is_missing_is_made_before_training_goes_on(tmp_path, monkeypatch):
    scripted(monkeypatch, LOSSES)
    model = regressor(tmp_path)
    whole = estimators.evaluation.evaluations.append

    def failing(directory, step, results):
        if step == 50:
            monkeypatch.setattr(estimators.evaluation.evaluations, "append", whole)
            raise RuntimeError("killed")
        whole(directory, step, results)

    monkeypatch.setattr(estimators.evaluation.evaluations, "append", failing)
    with pytest.raises(RuntimeError, match="killed"):
        run(model, 90, every_steps=10, early_stopping=EarlyStopping(patience=3))
    metrics, _ = run(model, 90, every_steps=10, early_stopping=EarlyStopping(patience=3))
    assert evaluated(model) == [10, 20, 30, 40, 50]
    assert metrics["global_step"] == 20


def test_more_steps_go_on_from_the_last(tmp_path):
    model = regressor(tmp_path)
    run(model, np.int64(10), every_steps=np.int32(10))
    metrics, _ = run(model, 30, every_steps=10)
    assert metrics["global_step"] == 30
    assert evaluated(model) == [10, 20, 30]


def test_the_state_of_a_run_that_cannot_be_read(tmp_path):
    model = regressor(tmp_path)
    run(model, 4)
    assert json.loads((tmp_path / "train_and_evaluate.json").read_text())["phase"] == "finished"
    (tmp_path / "train_and_evaluate.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is not the state of a run(?s:.*)delete it"):
        run(model, 8)


# Errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TrainSpec(3), TypeError, "input_fn must be a function, a Dataset"),
        (lambda: TrainSpec(line, max_steps=0), ValueError, "max_steps must be an integer of at least 1"),
        (lambda: TrainSpec(line, hooks=[3]), TypeError, "hooks must hold SessionRunHook objects"),
        (lambda: TrainSpec(line, saving_listeners=[3]), TypeError, "saving_listeners must hold"),
        (lambda: EvalSpec(line, steps=0), ValueError, "steps must be an integer of at least 1, not 0"),
        (lambda: EvalSpec(line, name=3), TypeError, "name must be a string"),
        (
            lambda: EvalSpec(line, throttle_secs=-1),
            ValueError,
            "throttle_secs must be a number of at least 0",
        ),
        (lambda: EvalSpec(line, every_steps=2, every_epochs=1), ValueError, "not both"),
        (lambda: EvalSpec(line, exporters=[3]), TypeError, "exporters must hold Exporter objects"),
        (lambda: EvalSpec(line, exporters=3), TypeError, "exporters must be an Exporter, or a list"),
        (lambda: EvalSpec(line, exporters=[Noting(), Noting()]), ValueError, "must have different names"),
        (lambda: EvalSpec(line, exporters=Noting(None)), ValueError, "must have different names"),
        (lambda: EarlyStopping("gain"), ValueError, "give mode='min' or mode='max'"),
        (lambda: EarlyStopping(mode="maximum"), ValueError, "mode must be 'min', 'max' or None"),
        (lambda: EarlyStopping(patience=0), ValueError, "patience must be an integer of at least 1"),
        (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta must be a number of at least 0"),
        (lambda: KeepBest(count=0), ValueError, "count must be an integer of at least 1"),
    ],
)
def test_settings_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_arguments_are_checked(tmp_path):
    model, train, test = regressor(tmp_path), TrainSpec(endless(), max_steps=3), EvalSpec(line())
    with pytest.raises(TypeError, match="estimator must be an Estimator"):
        train_and_evaluate(3, train, test)
    with pytest.raises(TypeError, match="train_spec must be a TrainSpec"):
        train_and_evaluate(model, test, train)
    with pytest.raises(TypeError, match="eval_spec must be an EvalSpec"):
        train_and_evaluate(model, train, 3)
    with pytest.raises(ValueError, match="two EvalSpecs have the name ''"):
        train_and_evaluate(model, train, [test, test])
    with pytest.raises(ValueError, match="eval_spec is empty"):
        train_and_evaluate(model, train, [])
    both = [EvalSpec(line(), name=name, exporters=Noting()) for name in "ab"]
    with pytest.raises(ValueError, match="two exporters have the name 'noting'"):
        train_and_evaluate(model, train, both)


def test_what_is_wrong_with_evaluations_is_said_before_training(tmp_path):
    model = regressor(tmp_path)
    with pytest.raises(ValueError, match=r"the input of evaluate 'x' is endless(?s:.*)give steps="):
        train_and_evaluate(
            model, TrainSpec(endless(), max_steps=3), EvalSpec(endless(), steps=None, name="x")
        )
    with pytest.raises(ValueError, match=r"early_stopping looks at 'averge_loss'(?s:.*)'average_loss'"):
        run(model, early_stopping=EarlyStopping("averge_loss"))
    with pytest.raises(ValueError, match="looks at the evaluation 'test'"):
        run(model, early_stopping=EarlyStopping(name="test"))
    assert model.latest_checkpoint() is None


def test_evaluations_of_a_wide_model_use_the_members_of_stacked_tables(tmp_path):
    columns = [
        feature_column.embedding_column(feature_column.categorical_column_with_identity(name, 4), 2)
        for name in ("a", "b")
    ]
    from estimators import DNNClassifier, RunConfig

    model = DNNClassifier([3], columns, tmp_path, config=RunConfig(save_checkpoints_steps=5, progress=False))
    data = classes(a=[0, 1, 2, 3], b=[3, 2, 1, 0])
    metrics, _ = train_and_evaluate(
        model, TrainSpec(data.repeat(), max_steps=15), EvalSpec(data, steps=None, throttle_secs=0)
    )
    again = DNNClassifier([3], columns, tmp_path).evaluate(data)
    assert metrics["loss"] == again["loss"]
    assert evaluated(model) == [5, 10, 15]


def test_a_classifier_is_stopped_by_its_accuracy(tmp_path):
    model = classifier(tmp_path)
    spec = TrainSpec(classes().repeat(), max_steps=100)
    stopping = EarlyStopping("accuracy", patience=2)
    metrics, _ = train_and_evaluate(
        model, spec, EvalSpec(classes(), steps=1, every_steps=5), early_stopping=stopping
    )
    assert metrics["accuracy"] == 1
    assert evaluated(model)[-1] < 100
    assert isinstance(spec.input_fn, Dataset)
