"""Leave out stages that do nothing."""

from __future__ import annotations

from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.repeat import Repeat
from dataflow.transforms.skip import Skip
from dataflow.transforms.take import Take
from dataflow.transforms.with_options import WithOptions


def drop_no_ops(node: Node, options: Options) -> Node | None:
    """Replace ``take(-1)``, ``skip(0)``, ``repeat(1)``, ``prefetch(0)`` and options by their input.

    Right because each passes every element on, and options were collected before.
    """
    match node:
        case Take(input=source, count=count) if count < 0:
            return source
        case (
            Skip(input=source, count=0)
            | Repeat(input=source, count=1)
            | Prefetch(input=source, buffer_size=0)
        ):
            return source
        case WithOptions(input=source):
            return source
    return None
