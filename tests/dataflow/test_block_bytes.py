"""Blocks as bytes: every kind of column there and back, and forms that are wrong."""

import contextlib
import io
import json

import numpy as np
import pyarrow as pa
import pytest

from dataflow.block import Block, Ragged, edge_array
from dataflow.block_bytes import Packed, unpack
from dataflow.errors import InvalidArgumentError
from dataflow.strings import Coded, Lines, Strings

TEXT = pa.array(["", "a", None, "ü€", "long" * 30, None, "b", "c", "d", "e", "f", None])
CODED = pa.array(["a", "b", None, "a"]).dictionary_encode()
LINES = Lines(np.frombuffer(b"ab\ncde\n", np.uint8), np.array([0, 3]), np.array([2, 6]))
COLUMNS = {
    "numbers": np.arange(6, dtype=">i4").reshape(3, 2),
    "transposed": np.arange(6.0).reshape(3, 2).T,
    "dates": np.array(["2024-01-01", "NaT"], "M8[us]"),
    "bools": np.array([True, False]),
    "no rows": np.empty((0, 3), np.float32),
    "no width": np.empty((3, 0), np.float32),
    "text": Strings(TEXT, (4, 3)),
    "a slice of text": Strings(TEXT.slice(3, 8)),
    "a later slice of text": Strings(TEXT.slice(8)),
    "no text": Strings(TEXT.slice(3, 0)),
    "bytes": Strings(pa.array([b"\xff", None, b""])),
    "large text": Strings(TEXT.cast(pa.large_string()).slice(1)),
    "large bytes": Strings(pa.array([b"\0", None], pa.large_binary())),
    "lines": LINES,
    "codes": Coded.from_arrow(CODED),
    "codes of rank 2": Coded.from_arrow(CODED).reshape((2, 2)),
    "few codes of many entries": Coded.from_arrow(CODED).slice(1, 2),
    "an Arrow dictionary": Strings(CODED),
    "ragged": Ragged(np.arange(5), np.array([[2], [0], [3]])),
    "ragged text": Ragged(Strings(TEXT.slice(1, 3)), np.array([[1, 1], [2, 1]])),
    "ragged codes": Ragged(Coded.from_arrow(CODED), np.array([[3], [1]])),
}


def packed_bytes(block):
    packed = Packed(block)
    data = np.full(packed.size, 7, np.uint8)
    packed.write(data)
    return json.loads(json.dumps(packed.form)), data


def plain(column):
    if isinstance(column, Ragged):
        return [column.shapes.tolist(), plain(column.values)]
    return [column.dtype, column.shape, edge_array(column).tolist()]


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_come_back(name):
    column = COLUMNS[name]
    form, data = packed_bytes(Block((column, column), len(column)))
    again = unpack(form, data)
    assert [plain(c) for c in again.columns] == [plain(column)] * 2
    assert again.length == len(column)


def test_a_file_gets_the_same_bytes():
    block = Block((COLUMNS["text"],), 4)
    file = io.BytesIO()
    Packed(block).write_to(file)
    assert file.getvalue() == packed_bytes(block)[1].tobytes()


def test_a_block_without_columns():
    assert unpack(*packed_bytes(Block((), 3))).length == 3


def test_arrays_are_views():
    form, data = packed_bytes(Block((np.arange(3),), 3))
    assert np.shares_memory(unpack(form, data).columns[0], data)


def test_codes_stay_codes_while_their_dictionary_is_no_larger():
    column = COLUMNS["codes"]
    whole, part = (unpack(*packed_bytes(Block((c,), len(c)))) for c in (column, column.slice(0, 1)))
    assert [isinstance(block.columns[0], Coded) for block in (whole, part)] == [True, False]


def test_blocks_share_a_dictionary():
    known = {}
    blocks = [unpack(*packed_bytes(Block((COLUMNS["codes"],), 4)), known) for _ in range(2)]
    first, second = (block.columns[0].dictionary for block in blocks)
    assert first is second
    other = Coded.from_arrow(pa.array(["x"]).dictionary_encode())
    assert unpack(*packed_bytes(Block((other,), 1)), known).columns[0].to_numpy().tolist() == ["x"]
    assert Block.concat(blocks).columns[0].dictionary is first


def test_joined_codes_have_both_dictionaries():
    parts = [Coded.from_arrow(pa.array(text * 3).dictionary_encode()) for text in (["a", None], ["b", "a"])]
    joined = Block.concat([Block((part,), 6) for part in parts]).columns[0]
    assert isinstance(joined, Coded)
    assert joined.to_numpy().tolist() == ["a", None] * 3 + ["b", "a"] * 3


def test_python_objects_are_refused():
    with pytest.raises(InvalidArgumentError, match="Python objects can neither be written to files"):
        Packed(Block((np.array([{}, 1], object),), 2))


@pytest.mark.parametrize(
    "form",
    [
        None,
        [],
        [2, 3],
        [-1, []],
        ["2", []],
        [2, [["array", "<i8", [2], 128]]],
        [2, [["array", "<i8", [2], -64]]],
        [2, [["array", "<i8", [2], 8]]],
        [2, [["array", "<i8", [2], None]]],
        [2, [["array", "|O8", [2], 0]]],
        [2, [["array", "i4,O", [2], 0]]],
        [2, [["array", 8, [2], 0]]],
        [2, [["array", "<i3", [2], 0]]],
        [2, [["array", "<i8", [-2], 0]]],
        [2, [["array", "<i8", [], 0]]],
        [2, [["array", "<i8", [3], 0]]],
        [2, [["array", "<i8", [2, 10**30], 0]]],
        [2, [["text", "string", [2], 0, 0, 64]]],
        [2, [["text", "int64", [2], 0, 0, 2]]],
        [2, [["text", "string", [10**9], 0, 0, 2]]],
        [2, [["coded", ["array", "<i4", [2], 0], ["text", "string", [0], 64, 64, 0]]]],
        [2, [["ragged", ["array", "<i8", [2], 0], ["array", "<i8", [2, 1], 0]]]],
        [2, [["ragged", ["ragged", [], []], ["array", "<i8", [2, 1], 0]]]],
    ],
)
def test_wrong_forms_are_refused(form):
    data = np.zeros(128, np.uint8)
    data[:8].view(np.int32)[:] = 1, 5
    with pytest.raises(ValueError, match="the form of a block is wrong"):
        unpack(form, data)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_bytes_give_values_or_an_error(seed):
    rng = np.random.default_rng(seed)
    columns = [COLUMNS[name] for name in ("text", "codes", "large text", "ragged codes")]
    for column in columns:
        form, data = packed_bytes(Block((column,), len(column)))
        data[rng.integers(0, len(data), 8)] = rng.integers(0, 256, 8)
        with contextlib.suppress(ValueError, pa.ArrowException):  # the latter where text is no UTF-8
            plain(unpack(form, data).columns[0])
