"""tf.estimator on rows like Criteo's: `kind`, `files`, `test`, `limit`, `counts`, `categories`, `buckets`.

tf.data has no reader of Parquet: Arrow reads, and hands over blocks of rows as NumPy arrays, which tf.data
cuts into rows, shuffles and batches. The clock runs from the first step to the last.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time

import pyarrow.parquet as pq
import tensorflow as tf
from measure import task

TASK = task()
BLOCK = 16_384
logging.getLogger("tensorflow").setLevel(logging.ERROR)


def blocks(files):
    """Yield dicts of arrays."""
    for path in files:
        for rows in pq.ParquetFile(path).iter_batches(BLOCK):
            arrays = dict(zip(rows.schema.names, rows.columns, strict=True))
            counts = {n: arrays[n].fill_null(0).to_numpy() for n in ("label", *TASK["counts"])}
            words = {n: arrays[n].to_numpy(zero_copy_only=False) for n in TASK["categories"]}
            yield counts | words


def rows_of(files):
    """Return a dataset of rows."""
    numbers = {n: tf.TensorSpec([None], tf.int64) for n in ("label", *TASK["counts"])}
    words = {n: tf.TensorSpec([None], tf.string) for n in TASK["categories"]}
    found = tf.data.Dataset.from_generator(lambda: blocks(files), output_signature=numbers | words)
    return found.map(lambda row: (row, row.pop("label")), num_parallel_calls=tf.data.AUTOTUNE).unbatch()


def training():
    """Return batches of shuffled rows."""
    rows = rows_of(TASK["files"]).take(TASK["limit"])
    return rows.shuffle(10_000, seed=1).batch(128).prefetch(tf.data.AUTOTUNE)


class Clock(tf.estimator.SessionRunHook):
    """Notes when the first and the last step are over."""

    def __init__(self):
        self.first = self.last = None
        self.steps = 0

    def after_run(self, run_context, run_values):
        """Note the time."""
        self.last = time.perf_counter()
        if self.first is None:
            self.first = self.last
        else:
            self.steps += 1


def estimator(kind: str, directory: str):
    """Return a canned estimator."""
    fc = tf.feature_column
    numbers = [
        fc.numeric_column(n, normalizer_fn=lambda x: tf.math.log1p(tf.cast(x, tf.float32)))
        for n in TASK["counts"]
    ]
    words = [fc.categorical_column_with_hash_bucket(n, TASK["buckets"]) for n in TASK["categories"]]
    dense = [*numbers, *(fc.embedding_column(word, 8) for word in words)]
    config = tf.estimator.RunConfig(
        directory, tf_random_seed=1, save_checkpoints_steps=1 << 40, save_summary_steps=None,
        log_step_count_steps=None,
    )  # fmt: skip
    if kind == "linear":
        return tf.estimator.LinearClassifier([*numbers, *words], config=config)
    if kind == "dnn":
        return tf.estimator.DNNClassifier([64, 32], dense, config=config)
    return tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=words, dnn_feature_columns=dense, dnn_hidden_units=[64, 32], config=config
    )


def main() -> None:
    """Train for one pass, evaluate, and print one line of JSON."""
    with tempfile.TemporaryDirectory() as directory:
        model, clock = estimator(TASK["kind"], directory), Clock()
        model.train(training, hooks=[clock])
        result = model.evaluate(lambda: rows_of([TASK["test"]]).batch(1024))
    speed = clock.steps * 128 / (clock.last - clock.first)
    print(json.dumps({"speed": speed, "loss": float(result["average_loss"]), "version": tf.__version__}))


if __name__ == "__main__":
    main()
