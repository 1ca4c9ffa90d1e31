"""Metrics against golden values (`tests/golden`), over batches, with weights and over nothing.

`values` of ``metrics.json`` were computed with TensorFlow 2.15.1: each function of `tf.compat.v1.metrics` on
the inputs of that file, with one run of its update, in a session.
"""

import json

import numpy as np
import pytest

from dataflow.expr.function import evaluate
from dataflow.expr.tensor import as_tensor, parameter
from dataflow.spec import TensorSpec
from estimators import Estimator, EstimatorSpec, losses, metrics
from tests.estimators.helpers import GOLDEN, GOLDEN_FILES, QUIET, classes

FOUND = json.loads((GOLDEN_FILES / "metrics.json").read_text())
VALUES = FOUND["values"]
P = np.float32(FOUND["binary"]["p"])
BINARY = (np.float32(FOUND["binary"]["binary"]), P)
DECIDED = (BINARY[0], np.float32(P > 0.45))
NUMBERS = tuple(np.float32(FOUND["numbers"][key]) for key in ("labels", "predictions"))
UNIT = tuple(np.float32(FOUND["unit"][key]) for key in ("labels", "predictions"))
CLASSES = tuple(np.array(FOUND["classes"][key]) for key in ("labels", "predictions"))
RANKS = (np.array(FOUND["ranks"]["labels"]), np.float32(FOUND["ranks"]["predictions"]))
CHOSEN = (RANKS[0], np.array([[0, 1], [1, 2], [3, 0], [1, 3]]))
WEIGHTS = {
    kind: np.float32(FOUND[kind]["w" if kind == "binary" else "weights"])
    for kind in ("binary", "numbers", "unit", "classes", "ranks")
}
COUNTS = ["true_positives", "false_positives", "false_negatives", "true_negatives", "precision", "recall"]
ERRORS = ["mean_absolute_error", "mean_squared_error", "root_mean_squared_error"]

CASES = {
    **{name: (name, "binary", DECIDED, {}) for name in [*COUNTS, "accuracy"]},
    **{
        f"{name}_at_thresholds": (
            f"{name}_at_thresholds",
            "binary",
            BINARY,
            {"thresholds": FOUND["thresholds"]},
        )
        for name in COUNTS
    },
    **{
        f"{name}/{rate}": (name, "binary", BINARY, {name.rsplit("_", 1)[1]: rate})
        for name in ("sensitivity_at_specificity", "specificity_at_sensitivity")
        for rate in (0.0, 0.4, 0.5, 1.0)
    },
    **{name: (name, "numbers", NUMBERS, {}) for name in ERRORS},
    "mean_relative_error": ("mean_relative_error", "numbers", NUMBERS, {"normalizer": NUMBERS[0]}),
    "mean_cosine_distance": ("mean_cosine_distance", "unit", UNIT, {"dim": 1}),
    "mean": ("mean", "numbers", NUMBERS[:1], {}),
    "mean_tensor": ("mean_tensor", "numbers", NUMBERS[:1], {}),
    "percentage_below": ("percentage_below", "numbers", NUMBERS[:1], {"threshold": 2.0}),
    "mean_iou": ("mean_iou", "classes", CLASSES, {"num_classes": 5}),
    "mean_per_class_accuracy": ("mean_per_class_accuracy", "classes", CLASSES, {"num_classes": 5}),
    **{
        f"average_precision_at_k/{k}": ("average_precision_at_k", "ranks", RANKS, {"k": k}) for k in (1, 2, 3)
    },
    **{
        f"{name}/{k}{suffix}": (name, "ranks", RANKS, {"k": k, **of_class})
        for name in ("precision_at_k", "recall_at_k")
        for k in (1, 2, 3)
        for suffix, of_class in (("", {}), ("/class 2", {"class_id": 2}))
    },
    **{name: (name, "ranks", CHOSEN, {}) for name in ("precision_at_top_k", "recall_at_top_k")},
}
"""By the name of the golden value: function, kind of weights, labels and predictions, settings."""


def compute(metric, *batches):
    return metric.result(sum((metric.update(*batch) for batch in batches), metric.zero()))


def tensors(values):
    return [as_tensor(np.float32(value)) for value in values]


