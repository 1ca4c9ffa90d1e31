"""A model over its input, run batch by batch, with hooks around each run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from dataflow.block import Block, Column
from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import PARAMETER, Tensor
from dataflow.spec import is_text
from estimators.graph.program import Program, batch_of
from estimators.graph.schedule import without_repeats
from estimators.graph.timing import StepTimes
from estimators.graph.updates import Update
from estimators.graph.variable import Array, members_of, rows_of_wholes
from estimators.hooks.base import SessionRunArgs, SessionRunHook
from estimators.hooks.calls import HookCalls
from estimators.hooks.fetches import key_of
from estimators.hooks.run_session import Coordinator, RunSession
from estimators.inputs.hoisting import hoist, hoisted, replaced, unread
from estimators.model import Model
from estimators.progress import log
from estimators.running.numerics import first_nan, is_nan, nan_in_input
from estimators.summary.collect import Summary

_Step: TypeAlias = tuple[list[Column], dict[str, Any]]
"""Columns of a batch, and the model's fetches."""
MANY_PROGRAMS = 16
"""So many different requests of hooks look like tensors that are made anew for each step."""

NO_NAN = (
    "give missing numbers a value, as numeric_column(key, default_value=0) does for features, or leave such "
    "rows out with filter"
)


class Session:
    """A model over its input, ready to run.

    Hooks are asked what they want of the first step before the input is opened. For each set of tensors
    that they ask for there is a program.

    Args:
        model: In one mode; the hooks have begun.
        values: Arrays by variable name; training changes them.
        hooks: In the order of calls.
        reference: Whether to run plain NumPy, primitive by primitive, and to keep what is needed to find
            out where NaN comes from.
        found: Numbers that the checkpoint held beside the variables, for hooks.
        summaries: What `summarize` gives; an optional one only if the steps read the numbers it needs anyway.

    Raises:
        InvalidArgumentError: A hook asks for a tensor that the model does not have.
    """

    def __init__(
        self,
        model: Model,
        values: dict[str, Array],
        hooks: Sequence[SessionRunHook] = (),
        *,
        reference: bool = False,
        found: Mapping[str, Array] | None = None,
        summaries: Sequence[Summary] = (),
    ) -> None:
        self.model = model
        self.values = values
        self.hooked = bool(hooks)
        self.stop_requested = False
        """Whether a hook, or a listener, has asked to stop."""
        self._hooks = hooks
        self._reference = reference
        self._before: Mapping[str, Array] = {}
        self._results: list[Any] = []
        self._times: StepTimes | None = None
        self.read: tuple[float, float, int] | None = None
        """When the loop began and ended to wait for batches, and how many they were."""
        self.run_session = RunSession(values, found, lambda: model.variables)
        self._coordinator = Coordinator()
        self._calls = HookCalls(hooks, SessionRunArgs(dict(model.fetches)), self.run_session)
        for hook in hooks:
            hook.after_create_session(self.run_session, self._coordinator)
        self.stop_requested = self._coordinator.should_stop()
        asked = self._calls.before_run() if hooks else []
        ends = [*model.ends, *asked]
        self.summaries, self._summarized = _summarized(summaries, model, ends)
        self._summary_program: Program | None = None
        self.dataset, self._columns = hoist(model.dataset, model.source, ends, self._summarized)
        self._leaves, self._ends = replaced(model.ends, self._columns)
        self._programs: dict[frozenset[tuple[int, int]], tuple[Program, list[Tensor]]] = {}
        self._program, _ = self._program_for(asked)

    def _program_for(self, asked: Sequence[Tensor]) -> tuple[Program, list[Tensor]]:
        """Return the program that fetches what hooks want, and the tensors in the order of its fetches."""
        wanted = frozenset(map(key_of, asked))
        found = self._programs.get(wanted)
        if found is None:
            if len(self._programs) == MANY_PROGRAMS:
                self._programs.clear()
                log.warning(
                    "Hooks have asked for %d different sets of tensors, and each needs a program of its "
                    "own: make tensors once, in model_fn or in begin, not in before_run.",
                    MANY_PROGRAMS,
                )
            found = self._programs[wanted] = self._compile(asked), list(asked)
        return found

    def _compile(self, asked: Sequence[Tensor]) -> Program:
        model = self.model
        _, cut = replaced([*model.ends, *asked], self._columns, self._leaves)
        self._check_asked(asked, cut[len(cut) - len(asked) :])
        parts = iter(cut)
        fetches = {name: next(parts) for name in model.fetches}
        new = [next(parts) for _ in model.updates]
        updates = [
            Update(u.variable, value, None if u.rows is None else next(parts))
            for u, value in zip(model.updates, new, strict=True)
        ]
        given = rows_of_wholes(tuple(parts))
        wanted = {**fetches, **{_name(i): tensor for i, tensor in enumerate(given)}}
        program = Program(self._leaves, wanted, updates, reference=self._reference or None)
        for variable in members_of(program.variables):
            if variable.name not in self.values:
                raise InvalidArgumentError(
                    f"a hook asks for a tensor of {variable!r}, made at {variable.line}, which the model "
                    "has not",
                    hint="make the variable in model_fn, or in begin with estimators.get_variable",
                )
        return program

    def _check_asked(self, asked: Sequence[Tensor], cut: Sequence[Tensor]) -> None:
        """Refuse what cannot be computed from the columns."""
        fed = {id(leaf.call) for leaf in self._leaves}
        known = {
            id(leaf.call): name
            for leaf, name in zip(self.model.source.leaves, self.model.source.names, strict=True)
        }
        for tensor, inner in zip(asked, cut, strict=True):
            for call in postorder([inner]):
                if call.primitive is not PARAMETER or id(call) in fed:
                    continue
                what = f"a hook asks for {tensor!r}, made at {tensor.call.line or 'an unknown line'}"
                if id(call) not in known:
                    raise InvalidArgumentError(
                        f"{what}, which belongs to another model or another call of model_fn",
                        hint="give the hook the tensors of this call: make it in model_fn (training_hooks, "
                        "evaluation_hooks, prediction_hooks)",
                    )
                raise InvalidArgumentError(
                    f"{what}, only after the first step: it needs {known[id(call)]}, which is not read",
                    hint="ask for it in the first before_run too; that decides what is read",
                )

    # Running ---------------------------------------------------------------------------------------

    def run(self, columns: Sequence[Any], number: int) -> dict[str, Any]:
        """Run one batch, and return the model's fetches; with hooks, `after_run` is to follow.

        Args:
            columns: Of a batch of `dataset`.
            number: In training the global step before the step, else the position of the batch.
        """
        if self._reference and self.model.updates:
            self._before = {name: value.copy() for name, value in self.values.items()}
        if not self.hooked:
            with np.errstate(all="ignore"):
                return self._program.run(columns, self.values, number)
        program, asked = self._program_for(self._calls.before_run())
        with np.errstate(all="ignore"):
            if self._calls.traced:
                began = time.monotonic()
                fetched, calls = program.run_timed(columns, self.values, number)
                self._times = StepTimes(began, time.monotonic(), calls, self.read)
            else:
                fetched = program.run(columns, self.values, number)
        by_tensor = {key_of(tensor): fetched.pop(_name(i)) for i, tensor in enumerate(asked)}
        self._results = [by_tensor[key_of(tensor)] for tensor in self._calls.before_run()]
        return fetched

    def run_each(self, block: Block, number: int) -> Iterator[_Step]:
        """Run the batches of a block, each when it is asked for; yield its columns and the model's fetches.

        With hooks, `after_run` is to follow each.
        """
        single = self.hooked or (self._reference and bool(self.model.updates))
        for run in block.dense_runs():
            if single:
                for i in range(run.length):
                    columns = batch_of(run.columns, i)
                    yield columns, self.run(columns, number + i)
            else:
                steps = self._program.run_each(run.columns, run.length, self.values, number)
                # training, where steps are short, has its loop do it
                yield from steps if self.model.updates else _quietly(steps)
            number += run.length

    def summarize(self, block: Block, number: int) -> list[Any]:
        """Return the values of the summaries' tensors for the first batch of a block; nothing changes.

        Args:
            block: Of `dataset`, before it is run.
            number: As for `run`.
        """
        if self._summary_program is None:
            _, cut = replaced(self._summarized, self._columns, self._leaves)
            wanted = {_name(i): tensor for i, tensor in enumerate(cut)}
            self._summary_program = Program(self._leaves, wanted, reference=self._reference or None)
        columns = batch_of(next(block.dense_runs()).columns, 0)
        with np.errstate(all="ignore"):
            return list(self._summary_program.run(columns, self.values, number).values())

    def after_run(self) -> None:
        """Give hooks the results of the step."""
        if self.hooked:
            times, self._times = self._times, None
            self._calls.after_run(self._results, times)
            asked = self._calls.stop_requested or self._coordinator.should_stop()
            self.stop_requested = self.stop_requested or asked

    def saved(self) -> dict[str, Array]:
        """Return the values that belong into a checkpoint."""
        return {variable.name: self.values[variable.name] for variable in self.model.variables}

    def end(self) -> None:
        """Tell hooks that the run is over."""
        for hook in self._hooks:
            hook.end(self.run_session)

    # NaN -------------------------------------------------------------------------------------------

    def first_nan_variable(self) -> str | None:
        """Return the name of a variable that holds NaN, or None."""
        return next((name for name, value in self.values.items() if is_nan(value)), None)

    def nan_in(self, columns: Sequence[Any]) -> str | None:
        """Say which feature or label of a batch holds NaN, or infinity; None if there is none."""
        return nan_in_input(self.model.source, self._columns, columns)

    def why_nan(self, columns: Sequence[Any], number: int) -> tuple[str, str]:
        """Return what is known about where NaN in the step that was run last came from, and what to do."""
        if self._reference:
            found = first_nan(self._ends, self._leaves, columns, self._before, number)
            if found is not None:
                return (
                    f": {found}",
                    "keep values in range there (clip, a small constant), or learn more slowly",
                )
        found = self.nan_in(columns)
        if found is not None:
            return f": {found}", NO_NAN
        cause = (
            "no step has been done, so the model itself gives it with its first values: look for logarithms, "
            "divisions and roots of 0"
            if number == 0
            else "use a smaller learning rate"
        )
        return "", (
            f"{cause}; to find the operation, train again with RunConfig(reference=True), which goes on from "
            "the last checkpoint and names it"
        )


def _summarized(
    summaries: Sequence[Summary], model: Model, ends: Sequence[Tensor]
) -> tuple[list[Summary], tuple[Tensor, ...]]:
    """Return the summaries that are made, and tensors of their values, computed from columns if possible."""
    if not summaries:
        return [], ()
    columns = hoisted(model.source, ends)
    read = {id(call) for call in postorder(ends)}
    every = without_repeats([*columns, *(t for summary in summaries for t in summary.tensors)])
    tensors = iter(every[len(columns) :])
    kept, found = [], []
    for summary in summaries:
        own = [next(tensors) for _ in summary.tensors]
        more = unread(model.source, columns, own)
        if not (summary.optional and any(id(t.call) not in read or is_text(t.dtype) for t in more)):
            kept.append(summary)
            found += own
    return kept, rows_of_wholes(found)


def _quietly(steps: Iterator[_Step]) -> Iterator[_Step]:
    """Yield what steps give; NumPy does not warn of overflow and the like in them."""
    while True:
        with np.errstate(all="ignore"):
            step = next(steps, None)
        if step is None:
            return
        yield step


def _name(i: int) -> str:
    """Return the name of a fetch that no model uses."""
    return f"\0{i}"
