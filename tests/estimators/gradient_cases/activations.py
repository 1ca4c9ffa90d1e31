"""Activations and layer normalization. Points keep away from kinks."""

import numpy as np

from dataflow.expr.primitives import random
from estimators import nn
from estimators.graph.primitives.activations import relu_grad, softmax_grad
from estimators.graph.primitives.layer_norm import layer_norm, layer_norm_grad

X = np.array([[-3.0, -1.0, -0.25], [0.125, 0.5, 7.0]])
G = np.array([[1.0, -2.0, 0.5], [2.0, 1.0, -1.0]])
SEED = np.array([7, 1])
ROW = np.array([1.0, 0.5, -2.0])
MEAN, SCALE = X.mean(axis=1), 1 / np.sqrt(X.var(axis=1) + 1e-3)


def second_order(g, x, gamma):
    """All gradients of a layer norm in one array, whose statistics move with x."""
    _, mean, scale = layer_norm(x, gamma, ROW, epsilon=1e-3)
    dx, dgamma, dbeta = layer_norm_grad(g, x, gamma, mean, scale)
    return dx * 1.5 + dgamma * np.array([0.5, -1.0, 2.0]) + dbeta * np.array([1.0, 3.0, -1.0])


CASES = {
    "elu": (nn.elu, [X]),
    "erf": (nn.erf, [X]),
    "layer_norm": (lambda *v: layer_norm(*v, epsilon=1e-3)[0], [X, ROW, ROW[::-1]]),
    "layer_norm_grad": [
        (second_order, [G, X, ROW]),
        (lambda g: layer_norm_grad(g, X, ROW, MEAN, SCALE)[0], [G]),
        (lambda g: layer_norm_grad(g, X, ROW, MEAN, SCALE)[2], [G]),
        (lambda g: layer_norm_grad(g, X, ROW, MEAN, SCALE)[1], [G]),
    ],
    "leaky_relu": (lambda x: nn.leaky_relu(x, 0.3), [X]),
    "log_softmax": [(nn.log_softmax, [X]), (lambda x: nn.log_softmax(x, axis=0), [X])],
    "random_normal": (lambda x: x * random.random_normal(SEED, x, shape=None, dtype="float64"), [X]),
    "random_truncated_normal": (
        lambda x: x * random.random_truncated_normal(SEED, x, shape=None, dtype="float32"),
        [X],
    ),
    "random_uniform": (lambda x: x * random.random_uniform(SEED, x, shape=None, dtype="float64"), [X]),
    "relu": (nn.relu, [X]),
    "relu6": (nn.relu6, [X]),
    "relu_grad": (lambda g: relu_grad(g, X), [G]),
    "selu": (nn.selu, [X]),
    "softmax": [(nn.softmax, [X]), (lambda x: nn.softmax(x, axis=0), [X])],
    "softmax_grad": [
        (lambda g, y: softmax_grad(g, y, axis=-1), [G, X]),
        (lambda g, y: softmax_grad(g, y, axis=-2), [G, X]),
    ],
    "softplus": (nn.softplus, [X]),
    "softsign": (nn.softsign, [X]),
}
