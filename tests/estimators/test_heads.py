import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.tensor import as_tensor
from estimators import Estimator, EstimatorSpec, ModeKeys, heads
from estimators.graph.primitives.classification import sigmoid_cross_entropy
from estimators.heads import (
    BinaryClassHead,
    LogisticRegressionHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
)
from estimators.losses import Reduction, reduce_loss, squared_error
from tests.estimators.head_runs import (
    CASES,
    HEADS,
    assert_predictions,
    f32,
    head_of,
    loss_of,
    model_of,
    value,
)
from tests.estimators.helpers import GOLDEN, QUIET, classes, classifier, line, regressor


@pytest.mark.parametrize("name", ["losses", "losses_weights2"])
def test_squared_error(name):
    golden = GOLDEN[name]
    predictions = golden.get("predictions", golden.get("logits_or_predictions"))
    losses = squared_error(f32(golden["labels"]), f32(predictions))
    expected = golden["mean_squared_error"]
    weights = f32(golden["weights"])
    assert (value(losses) * np.float32(golden["weights"])).tolist() == expected["none"]
    assert value(reduce_loss(losses, weights, Reduction.SUM)) == pytest.approx(expected["weighted_sum"])
    mean = value(reduce_loss(losses, weights, Reduction.SUM_OVER_BATCH_SIZE))
    assert mean == pytest.approx(expected["weighted_sum_over_batch_size"])


def test_sigmoid_cross_entropy():
    golden = GOLDEN["losses"]
    losses = sigmoid_cross_entropy(f32(golden["logits_or_predictions"]), f32(golden["labels"]))
    expected = golden["sigmoid_cross_entropy"]
    np.testing.assert_allclose(value(losses) * golden["weights"], expected["none"], rtol=1e-6)
    total = reduce_loss(losses, f32(golden["weights"]), Reduction.SUM)
    assert value(total) == pytest.approx(expected["weighted_sum"])


def test_sigmoid_cross_entropy_of_extreme_logits_is_exact():
    golden = GOLDEN["losses"]["sigmoid_ce_elementwise"]
    found = value(sigmoid_cross_entropy(f32(golden["logits"]), f32(golden["labels"])))
    np.testing.assert_allclose(found, golden["out"], rtol=1e-6)


# What every head keeps to --------------------------------------------------------------------------


def test_every_head_has_cases():
    classes = {name for name in heads.__all__ if not name.startswith(("Head", "Judge", "Multi", "Single"))}
    classes |= {"MultiClassHead", "MultiLabelHead"}
    classes -= {"SequentialHeadWrapper"}  # has those of recurrent models
    assert {case["head"] for case in CASES.values()} == classes
    assert all(any(case["head"] == name and case["features"] for case in CASES.values()) for name in classes)


