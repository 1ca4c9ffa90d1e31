"""Losses against golden values (`tests/golden`), their shapes, and the kernels of cross entropies.

`losses` of ``metrics.json`` were computed with TensorFlow 2.15.1: each function of `tf.compat.v1.losses` on
the inputs of that file, in a session.
"""

import functools
import json

import numpy as np
import pytest

from dataflow.expr.function import evaluate
from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators import losses, regularizers
from estimators.graph.gradients import gradients
from estimators.graph.primitives import PRIMITIVES
from estimators.graph.primitives.classification import (
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from estimators.graph.program import Program
from estimators.graph.registry import KERNELS
from estimators.graph.variable import Variable
from estimators.losses import Reduction
from tests.estimators.helpers import GOLDEN_FILES

MORE = json.loads((GOLDEN_FILES / "metrics.json").read_text())
FOUND = MORE["all_losses"]
LABELS, LOGITS, WEIGHTS = (np.float32(FOUND[key]) for key in ("labels", "logits_or_predictions", "weights"))
REDUCTIONS = {
    "none": Reduction.NONE,
    "weighted_sum": Reduction.SUM,
    "weighted_sum_over_batch_size": Reduction.SUM_OVER_BATCH_SIZE,
    "weighted_sum_by_nonzero_weights": Reduction.SUM_BY_NONZERO_WEIGHTS,
}
FUNCTIONS = {
    "absolute_difference": losses.absolute_difference,
    "hinge_loss": losses.hinge_loss,
    "huber_loss": losses.huber_loss,
    "mean_squared_error": losses.mean_squared_error,
    "sigmoid_cross_entropy": losses.sigmoid_cross_entropy,
    "sigmoid_cross_entropy_ls01": lambda *a, **k: losses.sigmoid_cross_entropy(*a, label_smoothing=0.1, **k),
}


def unknown(shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_golden_losses(name, reduction):
    found = FUNCTIONS[name](LABELS, LOGITS, WEIGHTS, reduction=reduction)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, FOUND[name][reduction], rtol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_softmax_cross_entropy_has_weights_of_examples(reduction):
    onehot = [[1, 0], [0, 1], [1, 0]]
    found = losses.softmax_cross_entropy(onehot, LOGITS, WEIGHTS[:, 0], reduction=reduction)
    np.testing.assert_allclose(found, FOUND["softmax_cross_entropy"][reduction], rtol=1e-6)


SOME_WEIGHTS = {"1": 1.0, "0.5": 0.5, "0": 0.0, "rows": [[1.0], [0.0], [2.0]]}
SOME_WEIGHTS["all"] = [[1.0, 0.0], [0.0, 2.0], [1.0, 3.0]]


@pytest.mark.parametrize("weights", SOME_WEIGHTS)
@pytest.mark.parametrize(
    "reduction", ["NONE", "SUM", "MEAN", "SUM_OVER_BATCH_SIZE", "SUM_BY_NONZERO_WEIGHTS"]
)
def test_reductions_and_weights(weights, reduction):
    labels, predictions = (np.float32(MORE["numbers"][key]) for key in ("labels", "predictions"))
    how = Reduction[reduction]
    found = losses.huber_loss(labels, predictions, SOME_WEIGHTS[weights], delta=0.75, reduction=how)
    np.testing.assert_allclose(found, MORE["losses"][f"huber_loss/{weights}/{reduction}"], rtol=1e-6)


@pytest.mark.parametrize("weights", SOME_WEIGHTS)
def test_mean_pairwise_squared_error(weights):
    labels, predictions = (np.float32(MORE["numbers"][key]) for key in ("labels", "predictions"))
    found = losses.mean_pairwise_squared_error(labels, predictions, SOME_WEIGHTS[weights])
    assert found == pytest.approx(MORE["losses"][f"mean_pairwise_squared_error/{weights}"], rel=1e-6)


def test_cosine_distance():
    unit = MORE["unit"]
    arguments = (unit["labels"], unit["predictions"], 1)
    assert losses.cosine_distance(*arguments) == pytest.approx(MORE["losses"]["cosine_distance"])
    weighted = losses.cosine_distance(*arguments, unit["weights"])
    assert weighted == pytest.approx(MORE["losses"]["cosine_distance/rows"])


def test_log_loss():
    binary = MORE["binary"]
    found = losses.log_loss(binary["binary"], np.float32(binary["p"]), binary["w"], epsilon=1e-5)
    assert found == pytest.approx(MORE["losses"]["log_loss"], rel=1e-6)


@pytest.mark.parametrize("full", [False, True])
def test_log_poisson_loss(full):
    golden = FOUND["log_poisson"]
    found = losses.log_poisson_loss(golden["targets"], np.float32(golden["log_input"]), full)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, golden["full" if full else "not_full"], rtol=1e-6)


def test_losses_of_classes():
    scores, weights = np.float32(MORE["ranks"]["predictions"]), np.float32(MORE["ranks"]["weights"])
    labels, golden = np.array([0, 1, 3, 2]), MORE["losses"]
    found = losses.sparse_softmax_cross_entropy(labels, scores)
    assert found == pytest.approx(golden["sparse_softmax_cross_entropy"])
    found = losses.sparse_softmax_cross_entropy(labels[:, None], scores, weights[:, None])
    assert found == pytest.approx(golden["sparse_softmax_cross_entropy/weights"])
    found = losses.softmax_cross_entropy(np.eye(4)[labels], scores, weights, 0.1)
    assert found == pytest.approx(golden["softmax_cross_entropy/smoothing"])


def test_head_losses():
    golden = MORE["head_losses"]["multiclass_3"]
    found = losses.sparse_softmax_cross_entropy(golden["labels"], golden["logits"])
    assert found == pytest.approx(golden["loss"])


def test_names_of_reductions():
    assert Reduction("weighted_sum_by_nonzero_weights") is Reduction.SUM_OVER_NONZERO_WEIGHTS
    assert Reduction.SUM_BY_NONZERO_WEIGHTS is Reduction("sum_by_nonzero_weights")
    with pytest.raises(ValueError, match=r"reduction must be one of 'sum', .*, not 'average'"):
        losses.compute_weighted_loss([1.0], reduction="average")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: losses.mean_squared_error(unknown((None,)), unknown((None, 1))),
            r"labels have shape \(None,\), and predictions \(None, 1\)\n.*labels\[..., None\]",
        ),
        (
            lambda: losses.hinge_loss(unknown((None, 1)), unknown((None,))),
            r"labels have shape \(None, 1\), and logits \(None,\)\n.*labels\[..., 0\]",
        ),
        (
            lambda: losses.softmax_cross_entropy(unknown((None, 3)), unknown((None, 2))),
            r"labels have shape \(None, 3\), and logits \(None, 2\)",
        ),
        (
            lambda: losses.sparse_softmax_cross_entropy(unknown((None, 3), np.int64), unknown((None, 3))),
            r"labels have shape \(None, 3\), and logits \(None, 3\)\n.*softmax_cross_entropy",
        ),
        (
            lambda: losses.absolute_difference([[1.0, 2.0]], [[1.0, 2.0]], [1.0]),
            r"weights have shape \(1,\), and losses \(1, 2\)\n.*weights\[:, None\]",
        ),
        (
            lambda: losses.absolute_difference([[1.0, 2.0]], [[1.0, 2.0]], [[1.0, 2.0, 3.0]]),
            r"weights have shape \(1, 3\), and losses \(1, 2\)",
        ),
        (lambda: losses.compute_weighted_loss([1.0], None), "weights are None"),
        (lambda: losses.sparse_softmax_cross_entropy([1.0], [[1.0, 2.0]]), "labels must be integers"),
        (lambda: losses.mean_squared_error(["a"], [1.0]), "labels must be numbers"),
        (lambda: losses.mean_pairwise_squared_error([1.0], [1.0]), "no pairs within an example"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(TypeError, match=message):
        build()


def test_integer_labels_and_an_unknown_batch():
    labels, predictions = unknown((None, 1), np.int64), unknown((None, 1))
    loss = losses.mean_squared_error(labels, predictions, unknown((None, 1)) * 0.0 + 2.0)
    assert (loss.shape, loss.dtype) == ((), np.float32)
    loss = losses.huber_loss(labels, predictions, reduction="mean")
    values = [np.array([[1], [3]]), np.float32([[1.5], [1.0]])]
    assert evaluate(loss, [labels, predictions], values) == (0.125 + 1.5) / 2


def test_gradient_of_a_loss_is_that_of_its_mean():
    z = Variable("z", (2, 3))
    loss = losses.sparse_softmax_cross_entropy([2, 0], z)
    (slope,) = gradients(loss, [z])
    found = Program([], {"slope": slope}).run([], {"z": np.zeros((2, 3), np.float32)})["slope"]
    np.testing.assert_allclose(found, np.float32([[1, 1, -2], [-2, 1, 1]]) / 6, rtol=1e-6)


def test_cross_entropies_are_those_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 30, (7, 5)), rng.integers(0, 5, 7)
    wanted = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(labels), reduction="none"
    ).numpy()
    np.testing.assert_allclose(sparse_softmax_cross_entropy(logits, labels), wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        softmax_cross_entropy(logits, np.eye(5)[labels]), wanted, rtol=1e-12, atol=1e-13
    )


