"""What an iterator gives, element by element, in a form that can be compared."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from dataflow.dataset import Dataset
from dataflow.errors import DataflowError
from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.ragged import RaggedTensor
from dataflow.runtime.iterate import DatasetIterator
from dataflow.spec import Structure, flatten

Make: TypeAlias = Callable[[], Node]
"""Builds a plan, the same one at each call, with nothing shared between them."""
Event: TypeAlias = tuple[str, ...]
"""An element, or an error in its place, as text."""

LIMIT = 500


def options_for(block_bytes: int = 1 << 20, threads: int = 0, *, rewrites: bool = True) -> Options:
    """Return options that fix how a plan runs."""
    return Options(block_bytes=block_bytes, threads=threads, rewrites=rewrites)


def start(make: Make, options: Options | None = None) -> DatasetIterator:
    """Return an iterator over a new plan."""
    return iter(Dataset(make()).with_options(options or options_for()))


def resume(make: Make, state: Any, options: Options | None = None) -> DatasetIterator:
    """Return an iterator over a new plan at a saved position, which goes through JSON."""
    iterator = start(make, options)
    iterator.restore(json.loads(json.dumps(state)))
    return iterator


def as_event(element: Structure) -> Event:
    """Return the element as text: dtype, shape and value of each component."""
    return tuple(_text(leaf) for leaf in flatten(element))


def _text(value: Any) -> str:
    if isinstance(value, Dataset):
        return f"dataset of {[as_event(element) for element in value]!r}"
    if isinstance(value, RaggedTensor):
        return f"ragged {value.dtype.name} {value.value_spec!r} {value.to_list()!r}"
    array = np.asarray(value, dtype=object if isinstance(value, str | bytes) else None)
    return f"{array.dtype.name}{list(array.shape)} {array.tolist()!r}"


def step(iterator: DatasetIterator) -> Event | None:
    """Return the next element or error, None at the end."""
    try:
        return as_event(next(iterator))
    except StopIteration:
        return None
    except DataflowError as error:
        return ("error", type(error).__name__, error.message)


def drain(iterator: DatasetIterator) -> list[Event]:
    """Return what is left, and close the iterator.

    Raises:
        AssertionError: There is no end.
    """
    with iterator:
        found = list(itertools.islice(_steps(iterator), LIMIT))
    if len(found) == LIMIT:
        raise AssertionError(f"the plan gives {LIMIT} elements or more; check a smaller one")
    return found


def _steps(iterator: DatasetIterator) -> Iterator[Event]:
    while (event := step(iterator)) is not None:
        yield event


def events(make: Make, options: Options | None = None) -> list[Event]:
    """Return all that a new plan gives.

    >>> from dataflow.sources.range import Range
    >>> events(lambda: Range(0, 2))
    [('int64[] 0',), ('int64[] 1',)]
    """
    return drain(start(make, options))
