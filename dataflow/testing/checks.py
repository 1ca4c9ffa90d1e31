"""The checks. Each takes a function that builds a plan, and raises AssertionError where it does not hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from dataflow.dataset import Dataset
from dataflow.errors import DataflowError
from dataflow.options import Options
from dataflow.plan.node import Node, walk
from dataflow.runtime.operator import State
from dataflow.runtime.threads import running
from dataflow.spec import ObjectValue, TensorSpec, assert_same_structure, flatten, is_text
from dataflow.testing.events import Event, Make, drain, events, options_for, resume, start, step
from dataflow.transforms.repeat import Repeat

Check: TypeAlias = Callable[[Make], None]

STATE_BYTES = 4096
"""How long the saved state of one stage may be."""
WAYS: tuple[Options, ...] = tuple(
    options_for(block_bytes, threads) for block_bytes in (1, 64, 1 << 20) for threads in (0, 1, 3)
)
"""Ways to run a plan that must make no difference."""
MOVES: tuple[tuple[Options, Options], ...] = (
    (options_for(1, 3), options_for(1 << 20, 0)),
    (options_for(64, 1), options_for(1, 3)),
    (options_for(1 << 20, 0), options_for(64, 1)),
)
"""Ways to run a plan before and after a resume."""


def _expect_equal(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise AssertionError(f"{what}:\n  found  {found}\n  wanted {wanted}")


def elements_fit_the_spec(make: Make) -> None:
    """Elements have the structure, dtypes and shapes of `element_spec`; their number is the cardinality."""
    spec, failed, count = make().element_spec, 0, 0
    iterator = start(make)
    with iterator:
        while True:
            try:
                element = next(iterator)
            except StopIteration:
                break
            except DataflowError:
                failed += 1
                continue
            count += 1
            assert_same_structure(spec, element)
            for want, value in zip(flatten(spec), flatten(element), strict=True):
                _expect_fit(want, value)
    cardinality = make().infer_cardinality()
    if cardinality >= 0 and not failed:
        _expect_equal(count, cardinality, "number of elements, and the cardinality")


def _expect_fit(spec: TensorSpec, value: Any) -> None:
    if isinstance(value, ObjectValue):
        fits = spec.is_compatible_with(value.value_spec)
        if isinstance(value, Dataset) and fits:
            elements_fit_the_spec(lambda: value.node)
    elif is_text(spec.dtype):
        kind = str if spec.dtype.kind == "U" else bytes
        items = value.ravel().tolist() if isinstance(value, np.ndarray) else [value]
        fits = all(item is None or isinstance(item, kind) for item in items)
    else:
        fits = np.asarray(value).dtype == spec.dtype
    if not isinstance(value, ObjectValue):
        fits = fits and spec.is_compatible_with(TensorSpec(np.shape(value), spec.dtype))
    if not fits:
        raise AssertionError(f"{value!r} does not fit {spec}")


def resumes_after_every_element(make: Make) -> None:
    """Cut at any element, and resumed from JSON in a new iterator, the rest is the same."""
    _expect_resumes(make, range(len(events(make)) + 1))


def resumes_over_epochs(make: Make) -> None:
    """The same when the stage is started again for a second epoch, above all where that begins."""
    border = len(events(make))
    _expect_resumes(lambda: Repeat(make(), 2), {*range(border - 1, border + 2), *range(0, 2 * border, 4)})


def _expect_resumes(make: Make, cuts: Iterable[int]) -> None:
    whole, states = events(make), _states(make)
    for cut in cuts:
        if 0 <= cut < len(states):
            _expect_equal(drain(resume(make, states[cut])), whole[cut:], f"rest after {cut} elements")


def _states(make: Make) -> list[State]:
    """Return the state before each element and at the end."""
    iterator = start(make)
    with iterator:
        found = [iterator.state()]
        while step(iterator) is not None:
            found.append(iterator.state())
        return found


def resumes_twice(make: Make) -> None:
    """A resumed iterator can be saved and resumed again, also at once and at the end."""
    whole, states = events(make), _states(make)
    for cut in {0, len(whole) // 3, len(whole)}:
        first = resume(make, states[cut])
        with first:
            again = first.state()
            taken = [event for _ in range(2) if (event := step(first)) is not None]
            later = first.state()
        _expect_equal(drain(resume(make, again)), whole[cut:], f"rest after {cut} elements, saved twice")
        _expect_equal(
            taken + drain(resume(make, later)), whole[cut:], f"rest after {cut} elements and 2 more"
        )


def states_are_small_and_alike(make: Make) -> None:
    """States are small, and a stage's state always has the same keys."""
    keys: dict[str, list[str]] = {}
    for state in _states(lambda: Repeat(make(), 2)):
        size, stages = len(json.dumps(state)), _stages_in(state)
        if size > STATE_BYTES * len(stages):
            raise AssertionError(
                f"a state of {size} bytes for {len(stages)} stages: {json.dumps(state)[:500]}"
            )
        for stage, found in stages:
            _expect_equal(found, keys.setdefault(stage, found), f"keys of the state of {stage}")


