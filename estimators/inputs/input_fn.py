"""From an `input_fn` to a dataset, and to symbolic tensors for one batch of it."""

from __future__ import annotations

import dataclasses
import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor, parameter
from dataflow.one_shot import symbolic_elements
from dataflow.seeds import seeded
from dataflow.spec import Structure, component_names, flatten, pack
from estimators.inputs.in_memory import as_batches
from estimators.summary.collect import Summary, input_summaries

InputFn = Any
"""A `Dataset`, a function that returns one, or rows in memory: see `call_input_fn`."""


def call_input_fn(input_fn: InputFn, *, endless: bool = False, **available: Any) -> Dataset:
    """Return the dataset of an `input_fn`: a dataset itself, a function that returns one, or rows in memory.

    Rows in memory are a pandas or polars DataFrame, an Arrow table, a dict of arrays, an array; or a
    tuple ``(features, labels)`` of these, where labels may also be the name of a column. They come in
    batches of 128; to train, in an order that is drawn anew for each epoch. With `endless` they are
    repeated without end.

    The function may ask for `mode`, `params`, `config` and `input_context` by name. It may also
    return tensors that it computed from ``dataset.make_one_shot_iterator().get_next()``: features, or a
    pair of features and labels. Stages that it builds without a seed get theirs from the `tf_random_seed`
    of `config`, if there is one.

    Raises:
        SpecError: It is neither, or returned something else.
        InvalidArgumentError: It asks for something else.
    """
    if isinstance(input_fn, Dataset):
        return input_fn
    seed = getattr(available.get("config"), "tf_random_seed", None)
    rows = as_batches(input_fn, available.get("mode", ""), seed, endless=endless)
    if rows is not None:
        return rows
    if not callable(input_fn):
        raise SpecError(
            f"input_fn must be a function or a Dataset, or rows in memory, not {input_fn!r}",
            hint="rows in memory are a DataFrame, an Arrow table, a dict of arrays, or a tuple "
            "(features, labels) of these",
        )
    parameters = inspect.signature(input_fn).parameters
    names = [n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for name in names:
        if name not in available and parameters[name].default is inspect.Parameter.empty:
            raise InvalidArgumentError(f"input_fn asks for {name!r}", hint=did_you_mean(name, available))
    with seeded(seed), symbolic_elements() as elements, input_summaries() as shown:
        result = input_fn(**{name: value for name, value in available.items() if name in names})
        if isinstance(result, Dataset):
            return result
        if not elements:
            raise SpecError(
                f"input_fn must return a Dataset, and returned {type(result).__name__}",
                hint="return Dataset.from_tensor_slices((features, labels)).batch(128)",
            )
        structure = _features_and_labels(result)
        if shown and available.get("mode") == "train":
            structure = _Shown(structure, tuple(t for summary in shown for t in summary.tensors))
        dataset = Dataset(elements.plan(structure, _name_of(input_fn)))
        _SUMMARIES[dataset] = tuple(shown)
        return dataset


class _Shown(NamedTuple):
    """A batch of an `input_fn` that has made summaries, and their tensors."""

    batch: Any
    tensors: tuple[Any, ...]


_SUMMARIES: weakref.WeakKeyDictionary[Dataset, tuple[Summary, ...]] = weakref.WeakKeyDictionary()
"""What an `input_fn` has made summaries of."""


def _features_and_labels(result: Any) -> Structure:
    """Return what an `input_fn` returned as features, or as a tuple of features and labels."""
    parts = tuple(result) if isinstance(result, list) else result
    return parts[0] if isinstance(parts, tuple) and len(parts) == 2 and parts[1] is None else parts


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


@dataclasses.dataclass(frozen=True, eq=False)
class SymbolicInput:
    """Symbolic tensors for one batch of a dataset.

    Args:
        leaves: One for each component.
        features: What the model gets.
        labels: What it should predict, or None.
        names: What a model function calls each leaf, such as ``features['x']``.
        summaries: What the `input_fn` shows.
    """

    leaves: tuple[Tensor, ...]
    features: Any
    labels: Any
    names: tuple[str, ...]
    summaries: tuple[Summary, ...] = ()


def symbolic_input(dataset: Dataset, *, labels: bool) -> SymbolicInput:
    """Return tensors for a batch, divided into features and labels.

    Elements are pairs ``(features, labels)``, or features alone. With ``labels=False`` the labels of
    pairs are left out.
    """
    spec = dataset.element_spec
    leaves = tuple(parameter(leaf) for leaf in flatten(spec))
    element = pack(spec, leaves)
    if isinstance(element, _Shown):
        return _with_summaries(dataset, leaves, element, labels=labels)
    return _divided(spec, leaves, element, labels=labels)


def _with_summaries(
    dataset: Dataset, leaves: tuple[Tensor, ...], shown: _Shown, *, labels: bool
) -> SymbolicInput:
    batch: Any = dataset.element_spec
    found = _divided(batch.batch, leaves, shown.batch, labels=labels)
    tensors = iter(shown.tensors)
    summaries = [
        dataclasses.replace(summary, tensors=tuple(next(tensors) for _ in summary.tensors))
        for summary in _SUMMARIES[dataset]
    ]
    names = (*found.names, *(f"summaries[{i}]" for i in range(len(shown.tensors))))
    return dataclasses.replace(found, names=names, summaries=tuple(summaries))


def _divided(spec: Any, leaves: tuple[Tensor, ...], element: Any, *, labels: bool) -> SymbolicInput:
    """Return a batch divided into features and labels."""
    if not isinstance(element, tuple) or hasattr(element, "_fields"):
        return SymbolicInput(leaves, element, None, _names("features", spec))
    if len(element) != 2:
        raise InvalidArgumentError(
            f"input_fn gives tuples of {len(element)}; pairs (features, labels) are needed",
            hint="return ({'x': x, 'y': y}, label) from map",
        )
    names = (*_names("features", spec[0]), *_names("labels", spec[1]))
    return SymbolicInput(leaves, element[0], element[1] if labels else None, names)


def _names(part: str, spec: Structure) -> tuple[str, ...]:
    return tuple(f"{part}[{name!r}]" if name else part for name in component_names(spec))


def copied(features: Any) -> Any:
    """Return features in a dict of their own, which a model function may change."""
    return dict(features) if isinstance(features, Mapping) else features
