"""Convolution, of first and second order: strides, zeros around, dilation."""

import numpy as np

from estimators.graph.primitives.convolution import conv2d, conv2d_backward_filters, conv2d_backward_input

IMAGES = np.sin(np.arange(80.0)).reshape(2, 5, 4, 2)
FILTERS = np.cos(np.arange(36.0)).reshape(3, 2, 2, 3)
SETTINGS = [
    ({}, (3, 3)),
    ({"strides": (2, 3), "padding": "same"}, (3, 2)),
    ({"dilation": (2, 1), "padding": "same"}, (5, 4)),
]


def slopes(shape):
    return np.sin(np.arange(6.0 * shape[0] * shape[1]) ** 2).reshape(2, *shape, 3)


CASES = {
    "conv2d": [(lambda x, f, s=s: conv2d(x, f, **s), [IMAGES, FILTERS]) for s, _ in SETTINGS],
    "conv2d_backward_input": [
        (lambda f, g, s=s: conv2d_backward_input(f, g, IMAGES, **s), [FILTERS, slopes(shape)])
        for s, shape in SETTINGS
    ],
    "conv2d_backward_filters": [
        (lambda x, g, s=s: conv2d_backward_filters(x, g, FILTERS, **s), [IMAGES, slopes(shape)])
        for s, shape in SETTINGS
    ],
}
