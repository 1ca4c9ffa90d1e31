"""Let the scan pass over row groups, and files of partitions, of which a filter drops all rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from dataflow.expr.function import Function
from dataflow.expr.tensor import CONSTANT, Tensor
from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.sources.parquet import ParquetRows
from dataflow.spec import flatten
from dataflow.storage.parquet_schema import Path
from dataflow.storage.parquet_statistics import Condition
from dataflow.strings import Strings
from dataflow.transforms.filter import Filter
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import Prefetch

MIRRORED = {
    "equal": "equal",
    "string_equal": "string_equal",
    "less": "greater",
    "less_equal": "greater_equal",
    "greater": "less",
    "greater_equal": "less_equal",
}
"""What a comparison is when its sides change places."""


def push_filters(node: Node, options: Options) -> Node | None:
    """Tell a Parquet scan the comparisons with constants that a filter above it needs to be true.

    Right because the filter stays, and drops all rows of what is passed over; between them are only stages
    that handle each element by itself and keep the order. A file that its partitions exclude is not
    opened, so that what is wrong with it is not seen.
    """
    if not isinstance(node, Filter) or node.predicate.graph is None:
        return None
    predicate = node.predicate.graph
    way: list[Node] = [node]
    source = node.input
    while isinstance(source, Filter | Map | Prefetch):
        if isinstance(source, Map):
            if source.function.graph is None:
                return None
            predicate = predicate.after(source.function.graph)
        way.append(source)
        source = source.input
    if not isinstance(source, ParquetRows) or source.skip_rows:
        return None
    specs = flatten(source.element_spec)
    scalar = {
        id(tensor.call): name
        for tensor, name, spec in zip(predicate.parameters, source.components, specs, strict=True)
        if not spec.rank
    }
    new = tuple(c for c in conditions(predicate, scalar) if c not in source.where)
    if not new:
        return None
    below: Node = dataclasses.replace(source, where=(*source.where, *new))
    for stage in reversed(way):
        below = stage.with_inputs(below)
    return below


def conditions(predicate: Function, columns: dict[int, Path]) -> Iterator[Condition]:
    """Yield the comparisons of a column with a constant that must all hold where the predicate does.

    Args:
        predicate: One boolean output.
        columns: Names of columns by ``id(call)`` of the parameters.
    """
    stack: list[Tensor] = list(predicate.outputs)
    while stack:
        call = stack.pop().call
        if call.primitive.name in ("logical_and", "bitwise_and"):
            stack.extend(call.inputs)
        elif call.primitive.name in MIRRORED:
            name, (left, right) = call.primitive.name, call.inputs
            if id(left.call) not in columns:
                name, left, right = MIRRORED[name], right, left
            value = _constant(right)
            if id(left.call) in columns and value is not None:
                yield columns[id(left.call)], name.removeprefix("string_"), value


def _constant(tensor: Tensor) -> Any:
    """Return the value of a constant number or text, None for everything else."""
    if tensor.call.primitive is not CONSTANT or tensor.shape:
        return None
    value = tensor.call.attributes["value"]
    if isinstance(value, Strings):
        value = value.to_numpy()
    item = np.asarray(value).item()
    return item if isinstance(item, bool | int | float | str) else None
