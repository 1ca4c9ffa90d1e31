"""Kernels and primitives of models: jitted, as plain Python, and against slow twins."""

import numpy as np
import pytest

from dataflow.expr.tensor import as_tensor, as_value
from dataflow.strings import Strings
from estimators.graph.primitives import PRIMITIVES
from estimators.graph.primitives.tables import gather_sum, unique_rows
from estimators.kernels import sparse, updates


def gather_sum_twin(table, ids):
    rows = [sum((table[i] for i in row if i >= 0), np.zeros(table.shape[1], table.dtype)) for row in ids]
    return np.array(rows, table.dtype).reshape(len(ids), table.shape[1])


def unique_rows_twin(ids, values):
    sums = {}
    for row, value in zip(ids, values, strict=True):
        for item in row[row >= 0]:
            sums[item] = sums.get(item, 0) + value
    rows = np.array(list(sums), np.int64)
    return rows, np.array([sums[row] for row in rows], values.dtype).reshape(len(rows), values.shape[1])


def ftrl_twin(v, g, n, z, rate, power, l1, l2, shrinkage):
    new_n = n + g * g
    new_z = z + g + 2 * shrinkage * v - (new_n**-power - n**-power) / rate * v
    return (np.clip(new_z, -l1, l1) - new_z) / (new_n**-power / rate + 2 * l2), new_n, new_z


def variants(kernel):
    return [kernel, getattr(kernel, "py_func", kernel)]


IDS = [
    np.array([[0, 2], [2, -1], [3, 3]]),
    np.array([[-1, -1]]),
    np.empty((0, 2), np.int64),
    np.empty((3, 0), np.int64),
    np.random.default_rng(0).integers(-1, 4, (50, 3)),
]
MANY_IDS = np.random.default_rng(0).integers(-1, 1 << 40, (50, 3))


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("kernel", variants(sparse.fill_gather_sum))
def test_gather_sum(kernel, units, ids):
    table = np.random.default_rng(1).normal(size=(4, units))
    out = np.full((len(ids), units), np.nan)
    kernel(table, ids, out)
    np.testing.assert_allclose(out, gather_sum_twin(table, ids))


@pytest.mark.parametrize("ids", [*IDS, MANY_IDS])
@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("kernel", variants(sparse.fill_unique_rows))
def test_unique_rows_in_the_smallest_hash_table(kernel, units, ids):
    values = np.random.default_rng(2).normal(size=(len(ids), units))
    rows, sums = np.empty(ids.size + 1, np.int64), np.zeros((ids.size + 1, units))
    found = kernel(ids, values, np.zeros(1 << ids.size.bit_length(), np.int32), rows, sums)
    wanted_rows, wanted = unique_rows_twin(ids, values)
    assert rows[1 : found + 1].tolist() == wanted_rows.tolist()
    np.testing.assert_allclose(sums[1 : found + 1], wanted)


@pytest.mark.parametrize("size", [0, 1, 40])
@pytest.mark.parametrize("settings", [(0.1, -0.5, 0.0, 0.0, 0.0), (0.3, -0.3, 0.2, 0.1, 0.05)])
@pytest.mark.parametrize("kernel", variants(updates.ftrl))
def test_ftrl(kernel, settings, size):
    v, g, z = np.random.default_rng(3).normal(size=(3, size))
    n = np.abs(z) + 0.1
    twin = ftrl_twin(v, g, n, z, *settings)
    kernel(v, n, z, g, *settings)
    for found, wanted in zip((v, n, z), twin, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_an_id_beyond_the_table_is_refused():
    with pytest.raises(ValueError, match="id 4 is beyond the last of the 4 rows"):
        gather_sum(np.ones((4, 1)), np.array([[0, 4]]))


SAMPLES = [
    pytest.param(primitive, *sample, id=f"{name}-{i}")
    for name, primitive in sorted(PRIMITIVES.items())
    for i, sample in enumerate(primitive.samples())
]


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def plain(value):
    return value.to_numpy() if isinstance(value, Strings) else np.asarray(value)


@pytest.mark.parametrize(("primitive", "inputs", "attributes"), SAMPLES)
def test_primitive_keeps_its_spec(primitive, inputs, attributes):
    specs = as_tuple(primitive.infer(*map(as_tensor, inputs), **attributes))
    results = as_tuple(primitive.compute(0, *map(as_value, inputs), **attributes))
    for spec, result in zip(specs, results, strict=True):
        assert len(spec.shape) == np.ndim(plain(result))
        assert all(n in (None, size) for n, size in zip(spec.shape, plain(result).shape, strict=True))
        assert spec.dtype == result.dtype


@pytest.mark.parametrize(("primitive", "inputs", "attributes"), SAMPLES)
def test_primitive_on_a_block_is_that_on_each_element(primitive, inputs, attributes):
    stacked = [as_value(np.stack([np.asarray(value)] * 3)) for value in inputs]
    if primitive is unique_rows:  # the lengths of its results differ between elements
        with pytest.raises(TypeError, match="one batch at a time"):
            primitive.compute(1, *stacked, **attributes)
        return
    single = as_tuple(primitive.compute(0, *map(as_value, inputs), **attributes))
    block = as_tuple(primitive.compute(1, *stacked, **attributes))
    for one, three in zip(single, block, strict=True):
        assert plain(three).shape == (3, *plain(one).shape)
        assert all(np.array_equal(row, plain(one)) for row in plain(three))
