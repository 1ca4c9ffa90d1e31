"""Gradients of layers and losses, for inputs and variables, against central differences."""

import numpy as np
import pytest

from estimators import layers, losses, nn
from estimators.graph.gradients import gradients
from estimators.graph.primitives.tables import RowGradient
from estimators.graph.program import Program, initial_values
from estimators.graph.scope import VariableStore
from estimators.graph.variable import Variable

BOTH_FORMS = True

IMAGES, ROWS, SERIES = (2, 6, 5, 3), (4, 6), (3, 5, 4)
LABELS = np.array([0, 2, 1, 5])

CASES = {
    "dense": (lambda x: layers.dense(x, 3, activation="tanh"), ROWS),
    "dense of series": (lambda x: layers.dense(x, 3, activation=nn.softplus), SERIES),
    "dropout": (lambda x: layers.dropout(x, 0.4, training=True, seed=1), ROWS),
    "flatten": (lambda x: np.tanh(layers.flatten(x)), IMAGES),
    "embedding": (
        lambda x: layers.embedding(np.array([[1, 0], [1, 3]]), 5, 3, dtype=np.float64) * np.mean(x),
        ROWS,
    ),
    "conv2d": (lambda x: layers.conv2d(x, 4, 3, activation="sigmoid"), IMAGES),
    "conv2d, same, strides": (lambda x: layers.conv2d(x, 4, (3, 2), strides=2, padding="same"), IMAGES),
    "conv2d, dilation": (lambda x: layers.conv2d(x, 2, 2, dilation_rate=2), IMAGES),
    "max_pooling2d": (lambda x: layers.max_pooling2d(x, 3, 2), IMAGES),
    "average_pooling2d": (lambda x: layers.average_pooling2d(x, 3, 2, "same"), IMAGES),
    "batch_normalization": (lambda x: layers.batch_normalization(x, training=True), ROWS),
    "batch_normalization of images": (lambda x: layers.batch_normalization(x, training=True), IMAGES),
    "batch_normalization, not training": (lambda x: layers.batch_normalization(x), ROWS),
    "layer_norm": (lambda x: layers.layer_norm(x), SERIES),
    "lstm": (lambda x: layers.lstm(x, 3, return_sequences=True), SERIES),
    "gru": (lambda x: layers.gru(x, 3), SERIES),
    "simple_rnn": (lambda x: layers.simple_rnn(x, 3, return_sequences=True), SERIES),
    "rnn": (lambda x: layers.rnn(layers.SimpleRNNCell(3), x), SERIES),
    "softmax cross entropy": (
        lambda x: losses.sparse_softmax_cross_entropy(LABELS, x, reduction="none"),
        ROWS,
    ),
    "huber loss": (lambda x: losses.huber_loss(np.ones(ROWS), x, reduction="none"), ROWS),
}


def model(build, shape):
    """Return the variables, in float64, and the loss: a random weighted sum of the result."""
    rng = np.random.default_rng(5)
    with VariableStore(seed=3) as store:
        x = Variable("x", shape, np.float64)
        output = build(x)
        weights = rng.normal(size=[1 if n is None else n for n in output.shape])
        loss = (output * weights).sum()
    variables = [x, *(v for v in store.variables.values() if v.trainable)]
    return variables, loss


def dense(gradient):
    return gradient.dense() if isinstance(gradient, RowGradient) else gradient


@pytest.mark.parametrize("name", sorted(CASES))
def test_gradient(name):
    build, shape = CASES[name]
    variables, loss = model(build, shape)
    found = gradients(loss, variables)
    slopes = {v.name: dense(g) for v, g in zip(variables, found, strict=True) if g is not None}
    assert set(slopes) == {v.name for v in variables}
    program = Program([], {"loss": loss, **slopes})
    rng = np.random.default_rng(11)
    values = {n: v.astype(np.float64) for n, v in initial_values(program.variables, 0).items()}
    values = {n: v + rng.normal(size=v.shape) * 0.3 if n in slopes else v for n, v in values.items()}
    at_values = program.run([], values)
    for _ in range(3):
        direction = {n: rng.normal(size=values[n].shape) for n in slopes}
        sides = [
            float(
                program.run([], {n: v + s * direction[n] if n in slopes else v for n, v in values.items()})[
                    "loss"
                ]
            )
            for s in (1e-5, -1e-5)
        ]
        slope = sum(float((at_values[n] * direction[n]).sum()) for n in slopes)
        assert slope == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=2e-6, abs=1e-7)
