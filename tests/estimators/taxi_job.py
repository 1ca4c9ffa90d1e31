"""Train on the taxi fixtures until a step: `taxi_job MODEL_DIR STEPS SAVE_EVERY`."""

import sys

from dataflow import Dataset, TextLineDataset, decode_csv
from estimators import LinearRegressor, RunConfig, feature_column
from tests.estimators.helpers import ROOT

COLUMNS = ["fare", "lon", "lat", "to_lon", "to_lat", "passengers", "payment", "time"]
DEFAULTS = [[0.0], [-73.98], [40.75], [-73.98], [40.75], [1.0], [""], [""]]


def taxi_input():
    def decode(text):
        row = dict(zip(COLUMNS, decode_csv(text, DEFAULTS), strict=True))
        return {name: row[name] for name in COLUMNS[1:7]}, row["fare"]

    files = Dataset.list_files(str(ROOT / "fixtures" / "taxi" / "train.csv-*"), shuffle=True, seed=5)
    lines = files.interleave(TextLineDataset, cycle_length=2, block_length=3)
    return lines.map(decode).shuffle(700, seed=3).repeat().batch(32)


def taxi_model(model_dir, save_every=None):
    columns = [feature_column.numeric_column(name) for name in ("lon", "lat", "to_lon", "to_lat")]
    passengers = feature_column.numeric_column("passengers")
    payment = feature_column.categorical_column_with_vocabulary_list("payment", ["card", "cash", "dispute"])
    columns += [feature_column.bucketized_column(passengers, [2, 4]), payment]
    config = RunConfig(save_checkpoints_steps=save_every, log_step_count_steps=20, progress=False)
    return LinearRegressor(columns, model_dir, config=config)


if __name__ == "__main__":
    taxi_model(sys.argv[1], int(sys.argv[3])).train(taxi_input, max_steps=int(sys.argv[2]))
