"""Grain over Parquet, shuffled by windows and batched: `files`, `buffer`, `batch`, `limit`."""

from __future__ import annotations

import grain
from grain.experimental import InterleaveIterDataset, ParquetIterDataset, WindowShuffleIterDataset
from measure import measure, task

if __name__ == "__main__":
    TASK = task()
    files = grain.MapDataset.source(TASK["files"]).map(ParquetIterDataset)
    rows = InterleaveIterDataset(files, cycle_length=1)
    batches = WindowShuffleIterDataset(rows, window_size=TASK["buffer"], seed=1).batch(TASK["batch"])
    next(iter(batches))
    # Cold from here on: a warm first batch would have read a whole window that nobody counts.
    measure(batches, lambda batch: len(batch["label"]), TASK["limit"], warm=False)
