"""A network for rows like Criteo's in PyTorch: `data`, `threads`, `tables`, `buckets`, `batch`.

`data` is a file of NumPy with `counts`, `ids` and `labels` of the rows to train with, and the same with
`test_` before. All is in memory, categories are hashed already. `tables` is "many" for an `nn.Embedding`
for each column, or "one" for one that holds them all. The optimizer is Adagrad, which takes sparse gradients.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from measure import task
from torch import nn

TASK = task()
WIDTH = 8


class Network(nn.Module):
    """Embeddings beside counts, two hidden layers, one logit."""

    def __init__(self, counts: int, columns: int) -> None:
        super().__init__()
        buckets, self.one = TASK["buckets"], TASK["tables"] == "one"
        sizes = [buckets * columns] if self.one else [buckets] * columns
        self.tables = nn.ModuleList(nn.Embedding(size, WIDTH, sparse=True) for size in sizes)
        for table in self.tables:
            nn.init.trunc_normal_(table.weight, std=WIDTH**-0.5)
        self.register_buffer("offsets", buckets * torch.arange(columns))
        self.layers = nn.Sequential(
            nn.Linear(counts + WIDTH * columns, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
        )

    def forward(self, counts: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Return logits [batch]; ids are [batch, columns]."""
        if self.one:
            found = self.tables[0](ids + self.offsets).flatten(1)
        else:
            found = torch.cat([table(ids[:, i]) for i, table in enumerate(self.tables)], 1)
        return self.layers(torch.cat([counts, found], 1))[:, 0]


def main() -> None:
    """Train for one pass in random order, evaluate, and print one line of JSON."""
    torch.set_num_threads(TASK["threads"])
    torch.manual_seed(1)
    arrays = {name: torch.from_numpy(array) for name, array in np.load(TASK["data"]).items()}
    network = Network(arrays["counts"].shape[1], arrays["ids"].shape[1])
    optimizer = torch.optim.Adagrad(network.parameters(), 0.05, initial_accumulator_value=0.1)
    loss_of = nn.BCEWithLogitsLoss()
    batches = torch.randperm(len(arrays["labels"])).split(TASK["batch"])
    for step, rows in enumerate(batches):
        if step == 1:
            began = time.perf_counter()
        optimizer.zero_grad()
        loss = loss_of(network(arrays["counts"][rows], arrays["ids"][rows]), arrays["labels"][rows])
        loss.backward()
        optimizer.step()
        loss.item()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        logits = network(arrays["test_counts"], arrays["test_ids"])
        loss = loss_of(logits, arrays["test_labels"]).item()
    speed = (len(batches) - 1) * TASK["batch"] / seconds
    print(json.dumps({"speed": speed, "loss": loss, "version": torch.__version__}))


if __name__ == "__main__":
    main()