def unknown(shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_golden_metrics(name, weighted):
    function, kind, arrays, settings = CASES[name]
    golden = np.nan_to_num(VALUES[name + "/weighted" * weighted])
    weights = {"weights": WEIGHTS[kind]} if weighted else {}
    found = getattr(metrics, function)(*arrays, **settings, **weights).value()
    np.testing.assert_allclose(found, golden, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [name for name in CASES if name != "mean_tensor"])
def test_batches_of_unknown_size_add_up(name, weighted):
    function, kind, arrays, settings = CASES[name]
    arrays = [*arrays, *([WEIGHTS[kind]] if weighted else []), *([NUMBERS[0]] * ("normalizer" in settings))]
    leaves = [unknown((None, *array.shape[1:]), array.dtype) for array in arrays]
    given = {"weights": leaves[len(CASES[name][2])]} if weighted else {}
    given |= {"normalizer": leaves[-1]} if "normalizer" in settings else {}
    metric = getattr(metrics, function)(*leaves[: len(CASES[name][2])], **{**settings, **given})
    parts = [[array[part] for array in arrays] for part in (slice(0, 1), slice(1, None))]
    batches = [[evaluate(tensor, leaves, part) for tensor in metric.inputs] for part in parts]
    golden = np.nan_to_num(VALUES[name + "/weighted" * weighted])
    np.testing.assert_allclose(compute(metric, *batches), golden, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", [*CASES, "auc"])
def test_over_nothing_there_is_0(name):
    function, _, arrays, settings = CASES.get(name, ("auc", "", BINARY, {}))
    metric = getattr(metrics, function)(*arrays, **settings)
    wanted = 1.0 if name == "mean_cosine_distance" else 0.0  # 1 - the mean, as TensorFlow has it
    assert np.all(np.asarray(metric.result(metric.zero())) == wanted)


@pytest.mark.parametrize("case", FOUND["auc"])
@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize(
    ("method", "golden", "epsilon"),
    [(m, f"keras_auc_{{}}_{m}", 0.0) for m in ("interpolation", "minoring", "majoring")]
    + [
        (m, f"v1_auc_{{}}_{m}", 1e-6)
        for m in ("trapezoidal", "careful_interpolation", "minoring", "majoring")
    ],
)
def test_auc(case, curve, method, golden, epsilon):
    values = [case[key] for key in ("labels", "predictions", "weights") if key in case]
    metric = metrics.auc(*tensors(values), curve=curve, summation_method=method, epsilon=epsilon)
    assert metric.value() == pytest.approx(case[golden.format(curve)], abs=1e-6)


def test_auc_with_thresholds_of_your_own():
    labels, predictions = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    assert metrics.auc(labels, predictions, thresholds=[0.5]).value() == 0.75
    assert metrics.auc(labels, predictions, thresholds=[0.6, 0.9]).value() == 0.75
    assert metrics.auc(labels, predictions, num_thresholds=2).value() == 0.5
    assert metrics.auc(labels, predictions, thresholds=[0.37, 0.2]).value() == 0.625


@pytest.mark.parametrize("predictions", [[1.0, 0.998], [0.001, 0.0]])
def test_predictions_between_two_thresholds_are_a_tie(predictions):
    values = ([0.0, 1.0], predictions)
    assert compute(metrics.auc(*tensors(values)), values) == 0.5


@pytest.mark.parametrize("curve", ["ROC", "PR"])
def test_auc_over_batches_is_that_over_all(curve):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 2, 100), rng.random(100, np.float32)
    metric = metrics.auc(*tensors([labels, predictions]), curve=curve)
    parts = [(labels[:30], predictions[:30]), (labels[30:], predictions[30:])]
    assert compute(metric, *parts) == compute(metric, (labels, predictions))


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.1])
@pytest.mark.parametrize("name", ["auc", "recall_at_thresholds"])
def test_what_is_no_probability_is_refused(name, value):
    settings = {"thresholds": [0.5]} if name != "auc" else {}
    metric = getattr(metrics, name)(*tensors([[0.0, 1.0], [0.5, 0.5]]), **settings)
    with pytest.raises(ValueError, match=f"{name} takes predictions between 0 and 1"):
        metric.update([0.0, 1.0], [0.5, value])


@pytest.mark.parametrize("name", ["precision", "recall", "accuracy"])
def test_weighted_metrics(name):
    golden = GOLDEN["precision_recall_accuracy"]
    metric = getattr(metrics, name)(*tensors([golden["labels"], golden["predictions"], golden["weights"]]))
    assert metric.value() == pytest.approx(golden[f"v1_{name}"], rel=1e-6)


@pytest.mark.parametrize("name", ["precision", "recall"])
def test_nothing_predicted_and_nothing_there_gives_0(name):
    assert compute(getattr(metrics, name)(*tensors([[0.0], [0.0]])), ([0.0], [0.0])) == 0.0


