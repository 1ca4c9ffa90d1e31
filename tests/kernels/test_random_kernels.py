"""The kernels of stateless random numbers: jitted, un-jitted and the slow twin give the same."""

import numpy as np
import pytest

from dataflow.kernels import random
from tests.kernels.forms import every_form
from tests.reference import random_reference as reference

SEEDS = [(0, 0), (7, -2), (2**40 + 5, -(2**63))]
sizes = pytest.mark.parametrize("size", [0, 1, 4, 7, 1030])


def filled(kernel, size, dtype):
    out = np.empty((len(SEEDS), size), dtype)
    kernel(np.array(SEEDS), out)
    return out


@every_form(random.words)
@sizes
def test_words_are_its_twin(kernel, size):
    assert filled(kernel, size, np.uint32).tolist() == [reference.words(seed, 0, size) for seed in SEEDS]


@every_form(random.normals)
@sizes
def test_normals_are_the_twin_to_float32(kernel, size):
    wanted = np.array([reference.normals(seed, size) for seed in SEEDS])
    np.testing.assert_allclose(filled(kernel, size, np.float32), wanted, rtol=0, atol=1e-6)


@every_form(random.truncated_normals)
@pytest.mark.parametrize("size", [0, 1, 4, 7, 41])
def test_truncated_normals_are_the_twin_to_float32(kernel, size):
    wanted = np.array([reference.truncated_normals(seed, size) for seed in SEEDS])
    np.testing.assert_allclose(filled(kernel, size, np.float32), wanted, rtol=0, atol=1e-6)


def test_compiled_normals_are_to_the_bit_those_of_plain_python():
    compiled, plain = random.normals, getattr(random.normals, "py_func", random.normals)
    assert filled(compiled, 1030, np.float32).tobytes() == filled(plain, 1030, np.float32).tobytes()


@every_form(random.normals)
def test_rows_may_lie_apart(kernel):
    out = np.zeros((3, 12), np.float32)
    kernel(np.array(SEEDS), out[:, ::2])
    assert np.array_equal(out[:, ::2], filled(kernel, 6, np.float32))
    assert not out[:, 1::2].any()
