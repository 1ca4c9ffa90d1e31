"""Graphs as JSON: attributes, arrays and every primitive come back as they were."""

import json

import numpy as np
import pytest

from dataflow.expr.tensor import as_tensor, as_value, parameter
from dataflow.spec import TensorSpec
from dataflow.strings import Strings
from estimators.export.attributes import Stores, from_json, to_json
from estimators.export.graph_json import PRIMITIVES, GraphReader, GraphWriter
from estimators.graph.program import Program


class Kept(Stores):
    """Stores in memory."""

    def __init__(self):
        self.held = []
        super().__init__(self.keep, self.get, self.keep, lambda name, _: self.get(name))

    def keep(self, value):
        self.held.append(value)
        return f"{len(self.held) - 1}"

    def get(self, name):
        return self.held[int(name)]


ATTRIBUTES = [
    None, True, 3, -(2**70), 1.0, -0.0, float("inf"), "é\n", (), (1, (2.0, None)), [1, (2,)],
    {"a": 1, 2: [3]}, b"\0\xff", slice(None, -1, 2), Ellipsis, np.dtype("float32"), np.dtype(str), np.float16,
    bool, int, np.float32(0.1), np.int8(-3), np.float64(0.1), np.bool_(True),
    TensorSpec((None, 2), bytes, "x"), np.datetime64("2020-01-01T00:00", "ns"),
]  # fmt: skip


@pytest.mark.parametrize("value", ATTRIBUTES, ids=repr)
def test_attributes_come_back_as_they_were(value):
    stores = Kept()
    found = from_json(json.loads(json.dumps(to_json(value, stores), allow_nan=False)), stores)
    assert repr(found) == repr(value)
    assert type(found) is type(value)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8", "u4", "?", "c8", "M8[s]"])
@pytest.mark.parametrize("shape", [(), (2, 0), (3, 40)])
def test_arrays_come_back_as_they_were(dtype, shape):
    value = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    found = from_json(json.loads(json.dumps(to_json(value, stores := Kept()))), stores)
    assert (found.dtype, found.shape, found.tobytes()) == (value.dtype, shape, value.tobytes())


def test_nan_keeps_its_bits():
    value = np.array([0x7FC00001, 0xFFC00000], np.uint32).view(np.float32)
    found = from_json(json.loads(json.dumps(to_json(value, stores := Kept()))), stores)
    assert found.tobytes() == value.tobytes()


def test_what_is_no_value_is_refused():
    with pytest.raises(TypeError, match="a value of type function cannot be exported"):
        to_json(lambda: 1, Kept())


def feed(value):
    spec = TensorSpec(np.shape(value), as_tensor(value).dtype)
    return parameter(spec)


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_every_primitive_comes_back(name):
    for inputs, attributes in PRIMITIVES[name].samples():
        stores = Kept()
        tensors = [feed(value) for value in inputs]
        results = PRIMITIVES[name](*tensors, **attributes)
        results = results if isinstance(results, tuple) else (results,)
        writer = GraphWriter(stores)
        places = writer.add(results)
        reader = GraphReader(stores, lambda *_: None)
        reader.read(json.loads(json.dumps(writer.calls, allow_nan=False)))
        leaves = [reader.results[i][0] for i in range(len(tensors))]
        columns = [np.asarray(v) if not isinstance(v, Strings) else v for v in map(as_value, inputs)]
        wanted, found = (
            Program(ends, {str(i): t for i, t in enumerate(outputs)}, reference=True).run(columns, {})
            for ends, outputs in ((tensors, results), (leaves, [reader.tensor(p) for p in places]))
        )
        assert {k: plain(v) for k, v in found.items()} == {k: plain(v) for k, v in wanted.items()}


def plain(value):
    return repr(value.to_numpy() if isinstance(value, Strings) else value)
