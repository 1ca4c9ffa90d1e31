"""From an `input_fn` to the columns that a program is fed with.

What a model computes from features and labels without its variables moves into the dataset's plan, so it
runs on large blocks in the reading threads.
"""

from __future__ import annotations

import dataclasses
import inspect
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.function import Function, postorder
from dataflow.expr.tensor import CONSTANT, PARAMETER, Tensor, parameter
from dataflow.expr.user_function import UserFunction
from dataflow.one_shot import symbolic_elements
from dataflow.options import Options, usable_cores
from dataflow.spec import Structure, TensorSpec, component_names, flatten, pack
from dataflow.transforms.map import Map
from estimators.graph.schedule import without_repeats
from estimators.graph.scope import BATCH_NUMBER
from estimators.graph.variable import VARIABLE
from estimators.in_memory import BATCH_SIZE, as_batches, numpy_input_fn, pandas_input_fn
from estimators.summary.collect import Summary, input_summaries

__all__ = [
    "BATCH_SIZE", "InputFn", "SymbolicInput", "call_input_fn", "copied", "hoist", "numpy_input_fn",
    "pandas_input_fn", "replaced", "symbolic_input",
]  # fmt: skip

BLOCK_BYTES = 16 << 20
"""Reading aims at blocks of this size: small ones mean more Python, which the steps have to wait for."""
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
    pair of features and labels.

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
    with symbolic_elements() as elements, input_summaries() as shown:
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


def hoist(
    dataset: Dataset,
    source: SymbolicInput,
    outputs: Sequence[Tensor],
    seldom: Sequence[Tensor] = (),
) -> tuple[Dataset, tuple[Tensor, ...]]:
    """Move what needs no variables, and no number of the step, into the dataset.

    Args:
        dataset: Batches.
        source: Its symbolic tensors.
        outputs: Everything that a program computes.
        seldom: What is computed of few batches: only the components that it needs are read for it.

    Returns:
        A dataset of tuples of columns, read in large blocks and with one core left
        to the program, and the tensors of the program's graph that they are values of.
    """
    columns = hoisted(source, outputs)
    columns = (*columns, *unread(source, columns, seldom))
    specs = tuple(TensorSpec(tensor.shape, tensor.dtype) for tensor in columns)
    graph = Function(source.leaves, without_repeats(columns))
    function = UserFunction(_model_inputs, dataset.element_spec, specs, "traced", graph, verify=False)
    fed_dataset = Dataset(Map(dataset.node, function))
    defaults = Options(threads=max(1, usable_cores() - 1), block_bytes=BLOCK_BYTES)
    return fed_dataset.with_options(defaults.merged_with(dataset.options())), columns


def hoisted(source: SymbolicInput, outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the last tensors on the way to the outputs that need no variables and no number of the step."""
    order = postorder(outputs)
    trained: set[int] = set()
    fed: set[int] = set()
    for call in order:
        if call.primitive in (VARIABLE, BATCH_NUMBER) or any(id(t.call) in trained for t in call.inputs):
            trained.add(id(call))
        if call.primitive is PARAMETER or any(id(t.call) in fed for t in call.inputs):
            fed.add(id(call))
    frontier: dict[tuple[int, int], Tensor] = {}
    used = [t for call in order if id(call) in trained for t in call.inputs] + list(outputs)
    for tensor in used:
        if (
            id(tensor.call) in fed
            and id(tensor.call) not in trained
            and tensor.call.primitive is not CONSTANT
        ):
            frontier[id(tensor.call), tensor.output] = tensor
    return tuple(frontier.values()) or source.leaves[:1]


def unread(source: SymbolicInput, columns: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the components of the input that outputs need beside the columns."""
    _, cut = replaced(outputs, columns)
    needed = {id(call) for call in postorder(cut) if call.primitive is PARAMETER}
    return [leaf for leaf in source.leaves if id(leaf.call) in needed]


def _model_inputs(*_: Structure) -> Structure:
    """Stand for the hoisted part of a model in `explain`."""
    raise AssertionError("the hoisted part of a model is run as a graph only")


def replaced(
    tensors: Sequence[Tensor], columns: Sequence[Tensor], leaves: tuple[Tensor, ...] = ()
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Cut a graph at the columns; return their leaves, and the tensors over these leaves.

    Leaves are made unless they are given.
    """
    leaves = leaves or tuple(parameter(TensorSpec(column.shape, column.dtype)) for column in columns)
    cut = {(id(c.call), c.output): leaf for c, leaf in zip(columns, leaves, strict=True)}
    return leaves, Function((), tuple(tensors)).cut(cut)
