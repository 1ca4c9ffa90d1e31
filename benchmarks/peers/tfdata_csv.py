"""The tutorial's pipeline in tf.data: `pattern`, `columns`, `defaults`, `limit`, `parallel`."""

from __future__ import annotations

import tensorflow as tf
from measure import measure, task

TASK = task()


def decode_line(line):
    """Turn a line into features and label."""
    features = dict(zip(TASK["columns"], tf.io.decode_csv(line, TASK["defaults"]), strict=True))
    return features, features.pop("fare_amount")


def pipeline() -> tf.data.Dataset:
    """Return the stages as the tutorial writes them, or with all that tf.data can do beside each other."""
    lines = tf.data.Dataset.list_files(TASK["pattern"], shuffle=False).flat_map(tf.data.TextLineDataset)
    if TASK["parallel"]:
        rows = lines.map(decode_line, num_parallel_calls=tf.data.AUTOTUNE)
        return rows.shuffle(1000, seed=1).batch(128).prefetch(tf.data.AUTOTUNE)
    return lines.map(decode_line).shuffle(1000, seed=1).batch(128)


if __name__ == "__main__":
    measure(pipeline(), lambda batch: batch[1].shape[0], TASK["limit"])