def test_weights_of_examples_are_spread_over_their_values():
    metric = metrics.mean(*tensors([np.ones((2, 2)), np.ones((2, 1))]))
    assert compute(metric, ([[1.0, 2.0], [5.0, 7.0]], [[3.0], [1.0]])) == (3 * 1 + 3 * 2 + 5 + 7) / 8
    assert metrics.mean([[1.0, 2.0], [5.0, 7.0]], [3.0, 1.0]).value() == (3 * 1 + 3 * 2 + 5 + 7) / 8


def test_one_axis_of_size_1_makes_no_difference():
    labels, predictions = np.array([1, 2, 3]), np.array([[1], [2], [0]])
    assert metrics.accuracy(labels, predictions, [[1.0], [1.0], [2.0]]).value() == 0.5
    assert metrics.mean_iou(labels[:, None], predictions[:, 0], 4).value() == 0.5


def test_accuracy_of_text_and_of_large_ids():
    assert metrics.accuracy(["a", "b"], ["a", "c"]).value() == 0.5
    assert metrics.accuracy([2**24 + 1], [2**24]).value() == 0.0


def test_labels_may_be_one_per_example_and_classes_may_repeat():
    assert metrics.precision_at_k([2, 0], [[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]], 1).value() == 0.5
    assert metrics.recall_at_top_k([[3, 3], [1, -1]], [[3, 3], [0, 2]]).value() == 0.5
    assert metrics.average_precision_at_k([[0, 0]], [[0.9, 0.1]], 2).value() == 1.0


def test_a_label_beyond_the_classes_is_never_found():
    scores = [[0.9, 0.1]]
    assert metrics.recall_at_k([[0, 7]], scores, 1).value() == 0.5
    assert metrics.average_precision_at_k([[0, 7]], scores, 2).value() == 1.0


def test_an_evaluation_returns_and_logs_arrays(tmp_path, caplog):
    def model_fn(features, labels, mode):
        recalls = metrics.recall_at_thresholds(labels, features["x"], [0.5, 0.1, *[0.05] * 40])
        loss = losses.log_loss(labels, features["x"])
        return EstimatorSpec(mode, {"x": features["x"]}, loss, eval_metric_ops={"recalls": recalls})

    caplog.set_level("INFO", "estimators")
    data = classes([0, 1, 1, 1], x=np.float32([0.9, 0.2, 0.6, 0.01]))
    found = Estimator(model_fn, tmp_path, config=QUIET).evaluate(lambda: data)["recalls"]
    assert (found.dtype, found.shape) == (np.float32, (42,))
    np.testing.assert_allclose(found[:2], [1 / 3, 2 / 3], rtol=1e-6)
    assert any("recalls = [0.3" in line and "\n" not in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: metrics.auc([1.0], [0.5], curve="roc"), "'ROC' or 'PR', not 'roc'"),
        (
            lambda: metrics.auc([1.0], [0.5], summation_method="sum"),
            "must be one of 'trapezoidal', .* not 'sum'",
        ),
        (lambda: metrics.auc([1.0], [0.5], num_thresholds=1), "num_thresholds must be at least 2, not 1"),
        (lambda: metrics.auc([1.0], [0.5], thresholds=[2.0]), "thresholds must be between 0 and 1"),
        (lambda: metrics.sensitivity_at_specificity([1], [0.5], 2.0), "specificity must be between 0 and 1"),
        (lambda: metrics.precision_at_k([1], [[0.5, 0.5]], 3), "number of classes, 2, not 3"),
        (lambda: metrics.mean_iou([1], [2], 2).value(), "predictions of 2 classes .* and one is 2"),
        (lambda: metrics.mean_per_class_accuracy([-1], [0], 2).value(), "labels of 2 classes .* one is -1"),
        (lambda: metrics.mean_iou([0], [0], 0), "num_classes must be at least 1"),
    ],
)
def test_wrong_values_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: metrics.accuracy(unknown((None,)), unknown((None, 2))), r"shape \(None,\), .* \(None, 2\)"),
        (lambda: metrics.mean([1.0, 2.0], [1.0, 2.0, 3.0]), r"weights have shape \(3,\), .* \(2,\)"),
        (lambda: metrics.mean([[1.0, 2.0]], [[1.0], [2.0]]), r"weights have shape \(2, 1\)"),
        (lambda: metrics.mean_tensor(unknown((None, 2))), "mean_tensor needs all sizes"),
        (lambda: metrics.recall_at_k([1.0], [[1.0]], 1), "labels must be integers"),
        (lambda: metrics.recall_at_k([[1], [2]], [[1.0]], 1), r"labels have shape \(2, 1\)"),
        (lambda: metrics.precision(["a"], ["a"]), "needs numbers"),
        (lambda: metrics.mean(["a"]), "mean needs numbers"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(TypeError, match=message):
        build()
