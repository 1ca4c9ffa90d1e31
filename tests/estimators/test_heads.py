import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import as_tensor
from estimators import Estimator, EstimatorSpec, ModeKeys, feature_column
from estimators.graph.primitives.classification import sigmoid_cross_entropy
from estimators.heads import BinaryClassHead, RegressionHead
from estimators.losses import Reduction, as_reduction, reduce_loss, squared_error
from estimators.graph.updates import TrainOp
from tests.estimators.helpers import GOLDEN, QUIET, classes, classifier, line, regressor


def value(tensor):
    return evaluate(tensor, [], [])


def f32(values):
    return as_tensor(np.float32(values))


def loss_of(head, logits, labels, **features):
    tensors = {name: as_tensor(np.asarray(column)) for name, column in features.items()}
    spec = head.create_estimator_spec(tensors, ModeKeys.TRAIN, f32(logits), as_tensor(labels), no_training)
    return float(value(spec.loss))


def no_training(loss):
    return TrainOp(())


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


def test_binary_head_loss_with_weights():
    golden = GOLDEN["head_losses_v2"]["binary_weighted"]
    head = BinaryClassHead(weight_column="w")
    logits = np.reshape(golden["logits"], (-1, 1))
    assert loss_of(head, logits, golden["labels"], w=golden["weights"]) == pytest.approx(golden["loss"])


def test_regression_head_loss_counts_every_number():
    golden = GOLDEN["head_losses_v2"]["regression_2d"]
    head = RegressionHead(label_dimension=2)
    assert loss_of(head, golden["logits"], golden["labels"]) == pytest.approx(golden["loss"])


def test_weight_column_may_be_a_numeric_column():
    weights = feature_column.numeric_column("w", normalizer_fn=lambda w: w * 2)
    head = RegressionHead(weight_column=weights, loss_reduction="sum")
    assert loss_of(head, [[1.0], [1.0]], [0.0, 0.0], w=[1.0, 2.0]) == 6.0


@pytest.mark.parametrize(
    ("head", "labels", "words"),
    [
        (BinaryClassHead(weight_column="txt"), [0, 1], "did you mean 'text'?"),
        (BinaryClassHead(weight_column="text"), [0, 1], "not numbers"),
        (BinaryClassHead(weight_column="three"), [0, 1], "one weight per example"),
        (BinaryClassHead(), [0, 2], "between 0 and 1, and one is 2"),
        (BinaryClassHead(), [0.0, np.nan], "one is nan"),
        (BinaryClassHead(), ["a", "b"], "give label_vocabulary"),
        (BinaryClassHead(label_vocabulary=["a", "b"]), [0, 1], "and none for 0 and 1"),
        (BinaryClassHead(label_vocabulary=["a", "b"]), ["a", "c"], "positions of labels in label_vocabulary"),
        (BinaryClassHead(), [[0, 1], [1, 0]], "one label per example"),
        (RegressionHead(), ["a", "b"], "must be numbers"),
        (RegressionHead(2), [[1.0], [2.0]], "label_dimension=1"),
        (RegressionHead(), 1.0, ".batch(128)"),
    ],
)
def test_bad_labels_and_weights_are_refused(head, labels, words):
    features = {"w": [1.0, 1.0], "text": ["a", "b"], "three": np.ones((2, 3))}
    with pytest.raises((ValueError, TypeError)) as error:
        loss_of(head, np.zeros((2, head.logits_dimension)), np.asarray(labels), **features)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: BinaryClassHead(label_vocabulary=["a"]), "a list of two classes"),
        (lambda: BinaryClassHead(label_vocabulary="ab"), "a list of two classes"),
        (lambda: BinaryClassHead(weight_column=3), "must be a feature"),
        (lambda: RegressionHead(0), "at least 1"),
        (lambda: as_reduction("mean"), "'sum', 'sum_over_batch_size', not 'mean'"),
    ],
)
def test_bad_settings_are_refused(build, words):
    with pytest.raises((ValueError, TypeError)) as error:
        build()
    assert words in str(error.value)


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
    assert found["probabilities"].tolist() == [1 - found["logistic"][0], found["logistic"][0]]


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
        return head.create_estimator_spec(features, mode, features["x"][:, None] * 0.0, labels, no_training)

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
