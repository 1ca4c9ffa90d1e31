"""Arithmetic, reductions, tables."""

import numpy as np

from dataflow.expr.primitives.shape import transpose
from estimators.graph.primitives.classification import sigmoid, sigmoid_cross_entropy
from estimators.graph.primitives.shapes import expand_like, size_of, sum_to
from estimators.graph.primitives.tables import gather_sum, gather_weighted
from estimators.graph.updates import with_updates

A, B = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]]), np.array([[2.0, 0.5, -1.5]])
POSITIVE = np.abs(A)
MATRIX = np.array([[1.0, -0.5], [0.25, 2.0], [-1.0, 0.75]])
STACK = np.linspace(-1.0, 2.0, 12).reshape(2, 2, 3) ** 2
IDS = np.array([[0, 2], [2, -1], [1, 1]])

CASES = {
    "with_updates": (lambda x: with_updates(x, ()), [A]),
    "absolute": (np.abs, [A]),
    "add": (np.add, [A, B]),
    "cast": (lambda x: (x * 1.0).astype(np.float64), [A]),
    "divide": (np.divide, [A, B]),
    "exp": (np.exp, [A]),
    "expand_like": (lambda x: expand_like(x, np.ones((2, 3))), [B]),
    "gather_sum": [
        (lambda table: gather_sum(table, IDS), [MATRIX]),
        (lambda table: gather_sum(table, IDS[:, None]), [MATRIX]),
    ],
    "gather_weighted": [
        (lambda table: gather_weighted(table, IDS, A[:, :2].repeat(2, 0)[:3]), [MATRIX]),
        (lambda table: gather_weighted(table, IDS[None], A[None, :, :2].repeat(2, 1)[:, :3]), [MATRIX]),
    ],
    "log": (np.log, [POSITIVE]),
    "log1p": (np.log1p, [POSITIVE]),
    "matmul": [
        (np.matmul, [A, MATRIX]),
        (np.matmul, [STACK, MATRIX]),
        (np.matmul, [A, np.swapaxes(STACK, 1, 2)]),
        (np.matmul, [STACK, np.swapaxes(STACK, 1, 2)[:1]]),
        (np.matmul, [STACK[:, None], np.swapaxes(STACK, 1, 2)]),
        (np.matmul, [STACK, STACK[0, 0]]),
        (np.matmul, [STACK[0, 0, :2], STACK]),
        (np.dot, [A[0], A[1]]),
        (np.outer, [A[0], A[1]]),
        (np.inner, [A, STACK[0]]),
        (lambda x, y: np.einsum("bij,bkj->bik", x, y), [STACK, STACK[:, :1] + 1.0]),
        (lambda x, y: np.einsum("ij,jk->k", x, y), [A, MATRIX]),
    ],
    "maximum": (np.maximum, [A, B]),
    "mean": [
        (lambda x: np.mean(x, axis=1), [A]),
        (lambda x: np.mean(x, axis=(0, -1), keepdims=True), [STACK]),
        (lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0]), [A]),
    ],
    "minimum": (np.minimum, [A, B]),
    "multiply": (np.multiply, [A, B]),
    "negative": (np.negative, [A]),
    "positive": (np.positive, [A]),
    "power": [(np.power, [POSITIVE, B]), (lambda x: x**3, [A]), (lambda x: x**-1.5, [POSITIVE])],
    "sigmoid": (sigmoid, [A]),
    "sigmoid_cross_entropy": (sigmoid_cross_entropy, [A, POSITIVE]),
    "size_of": (lambda x: x / size_of(x, dtype="float64"), [A]),
    "sqrt": [
        (np.sqrt, [POSITIVE]),
        (lambda x: np.linalg.norm(x, axis=1, keepdims=True), [A]),
        (lambda x: np.linalg.norm(x, ord=3, axis=0), [A]),
    ],
    "square": (np.square, [A]),
    "subtract": (np.subtract, [A, B]),
    "sum": (lambda x: np.sum(x, axis=0), [A]),
    "sum_to": (lambda x: sum_to(x, np.ones((1, 3))), [A]),
    "tanh": (np.tanh, [A]),
    "transpose": (lambda x: transpose(x, order=(1, 0)), [A]),
    "where": [
        (lambda x, y: np.where(A > 0, x, y), [A, B]),
        (lambda x: np.clip(x, -1.2, 1.2), [A]),
        (lambda x: np.select([x < 0, x < 1], [x * 2, x * x], 1.0), [A]),
    ],
}
