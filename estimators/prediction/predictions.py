"""`Estimator.predictions`: the predictions of a model as a dataset, to write to files or to go on with."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.block import Block, concat_columns
from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, did_you_mean
from dataflow.expr.tensor import Tensor
from dataflow.expr.user_function import UserFunction
from dataflow.runtime.threads import Lock
from dataflow.spec import Structure, flatten
from dataflow.transforms.map import Map
from estimators.graph.program import Program
from estimators.graph.variable import Array
from estimators.inputs.hoisting import hoist, replaced
from estimators.inputs.input_fn import SymbolicInput
from estimators.model import Model
from estimators.values.checkpoint import Checkpoint
from estimators.values.first_values import restored_values


def predictions_of(model: Model, checkpoint: Checkpoint, keep: Sequence[str]) -> Dataset:
    """Return the batches of a model's predictions, with the features that are to be kept.

    Raises:
        InvalidArgumentError: There is no feature of that name, or a prediction has it too.
    """
    kept = _kept(model, [keep] if isinstance(keep, str) else keep)
    wanted = {**model.fetches, **kept}
    values = restored_values(model, checkpoint)
    one_tensor = not isinstance(model.spec.predictions, dict) and not kept
    return computed(model.dataset, model.source, wanted, values, f"step {checkpoint.step}", bare=one_tensor)


def computed(
    dataset: Dataset,
    source: SymbolicInput,
    wanted: dict[str, Tensor],
    values: dict[str, Array],
    name: str,
    *,
    bare: bool = False,
) -> Dataset:
    """Return batches of what a model computes from the batches of a dataset.

    Args:
        dataset: Batches.
        source: Their symbolic tensors.
        wanted: What to compute, by name.
        values: Of the variables.
        name: Says, in `explain`, which values these are.
        bare: Elements are what is called "predictions", not dicts.
    """
    dataset, columns = hoist(dataset, source, list(wanted.values()))
    leaves, ends = replaced(list(wanted.values()), columns)
    names = sorted(wanted)
    fetches = dict(zip(wanted, ends, strict=True))
    spec: Structure = {name: wanted[name].spec for name in names}
    function = _Predict(
        _Named(f"predict({name}, values {_checksum(values):08x})"),
        dataset.element_spec,
        spec["predictions"] if bare else spec,
        "python",
        verify=False,
        program=Program(leaves, {name: fetches[name] for name in names}),
        values=values,
    )
    return Dataset(Map(dataset.node, function))


def _kept(model: Model, keep: Sequence[str]) -> dict[str, Tensor]:
    features = model.source.features
    known = features if isinstance(features, dict) else {}
    for name in keep:
        if name not in known:
            raise InvalidArgumentError(
                f"there is no feature {name!r} to keep", hint=did_you_mean(name, known)
            )
        if name in model.fetches:
            raise InvalidArgumentError(
                f"{name!r} is a feature to keep, and a prediction", hint="rename the feature with map"
            )
    return {name: known[name] for name in keep}


def _checksum(values: dict[str, Array]) -> int:
    crc = 0
    for name in sorted(values):
        crc = zlib.crc32(np.ascontiguousarray(values[name]).data, zlib.crc32(name.encode(), crc))
    return crc


class _Named:
    """Stands for the model in `explain` and in fingerprints, so that other values are another pipeline."""

    def __init__(self, name: str) -> None:
        self.__qualname__ = name

    def __call__(self, *_: Any) -> Any:
        raise AssertionError("a model runs as a program only")


@dataclasses.dataclass(frozen=True, eq=False)
class _Predict(UserFunction):
    """A function from a batch of columns to predictions, which a program computes."""

    program: Program = dataclasses.field(kw_only=True)
    values: dict[str, Array] = dataclasses.field(kw_only=True, repr=False)
    lock: Any = dataclasses.field(kw_only=True, default_factory=Lock, repr=False)
    """Iterators in several threads share the memory of the program."""

    def run(self, block: Block, compute: Callable[[Block], list[Any]] | None = None) -> Block:
        """Predict batch by batch."""
        parts = []
        with self.lock:
            for run in block.dense_runs():
                for _, fetched in self.program.run_each(run.columns, run.length, self.values):
                    parts.append([_with_lead(value) for value in fetched.values()])
        columns = [concat_columns(list(column)) for column in zip(*parts, strict=True)]
        assert len(columns) == len(flatten(self.output_spec))
        return Block(tuple(columns), block.length, block.origin)


def _with_lead(value: Any) -> Any:
    return value.reshape((1, *value.shape))
