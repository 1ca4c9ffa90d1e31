"""Heads on logits and labels of golden values."""

import numpy as np

from dataflow import Dataset
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import as_tensor
from estimators import Estimator, heads
from estimators.graph.scope import get_variable
from estimators.graph.updates import TrainOp
from estimators.optimizers import SGD
from tests.estimators.helpers import QUIET
from tests.golden_values import golden


def value(tensor):
    return evaluate(tensor, [], [])


def f32(values):
    return as_tensor(np.float32(values))


def loss_of(head, logits, labels, **features):
    tensors = {name: as_tensor(np.asarray(column)) for name, column in features.items()}
    return float(value(head.loss(as_tensor(labels), f32(logits), tensors)))


def no_training(loss):
    return TrainOp(())


HEADS = golden("heads")
CASES = HEADS["cases"]


def head_of(case, **arguments):
    return getattr(heads, case["head"])(**case["arguments"], **arguments)


def model_of(head, case, directory, **regularization):
    """Return an estimator whose logits are a variable, and the batch of a case."""
    logits = np.float32(case["logits"])

    def model_fn(features, labels, mode):
        table = get_variable("logits", logits.shape, initializer=lambda shape, dtype, rng: logits)
        return head.create_estimator_spec(
            features, mode, np.matmul(features["rows"], table), labels, optimizer=SGD(1.0), **regularization
        )

    features = {"rows": np.eye(len(logits), dtype=np.float32), **case.get("features", {})}
    data = Dataset.from_tensor_slices((features, case["labels"])).batch(len(logits))
    return Estimator(model_fn, directory, QUIET), data


def assert_predictions(found, expected):
    assert sorted(found) == sorted(expected)
    for name, wanted in expected.items():
        array = np.asarray(found[name])
        if wanted["dtype"] == "string":
            assert (array.dtype, array.tolist()) == (object, wanted["value"])
            continue
        assert str(array.dtype) == wanted["dtype"]
        assert array.shape == np.shape(wanted["value"])
        np.testing.assert_allclose(array, wanted["value"], rtol=1e-5, atol=1e-12)
