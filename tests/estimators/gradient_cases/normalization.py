"""Batch normalization, where mean and variance depend on the batch."""

import numpy as np

from tests.estimators.twins import batch_norm_train

X = np.sin(np.arange(24.0) ** 2).reshape(2, 2, 3, 2)
GAMMA, BETA = np.array([1.5, -0.5]), np.array([0.1, 0.2])


def part(number, **settings):
    return lambda x, gamma, beta: batch_norm_train(x, gamma, beta, epsilon=0.1, **settings)[number]


CASES = {
    "batch_norm": [(part(0), [X, GAMMA, BETA]), (part(0, relu=True), [X, GAMMA, BETA])],
    "moments": [
        (lambda x: part(1)(x, GAMMA, BETA), [X]),
        (lambda x: part(2)(x, GAMMA, BETA), [X]),
        (lambda x: sum(part(i)(x, GAMMA, BETA) for i in range(3)), [X]),
    ],
}
