"""Make one map of two."""

from __future__ import annotations

import dataclasses

from dataflow.expr.trace import call_with_element
from dataflow.expr.user_function import UserFunction
from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.spec import is_namedtuple
from dataflow.transforms.map import Map


def fuse_maps(node: Node, options: Options) -> Node | None:
    """Compose two traced maps, so that what the second does not use is never computed.

    Right because traced functions depend on their element alone. The verdict of the second is that of both:
    plans are rewritten for each iterator, and the comparison with plain Python is made once.
    """
    match node:
        case Map(function=second, input=Map(function=first, input=source) as below):
            pass
        case _:
            return None
    if first.graph is None or second.graph is None or not (first.verify and second.verify):
        return None
    if first.verdict.difference is not None:
        return None

    def composed(*element: object) -> object:
        plain = isinstance(first.input_spec, tuple) and not is_namedtuple(first.input_spec)
        return call_with_element(second.function, first.value(element if plain else element[0]))

    composed.__qualname__ = f"{first.name} + {second.name}"
    graph = second.graph.after(first.graph)
    spec, inner = second.output_spec, first.named_tensors
    function = UserFunction(
        composed, first.input_spec, spec, "traced", graph, inner=inner, verdict=second.verdict
    )
    calls = max(
        (n for n in (below.num_parallel_calls, node.num_parallel_calls) if n is not None), default=None
    )
    return dataclasses.replace(node, input=source, function=function, num_parallel_calls=calls)
