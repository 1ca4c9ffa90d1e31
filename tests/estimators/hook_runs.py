"""A small model, and what tests of hooks do with it."""

import numpy as np

from estimators import Estimator, EstimatorSpec, Ftrl, ModeKeys, get_variable
from estimators.metrics import mean
from tests.estimators.helpers import QUIET, line


def model(folder, config=QUIET, hooks=lambda tensors: None):
    """Return an estimator of y = weight x; `hooks` makes hooks of training from a dict of its tensors."""

    def model_fn(features, labels, mode):
        weight = get_variable("weight", [1], initializer=lambda shape, dtype, rng: np.ones(shape, dtype))
        y = features["x"] * weight
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, {"y": y})
        loss = ((y - labels) ** 2).mean()
        made = hooks({"x": features["x"], "y": y, "weight": weight, "doubled": weight * 2})
        train_op = Ftrl(0.1).minimize(loss)
        return EstimatorSpec(mode, {"y": y}, loss, train_op, {"error": mean(y)}, training_hooks=made)

    return Estimator(model_fn, folder, config)


def steps(count):
    """An input of so many batches."""
    return line(4 * count)


def messages(caplog, start):
    """Lines of the log that begin so."""
    return [message for message in caplog.messages if message.startswith(start)]
