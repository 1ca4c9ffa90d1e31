"""What primitives are in ONNX: one function for each, which adds nodes and returns the name of the result.

To add one: write ``form(graph, call, *inputs)`` and enter it in `FORMS` by the primitive's name. The suite
compares it with the primitive's own `compute` on the primitive's samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Call
from dataflow.spec import as_dtype
from estimators.graph.registry import output


class Graph(Protocol):
    """What forms add nodes to."""

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its result."""

    def constant(self, value: Any) -> str:
        """Return the name of a constant array."""

    def cast(self, name: str, dtype: Any) -> str:
        """Return the name of a value in another dtype."""


Form = Callable[..., str]
_INT = np.int64


def _common(call: Call) -> np.dtype[Any]:
    """Return the dtype that NumPy computes in; Python's numbers have no dtype of their own."""
    values = [t.constant if isinstance(t.constant, bool | int | float) else t.dtype for t in call.inputs]
    if not any(isinstance(value, np.dtype) for value in values):
        return np.result_type(*(tensor.dtype for tensor in call.inputs))
    return np.result_type(*values)


def _simple(kind: str) -> Form:
    """Make a node of that kind, in the dtype of the result."""

    def form(graph: Graph, call: Call, *inputs: str) -> str:
        dtype = output(call).dtype
        return graph.node(kind, *(graph.cast(name, dtype) for name in inputs))

    return form


def _compared(kind: str) -> Form:
    def form(graph: Graph, call: Call, *inputs: str) -> str:
        dtype = _common(call)
        return graph.node(kind, *(graph.cast(name, dtype) for name in inputs))

    return form


def _not_equal(graph: Graph, call: Call, *inputs: str) -> str:
    return graph.node("Not", _compared("Equal")(graph, call, *inputs))


def _square(graph: Graph, call: Call, x: str) -> str:
    return graph.node("Mul", x, x)


def _log1p(graph: Graph, call: Call, x: str) -> str:
    dtype = output(call).dtype
    return graph.node("Log", graph.node("Add", graph.cast(x, dtype), graph.constant(np.ones((), dtype))))


def _expm1(graph: Graph, call: Call, x: str) -> str:
    dtype = output(call).dtype
    return graph.node("Sub", graph.node("Exp", graph.cast(x, dtype)), graph.constant(np.ones((), dtype)))


def _where(graph: Graph, call: Call, condition: str, x: str, y: str) -> str:
    dtype = output(call).dtype
    parts = graph.cast(x, dtype), graph.cast(y, dtype)
    return graph.node("Where", graph.cast(condition, np.bool_), *parts)


def _cast(graph: Graph, call: Call, x: str) -> str:
    return graph.cast(x, as_dtype(call.attributes["dtype"]))


def _relu6(graph: Graph, call: Call, x: str) -> str:
    dtype = output(call).dtype
    return graph.node("Clip", x, graph.constant(np.zeros((), dtype)), graph.constant(np.full((), 6, dtype)))


def _leaky_relu(graph: Graph, call: Call, x: str) -> str:
    return graph.node("LeakyRelu", x, alpha=float(call.attributes["alpha"]))


def _along(kind: str) -> Form:
    return lambda graph, call, x: graph.node(kind, x, axis=call.attributes["axis"])


