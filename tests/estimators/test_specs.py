"""What a model function returns is checked."""

import numpy as np
import pytest

from dataflow.expr.tensor import as_tensor
from estimators import EstimatorSpec, Scaffold, SessionRunHook, export
from estimators.graph.updates import TrainOp
from estimators.graph.variable import Variable
from estimators.metrics import mean

X = as_tensor(np.float32([[1.0]]))
SCALAR = X.sum()
TEXT = as_tensor(["a"])


def test_a_loss_of_one_element_becomes_a_scalar():
    assert EstimatorSpec("eval", loss=X).loss.shape == ()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: EstimatorSpec("train"), "missing loss and train_op"),
        (lambda: EstimatorSpec("eval"), "missing loss"),
        (lambda: EstimatorSpec("infer"), "missing predictions"),
        (lambda: EstimatorSpec("test"), "mode must be one of"),
        (lambda: EstimatorSpec("eval", loss=SCALAR, eval_metric_ops={"loss": mean(X)}), r"\['loss'\]"),
        (lambda: EstimatorSpec("eval", loss=SCALAR, eval_metric_ops={"m": 3}), "'m' must be a Metric"),
        (lambda: EstimatorSpec("eval", loss=3.0), "the loss must be a Tensor, not 3.0"),
        (lambda: EstimatorSpec("eval", loss=Variable("v", (2,))), "loss must be a scalar"),
        (lambda: EstimatorSpec("train", loss=SCALAR, train_op=3), r"optimizer.minimize(?s:.*)group\("),
        (lambda: EstimatorSpec("train", loss=SCALAR), r"missing train_op(?s:.*)optimizer.minimize"),
        (lambda: EstimatorSpec("infer", [X]), "predictions must be a dict of tensors, or a Tensor"),
        (lambda: EstimatorSpec("infer", {"y": 3.0}), "prediction 'y' must be a Tensor"),
        (lambda: EstimatorSpec("eval", loss=SCALAR, eval_metric_ops=[mean(X)]), "must be a dict of metrics"),
        (
            lambda: EstimatorSpec("eval", loss=SCALAR, eval_metric_ops={"global_step": mean(X)}),
            "global_step",
        ),
        (lambda: EstimatorSpec("infer", X, training_hooks=[3]), "training_hooks must hold SessionRunHook"),
        (lambda: EstimatorSpec("infer", X, evaluation_hooks=SessionRunHook()), "evaluation_hooks must be a"),
        (lambda: EstimatorSpec("infer", X, scaffold=3), "scaffold must be a Scaffold"),
        (lambda: Scaffold(init_fn=3), "init_fn must be a function"),
    ],
)
def test_other_specs_are_refused(build, words):
    with pytest.raises((ValueError, TypeError), match=words):
        build()


def test_a_spec_is_replaced_but_its_mode():
    spec = EstimatorSpec("eval", X, SCALAR)
    assert spec._replace(mode="eval", loss=X * 2).loss.shape == ()
    with pytest.raises(ValueError, match="mode of an EstimatorSpec cannot be changed"):
        spec._replace(mode="train")
    with pytest.raises(ValueError, match=r"no 'los'(?s:.*)did you mean 'loss'"):
        spec._replace(los=X)


def test_no_metrics_and_no_hooks_may_be_none():
    spec = EstimatorSpec("train", X, SCALAR, TrainOp(()), None, training_hooks=None)
    assert (spec.eval_metric_ops, spec.training_hooks) == ({}, ())


def test_predictions_are_the_default_signature():
    outputs = EstimatorSpec("infer", {"y": X}).export_outputs
    assert list(outputs) == ["serving_default"]
    assert outputs["serving_default"].outputs == {"y": X}
    assert EstimatorSpec("infer", X).export_outputs["serving_default"].outputs == {"output": X}
    assert EstimatorSpec("eval", X, SCALAR).export_outputs is None


def test_a_single_signature_is_the_default_too():
    outputs = EstimatorSpec("infer", X, export_outputs={"scores": export.RegressionOutput(X)}).export_outputs
    assert list(outputs) == ["scores", "serving_default"]
    assert outputs["scores"] is outputs["serving_default"]


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"a": export.PredictOutput(X), "b": export.PredictOutput(X)}, r"\['a', 'b'\](?s:.*)serving_default"),
        ([export.PredictOutput(X)], "must be a dict"),
        ({"a": X}, "ExportOutput objects"),
    ],
)
def test_other_signatures_are_refused(outputs, words):
    with pytest.raises((ValueError, TypeError), match=words):
        EstimatorSpec("infer", X, export_outputs=outputs)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: export.PredictOutput({"y": 3}), "'y' must be a Tensor, not 3"),
        (lambda: export.PredictOutput({1: X}), "must be text, not 1"),
        (lambda: export.RegressionOutput(X.astype(np.int64)), "Tensor of floating-point numbers"),
        (lambda: export.ClassificationOutput(), "needs scores, classes or both"),
        (lambda: export.ClassificationOutput(scores=TEXT), "scores .* Tensor of floating-point numbers"),
        (lambda: export.ClassificationOutput(classes=X), "classes .* Tensor of text"),
    ],
)
def test_other_outputs_are_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()
