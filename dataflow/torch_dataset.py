"""`to_torch`: the elements of a dataset as PyTorch tensors, for a DataLoader.

Imports PyTorch, so `Dataset.to_torch` imports this module only when it is called.
"""

from __future__ import annotations

import copyreg
import dataclasses
import multiprocessing
import multiprocessing.context
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from dataflow.block import Ragged
from dataflow.errors import OptionalDependencyError, SpecError, StateError
from dataflow.expr.primitives import PRIMITIVES
from dataflow.expr.tensor import CONSTANT, PARAMETER, Primitive
from dataflow.expr.user_function import UserFunction
from dataflow.options import INFINITE_CARDINALITY, usable_cores
from dataflow.plan.dataset_function import DatasetFunction
from dataflow.plan.node import Node, epochs_of
from dataflow.rewrites import plan_at
from dataflow.runtime.iterate import BlockIterator, DatasetIterator
from dataflow.runtime.operator import State
from dataflow.spec import Structure, component_names, flatten, has_objects, is_text
from dataflow.strings import Strings
from dataflow.transforms.shard import Shard
from dataflow.transforms.with_options import options_of

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError:
    torch, IterableDataset = None, object

PASSES_AT_ONCE = 8
"""How many passes over one dataset may begin at the same time."""


class Passes:
    """Tells the processes that make a pass together its number: they know one seed.

    The workers of a DataLoader may be new processes in each pass; so a shuffle goes on to its next order,
    the same one in all of them.
    """

    def __init__(self) -> None:
        # Processes of every start method can share a lock of this context.
        self._shared = multiprocessing.get_context("spawn").Array("q", [0] + [-1] * PASSES_AT_ONCE)

    def number(self, seed: int) -> int:
        """Return the number of the pass with the seed, from 1; a seed that is new begins the next one."""
        with self._shared.get_lock():
            latest = int(self._shared[0])
            for number in range(latest, max(latest - PASSES_AT_ONCE, 0), -1):
                if self._shared[1 + number % PASSES_AT_ONCE] == seed:
                    return number
            self._note(latest + 1, seed)
            return latest + 1

    def go_to(self, number: int, seed: int) -> None:
        """Say that the pass with the seed has this number, so that later ones have higher ones."""
        with self._shared.get_lock():
            if number > self._shared[0]:
                self._note(number, seed)

    def _note(self, number: int, seed: int) -> None:
        self._shared[0] = number
        self._shared[1 + number % PASSES_AT_ONCE] = seed


class TorchIterator(DatasetIterator):
    """Yields elements as tensors; after `load_state_dict` it goes on exactly.

    Args:
        dataset: What it iterates over.
        node: The plan, or this worker's share of it.
        threads: Threads if the plan does not say; None is the default.
    """

    def __init__(self, dataset: TorchDataset, node: Node, threads: int | None) -> None:
        options = options_of(node)
        if options.threads is None:
            options = dataclasses.replace(options, threads=threads)
        resolved = options.resolved()
        super().__init__(BlockIterator(plan_at("placed", node, resolved), node, resolved), node.element_spec)
        self._edge = _rows
        self._dataset = dataset

    def state_dict(self) -> State:
        """Return the position after the last element, as plain JSON."""
        return {**self.state(), "pass": self._dataset.pass_number}

    def load_state_dict(self, state_dict: State) -> None:
        """Go to a position that `state_dict` returned.

        Raises:
            StateError: It belongs to another pipeline, or to another number of workers.
        """
        if not isinstance(state_dict, dict) or "pass" not in state_dict:
            raise StateError("this is not a saved position", hint="give what state_dict() returned")
        self._dataset.go_to_pass(state_dict["pass"])
        self.restore({key: value for key, value in state_dict.items() if key != "pass"})