def _stages_in(state: Any) -> list[tuple[str, list[str]]]:
    parts = list(state.values()) if isinstance(state, dict) else state if isinstance(state, list) else []
    inner = [found for part in parts for found in _stages_in(part)]
    return (
        [(state["stage"], sorted(state)), *inner] if isinstance(state, dict) and "stage" in state else inner
    )


def epochs_are_as_declared(make: Make) -> None:
    """Started again, a plan gives the same elements; in another order exactly if it says so.

    Errors may be gone: a cache keeps none.
    """
    node = make()
    whole, twice = events(make), events(lambda: Repeat(make(), 2))
    _expect_equal(twice[: len(whole)], whole, "the first epoch")
    whole, second = _elements(whole), _elements(twice[len(whole) :])
    if any(stage.reshuffles for stage in walk(node)) and not node.reshuffles:
        return  # which elements are left of a new order is not known
    _expect_equal(Counter(second), Counter(whole), "elements of the second epoch")
    if not node.reshuffles:
        _expect_equal(second, whole, "the second epoch")
    elif second == whole and len(set(whole)) > 3:
        raise AssertionError(f"both epochs have the order {whole}")


def runs_alike_in_all_ways(make: Make) -> None:
    """With and without rewrites, threads and blocks of any size: the same elements in the same order."""
    plain = events(make, options_for(rewrites=False))
    for options in WAYS:
        _expect_equal(events(make, options), plain, f"elements with {options}")


def resumes_in_another_way(make: Make) -> None:
    """A state that was saved with one block size and number of threads can be resumed with others."""
    whole = events(make)
    for cut in {1, len(whole) // 2}:
        for before, after in MOVES:
            iterator = start(make, before)
            with iterator:
                taken = [event for _ in range(cut) if (event := step(iterator)) is not None]
                state = iterator.state()
            rest = drain(resume(make, state, after))
            _expect_equal(taken + rest, whole, f"cut at {cut} with {before}, resumed with {after}")


def closes_and_goes_on(make: Make) -> None:
    """A closed iterator leaves no thread behind, starts anew when read, and can be restored."""
    for options in (options_for(), options_for(64, 3)):
        before = running()
        whole = events(make, options)
        iterator = start(make, options)
        step(iterator)
        state = iterator.state()
        iterator.close()
        _expect_equal(running(), before, "threads after close()")
        iterator.restore(state)
        _expect_equal(_rest(iterator), whole[1:], "elements after close() and restore()")
        iterator.close()
        if not any(stage.reshuffles for stage in walk(make())):
            _expect_equal(_elements(_rest(iterator)), _elements(whole), "elements after close()")
        iterator.close()
        _expect_equal(running(), before, "threads at the end")


def _elements(found: list[Event]) -> list[Event]:
    return [event for event in found if event[0] != "error"]


def _rest(iterator: Any) -> list[Event]:
    found = []
    while (event := step(iterator)) is not None:
        found.append(event)
    return found


def ends_for_good(make: Make) -> None:
    """At the end, and after a resume there, an iterator ends again and again."""
    iterator = start(make)
    with iterator:
        _rest(iterator)
        _expect_equal([step(iterator), step(iterator)], [None, None], "elements behind the end")
        state = iterator.state()
    _expect_equal(drain(resume(make, state)), [], "elements after a resume at the end")


def iterators_are_independent(make: Make) -> None:
    """Two iterators over one plan, read in turn, do not disturb each other."""
    node: Node = make()
    if any(stage.reshuffles for stage in walk(node)):
        return  # each gets an order of its own, as in tf.data
    whole = events(make)
    one, other = start(lambda: node, options_for(1)), start(lambda: node, options_for(1))
    with one, other:
        turns = [one, other, other, one, one, one, other]
        found = [(iterator, step(iterator)) for iterator in turns]
        for iterator in (one, other):
            events_of = [event for reader, event in found if reader is iterator and event is not None]
            _expect_equal(events_of + _rest(iterator), whole, "elements of iterators that are read in turn")


CHECKS: tuple[Check, ...] = (
    elements_fit_the_spec,
    resumes_after_every_element,
    resumes_over_epochs,
    resumes_twice,
    states_are_small_and_alike,
    epochs_are_as_declared,
    runs_alike_in_all_ways,
    resumes_in_another_way,
    closes_and_goes_on,
    ends_for_good,
    iterators_are_independent,
)
"""All checks."""


def check(make: Make) -> None:
    """Run all checks on a plan.

    Args:
        make: Builds the plan; called many times.

    Raises:
        AssertionError: A check does not hold; its name and what differs are in the message.

    >>> from dataflow.sources.range import Range
    >>> from dataflow.transforms.batch import Batch
    >>> check(lambda: Batch(Range(0, 7), 3))
    """
    for one in CHECKS:
        try:
            one(make)
        except (AssertionError, DataflowError) as error:
            raise AssertionError(f"{one.__name__}: {error}") from error
