"""The network of `examples/mnist_cnn.py` in PyTorch: `data`, `seed`, `epochs`, `threads`, `timed`, `glorot`.

`data` is a file of NumPy with the arrays `train_images`, `train_labels`, `test_images` and `test_labels`.
With `timed`, one epoch warms up and `epochs` more are timed, then as many steps over one batch as `timed`
says; with `timed` 0, the test accuracies after each epoch are printed: with moving averages, and with the
statistics of the test images. With `glorot`, first values are those of the example, else PyTorch's own.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from measure import task
from torch import nn

BATCH = 128
NOISE = 0.05
MOMENTUM = 0.1


def network() -> nn.Sequential:
    """Return the network, with PyTorch's first values; images are [batch, channels, height, width]."""

    def part(channels: int, filters: int) -> list[nn.Module]:
        return [
            nn.Conv2d(channels, filters, 3, padding="same", bias=False),
            nn.BatchNorm2d(filters, eps=1e-3, momentum=MOMENTUM),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        ]

    mean = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*part(1, 32), *part(32, 64), *mean, nn.Linear(64, 10))


def scaled(images: np.ndarray) -> torch.Tensor:
    """Return images of bytes as numbers from 0 to 1, with an axis for their one channel."""
    return torch.from_numpy(images[:, None].astype(np.float32) / 255)


class Training:
    """The network, its optimizer, and the data in memory."""

    def __init__(self, data: str, seed: int, *, glorot: bool, channels_last: bool = False) -> None:
        torch.manual_seed(seed)
        arrays = np.load(data)
        self.images, self.labels = scaled(arrays["train_images"]), torch.from_numpy(arrays["train_labels"])
        self.tests = scaled(arrays["test_images"]), torch.from_numpy(arrays["test_labels"])
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.images = self.images.contiguous(memory_format=self.layout)
        self.network = network().to(memory_format=self.layout)
        for name, weights in self.network.named_parameters():
            if glorot and weights.ndim > 1:
                nn.init.xavier_uniform_(weights)
            elif glorot and name == "10.bias":
                nn.init.zeros_(weights)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        self.loss = nn.CrossEntropyLoss()

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Train on a batch, and return its loss."""
        self.optimizer.zero_grad()
        loss = self.loss(self.network(images), labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def epoch(self) -> None:
        """Train on all images in random order, with new noise."""
        self.network.train()
        for rows in torch.randperm(len(self.labels)).split(BATCH):
            images = self.images[rows]
            self.step(images + NOISE * torch.randn_like(images), self.labels[rows])

    def accuracies(self) -> tuple[float, float]:
        """Return the share of test images that get the right label: by moving averages, by their own."""
        images, labels = self.tests
        norms = [part for part in self.network if isinstance(part, nn.BatchNorm2d)]
        found = []
        for own in (False, True):
            self.network.train(own)
            for norm in norms:
                norm.momentum = 0.0  # no moving average moves
            with torch.no_grad():
                classes = torch.cat([self.network(part).argmax(1) for part in images.split(500)])
            found.append((classes == labels).float().mean().item())
        for norm in norms:
            norm.momentum = MOMENTUM
        return found[0], found[1]


def main() -> None:
    """Do what is asked for, and print one line of JSON."""
    asked = task()
    torch.set_num_threads(asked["threads"])
    settings = {"glorot": asked["glorot"], "channels_last": asked.get("channels_last", False)}
    training = Training(asked["data"], asked["seed"], **settings)
    if not asked["timed"]:
        accuracies = []
        for _ in range(asked["epochs"]):
            training.epoch()
            accuracies.append(training.accuracies())
        print(json.dumps(accuracies))
        return
    training.epoch()
    began = time.perf_counter()
    for _ in range(asked["epochs"]):
        training.epoch()
    seconds = (time.perf_counter() - began) / asked["epochs"]
    images, labels = training.images[:BATCH].clone(), training.labels[:BATCH]
    began = time.perf_counter()
    for _ in range(asked["timed"]):
        training.step(images, labels)
    alone = (time.perf_counter() - began) / asked["timed"]
    print(json.dumps({"epoch": seconds, "step": alone, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