class TorchDataset(IterableDataset):  # type: ignore[misc]
    """The elements of a plan as PyTorch tensors; `Dataset.to_torch` makes it.

    Args:
        node: The plan.

    Raises:
        OptionalDependencyError: PyTorch is not installed.
        SpecError: PyTorch has no such dtype.
    """

    def __init__(self, node: Node) -> None:
        if torch is None:
            raise OptionalDependencyError(
                "to_torch needs PyTorch", hint="pip install 'dataflow-estimators[torch]'"
            )
        _check_dtypes(node.element_spec)
        self._node = node
        self._passes = Passes()
        self.pass_number = 0
        """Of the latest pass in this process, where it is a worker of a DataLoader."""

    def __iter__(self) -> TorchIterator:
        """Start a pass; in a worker of a DataLoader, over its share of the elements."""
        worker = get_worker_info()
        if worker is None:
            return TorchIterator(self, self._node, None)
        seed = worker.seed - worker.id
        if self.pass_number:  # a worker that lives on
            self.go_to_pass(self.pass_number + 1)
        else:
            self.pass_number = self._passes.number(seed)
            for epochs in epochs_of(self._node):
                epochs.upcoming += self.pass_number - 1
        share = Shard(self._node, worker.num_workers, worker.id)
        return TorchIterator(self, share, usable_cores() // worker.num_workers)

    def __len__(self) -> int:
        size = self._node.infer_cardinality()
        if size < 0:
            what = "infinite" if size == INFINITE_CARDINALITY else "not known"
            raise SpecError(f"the length of the dataset is {what}", hint="use take or assert_cardinality")
        return size

    def go_to_pass(self, number: int) -> None:
        """Say which pass this is, after a resume."""
        self.pass_number = number
        worker = get_worker_info()
        if worker is not None:
            self._passes.go_to(number, worker.seed - worker.id)

    def __getstate__(self) -> dict[str, Any]:
        _refuse_what_cannot_be_sent(self._node)
        sending = multiprocessing.context.get_spawning_popen() is not None
        return {"node": self._node, "passes": self._passes if sending else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._node = state["node"]
        self._passes = state["passes"] or Passes()
        self.pass_number = 0

    def __repr__(self) -> str:
        return f"<TorchDataset element_spec={self._node.element_spec}>"


def _rows(column: Any) -> Any:
    """Return the elements of a column by number: tensors over a copy of the block, or text."""
    if isinstance(column, Strings):
        values = column.to_numpy()
        return values if values.ndim == 1 else [row.tolist() for row in values]
    if isinstance(column, Ragged):
        return _RaggedRows(column)
    return torch.from_numpy(np.array(column, order="C"))  # a copy: who writes to it changes nothing else


class _RaggedRows:
    def __init__(self, column: Ragged) -> None:
        self._column = column

    def __getitem__(self, index: int) -> Any:
        return _rows(self._column.dense(index, index + 1))[0]


def _check_dtypes(element_spec: Structure) -> None:
    if has_objects(element_spec):
        raise SpecError(f"components that are no arrays cannot become tensors: {element_spec}")
    for name, spec in zip(component_names(element_spec), flatten(element_spec), strict=True):
        try:
            if not is_text(spec.dtype):
                torch.from_numpy(np.empty(0, spec.dtype))
        except TypeError as error:
            raise SpecError(
                f"component {name or 'value'!r} has dtype {spec.dtype}, which PyTorch does not have",
                hint="make it a number with map, such as value.astype(np.int64), or leave it out",
            ) from error


# Sending a plan to a worker that does not share memory ----------------------------------------------


class _Nowhere:
    """Takes what is written to it."""

    def write(self, data: Any) -> int:
        """Return the number of bytes."""
        return len(data)


def _refuse_what_cannot_be_sent(node: Node) -> None:
    try:
        ForkingPickler(_Nowhere()).dump(node)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(
            f"the dataset cannot be sent to another process: {error}",
            hint="use functions from the top of a module, or DataLoader(multiprocessing_context='fork')",
        ) from error


class _Elsewhere:
    """Stands for a function that stayed in the process where it was traced."""

    def __init__(self, name: str) -> None:
        self.__qualname__ = name

    def __call__(self, *_: Any) -> Any:
        raise SpecError(f"{self.__qualname__} is only known by what it computes")


def _is_local(function: Any) -> bool:
    return "<" in getattr(function, "__qualname__", "<")


def _refuse_local(function: Any, what: str) -> None:
    if _is_local(function):
        raise SpecError(
            f"{what} cannot be sent to another process: it is neither traced nor a function of a module",
            hint="define it at the top of a module, or use DataLoader(multiprocessing_context='fork')",
        )


def _fields(value: Any, **changes: Any) -> tuple[Any, ...]:
    return tuple(changes.get(field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def _reduced_function(function: UserFunction) -> tuple[type, tuple[Any, ...]]:
    if function.graph is None:
        _refuse_local(function.function, str(function))
    if not _is_local(function.function):
        return UserFunction, _fields(function)
    stand_in = _Elsewhere(getattr(function.function, "__qualname__", function.name))
    return UserFunction, _fields(function, function=stand_in, verify=False, reason=None)


def _reduced_dataset_function(function: DatasetFunction) -> tuple[type, tuple[Any, ...]]:
    if function.template is None:
        _refuse_local(None, str(function))
    name = getattr(function.function, "__qualname__", type(function.function).__name__)
    return DatasetFunction, _fields(function, function=_Elsewhere(name))


def primitive_named(name: str) -> Primitive:
    """Return the primitive of a name.

    >>> primitive_named("add").name
    'add'
    """
    return {**PRIMITIVES, PARAMETER.name: PARAMETER, CONSTANT.name: CONSTANT}[name]


copyreg.pickle(UserFunction, _reduced_function)
copyreg.pickle(DatasetFunction, _reduced_dataset_function)
copyreg.pickle(Primitive, lambda primitive: (primitive_named, (primitive.name,)))
