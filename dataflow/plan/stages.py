"""The way of a plan: written, checked, rewritten, placed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

from dataflow.errors import SpecError
from dataflow.options import Options
from dataflow.plan.node import Node

Stage = Literal["written", "checked", "rewritten", "placed"]
STAGES: tuple[Stage, ...] = ("written", "checked", "rewritten", "placed")

Rule = Callable[[Node, Options], Node | None]
"""Returns a better plan for one node, or None if the rule does not apply."""
Trap = Callable[[Node], str | None]
"""Returns a warning about one node of a plan, or None."""

MAX_FIRINGS = 10_000


class PlanWarning(UserWarning):
    """A plan that does what it says, which is hardly what was meant."""


def warn_of_traps(node: Node, traps: Sequence[Trap]) -> None:
    """Warn about the node if it is a known trap."""
    for trap in traps:
        message = trap(node)
        if message is not None:
            warnings.warn(f"{message} ({node.stage})", PlanWarning, stacklevel=4)


def rewrite(node: Node, rules: Sequence[Rule], options: Options) -> Node:
    """Apply the rules in order, bottom-up, until none applies.

    Raises:
        SpecError: A rule changed the element spec; the rule and both plans are in the message.
    """
    budget = [MAX_FIRINGS]
    for rule in rules:
        node = _apply(node, rule, options, budget)
    return node


def _apply(node: Node, rule: Rule, options: Options, budget: list[int]) -> Node:
    node = node.with_inputs(*(_apply(child, rule, options, budget) for child in node.inputs))
    while (better := rule(node, options)) is not None:
        budget[0] -= 1
        name = getattr(rule, "__name__", repr(rule))
        if better.element_spec != node.element_spec:
            raise SpecError(
                f"rewrite {name} changed the element spec from {node.element_spec} "
                f"to {better.element_spec}:\n{explain(node)}\nbecame\n{explain(better)}"
            )
        if budget[0] <= 0:
            raise SpecError(
                f"rewrite {name} does not come to an end:\n{explain(node)}\nbecame\n{explain(better)}"
            )
        node = better.with_inputs(*(_apply(child, rule, options, budget) for child in better.inputs))
    return node


def explain(node: Node, depth: int = 0) -> str:
    """Return one line per node, the last stage first, inputs indented."""
    lines = ["  " * depth + node.describe()]
    lines += [explain(child, depth + 1) for child in node.inputs]
    return "\n".join(lines)
