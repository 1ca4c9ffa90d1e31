"""HuggingFace datasets, streaming, shuffled and batched: `files`, `buffer`, `batch`, `limit`."""

from __future__ import annotations

import datasets
from measure import measure, task

if __name__ == "__main__":
    TASK = task()
    stream = datasets.load_dataset("parquet", data_files=TASK["files"], split="train", streaming=True)
    batches = stream.shuffle(seed=1, buffer_size=TASK["buffer"]).batch(TASK["batch"])
    measure(batches, lambda batch: len(batch["label"]), TASK["limit"])
