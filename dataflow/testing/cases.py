"""The plans to check: every example of every source, and every example of every transform on many inputs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import numpy as np

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.user_function import make_user_function
from dataflow.plan.node import Node
from dataflow.sources import SOURCES
from dataflow.sources.generator import FromGenerator
from dataflow.sources.range import Range
from dataflow.sources.tensors import tensor_slices
from dataflow.spec import TensorSpec
from dataflow.testing.events import Make
from dataflow.transforms import TRANSFORMS
from dataflow.transforms.batch import Batch
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.ragged_batch import RaggedBatch
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.window import Window


@dataclasses.dataclass(frozen=True)
class Case:
    """A plan and its name."""

    name: str
    make: Make


def _failing() -> Node:
    """Numbers of which some cannot be read."""
    text = tensor_slices(np.array(["4", "x", "6", "7", "8", "y", "z", "11", "12"]))
    return Map(text, make_user_function(lambda t: t.astype(np.int64), text.element_spec, lambda: None))


def _lists() -> Node:
    """Lists of different lengths."""
    return FromGenerator(lambda: ([float(i)] * (i % 3) for i in range(8)), TensorSpec((None,), np.float32))


INPUTS: dict[str, Make] = {
    "numbers": lambda: Range(0, 11),
    "empty": lambda: Range(0, 0),
    "pairs": lambda: tensor_slices((np.arange(10), np.array(list("abcdefghij")))),
    "dicts": lambda: tensor_slices({"a": np.arange(9), "name": np.array(list("abcdefghi"))}),
    "vectors": lambda: Batch(Range(0, 11), 3),
    "ragged": _lists,
    "threaded": lambda: Prefetch(Range(0, 12)),
    "shuffled": lambda: Shuffle(Range(0, 10), 4, (87654321, 5)),
    "failing": _failing,
    "windows": lambda: Window(Range(0, 11), 3, 2, as_batch=False, handle=Dataset),
    "ragged tensors": lambda: RaggedBatch(_lists(), 2),
}
"""What transforms are tried on: scalars, text, nested and ragged elements, threads, epochs, errors, and
components that are no arrays."""


def _fits(make: Make) -> bool:
    """Tell whether the transform takes elements of this kind."""
    try:
        make()
    except (InvalidArgumentError, SpecError):
        return False
    return True


def over_sources(name: str, example: Callable[[Node], Node]) -> list[Case]:
    """Return a case for each of `INPUTS` that the transform takes.

    Raises:
        InvalidArgumentError, SpecError: It takes none of them.
    """
    found = [Case(f"{name}-{kind}", partial(_applied, example, make)) for kind, make in INPUTS.items()]
    fitting = [case for case in found if _fits(case.make)]
    if not fitting:
        found[0].make()
    return fitting


def _applied(example: Callable[[Node], Node], make: Make) -> Node:
    return example(make())


def _short(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def cases(directory: str) -> Iterator[Case]:
    """Yield the plans of all sources and transforms that are registered.

    A source module has `EXAMPLES`, functions that return a node; one that reads files has
    ``file_examples(directory)`` too, which writes the files and returns nodes. A transform module has
    `EXAMPLES`, functions from a node to a node.

    Args:
        directory: Where files may be written.
    """
    for module in SOURCES:
        for i, example in enumerate(module.EXAMPLES):
            yield Case(f"{_short(module)}-{i}", example)
        if hasattr(module, "file_examples"):
            place = os.path.join(directory, _short(module))
            os.makedirs(place, exist_ok=True)
            for i, node in enumerate(module.file_examples(place)):
                yield Case(f"{_short(module)}-file-{i}", lambda node=node: node)  # type: ignore[misc]
    for module in TRANSFORMS:
        for i, example in enumerate(module.EXAMPLES):
            yield from over_sources(f"{_short(module)}-{i}", example)
