"""Predict taxi fares from sharded CSV files: the main job.

    python examples/taxi_fare.py [--model-dir DIR] [--data DIR] [--epochs N]

Run it again with the same --model-dir after killing it, and it goes on where it was.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from dataflow import Dataset, TextLineDataset, decode_csv
from estimators import LinearRegressor, RunConfig, feature_column

COLUMNS = ["fare", "lon1", "lat1", "lon2", "lat2", "passengers", "payment", "time"]
DEFAULTS = [[0.0], [-73.98], [40.75], [-73.98], [40.75], [1.0], [""], [""]]


def decode_line(line):
    """Turn a CSV line into features and label. Called once, with a symbolic line; runs on blocks."""
    row = dict(zip(COLUMNS, decode_csv(line, DEFAULTS), strict=True))
    east = (row["lon2"] - row["lon1"]) * 84.3
    north = (row["lat2"] - row["lat1"]) * 111.2
    features = {
        "distance_km": np.hypot(east, north),
        "passengers": row["passengers"],
        "payment": row["payment"],
    }
    return features, row["fare"]


def read(pattern):
    """Return one pass over the rows of all files that match."""
    return Dataset.list_files(pattern, shuffle=False).flat_map(TextLineDataset).map(decode_line)


def picture(fares, predictions, width=48, height=12):
    """Draw predictions over fares as text."""
    top = float(np.percentile(fares, 99.5))
    inside = (fares < top) & (predictions >= 0) & (predictions < top)
    x = (fares[inside] / top * width).astype(int)
    y = (predictions[inside] / top * height).astype(int)
    counts = np.bincount(y * width + x, minlength=width * height).reshape(height, width)
    shades = np.array(list(" .:*#"))[np.digitize(counts, [1, 2, 5, 15])]
    lines = [f"{top * (row + 1) / height:5.0f} |" + "".join(shades[row]) for row in reversed(range(height))]
    return "\n".join(
        [
            " predicted fare ($)",
            *lines,
            "      +" + "-" * width,
            f"{'fare ($) up to ' + format(top, '.0f'):>54}",
        ]
    )


def main():
    """Train, evaluate, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-dir", default=None, help="default: a new temporary directory")
    parser.add_argument("--data", default=str(Path(__file__).parents[1] / "fixtures" / "taxi"))
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()

    def train_input():
        return read(f"{arguments.data}/train.csv-*").shuffle(1000, seed=1).repeat(arguments.epochs).batch(128)

    def valid_input():
        return read(f"{arguments.data}/valid.csv-*").batch(512)

    model = LinearRegressor(
        feature_columns=[
            feature_column.numeric_column("distance_km"),
            feature_column.bucketized_column(feature_column.numeric_column("passengers"), [2, 4]),
            feature_column.categorical_column_with_vocabulary_list(
                "payment", ["card", "cash", "dispute", "no_charge"]
            ),
        ],
        model_dir=arguments.model_dir or tempfile.mkdtemp(prefix="taxi-fare-"),
        config=RunConfig(save_checkpoints_steps=500, log_step_count_steps=250),
    )
    print(train_input().explain(), "\n")
    model.train(train_input)
    metrics = model.evaluate(valid_input)
    fares = np.concatenate([fare for _, fare in valid_input()])
    predictions = np.array([row["predictions"][0] for row in model.predict(valid_input)])
    print(picture(fares, predictions), "\n")
    print(f"Root mean squared error: {np.sqrt(metrics['average_loss']):.2f} $")
    print(f"(always saying the mean fare: {fares.std():.2f} $)")
    print(f"Checkpoint: {model.latest_checkpoint()}")


if __name__ == "__main__":
    main()
