import numpy as np
import pytest

from dataflow.expr.function import evaluate
from dataflow.expr.tensor import as_tensor
from estimators import metrics
from tests.estimators.helpers import GOLDEN


def compute(metric, *batches):
    return metric.result(sum((metric.update(*batch) for batch in batches), metric.zero()))


def tensors(values):
    return [as_tensor(np.float32(value)) for value in values]


@pytest.mark.parametrize("case", GOLDEN["auc"])
@pytest.mark.parametrize("curve", ["ROC", "PR"])
def test_auc(case, curve):
    values = [case[key] for key in ("labels", "predictions", "weights") if key in case]
    metric = metrics.auc(*tensors(values), curve=curve)
    assert compute(metric, values) == pytest.approx(case[f"keras_auc_{curve}_interpolation"], abs=1e-7)


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
def test_auc_refuses_what_is_no_probability(value):
    metric = metrics.auc(*tensors([[0.0, 1.0], [0.5, 0.5]]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        metric.update([0.0, 1.0], [0.5, value])


def test_auc_knows_its_curves():
    with pytest.raises(ValueError, match="'ROC' or 'PR', not 'roc'"):
        metrics.auc(*tensors([[1.0], [0.5]]), curve="roc")


@pytest.mark.parametrize("name", ["precision", "recall", "accuracy"])
def test_weighted_metrics(name):
    golden = GOLDEN["precision_recall_accuracy"]
    tensors_in = tensors([golden["labels"], golden["predictions"], golden["weights"]])
    metric = getattr(metrics, name)(*tensors_in)
    values = [evaluate(tensor, [], []) for tensor in metric.inputs]
    assert compute(metric, values) == pytest.approx(golden[f"v1_{name}"], rel=1e-6)


@pytest.mark.parametrize("name", ["precision", "recall"])
def test_nothing_predicted_and_nothing_there_gives_0(name):
    assert compute(getattr(metrics, name)(*tensors([[0.0], [0.0]])), ([0.0], [0.0])) == 0.0


def test_weights_of_examples_are_spread_over_their_values():
    metric = metrics.mean(*tensors([np.ones((2, 2)), np.ones((2, 1))]))
    assert compute(metric, ([[1.0, 2.0], [5.0, 7.0]], [[3.0], [1.0]])) == (3 * 1 + 3 * 2 + 5 + 7) / 8
