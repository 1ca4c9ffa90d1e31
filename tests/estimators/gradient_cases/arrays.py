"""Reductions with ties and zeros, running sums, and what moves values."""

import numpy as np

from dataflow import tensors
from estimators.graph.primitives.shapes import add_along, add_at, put_like, reshape_like, sum_copies

A = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]])
STACK = np.linspace(-1.0, 2.0, 12).reshape(2, 2, 3) ** 2
ONE_ZERO = np.array([[1.5, 0.0, 0.25], [0.5, 3.0, -1.0]])
TWO_ZEROS = np.array([[1.5, 0.0, 0.0], [0.5, 3.0, -1.0]])
IDS = np.array([[2, 0, 2], [1, 1, 0]])

CASES = {
    "add_along": (lambda x: add_along(IDS, x, np.ones((2, 4)), axis=1, unique=False), [A]),
    "add_at": (lambda x: add_at(np.array([0, 2, 0]), x, np.ones((2, 4)), axis=1), [A]),
    "broadcast_to": [
        (lambda x: np.broadcast_to(x, (4, 2, 3)), [A]),
        (lambda x: np.broadcast_to(x, (2, 3)), [A[:, :1]]),
    ],
    "concatenate": [
        (lambda x, y: np.concatenate([x, y], axis=-1), [A, A[:, :1]]),
        (lambda x, y: np.concatenate([x, np.ones((1, 3)), y]), [A, A[:1]]),
        (lambda x, y: np.hstack([x, y, x]), [A[0], A[1]]),
        (lambda x: np.concatenate([x, x * 2], axis=None), [A]),
    ],
    "cumprod": [(lambda x: np.cumprod(x, axis=1), [p]) for p in (A, ONE_ZERO, TWO_ZEROS)]
    + [(lambda x: np.cumprod(x), [A]), (lambda x: x.cumprod(axis=-2), [STACK])],
    "cumsum": [(lambda x: np.cumsum(x, axis=0), [A]), (lambda x: np.cumsum(x), [A])],
    "gather": [
        (lambda x: np.take(x, IDS, axis=0), [np.vstack([A, A])]),
        (lambda x: tensors.gather(x, IDS), [A[0]]),
        (lambda x: tensors.gather(x, np.array([2, 0, 2]), axis=-1), [STACK]),
        (lambda x: tensors.gather(x * 2.0, np.array([1, 1])), [A]),
        (lambda x: x[:, [1, 0], None], [STACK]),
        (lambda x: np.take(x, -1, axis=1), [A]),
    ],
    "index": [
        (lambda x: x[0], [A]),
        (lambda x: x[..., -1], [STACK]),
        (lambda x: x[:, None, 1:], [A]),
        (lambda x: x[::-1, ::2], [A]),
        (lambda x: x[::-1, None], [A]),
        (lambda x: np.flip(x), [A]),
        (lambda x: np.diff(x, n=2), [A]),
        (lambda x: np.squeeze(x, 1), [A[:, :1]]),
        (lambda x: np.expand_dims(x, (0, -1)), [A]),
    ],
    "max": [
        (lambda x: np.max(x, axis=1), [A]),
        (lambda x: np.max(x), [STACK]),
        (lambda x: x.max(axis=(0, 2), keepdims=True), [STACK]),
    ],
    "min": [(lambda x: np.min(x, axis=-2), [STACK]), (lambda x: np.ptp(x, axis=0), [A])],
    "one_hot": (lambda x: x * tensors.one_hot(x.astype(np.int64), 3, axis=0)[:, :, 0].sum(), [A]),
    "pad": [
        (lambda x: np.pad(x, ((1, 0), (0, 2))), [A]),
        (lambda x: np.pad(x, 1, constant_values=3.0), [STACK]),
    ],
    "prod": [(lambda x: np.prod(x, axis=1), [p]) for p in (A, ONE_ZERO, TWO_ZEROS)]
    + [(lambda x: np.prod(x, axis=(0, 2), keepdims=True), [STACK]), (lambda x: np.prod(x), [A])],
    "put_like": (lambda x: put_like(x, np.ones((3, 3)), key=(slice(0, 3, 2),)), [A]),
    "repeat": [(lambda x: np.repeat(x, 2, axis=1), [A]), (lambda x: x.repeat(3), [A])],
    "reshape": [
        (lambda x: x.reshape(3, 2), [A]),
        (lambda x: x.reshape(2, -1), [STACK]),
        (lambda x: np.ravel(x), [STACK]),
    ],
    "reshape_like": (lambda x: reshape_like(x, np.ones((3, 2))), [A]),
    "roll": [(lambda x: np.roll(x, (1, -1), axis=(0, 1)), [A]), (lambda x: np.roll(x, 2), [A])],
    "sort": [(lambda x: np.sort(x, axis=0), [A]), (lambda x: np.sort(x), [STACK])],
    "split": [
        (lambda x: np.split(x, 3, axis=1)[1] * 2.0, [A]),
        (lambda x: np.concatenate([p * p for p in np.array_split(x, 2, axis=-1)], axis=1), [A]),
        (lambda x: np.split(x, [1])[1], [A]),
    ],
    "stack": [
        (lambda x, y: np.stack([x, y, x], axis=-1), [A, A * 2]),
        (lambda x, y: np.stack([x, y]), [A, A * 2]),
    ],
    "std": [(lambda x: np.std(x, axis=1), [A]), (lambda x: np.std(x, ddof=1, keepdims=True), [A])],
    "sum_copies": (lambda x: sum_copies(x, np.ones((1, 3)), copies=(2, 1), inner=True), [A]),
    "take_along_axis": [
        (lambda x: np.take_along_axis(x, IDS, axis=1), [A]),
        (lambda x: np.take_along_axis(x, IDS[:1] - IDS[:1], axis=0), [A]),
        (lambda x: np.take_along_axis(x, IDS, axis=1), [A[:1]]),
    ],
    "tile": [(lambda x: np.tile(x, (2, 3)), [A]), (lambda x: np.tile(x, (2, 1, 1)), [A])],
    "top_k": [(lambda x: tensors.top_k(x, 2)[0], [STACK]), (lambda x: tensors.top_k(x)[0], [A])],
    "var": [(lambda x: x.var(axis=0, ddof=1), [A]), (lambda x: np.var(x, axis=(0, 1)), [STACK])],
}
