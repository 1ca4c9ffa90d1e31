"""Train, evaluate and export on the taxi fixtures until a step: `taxi_evaluated_job MODEL_DIR STEPS`."""

import sys

import numpy as np

from estimators import (
    DNNRegressor,
    EarlyStopping,
    EvalSpec,
    RunConfig,
    TrainSpec,
    feature_column,
    placeholder,
)
from estimators import train_and_evaluate as run
from estimators.export import LatestExporter, build_raw_serving_input_receiver_fn
from tests.estimators.taxi_job import taxi_input

EVERY = 40


def taxi_network(model_dir):
    columns = [feature_column.numeric_column(name) for name in ("lon", "lat", "to_lon", "to_lat")]
    payment = feature_column.categorical_column_with_vocabulary_list(
        "payment", ["card", "cash"], num_oov_buckets=1
    )
    columns.append(feature_column.embedding_column(payment, 2))
    config = RunConfig(tf_random_seed=1, keep_checkpoint_max=2, progress=False)
    return DNNRegressor([8], columns, model_dir, optimizer="Adagrad", config=config)


def receiver():
    floats = {name: placeholder(np.float32, [None], name) for name in ("lon", "lat", "to_lon", "to_lat")}
    return {**floats, "payment": placeholder(str, [None], "payment")}


def train_and_evaluate(model_dir, steps):
    exporter = LatestExporter("latest", build_raw_serving_input_receiver_fn(receiver()))
    return run(
        taxi_network(model_dir),
        TrainSpec(taxi_input, max_steps=steps),
        EvalSpec(taxi_input, steps=5, exporters=exporter, every_steps=EVERY),
        early_stopping=EarlyStopping("average_loss", patience=100),
    )


if __name__ == "__main__":
    train_and_evaluate(sys.argv[1], int(sys.argv[2]))