@pytest.mark.parametrize("name", CASES)
def test_loss(name):
    case = CASES[name]
    for reduction, expected in case["loss"].items():
        head = head_of(case, loss_reduction=reduction)
        found = loss_of(head, case["logits"], np.asarray(case["labels"]), **case["features"])
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_metrics(name, tmp_path):
    case = CASES[name]
    parts = [np.float32(part) for part in HEADS["regularization_losses"]]
    model, data = model_of(head_of(case), case, tmp_path, regularization_losses=parts)
    found = model.evaluate(data)
    assert found.pop("loss") == pytest.approx(case["loss"]["sum_over_batch_size"] + sum(parts), rel=1e-5)
    assert found.pop("global_step") == 0
    assert sorted(found) == sorted(case["metrics"])
    assert found == pytest.approx(case["metrics"], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_predictions(name, tmp_path):
    case = CASES[name]
    model, data = model_of(head_of(case), case, tmp_path)
    assert_predictions(next(model.predict(data, yield_single_examples=False)), case["predictions"])


@pytest.mark.parametrize("name", CASES)
def test_a_step_follows_the_gradient(name, tmp_path):
    case = CASES[name]
    model, data = model_of(head_of(case), case, tmp_path)
    found = model.train(data, steps=1).get_variable_value("logits")
    wanted = np.float32(case["logits"]) - case["gradient"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_signatures(name):
    case = CASES[name]
    spec = head_of(case).create_estimator_spec({}, ModeKeys.PREDICT, f32(case["logits"]))
    outputs = spec.export_outputs
    assert sorted(outputs) == case["signatures"]
    assert sorted(outputs["predict"].outputs) == sorted(case["predictions"])
    kind = "classification" if "classification" in outputs else "regression"
    assert outputs["serving_default"] is outputs[kind]


@pytest.mark.parametrize("name", CASES)
def test_labels_and_weights_of_one_more_axis_are_the_same(name):
    case = CASES[name]
    labels = np.asarray(case["labels"])[:, None]
    features = {key: np.asarray(column)[:, None] for key, column in case["features"].items()}
    logits = np.float32(case["logits"])[:, None]
    found = loss_of(head_of(case), logits, labels, **features)
    assert found == pytest.approx(case["loss"]["sum_over_batch_size"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("binary_weighted", BinaryClassHead(weight_column="w")),
        ("multiclass_3", MultiClassHead(3)),
        ("multilabel_2", MultiLabelHead(2)),
        ("poisson_full", PoissonRegressionHead()),
        ("logistic_regression", LogisticRegressionHead()),
        ("regression_2d", RegressionHead(2)),
    ],
)
def test_golden_losses(name, head):
    case = HEADS["head_losses_v2"][name]
    logits = np.reshape(case["logits"], (-1, head.logits_dimension))
    found = loss_of(head, logits, np.asarray(case["labels"]), w=case.get("weights", ()))
    assert found == pytest.approx(case["loss"], rel=1e-6)


# Several heads -------------------------------------------------------------------------------------


def multi_head():
    case = HEADS["multi_head"]
    parts = [RegressionHead(name="r"), BinaryClassHead(name="b", thresholds=case["thresholds"])]
    return MultiHead(parts, case["head_weights"]), case


def test_multi_head_evaluates(tmp_path):
    head, case = multi_head()
    model, data = model_of(head, case, tmp_path, regularization_losses=[np.float32(0.75)])
    found = model.evaluate(data)
    assert (found.pop("loss"), found.pop("global_step")) == (pytest.approx(case["loss"], rel=1e-5), 0)
    assert found == pytest.approx(case["metrics"], rel=1e-5, abs=1e-6)


def test_multi_head_predicts_by_head_and_key(tmp_path):
    head, case = multi_head()
    model, data = model_of(head, case, tmp_path)
    found = next(model.predict(data, yield_single_examples=False))
    assert_predictions({"/".join(key): array for key, array in found.items()}, case["predictions"])
    assert list(next(model.predict(data, [("r", "predictions")]))) == [("r", "predictions")]


def test_multi_head_trains(tmp_path):
    head, case = multi_head()
    model, data = model_of(head, case, tmp_path)
    found = model.train(data, steps=1).get_variable_value("logits")
    np.testing.assert_allclose(found, np.float32(case["logits"]) - case["gradient"], rtol=1e-5)


def test_multi_head_signatures():
    head, case = multi_head()
    outputs = head.create_estimator_spec({}, ModeKeys.PREDICT, f32(case["logits"])).export_outputs
    assert sorted(outputs) == case["signatures"]
    assert sorted(outputs["predict"].outputs) == case["predict_outputs"]
    assert outputs["serving_default"] is outputs["r"] is outputs["r/regression"]


def test_multi_head_takes_logits_by_name():
    head, case = multi_head()
    logits = np.float32(case["logits"])
    labels = {name: as_tensor(column) for name, column in case["labels"].items()}
    loss = head.loss(labels, {"r": f32(logits[:, :1]), "b": f32(logits[:, 1:])}, {}, None, [0.75])
    assert value(loss) == pytest.approx(case["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (np.zeros((1, 2)), {"r": [0.0]}, "no labels for the head 'b'"),
        (np.zeros((1, 2)), None, "there are no labels"),
        (np.zeros((1, 2)), [0.0], "must be a dict by head"),
        (np.zeros((1, 3)), {"r": [0.0], "b": [0]}, "must have 2 units"),
        ({"r": np.zeros((1, 1))}, {"r": [0.0], "b": [0]}, "no logits for the head 'b'"),
    ],
)
def test_multi_head_refuses_what_is_incomplete(logits, labels, words):
    with pytest.raises((ValueError, TypeError), match=words):
        multi_head()[0].loss(labels, logits)


# Through an estimator ------------------------------------------------------------------------------


def test_logit_0_is_class_0():
    predictions = BinaryClassHead().predictions(f32([[0.0], [1e-6]]))
    assert value(predictions["class_ids"]).tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("kind", "make"), [("v2 LinearClassifier", classifier), ("v2 LinearRegressor", regressor)]
)
def test_prediction_keys_dtypes_and_shapes(tmp_path, kind, make):
    prediction = next(make(tmp_path).predict(classes()))
    found = {name: [str(array.dtype), list(array.shape)] for name, array in prediction.items()}
    assert found == GOLDEN["predict_keys"][kind]


def test_binary_predictions(tmp_path):
    model = classifier(tmp_path, label_vocabulary=["no", "yes"])
    model.train(classes(["no", "yes", "yes", "no"]).repeat(), steps=30)
    found = next(model.predict(classes(["no", "yes", "yes", "no"])))
    assert found["classes"].tolist() == ["no"]
    assert found["all_classes"].tolist() == ["no", "yes"]
    assert found["all_class_ids"].tolist() == [0, 1]
    assert found["probabilities"].tolist() == pytest.approx([1 - found["logistic"][0], found["logistic"][0]])


def test_classes_without_a_vocabulary_are_numbers_as_text(tmp_path):
    found = next(classifier(tmp_path).predict(classes()))
    assert (found["classes"].tolist(), found["all_classes"].tolist()) == (["0"], ["0", "1"])


@pytest.mark.parametrize(
    ("kind", "make"), [("v2 LinearClassifier", classifier), ("v2 LinearRegressor", regressor)]
)
def test_evaluation_keys(tmp_path, kind, make):
    results = make(tmp_path).evaluate(classes())
    assert sorted(results) == GOLDEN["eval_keys"][kind]
    assert {str(value.dtype) for name, value in results.items() if name != "global_step"} == {"float32"}
    assert results["global_step"].dtype == np.int64


def test_average_loss_is_weighted_by_the_weights_and_loss_is_not(tmp_path):
    x = np.float32([1, 1])
    data = Dataset.from_tensor_slices(({"x": x, "w": np.float32([3, 1])}, np.float32([2, 4]))).batch(2)
    head = RegressionHead(weight_column="w")

    def model_fn(features, labels, mode):
        return head.create_estimator_spec(features, mode, features["x"][:, None] * 0.0, labels)

    results = Estimator(model_fn, tmp_path, QUIET).evaluate(data)
    assert (results["loss"], results["average_loss"]) == ((3 * 4 + 16) / 2, (3 * 4 + 16) / 4)


def test_loss_of_an_evaluation_is_the_mean_over_batches(tmp_path):
    results = regressor(tmp_path).evaluate(line(rows=3, batch=2))  # labels 2 4 and 6, predictions 0
    assert results["loss"] == ((4 + 16) / 2 + 36) / 2
    assert results["average_loss"] == pytest.approx((4 + 16 + 36) / 3)


def test_spec_of_another_mode_is_refused(tmp_path):
    def model_fn(features):
        return EstimatorSpec(ModeKeys.PREDICT, {"x": features["x"]})

    with pytest.raises(ValueError, match="its spec is for 'infer'"):
        Estimator(model_fn, tmp_path, QUIET).evaluate(Dataset.from_tensor_slices({"x": [1.0]}).batch(1))
