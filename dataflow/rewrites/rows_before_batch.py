"""Compute row by row, before rows are put into batches, what needs no other row of its batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from dataflow.expr.function import Function, postorder
from dataflow.expr.primitives.indexing import index
from dataflow.expr.primitives.shape import concatenate, stack
from dataflow.expr.tensor import CONSTANT, PARAMETER, Call, Tensor, parameter
from dataflow.expr.user_function import UserFunction
from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.rewrites.narrow_early import row_bytes
from dataflow.spec import Structure, TensorSpec, flatten
from dataflow.transforms.batch import Batch
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.repeat import Repeat


def rows_before_batch(node: Node, options: Options) -> Node | None:
    """Divide a map of batches: what treats each row alone goes below the batch, if that makes rows smaller.

    Right because a moved operation makes each row of its result of the same row of its arguments, and cannot
    fail. Below, blocks are larger, and other rules may move the map on. Only for functions that are never
    compared with plain Python: for the new ones there is none.
    """
    if not isinstance(node, Map) or node.function.graph is None or node.function.verify:
        return None
    way: list[Node] = []
    batch = node.input
    while isinstance(batch, Prefetch | Repeat):
        way.append(batch)
        batch = batch.input
    if not isinstance(batch, Batch):
        return None
    graph, rows = node.function.graph, _of_rows(node.function.graph)
    ends = _ends(graph, rows)
    below = Function(tuple(rows[id(t.call)] for t in graph.parameters), tuple(rows[id(t.call)] for t in ends))
    before = [below.parameters[i].spec for i in below.used_parameters]
    after = tuple(tensor.spec for tensor in below.outputs)
    if not ends or row_bytes(after) >= row_bytes(tuple(before)):
        return None
    early = Map(batch.input, _function(node.function, batch.input, after, below))
    moved: Node = batch.with_inputs(early)
    for stage in reversed(way):
        moved = stage.with_inputs(moved)
    leaves = tuple(parameter(spec) for spec in flatten(moved.element_spec))
    cut = {(id(old.call), old.output): new for old, new in zip(ends, leaves, strict=True)}
    rest = Function(leaves, graph.cut(cut))
    return dataclasses.replace(
        node, input=moved, function=_function(node.function, moved, node.function.output_spec, rest)
    )


def _function(old: UserFunction, source: Node, spec: Structure, graph: Function) -> UserFunction:
    """Return a part of a function."""

    def part_of_model(*_: Structure) -> NoReturn:
        raise AssertionError("this part of a function is run as a graph only")

    part_of_model.__qualname__ = old.name
    return UserFunction(part_of_model, source.element_spec, spec, "traced", graph, verify=False)


def _of_rows(graph: Function) -> Mapping[int, Tensor]:
    """Return what calls give for a single row, by their identity: for parameters, and what can be moved."""
    rows: dict[int, Tensor] = {}
    for tensor in graph.parameters:
        rows[id(tensor.call)] = parameter(TensorSpec(tensor.shape[1:], tensor.dtype))
    for call in postorder(graph.outputs):
        if id(call) in rows or call.primitive is CONSTANT:
            continue
        attributes = _attributes_of_rows(call, rows)
        if attributes is not None:
            inputs = tuple(rows.get(id(t.call), t) for t in call.inputs)
            spec = call.primitive.infer(*inputs, **attributes)
            assert isinstance(spec, TensorSpec)
            row = dataclasses.replace(call, inputs=inputs, attributes=attributes)
            rows[id(call)] = Tensor(row, spec)
    return rows


def _attributes_of_rows(call: Call, rows: Mapping[int, Tensor]) -> Mapping[str, Any] | None:
    """Return the attributes of a call for a single row, or None if it looks at several, or may fail."""
    varying = [t for t in call.inputs if t.call.primitive is not CONSTANT]
    constants = [t for t in call.inputs if t.call.primitive is CONSTANT]
    if not varying or any(
        id(t.call) not in rows or None in rows[id(t.call)].shape or t.ndim != varying[0].ndim for t in varying
    ):
        return None
    if call.primitive.elementwise:
        alike = call.primitive.total and all(t.ndim < varying[0].ndim for t in constants)
        return call.attributes if alike else None
    if constants:
        return None
    if call.primitive is index and call.attributes["key"][:1] == (slice(None),):
        return {"key": call.attributes["key"][1:]}
    if call.primitive in (concatenate, stack) and call.attributes["axis"] > 0:
        return {"axis": call.attributes["axis"] - 1}
    return None


def _ends(graph: Function, rows: Mapping[int, Tensor]) -> Sequence[Tensor]:
    """Return what the part that stays needs of the part that moves; nothing if nothing moves."""
    order = postorder(graph.outputs)
    stays = [t for call in order if id(call) not in rows for t in call.inputs]
    ends = {id(t.call): t for t in (*stays, *graph.outputs) if id(t.call) in rows}
    moves = any(t.call.primitive is not PARAMETER for t in ends.values())
    return tuple(ends.values()) if moves else ()
