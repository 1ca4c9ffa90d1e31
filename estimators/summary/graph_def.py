"""The graph of a model as TensorFlow's GraphDef, for TensorBoard's graph page.

Nodes are in groups: ``input`` is what the reading threads compute, ``train`` what only changes variables;
the rest belongs to the layers whose variables it is computed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.expr.function import postorder
from dataflow.expr.tensor import CONSTANT, PARAMETER, Call, Tensor
from dataflow.spec import TensorSpec
from dataflow.strings import Strings
from estimators.graph.scope import BATCH_NUMBER
from estimators.graph.variable import VARIABLE, Variable
from estimators.model import Model
from estimators.summary import events, wire

INPUT, TRAIN = "input", "train"
_OPS = {"parameter": "Placeholder", "constant": "Const", "variable": "VariableV2"}
"""Names that TensorBoard has colors for."""
_LONG = 200
"""Characters of a value that are shown."""
_PRODUCER = 1882
"""The version of TensorFlow's graphs that this is like: that of 2.15."""


def graph_def(model: Model) -> bytes:
    """Return the graph of a model: what its steps and its summaries compute, and what they change."""
    seen = [tensor for summary in model.summaries for tensor in summary.tensors]
    forward = postorder([*model.fetches.values(), *seen])
    changed = [update.variable for update in model.updates]
    everything = postorder([*model.fetches.values(), *seen, *changed, *model.ends])
    names = _Names(model, {id(call) for call in forward}, everything)
    nodes = [_node(names, call) for call in everything]
    for name, tensor in model.fetches.items():
        nodes.append(_encoded(names.new(name), "Identity", [names.of(tensor)], _attributes([tensor])))
    for update in model.updates:
        inputs = [names.of(update.variable), names.of(update.value)]
        inputs += [] if update.rows is None else [names.of(update.rows)]
        nodes.append(_encoded(names.new(f"{TRAIN}/Assign/{update.variable.name}"), "Assign", inputs, {}))
    versions = wire.data(4, wire.integer(1, _PRODUCER))
    return b"".join(wire.data(1, node) for node in nodes) + versions


class _Names:
    """Gives each call a name: its group, its primitive, a number.

    Args:
        model: Has the names of the input.
        forward: Calls that are no part of an update alone.
        order: All calls, inputs first.
    """

    def __init__(self, model: Model, forward: set[int], order: Sequence[Call]) -> None:
        self._counts: dict[str, int] = {}
        self._names: dict[int, str] = {}
        fed = {id(t.call): n for t, n in zip(model.source.leaves, model.source.names, strict=True)}
        trained: set[int] = set()
        scopes: dict[int, str] = {}
        for call in order:
            if call.primitive is VARIABLE:
                variable: Variable = call.attributes["variable"]
                trained.add(id(call))
                scopes[id(call)] = variable.name.rpartition("/")[0]
                self._names[id(call)] = self.new(variable.name)
                continue
            if call.primitive is BATCH_NUMBER or any(id(t.call) in trained for t in call.inputs):
                trained.add(id(call))
            scope = scopes[id(call)] = _scope(call, scopes)
            if id(call) not in forward:
                scope = f"{TRAIN}/{scope}" if scope else TRAIN
            elif id(call) not in trained:
                scope = INPUT
            found = fed.get(id(call))
            base = call.primitive.name if found is None else _plain(found)
            self._names[id(call)] = self.new(f"{scope}/{base}" if scope else base)

    def new(self, name: str) -> str:
        """Return a name that no other node has."""
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        return self.new(f"{name}_{count}") if count else name

    def call(self, call: Call) -> str:
        """Return the name of a call's node."""
        return self._names[id(call)]

    def of(self, tensor: Tensor) -> str:
        """Return the name of a tensor, as an input of another node."""
        name = self._names[id(tensor.call)]
        return f"{name}:{tensor.output}" if tensor.output else name


def _scope(call: Call, scopes: Mapping[int, str]) -> str:
    """Return the group of a call: that of its variables, else what is common to those of its inputs."""
    own = [scopes[id(t.call)] for t in call.inputs if t.call.primitive is VARIABLE]
    if own:
        return own[0]
    found = [
        scopes[id(t.call)].split("/")
        for t in call.inputs
        if t.call.primitive is not CONSTANT and scopes.get(id(t.call))
    ]
    common: list[str] = []
    for parts in zip(*found, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common)


def _plain(name: str) -> str:
    """Return ``features['x']`` as ``features/x``."""
    return name.replace("['", "/").replace("']", "").replace("[", "/").replace("]", "")


def _node(names: _Names, call: Call) -> bytes:
    specs = [Tensor(call, spec, i) for i, spec in enumerate(_specs(call))]
    attributes = _attributes(specs)
    if call.primitive is CONSTANT:
        attributes["value"] = _text(_shown(call.attributes["value"]))
    elif call.primitive is not PARAMETER:
        for name, value in call.attributes.items():
            attributes[name] = _text(_shown(value))
    if call.line:
        attributes["line"] = _text(call.line)
    op = _OPS.get(call.primitive.name, call.primitive.name)
    return _encoded(names.call(call), op, [names.of(tensor) for tensor in call.inputs], attributes)


def _specs(call: Call) -> tuple[Any, ...]:
    if call.primitive is CONSTANT:
        value = call.attributes["value"]
        return () if isinstance(value, Strings) else (TensorSpec(np.shape(value), np.asarray(value).dtype),)
    if call.primitive is VARIABLE:
        return (call.attributes["variable"].spec,)
    specs = call.primitive.infer(*call.inputs, **call.attributes)
    return specs if isinstance(specs, tuple) else (specs,)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _text(value: str) -> bytes:
    """Return an AttrValue with text."""
    return wire.data(2, value)


def _attributes(tensors: Iterable[Tensor]) -> dict[str, bytes]:
    """Return the dtype of the first result, and the shapes of all."""
    found = list(tensors)
    shapes = b"".join(wire.data(7, events.shape(tensor.shape)) for tensor in found)
    attributes = {"_output_shapes": wire.data(1, shapes)} if found else {}
    number = events.type_number(found[0].dtype) if found else 0
    return {**attributes, **({"dtype": wire.integer(6, number)} if number else {})}


def _encoded(name: str, op: str, inputs: Sequence[str], attributes: Mapping[str, bytes]) -> bytes:
    """Return a NodeDef."""
    entries = b"".join(
        wire.data(5, wire.data(1, key) + wire.data(2, value)) for key, value in attributes.items()
    )
    return wire.data(1, name) + wire.data(2, op) + b"".join(wire.data(3, item) for item in inputs) + entries
