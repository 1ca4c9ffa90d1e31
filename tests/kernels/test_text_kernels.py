"""The kernels on bytes of text: jitted, un-jitted and the slow twin give the same."""

import itertools

import numpy as np
import pytest

from dataflow.kernels import text
from tests.kernels.forms import every_form
from tests.reference import text_reference as reference

BUFFERS = [b"", b"\n", b"a", b"a\n", b"a\r\nb\rc\n\nd", b"\r\n\r", b"0123456789\n" * 7 + b"tail"]


def as_bytes(buffer):
    return np.frombuffer(buffer, np.uint8)


@every_form(text.split_lines)
@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("buffer", BUFFERS)
def test_split_lines_is_its_twin(kernel, buffer, final):
    data, offsets = np.empty(len(buffer), np.uint8), np.empty(len(buffer) + 2, np.int64)
    count, consumed = kernel(as_bytes(buffer), final, data, offsets)
    found = [data[a:b].tobytes() for a, b in itertools.pairwise(offsets[: count + 1])]
    assert (found, consumed) == reference.split_lines(buffer, final)


@every_form(text.split_lines)
def test_split_lines_leaves_what_has_no_room(kernel):
    data, offsets = np.empty(6, np.uint8), np.empty(3, np.int64)
    assert kernel(as_bytes(b"a\nb\nc\n"), True, data, offsets) == (2, 4)


@every_form(text.split_lines)
def test_split_lines_reads_every_other_byte(kernel):
    data, offsets = np.empty(4, np.uint8), np.empty(6, np.int64)
    assert kernel(as_bytes(b"a.\n.b.\n.")[::2], True, data, offsets) == (2, 4)
    assert data[: offsets[2]].tobytes() == b"ab"


@every_form(text.line_ends)
@pytest.mark.parametrize("buffer", BUFFERS)
def test_line_ends_is_its_twin(kernel, buffer):
    whole, out = len(buffer) & ~7, np.empty(100, np.int64)
    count = kernel(as_bytes(buffer)[:whole].view(np.uint64), as_bytes(buffer)[whole:], out)
    assert out[:count].tolist() == reference.line_ends(buffer)


@every_form(text.line_ends)
def test_line_ends_tells_when_there_is_no_room(kernel):
    assert kernel(np.empty(0, np.uint64), as_bytes(b"\n\n"), np.empty(1, np.int64)) == -1
    assert kernel(as_bytes(b"\n" * 8).view(np.uint64), as_bytes(b""), np.empty(7, np.int64)) == -1


@every_form(text.gather)
@pytest.mark.parametrize("rows", [[], [2], [0, 0, 3, 1]])
def test_gather_is_its_twin(kernel, rows):
    starts, sizes = np.array([0, 1, 3, 3]), np.array([1, 2, 0, 4])
    offsets = np.concatenate(([0], np.cumsum(sizes[rows]))).astype(np.int64)
    out = np.empty(offsets[-1], np.uint8)
    kernel(as_bytes(b"abcdefg"), starts, np.array(rows, np.int64), offsets, out)
    assert out.tobytes() == reference.gather(b"abcdefg", starts.tolist(), sizes.tolist(), rows)


@every_form(text.gather_columns)
@pytest.mark.parametrize("rows", [[], [4], [4, 0, 0, 2]])
def test_gather_columns_takes_the_same_rows_of_each(kernel, rows):
    columns = np.arange(10).reshape(2, 5)
    out = np.empty((2, len(rows)), np.int64)
    kernel(columns, np.array(rows, np.int64), out)
    assert out.tolist() == columns[:, rows].tolist()
