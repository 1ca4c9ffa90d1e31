"""`ProfilerHook`: what a step spends its time on, as a timeline."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from dataflow.storage import files
from estimators.graph.timing import StepTimes
from estimators.hooks.base import (
    RunOptions,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from estimators.hooks.timer import SecondOrStepTimer
from estimators.progress import log

INPUT, STEP, CALLS = 0, 1, 2
"""Rows of the timeline."""
Event = dict[str, Any]


class ProfilerHook(SessionRunHook):
    """Writes ``timeline-<step>.json`` every so many steps or seconds; chrome://tracing and Perfetto open it.

    A timeline shows how long the loop waited for the batches that it read last, the step, and each call in
    it with the line of the program that made it. Calls that were fused are one event. Steps in between run
    as without the hook.

    Args:
        save_steps: Steps between two timelines.
        save_secs: Seconds between two timelines; one of both must be given.
        output_dir: Where to write; default the current directory.
        show_dataflow: Whether arrows lead from a call to those that use its result.
        show_memory: Whether to show the bytes of results that are still to be used.

    Raises:
        InvalidArgumentError: Both of `save_steps` and `save_secs` are given, or none.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | os.PathLike[str] = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        self._timer = SecondOrStepTimer(save_secs, save_steps)
        self._directory = os.fspath(output_dir)
        self._show_dataflow, self._show_memory = show_dataflow, show_memory

    def begin(self) -> None:
        """Count from the first step, which has no timeline."""
        self._next_step: int | None = None
        self._timer.reset()

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Ask for the times of the step where they are due."""
        due = self._next_step is not None and self._timer.should_trigger_for_step(self._next_step)
        return SessionRunArgs(None, options=RunOptions(RunOptions.FULL_TRACE)) if due else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write the timeline."""
        step = run_context.session.global_step
        if self._next_step is None:
            self._timer.update_last_triggered_step(step - 1)
        if run_values.options is not None and run_values.run_metadata is not None:
            self._timer.update_last_triggered_step(step)
            self._write(step, run_values.run_metadata)
        self._next_step = step + 1

    def _write(self, step: int, times: StepTimes) -> None:
        name = f"timeline-{step}.json"
        path = files.join(self._directory, name) if self._directory else name
        log.info("Saving timeline for %d into '%s'.", step, path)
        if self._directory:
            files.make_directory(self._directory)
        events = [*_rows(), *_work(times, step)]
        if self._show_dataflow:
            events += _arrows(times)
        if self._show_memory:
            events += _memory(times)
        with files.atomic_writer(path) as file:
            file.write(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}).encode())


def _micros(seconds: float) -> float:
    return round(seconds * 1e6, 3)


def _rows() -> Iterator[Event]:
    """Yield the names of the rows."""
    yield {"ph": "M", "pid": 0, "name": "process_name", "args": {"name": "training"}}
    for row, name in ((INPUT, "waiting for input"), (STEP, "step"), (CALLS, "calls")):
        yield {"ph": "M", "pid": 0, "tid": row, "name": "thread_name", "args": {"name": name}}


def _event(name: str, row: int, began: float, ended: float, **args: Any) -> Event:
    times = {"ts": _micros(began), "dur": _micros(ended - began)}
    return {"ph": "X", "pid": 0, "tid": row, "name": name, "cat": "Op", **times, "args": args}


def _work(times: StepTimes, step: int) -> Iterator[Event]:
    if times.read is not None:
        began, ended, count = times.read
        yield _event("read", INPUT, began, ended, batches=count)
    yield _event(f"step {step}", STEP, times.began, times.ended)
    for call in times.calls:
        yield _event(
            call.name, CALLS, call.began, call.ended, line=call.line, bytes=sum(call.results.values())
        )


def _arrows(times: StepTimes) -> Iterator[Event]:
    """Yield an arrow from each call to each that uses its results."""
    made: dict[int, float] = {}
    number = 0
    for call in times.calls:
        for place in call.inputs:
            if place in made:
                common = {"pid": 0, "tid": CALLS, "name": "value", "cat": "DataFlow", "id": number}
                yield {"ph": "s", "ts": _micros(made[place]), **common}
                yield {"ph": "f", "bp": "e", "ts": _micros(call.began), **common}
                number += 1
        made.update(dict.fromkeys(call.results, call.began))


def _memory(times: StepTimes) -> Iterator[Event]:
    """Yield, after each call, the bytes of the results that later calls use."""
    last = {place: i for i, call in enumerate(times.calls) for place in call.inputs}
    live: dict[int, int] = {}
    for i, call in enumerate(times.calls):
        live.update(call.results)
        live = {place: size for place, size in live.items() if last.get(place, -1) > i}
        args = {"bytes": sum(live.values())}
        yield {"ph": "C", "pid": 0, "name": "memory", "ts": _micros(call.ended), "args": args}
