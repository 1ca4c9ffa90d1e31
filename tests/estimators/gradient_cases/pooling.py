"""Maxima and means over windows that overlap, or leave cells out."""

import numpy as np

from estimators.graph.primitives.pooling import (
    average_pool2d,
    average_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool2d_chosen,
)

IMAGES = np.sin(np.arange(80.0) ** 2).reshape(2, 5, 4, 2)
SETTINGS = [
    ({"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}, (3, 4)),
    ({"pool_size": (2, 2), "strides": (3, 2), "padding": "valid"}, (2, 2)),
]


def slopes(shape):
    return np.cos(np.arange(4.0 * shape[0] * shape[1])).reshape(2, *shape, 2)


def chosen(settings):
    return max_pool2d(IMAGES, **settings)[1]


CASES = {
    "max_pool2d": [(lambda x, s=s: max_pool2d(x, **s)[0], [IMAGES]) for s, _ in SETTINGS],
    "max_pool2d_backward": [
        (lambda g, s=s: max_pool2d_backward(g, chosen(s), IMAGES, **s), [slopes(shape)])
        for s, shape in SETTINGS
    ],
    "max_pool2d_chosen": [
        (lambda x, s=s: max_pool2d_chosen(x, chosen(s), **s), [IMAGES]) for s, _ in SETTINGS
    ],
    "average_pool2d": [(lambda x, s=s: average_pool2d(x, **s), [IMAGES]) for s, _ in SETTINGS],
    "average_pool2d_backward": [
        (lambda g, s=s: average_pool2d_backward(g, IMAGES, **s), [slopes(shape)]) for s, shape in SETTINGS
    ],
}
