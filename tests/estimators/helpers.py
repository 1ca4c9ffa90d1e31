"""What the tests of estimators share: golden values, small inputs, and jobs in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from dataflow import Dataset
from estimators import LinearClassifier, LinearRegressor, RunConfig, feature_column

ROOT = Path(__file__).parents[2]
GOLDEN_FILES = ROOT / "tests" / "golden"
GOLDEN = json.loads((GOLDEN_FILES / "estimators.json").read_text())
QUIET = RunConfig(save_checkpoints_steps=None, tf_random_seed=1, progress=False)


def housing_columns():
    return [
        feature_column.numeric_column("sq_footage"),
        feature_column.categorical_column_with_vocabulary_list("type", ["house", "apt"]),
    ]


def housing_input():
    features = {
        "sq_footage": [1000, 2000, 3000, 1000, 2000, 3000],
        "type": ["house", "house", "house", "apt", "apt", "apt"],
    }
    return Dataset.from_tensor_slices((features, [500, 1000, 1500, 700, 1300, 1900])).batch(6)


def line(rows=8, batch=4):
    """Rows of y = 2 x."""
    x = np.arange(1, rows + 1, dtype=np.float32)
    return Dataset.from_tensor_slices(({"x": x}, 2 * x)).batch(batch)


def regressor(model_dir, columns=None, **config):
    columns = columns or [feature_column.numeric_column("x")]
    return LinearRegressor(columns, model_dir, config=RunConfig(progress=False, **config))


def classes(labels=(0, 1, 1, 0), **features):
    """One batch of two classes."""
    features = features or {"x": np.float32([-1, 1, 2, -2])}
    return Dataset.from_tensor_slices((features, list(labels))).batch(len(labels))


def classifier(model_dir, columns=None, **arguments):
    columns = columns or [feature_column.numeric_column("x")]
    return LinearClassifier(columns, model_dir, config=QUIET, **arguments)


def variables(estimator):
    """Return the arrays of the newest checkpoint."""
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


def assert_same_bits(left, right):
    assert sorted(left) == sorted(right)
    assert [name for name in left if left[name].tobytes() != right[name].tobytes()] == []


def start(module, *arguments):
    """Start a module of the tests as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", f"tests.estimators.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    """Wait for a process; return what it wrote to stderr."""
    _, text = process.communicate(timeout=120)
    return text