def in_kernel(name, logits, labels):
    out = (np.empty(len(logits)), np.empty(logits.shape))
    KERNELS[name].run(out, (), logits, labels)
    return out[0]


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("way", ["compute", "kernel"])
def test_a_label_out_of_range_is_named(label, way):
    name = "sparse_softmax_cross_entropy"
    function = PRIMITIVES[name] if way == "compute" else functools.partial(in_kernel, name)
    with pytest.raises(ValueError, match=f"labels of 3 classes must be between 0 and 2, and one is {label}"):
        function(np.zeros((2, 3)), np.array([0, label]))


def test_a_kernel_refuses_labels_of_another_batch():
    for name, labels in (
        ("sparse_softmax_cross_entropy", np.zeros(3, int)),
        ("softmax_cross_entropy", np.eye(3)),
    ):
        with pytest.raises(ValueError, match="there must be one label for each row"):
            in_kernel(name, np.zeros((2, 3)), labels)


OF_CLASSES = ["sigmoid", "sigmoid_cross_entropy", "sigmoid_cross_entropy_grad", "scale_rows"]
OF_CLASSES += ["softmax_cross_entropy", "sparse_softmax_cross_entropy"]


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_give_what_numpy_gives(name, dtype):
    for inputs, attributes in PRIMITIVES[name].samples():
        values = [v.astype(dtype) if v.dtype.kind == "f" else v for v in map(np.asarray, inputs)]
        wanted = PRIMITIVES[name].compute(0, *values, **attributes)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        out = tuple(np.full(np.shape(array), np.nan, dtype) for array in wanted)
        KERNELS[name].run(out, (), *values, **attributes)
        for found, expected in zip(out, wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps, atol=1e-7)


