"""Models that start with given values."""

import numpy as np

from dataflow import Dataset
from estimators import Estimator, EstimatorSpec, WarmStartSettings, get_variable
from estimators.optimizers import SGD
from tests.estimators.helpers import QUIET


def with_values(values, folder):
    """Return settings that start a model with arrays by name; `folder` is for their checkpoint."""

    def model_fn(features, labels, mode):
        for name, value in values.items():
            get_variable(name, np.shape(value), initializer=lambda *_, v=value: np.asarray(v, np.float32))
        loss = get_variable("dummy") ** 2
        return EstimatorSpec(mode, {"x": features}, loss, SGD(0.1).minimize(loss))

    data = Dataset.from_tensor_slices(([0.0], [0.0])).batch(1)
    made = Estimator(model_fn, folder, QUIET).train(data)
    return WarmStartSettings(f"{made.model_dir}/model.ckpt-0", [f"^{name}$" for name in values])
