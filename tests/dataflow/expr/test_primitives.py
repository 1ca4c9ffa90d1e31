"""Every primitive: its spec is what comes out, and blocks give what single elements give."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.block import concat_columns
from dataflow.expr.function import Function
from dataflow.expr.primitives import PRIMITIVES
from dataflow.expr.tensor import as_tensor, as_value, parameter, plain_value, spec_of_value
from dataflow.spec import is_text
from dataflow.strings import Strings

SAMPLES = [
    pytest.param(primitive, inputs, attributes, id=f"{name}-{i}")
    for name, primitive in PRIMITIVES.items()
    for i, (inputs, attributes) in enumerate(primitive.samples())
]
every_sample = pytest.mark.parametrize(("primitive", "inputs", "attributes"), SAMPLES)


def outputs_of(result):
    return result if isinstance(result, tuple) else (result,)


def traced(primitive, inputs, attributes, constants=()):
    """Return the primitive as a function of the inputs that are not held constant."""
    leaves = [parameter(spec_of_value(value)) for value in inputs]
    arguments = [
        as_tensor(v) if i in constants else leaf
        for i, (v, leaf) in enumerate(zip(inputs, leaves, strict=True))
    ]
    outputs = outputs_of(primitive(*arguments, **attributes))
    free = [i for i in range(len(inputs)) if i not in constants]
    return Function(tuple(leaves[i] for i in free), tuple(outputs)), [as_value(inputs[i]) for i in free]


def stacked(value, rows):
    """Return a column of that many copies of the value."""
    if isinstance(value, Strings):
        return concat_columns([value.reshape((1, *value.shape))] * rows)
    return np.stack([value] * rows) if rows else np.empty((0, *np.shape(value)), np.asarray(value).dtype)


def fits(shape, wanted):
    """Tell whether sizes are as the spec says; None is a size that only the values tell."""
    return len(shape) == len(wanted) and all(b in (None, a) for a, b in zip(shape, wanted, strict=True))


def assert_same(found, wanted):
    found, wanted = plain_value(found), plain_value(wanted)
    same = (
        np.testing.assert_array_equal if np.asarray(wanted).dtype.kind in "OU" else np.testing.assert_allclose
    )
    same(found, wanted, strict=True)


@every_sample
def test_the_spec_is_what_comes_out(primitive, inputs, attributes):
    function, values = traced(primitive, inputs, attributes)
    for tensor, value in zip(function.outputs, function.run(values, lead=0), strict=True):
        assert fits(np.shape(value), tensor.shape)
        assert (value if isinstance(value, Strings) else np.asarray(value)).dtype == tensor.dtype


@every_sample
@pytest.mark.parametrize("rows", [1, 3])
def test_blocks_are_stacked_elements(primitive, inputs, attributes, rows):
    function, values = traced(primitive, inputs, attributes)
    single = function.run(values, lead=0)
    columns = function.run([stacked(value, rows) for value in values], rows=rows)
    for value, column in zip(single, columns, strict=True):
        assert_same(column, stacked(as_value(value), rows))


@every_sample
def test_no_rows_give_no_rows(primitive, inputs, attributes):
    function, values = traced(primitive, inputs, attributes)
    empty = [
        v.reshape((1, *v.shape)).slice(0, 0) if isinstance(v, Strings) else stacked(v, 0) for v in values
    ]
    for tensor, column in zip(function.outputs, function.run(empty, rows=0), strict=True):
        assert fits(column.shape, (0, *tensor.shape))
        assert column.dtype == tensor.dtype


MIXED = [sample for sample in SAMPLES if len(sample.values[1]) > 1]


@pytest.mark.parametrize(("primitive", "inputs", "attributes"), MIXED)
def test_constants_are_the_same_for_all_rows(primitive, inputs, attributes):
    whole, values = traced(primitive, inputs, attributes)
    function, free = traced(primitive, inputs, attributes, constants=range(1, len(inputs)))
    wanted = whole.run(values, lead=0)
    for value, column in zip(wanted, function.run([stacked(v, 2) for v in free], rows=2), strict=True):
        assert_same(column, stacked(as_value(value), 2))


TEXT = [sample for sample in SAMPLES if any(is_text(spec_of_value(v).dtype) for v in sample.values[1])]


def encoded(value):
    return Strings(value.values.dictionary_encode(), value.shape) if isinstance(value, Strings) else value


@pytest.mark.parametrize(("primitive", "inputs", "attributes"), TEXT)
def test_dictionaries_give_what_plain_text_gives(primitive, inputs, attributes):
    function, values = traced(primitive, inputs, attributes)
    plain = function.run([stacked(value, 2) for value in values], rows=2)
    coded = function.run([encoded(stacked(value, 2)) for value in values], rows=2)
    for found, wanted in zip(coded, plain, strict=True):
        assert_same(found, wanted)


@pytest.mark.parametrize("encode", [False, True])
def test_null_text_is_missing_and_equals_nothing(encode):
    column = Strings(pa.array(["a", None, "b"]))
    column = encoded(column) if encode else column
    assert PRIMITIVES["is_missing"].compute(1, column).tolist() == [False, True, False]
    assert PRIMITIVES["string_equal"].compute(1, column, as_value("a")).tolist() == [True, False, False]
    ids = PRIMITIVES["vocabulary_lookup"].compute(1, column, vocabulary=("b", "a"), default=9)
    assert ids.tolist() == [1, -1, 0]
    assert PRIMITIVES["string_length"].compute(1, column).tolist() == [1, 0, 1]
    assert PRIMITIVES["string_upper"].compute(1, column).to_numpy().tolist() == ["A", None, "B"]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_there_are_samples(name):
    assert PRIMITIVES[name].samples()