def test_regularization_loss_is_of_the_variables_that_are_used():
    w = Variable("w", (2,), regularizer=regularizers.l2(0.5))
    b = Variable("b", (1,), regularizer=regularizers.l1_l2(l1=1.0, l2=2.0))
    free = Variable("free", (1,))
    values = {"w": np.float32([1, 2]), "b": np.float32([-3]), "free": np.float32([9])}

    def value(of):
        return Program([], {"loss": losses.get_regularization_loss(of)}).run([], values)["loss"]

    assert value(w * free) == 2.5
    assert value([w * 1.0, b * 1.0]) == 2.5 + 3 + 18
    assert value(free) == 0
    assert losses.get_regularization_loss(free).dtype == np.float32


def test_regularizers_refuse_negative_factors():
    with pytest.raises(ValueError, match="l1 must be a number of at least 0, not -1"):
        regularizers.l1(-1.0)


def test_a_masked_class_costs_nothing_where_it_is_not_the_label():
    logits, onehot = np.array([[0.0, 0.0, -np.inf]]), np.array([[1.0, 0.0, 0.0]])
    assert softmax_cross_entropy(logits, onehot) == np.log(2)
    assert in_kernel("softmax_cross_entropy", logits, onehot) == np.log(2)


def test_a_second_derivative_is_refused():
    z = Variable("z", (1, 3), np.float64)
    (slope,) = gradients(losses.sparse_softmax_cross_entropy([0], z), [z])
    with pytest.raises(ValueError, match="sparse_softmax_cross_entropy has no second derivative"):
        gradients((slope * slope).sum(), [z])
