"""A hand-written PyTorch dataset over Parquet: `files`, `buffer`, `batch`, `limit`, `workers`.

Reads as many rows as the buffer holds, gives them in random order, and keeps what does not fill a batch
for the next buffer. Work is by columns until a batch is cut out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq
import torch
from measure import measure, task
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class ParquetBatches(IterableDataset):
    """Batches as dicts: a tensor for each column of numbers, a list of `str` for each column of text."""

    def __init__(self, files: list[str], buffer: int, batch: int) -> None:
        self.files, self.buffer, self.batch = files, buffer, batch

    def __iter__(self) -> Iterator[dict]:
        worker = get_worker_info()
        files = self.files[worker.id :: worker.num_workers] if worker else self.files
        rng = np.random.default_rng(worker.id if worker else 0)
        rest: dict[str, np.ndarray] = {}
        for path in files:
            for rows in pq.ParquetFile(path).iter_batches(self.buffer):
                columns = {
                    name: column.to_numpy(zero_copy_only=False)
                    for name, column in zip(rows.schema.names, rows.columns, strict=True)
                }
                if rest:
                    columns = {name: np.concatenate((rest[name], columns[name])) for name in columns}
                order = rng.permutation(len(next(iter(columns.values()))))
                columns = {name: column[order] for name, column in columns.items()}
                whole = len(order) // self.batch * self.batch
                yield from self._cut(columns, whole)
                rest = {name: column[whole:] for name, column in columns.items()}
        yield from self._cut(rest, len(next(iter(rest.values()), ())))

    def _cut(self, columns: dict[str, np.ndarray], rows: int) -> Iterator[dict]:
        values = {
            name: column.tolist() if column.dtype == object else torch.from_numpy(column)
            for name, column in columns.items()
        }
        for start in range(0, rows, self.batch):
            stop = min(start + self.batch, rows)
            yield {name: column[start:stop] for name, column in values.items()}


def unchanged(batch: dict) -> dict:
    """Stand for the collate function that would look at each `str` alone."""
    return batch


if __name__ == "__main__":
    TASK = task()
    dataset = ParquetBatches(TASK["files"], TASK["buffer"], TASK["batch"])
    loader = DataLoader(dataset, batch_size=None, num_workers=TASK["workers"], collate_fn=unchanged)
    measure(loader, lambda batch: len(batch["label"]), TASK["limit"])
