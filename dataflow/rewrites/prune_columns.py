"""Read only the columns that some stage uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from dataflow.expr.function import Function
from dataflow.expr.trace import call_with_element
from dataflow.expr.user_function import UserFunction
from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.spec import Structure, flatten, pack
from dataflow.transforms.filter import Filter
from dataflow.transforms.map import Map


def prune_columns(node: Node, options: Options) -> Node | None:
    """Below a traced map, let the scan skip the columns that neither it nor a filter on the way uses.

    Right because the stages on the way hand elements on as they are (trait ``same_elements``) or keep
    components apart (``component_wise``: only columns of fixed shape are left out, as those of other
    shapes may be refused there), and the map drops the unused columns anyway.
    """
    if not isinstance(node, Map) or node.function.graph is None:
        return None
    used = set(node.function.graph.used_parameters)
    way: list[Node] = []
    source = node.input
    while (source.traits.same_elements or source.traits.component_wise) and len(source.inputs) == 1:
        if isinstance(source, Filter):
            if source.predicate.graph is None:
                return None
            used |= set(source.predicate.graph.used_parameters)
        way.append(source)
        source = source.inputs[0]
    leaves = flatten(source.element_spec)
    if not used or len(used) == len(leaves):
        return None
    if any(stage.traits.component_wise for stage in way):
        used |= {i for i, spec in enumerate(leaves) if None in spec.shape}
    kept = sorted(used)
    below: Node | None = source.with_columns(kept) if len(used) < len(leaves) else None
    if below is None:
        return None
    for stage in reversed(way):
        if isinstance(stage, Filter):
            below = dataclasses.replace(stage, input=below, predicate=_narrowed(stage.predicate, kept, below))
        else:
            below = stage.with_inputs(below)
    return dataclasses.replace(node, input=below, function=_narrowed(node.function, kept, below))


def _narrowed(function: UserFunction, kept: Sequence[int], below: Node) -> UserFunction:
    """Return the function on elements of the kept components alone.

    In plain Python, which checks the first elements, the others are zeros: the graph shows that their
    values do not matter.
    """
    assert function.graph is not None
    fillers = [np.zeros([n or 0 for n in s.shape], s.dtype)[()] for s in flatten(function.input_spec)]

    def padded(element: Structure) -> object:
        leaves = list(fillers)
        for component, value in zip(kept, flatten(element), strict=True):
            leaves[component] = value
        return call_with_element(function.function, pack(function.input_spec, leaves))

    padded.__qualname__ = function.name
    graph = Function(tuple(function.graph.parameters[i] for i in kept), function.graph.outputs)
    return dataclasses.replace(function, function=padded, graph=graph, input_spec=below.element_spec)
