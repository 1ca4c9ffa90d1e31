"""The kernels of hashes: jitted, un-jitted and the slow twin give the same."""

import numpy as np
import pytest

from dataflow.kernels import hashing
from tests.kernels.forms import every_form
from tests.reference import hashing_reference as reference

LENGTHS = [*range(70), 100, 127, 128, 129, 191, 192, 193, 1000]
TEXTS = [np.random.default_rng(n).integers(0, 256, n, np.uint8).tobytes() for n in LENGTHS]


def parts(texts, gap=0):
    """Return (bytes, starts, sizes), with some bytes between the texts."""
    sizes = np.array([len(text) for text in texts])
    starts = np.concatenate(([0], np.cumsum(sizes + gap)[:-1]))
    return np.frombuffer((b"\xff" * gap).join(texts), np.uint8), starts, sizes


@every_form(hashing.fingerprint64)
@pytest.mark.parametrize("gap", [0, 3])
def test_fingerprint64_is_its_twin(kernel, gap):
    out = np.empty(len(TEXTS), np.uint64)
    with np.errstate(over="ignore"):
        kernel(*parts(TEXTS, gap), out)
    assert out.tolist() == [reference.fingerprint64(text) for text in TEXTS]


@every_form(hashing.siphash)
@pytest.mark.parametrize("key", [(0, 0), (1, 2), (2**64 - 1, 2**63)])
def test_siphash_is_its_twin(kernel, key):
    out = np.empty(len(TEXTS), np.uint64)
    with np.errstate(over="ignore"):
        kernel(*parts(TEXTS), np.array(key, np.uint64), out)
    assert out.tolist() == [reference.siphash(text, key) for text in TEXTS]


@every_form(hashing.fingerprint64)
def test_a_null_is_no_bytes(kernel):
    out = np.empty(2, np.uint64)
    with np.errstate(over="ignore"):
        kernel(np.empty(0, np.uint8), np.zeros(2, np.int64), np.array([-1, 0]), out)
    assert out.tolist() == [0x9AE16A3B2F90404F] * 2


@every_form(hashing.siphash)
def test_siphash_is_that_of_its_authors(kernel):
    key = np.frombuffer(bytes(range(16)), np.uint64)
    out = np.empty(1, np.uint64)
    with np.errstate(over="ignore"):
        kernel(*parts([bytes(range(15))]), key, out)
    assert out.tolist() == [0xA129CA6149BE45E5]
