"""A signature as an ONNX model, for those whose primitives have forms there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dataflow import __version__
from dataflow.errors import DataflowError, InvalidArgumentError, OptionalDependencyError, SpecError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import CONSTANT, PARAMETER, Call, Tensor
from dataflow.spec import is_text
from dataflow.storage import files
from dataflow.strings import Strings
from estimators.export.onnx_forms import FORMS
from estimators.export.signatures import SignatureTensors
from estimators.graph.schedule import without_repeats
from estimators.graph.variable import VARIABLE, Array, Variable

OPSET = 18
ML_OPSET = 4
IR_VERSION = 9
MOST = 1 << 31
"""Bytes that one file of ONNX may have."""


def write_onnx(
    path: str | os.PathLike[str], signature: SignatureTensors, values: Mapping[str, Array]
) -> None:
    """Write a signature; see `estimators.export.to_onnx`."""
    onnx = _library()
    graph = _OnnxGraph(onnx, values)
    inputs = list(signature.inputs.items())
    for name, tensor in inputs:
        graph.names[id(tensor.call), 0] = name
    graph.taken.update([*signature.inputs, *signature.outputs])
    ends = without_repeats(list(signature.outputs.values()))
    for call in postorder(ends):
        graph.add(call)
    for name, end in zip(signature.outputs, ends, strict=True):
        graph.nodes.append(onnx.helper.make_node("Identity", [graph.names[id(end.call), end.output]], [name]))
    made = onnx.helper.make_graph(
        graph.nodes,
        "model",
        [_described(onnx, name, tensor) for name, tensor in inputs],
        [_described(onnx, name, tensor) for name, tensor in signature.outputs.items()],
        graph.initializers,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = onnx.helper.make_model(
        made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="dataflow-estimators"
    )
    model.producer_version = __version__
    if model.ByteSize() >= MOST:
        raise InvalidArgumentError(
            f"the model has {model.ByteSize():,} bytes, and a file of ONNX at most 2 GiB"
        )
    with files.atomic_writer(os.fspath(path)) as file:
        file.write(model.SerializeToString())


def _library() -> Any:
    try:
        import onnx
        import onnx.helper
    except ImportError as error:
        raise OptionalDependencyError(
            "writing ONNX models needs onnx", hint="pip install 'dataflow-estimators[onnx]'"
        ) from error
    return onnx


def _described(onnx: Any, name: str, tensor: Tensor) -> Any:
    """Return name, dtype and sizes of an input or output; the first axis is called batch where it varies."""
    sizes = [f"{name}_{axis}" if size is None else size for axis, size in enumerate(tensor.shape)]
    if tensor.shape[:1] == (None,):
        sizes[0] = "batch"
    return onnx.helper.make_tensor_value_info(name, _kind(onnx, tensor.dtype), sizes)


def _kind(onnx: Any, dtype: Any) -> int:
    dtype = np.dtype(dtype)
    if is_text(dtype):
        return int(onnx.TensorProto.STRING)
    try:
        return int(onnx.helper.np_dtype_to_tensor_dtype(dtype))
    except (KeyError, ValueError):
        raise SpecError(f"values of {dtype} have no form in ONNX") from None


class _OnnxGraph:
    """Nodes and constants, by names that are given once."""

    def __init__(self, onnx: Any, values: Mapping[str, Array]) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.names: dict[tuple[int, int], str] = {}
        """Of the results of calls."""
        self.taken: set[str] = set()
        self._onnx = onnx
        self._values = values

    def add(self, call: Call) -> None:
        """Add the nodes of a call."""
        if (id(call), 0) in self.names:
            return
        if call.primitive is VARIABLE:
            name = self._stored(_value(call.attributes["variable"], self._values))
        elif call.primitive is CONSTANT:
            name = self.constant(call.attributes["value"])
        else:
            name = self._called(call)
        self.names[id(call), 0] = name

    def _called(self, call: Call) -> str:
        primitive = call.primitive.name
        form = FORMS.get(primitive)
        if form is None or call.primitive is PARAMETER:
            raise SpecError(
                f"{primitive}, used at {call.line}, has no form in ONNX",
                hint=f"these have one: {', '.join(sorted(FORMS))}",
            )
        inputs = [self.names[id(tensor.call), tensor.output] for tensor in call.inputs]
        try:
            return form(self, call, *inputs)
        except DataflowError as error:
            raise SpecError(f"{error.message} ({primitive}, used at {call.line})") from error

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its result."""
        name = self._new(kind.lower())
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Return the name of a constant array."""
        return self._stored(value if isinstance(value, Strings) else np.asarray(value))

    def cast(self, name: str, dtype: Any) -> str:
        """Return the name of a value in another dtype."""
        return self.node("Cast", name, to=_kind(self._onnx, dtype))

    def _stored(self, value: Any) -> str:
        name = self._new("constant")
        if isinstance(value, Strings):
            items = [b"" if item is None else _bytes(item) for item in value.decoded().values.to_pylist()]
            made = self._onnx.helper.make_tensor(name, self._onnx.TensorProto.STRING, value.shape, items)
        else:
            _kind(self._onnx, value.dtype)
            made = self._onnx.numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        self.initializers.append(made)
        return name

    def _new(self, kind: str) -> str:
        number = len(self.taken)
        while f"{kind}_{number}" in self.taken:
            number += 1
        self.taken.add(f"{kind}_{number}")
        return f"{kind}_{number}"


def _bytes(item: str | bytes) -> bytes:
    return item if isinstance(item, bytes) else item.encode()


def _value(variable: Variable, values: Mapping[str, Array]) -> Array:
    if variable.members:
        return np.concatenate([values[member.name] for member in variable.members])
    return values[variable.name]
