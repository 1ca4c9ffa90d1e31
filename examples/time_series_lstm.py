"""Predict the next value of a time series with an LSTM, and compare it with linear regression.

    python examples/time_series_lstm.py [--series N] [--epochs N]

Each series is a sum of two sines and a little noise, with a frequency and phases of its own. No fixed
weights suit all frequencies; an LSTM finds out from the 24 steps it sees.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np

from dataflow import Dataset
from estimators import Estimator, EstimatorSpec, ModeKeys, RunConfig
from estimators.layers import dense, lstm
from estimators.optimizers import Adam

STEPS = 24


def make_series(count, seed):
    """Return windows [count, 24] and the value after each [count]."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.2, 1.6, (count, 1))
    first, second = rng.uniform(0, 2 * np.pi, (2, count, 1))
    time = np.arange(STEPS + 1)
    values = np.sin(frequency * time + first) + 0.5 * np.sin(2 * frequency * time + second)
    values += rng.normal(scale=0.02, size=values.shape)
    return values[:, :-1].astype(np.float32), values[:, -1].astype(np.float32)


def model_fn(features, labels, mode):
    """An LSTM over the window; its last output gives the prediction."""
    state = lstm(features["window"][..., None], 32)
    predictions = {"next": dense(state, 1)[:, 0]}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions)
    loss = np.mean((predictions["next"] - labels) ** 2)
    return EstimatorSpec(mode, predictions, loss, Adam(0.01).minimize(loss))


def linear_error(train, test):
    """Return the mean squared error of linear regression on the same windows."""
    with_bias = [
        np.concatenate([windows, np.ones((len(windows), 1))], axis=1) for windows, _ in (train, test)
    ]
    weights = np.linalg.lstsq(with_bias[0], train[1], rcond=None)[0]
    return float(np.mean((with_bias[1] @ weights - test[1]) ** 2))


def lstm_error(train, test, epochs, model_dir):
    """Return the mean squared error of the LSTM."""
    data = [
        Dataset.from_tensor_slices(({"window": windows}, following)) for windows, following in (train, test)
    ]
    model = Estimator(model_fn, model_dir, config=RunConfig(tf_random_seed=1, log_step_count_steps=250))
    model.train(lambda: data[0].shuffle(len(train[0]), seed=1).repeat(epochs).batch(64))
    found = [example["next"] for example in model.predict(lambda: data[1].batch(512))]
    return float(np.mean((np.array(found) - test[1]) ** 2))


def main():
    """Train both, and print their errors on series that neither has seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    train, test = make_series(arguments.series, seed=0), make_series(2000, seed=1)
    error = lstm_error(train, test, arguments.epochs, tempfile.mkdtemp(prefix="time-series-"))
    print("Mean squared error of the next value, over series that were not seen:")
    print(f"  linear regression: {linear_error(train, test):.4f}")
    print(f"  LSTM:              {error:.4f}")
    print(f"  (the noise alone:  {0.02**2:.4f})")


if __name__ == "__main__":
    main()
