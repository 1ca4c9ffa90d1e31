"""The step of `benchmarks/mlp_step.py` in PyTorch: `data`, `threads`, `warm`, `steps`.

`data` is a file of NumPy with `x`, `y`, and the first values `w1`, `b1`, `w2`, `b2`, `w3`, `b3`.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from measure import task
from torch import nn


def main() -> None:
    """Train, and print the loss of the last step that warms up, and the median time of a step."""
    asked = task()
    torch.set_num_threads(asked["threads"])
    arrays = {name: torch.from_numpy(array) for name, array in np.load(asked["data"]).items()}
    x, y = arrays["x"], arrays["y"]
    parts = [nn.Linear(*arrays[f"w{i}"].shape) for i in (1, 2, 3)]
    with torch.no_grad():
        for i, part in enumerate(parts, start=1):
            part.weight.copy_(arrays[f"w{i}"].T)
            part.bias.copy_(arrays[f"b{i}"])
    network = nn.Sequential(parts[0], nn.ReLU(), parts[1], nn.ReLU(), parts[2])
    optimizer = torch.optim.Adagrad(network.parameters(), 0.01, initial_accumulator_value=0.1, eps=1e-7)
    compare = nn.MSELoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = compare(network(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(asked["warm"]):
        loss = step()
    times = [time.perf_counter()]
    for _ in range(asked["steps"]):
        step()
        times.append(time.perf_counter())
    seconds = float(np.median(np.diff(times)))
    print(json.dumps({"step": seconds, "loss": loss, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
