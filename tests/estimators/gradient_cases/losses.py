"""Cross entropies, and what losses divide by."""

import numpy as np

from estimators.graph.primitives.classification import (
    scale_rows,
    sigmoid_cross_entropy_grad,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from estimators.graph.primitives.losses import divide_no_nan

LOGITS = np.array([[0.5, -1.0, 2.0], [3.0, 0.0, -1.5]])
ONEHOT = np.array([[0.0, 1.0, 0.0], [0.5, 0.7, 0.2]])
VECTOR = np.array([1.5, -0.5])

CASES = {
    "divide_no_nan": [
        (divide_no_nan, [LOGITS, np.abs(LOGITS) + 1.0]),
        (lambda x: divide_no_nan(x, np.array([0.0, 2.0, 0.0])), [LOGITS]),
    ],
    "scale_rows": (scale_rows, [VECTOR, LOGITS]),
    "sigmoid_cross_entropy_grad": (sigmoid_cross_entropy_grad, [LOGITS, ONEHOT, LOGITS]),
    "softmax_cross_entropy": (lambda z: softmax_cross_entropy(z, ONEHOT), [LOGITS]),
    "sparse_softmax_cross_entropy": (
        lambda z: sparse_softmax_cross_entropy(z, np.array([1, 0])),
        [LOGITS],
    ),
}
