"""Nested structures of tensors, as hooks ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor, plain_value

Fetches = Any
"""A tensor, or a dict, tuple or list of them, nested as one likes; None for nothing."""


def key_of(tensor: Tensor) -> tuple[int, int]:
    """Return what tells a tensor from others, while it exists."""
    return id(tensor.call), tensor.output


def tensors_of(fetches: Fetches) -> Iterator[Tensor]:
    """Yield the tensors in a structure.

    Raises:
        SpecError: Something else is in it.
    """
    if isinstance(fetches, Tensor):
        yield fetches
    elif isinstance(fetches, Mapping | tuple | list):
        for item in fetches.values() if isinstance(fetches, Mapping) else fetches:
            yield from tensors_of(item)
    elif fetches is not None:
        raise SpecError(
            f"a hook fetches {fetches!r}",
            hint="fetches are tensors of the model, or dicts, tuples and lists of them; keep them in "
            "model_fn for the hook, or make the hook there (training_hooks of EstimatorSpec)",
        )


def filled(fetches: Fetches, values: Mapping[tuple[int, int], Any]) -> Any:
    """Return the structure with values in place of its tensors."""
    if fetches is None:
        return None
    if isinstance(fetches, Tensor):
        return values[key_of(fetches)]
    if isinstance(fetches, Mapping):
        return {key: filled(item, values) for key, item in fetches.items()}
    items = [filled(item, values) for item in fetches]
    if hasattr(fetches, "_fields"):
        return type(fetches)(*items)
    return type(fetches)(items)


def own(value: Any) -> Any:
    """Return a value that later steps do not change."""
    return plain_value(np.array(value) if isinstance(value, np.ndarray) else value)