def _axes(call: Call) -> np.ndarray[Any, Any]:
    axis = call.attributes["axis"]
    found = range(call.inputs[0].ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return np.array(list(found), _INT)


def _reduced(kind: str) -> Form:
    def form(graph: Graph, call: Call, x: str) -> str:
        axes, keep = _axes(call), int(call.attributes["keepdims"])
        x = graph.cast(x, output(call).dtype)
        return graph.node(kind, x, graph.constant(axes), keepdims=keep) if len(axes) else x

    return form


def _extreme(kind: str) -> Form:
    def form(graph: Graph, call: Call, x: str) -> str:
        axes = _axes(call)
        if len(axes) != 1:
            raise SpecError(f"{call.primitive.name} along the axes {axes.tolist()} has no form in ONNX")
        return graph.node(kind, x, axis=int(axes[0]), keepdims=int(call.attributes["keepdims"]))

    return form


def _concatenate(graph: Graph, call: Call, *inputs: str) -> str:
    dtype = output(call).dtype
    return graph.node("Concat", *(graph.cast(x, dtype) for x in inputs), axis=call.attributes["axis"])


def _reshape(graph: Graph, call: Call, x: str) -> str:
    return graph.node("Reshape", x, graph.constant(np.array(call.attributes["shape"], _INT)), allowzero=1)


def _transpose(graph: Graph, call: Call, x: str) -> str:
    return graph.node("Transpose", x, perm=list(call.attributes["order"]))


def _index(graph: Graph, call: Call, x: str) -> str:
    starts, stops, steps, axes, dropped, added = [], [], [], [], [], []
    axis = place = 0
    for part in call.attributes["key"]:
        if part is None:
            added.append(place)
            place += 1
            continue
        cut = slice(part, part + 1 if part != -1 else None) if isinstance(part, int) else part
        step = 1 if cut.step is None else cut.step
        if cut != slice(None):
            starts.append((0 if step > 0 else 2**62) if cut.start is None else cut.start)
            stops.append((2**62 if step > 0 else -(2**62)) if cut.stop is None else cut.stop)
            steps.append(step)
            axes.append(axis)
        if isinstance(part, int):
            dropped.append(axis)
        else:
            place += 1
        axis += 1
    if axes:
        x = graph.node("Slice", x, *(graph.constant(np.array(v, _INT)) for v in (starts, stops, axes, steps)))
    if dropped:
        x = graph.node("Squeeze", x, graph.constant(np.array(dropped, _INT)))
    return graph.node("Unsqueeze", x, graph.constant(np.array(added, _INT))) if added else x


def _gather(graph: Graph, call: Call, x: str, ids: str) -> str:
    return graph.node("Gather", x, ids, axis=call.attributes["axis"])


def _expand_like(graph: Graph, call: Call, x: str, like: str) -> str:
    return graph.node("Expand", x, graph.node("Shape", like))


def _broadcast_to(graph: Graph, call: Call, x: str) -> str:
    return graph.node("Expand", x, graph.constant(np.array(call.attributes["shape"], _INT)))


def _full_like(graph: Graph, call: Call, x: str) -> str:
    value = np.full((), call.attributes["value"], as_dtype(call.attributes["dtype"]))
    return graph.node("Expand", graph.constant(value), graph.node("Shape", x))


def _repeat_rows(graph: Graph, call: Call, like: str, values: str) -> str:
    rows = graph.node("Shape", like, start=0, end=1)
    return graph.node("Expand", values, graph.node("Concat", rows, graph.node("Shape", values), axis=0))


def _choose(graph: Graph, call: Call, ids: str, values: str) -> str:
    return graph.node("Gather", values, ids, axis=0)


# Ids -------------------------------------------------------------------------------------------------


def _last(graph: Graph, name: str) -> str:
    return graph.node("Unsqueeze", name, graph.constant(np.array([-1], _INT)))


def _gather_sum(graph: Graph, call: Call, table: str, ids: str, weights: str | None = None) -> str:
    dtype = output(call).dtype
    zero = graph.constant(np.zeros((), _INT))
    rows = graph.node("Gather", table, graph.node("Max", ids, zero), axis=0)
    if weights is not None:
        rows = graph.node("Mul", rows, _last(graph, graph.cast(weights, dtype)))
    there = _last(graph, graph.node("GreaterOrEqual", ids, zero))
    rows = graph.node("Where", there, rows, graph.constant(np.zeros((), dtype)))
    return graph.node("ReduceSum", rows, graph.constant(np.array([-2], _INT)), keepdims=0)


def _identity_ids(graph: Graph, call: Call, x: str) -> str:
    count, default = call.attributes["num_buckets"], call.attributes["default"]
    ids, least = graph.cast(x, _INT), graph.constant(np.array(-1, _INT))
    if default is None:  # an id that is too large fails where a table is read
        return graph.node("Max", ids, least)
    beyond = graph.node("GreaterOrEqual", ids, graph.constant(np.array(count, _INT)))
    wrong = graph.node("Or", beyond, graph.node("Less", ids, least))
    return graph.node("Where", wrong, graph.constant(np.array(default, _INT)), ids)


def _multi_hot_counts(graph: Graph, call: Call, ids: str, weights: str | None = None) -> str:
    each = graph.constant(np.arange(call.attributes["num_buckets"]))
    hits = graph.cast(graph.node("Equal", _last(graph, ids), each), np.float32)
    if weights is not None:
        hits = graph.node("Mul", hits, _last(graph, graph.cast(weights, np.float32)))
    return graph.node("ReduceSum", hits, graph.constant(np.array([-2], _INT)), keepdims=0)


def _bucketize(graph: Graph, call: Call, x: str) -> str:
    edges = graph.constant(np.array(call.attributes["boundaries"], np.float32))
    below = graph.node("Not", graph.node("Less", _last(graph, graph.cast(x, np.float32)), edges))
    return graph.node("ReduceSum", graph.cast(below, _INT), graph.constant(np.array([-1], _INT)), keepdims=0)


def _vocabulary_ids(graph: Graph, call: Call, x: str) -> str:
    vocabulary = call.attributes["vocabulary"]
    if call.attributes["num_oov"]:
        raise SpecError("vocabulary_ids with num_oov_buckets has no form in ONNX, which has no such hash")
    missing = "" if vocabulary.is_text else -1
    ids = {**{term: i for i, term in enumerate(vocabulary.terms)}, missing: -1}
    keys = {"keys_strings" if vocabulary.is_text else "keys_int64s": list(ids)}
    values = {"values_int64s": list(ids.values()), "default_int64": call.attributes["default"]}
    x = x if vocabulary.is_text else graph.cast(x, _INT)
    return graph.node("LabelEncoder", x, domain="ai.onnx.ml", **keys, **values)


_SIMPLE = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow", "maximum": "Max",
    "minimum": "Min", "matmul": "MatMul", "negative": "Neg", "absolute": "Abs", "sign": "Sign", "exp": "Exp",
    "log": "Log", "sqrt": "Sqrt", "reciprocal": "Reciprocal", "tanh": "Tanh", "sin": "Sin", "cos": "Cos",
    "tan": "Tan", "arctan": "Atan", "arcsin": "Asin", "arccos": "Acos", "floor": "Floor", "ceil": "Ceil",
    "rint": "Round", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not",
    "relu": "Relu", "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "elu": "Elu",
    "erf": "Erf", "positive": "Identity", "stop_gradient": "Identity",
}  # fmt: skip
FORMS: dict[str, Form] = {
    **{name: _simple(kind) for name, kind in _SIMPLE.items()},
    "less": _compared("Less"),
    "less_equal": _compared("LessOrEqual"),
    "greater": _compared("Greater"),
    "greater_equal": _compared("GreaterOrEqual"),
    "equal": _compared("Equal"),
    "not_equal": _not_equal,
    "isnan": lambda graph, call, x: graph.node("IsNaN", x),
    "square": _square,
    "log1p": _log1p,
    "expm1": _expm1,
    "where": _where,
    "cast": _cast,
    "relu6": _relu6,
    "leaky_relu": _leaky_relu,
    "softmax": _along("Softmax"),
    "log_softmax": _along("LogSoftmax"),
    "sum": _reduced("ReduceSum"),
    "mean": _reduced("ReduceMean"),
    "max": _reduced("ReduceMax"),
    "min": _reduced("ReduceMin"),
    "argmax": _extreme("ArgMax"),
    "argmin": _extreme("ArgMin"),
    "concatenate": _concatenate,
    "reshape": _reshape,
    "transpose": _transpose,
    "index": _index,
    "gather": _gather,
    "expand_like": _expand_like,
    "broadcast_to": _broadcast_to,
    "full_like": _full_like,
    "repeat_rows": _repeat_rows,
    "choose": _choose,
    "gather_sum": _gather_sum,
    "gather_weighted": _gather_sum,
    "identity_ids": _identity_ids,
    "multi_hot_counts": _multi_hot_counts,
    "bucketize": _bucketize,
    "vocabulary_ids": _vocabulary_ids,
}
"""By the name of the primitive."""
