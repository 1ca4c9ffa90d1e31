"""Columns and blocks: text, ragged elements, joining, gathering; and the store of a shuffle buffer."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow.block import Block, Origin, Ragged, concat_columns, take_column
from dataflow.errors import SpecError
from dataflow.spec import BINARY, STRING
from dataflow.store import Store
from dataflow.strings import Lines, Strings

TEXT = pa.array(["a", None, "", "dé", "e", "f"])


def rows(column):
    return [
        np.asarray(column[i] if isinstance(column, np.ndarray) else column.item(i)).tolist()
        for i in range(len(column))
    ]


def ragged(*elements):
    shapes = np.array([np.shape(e) for e in elements], np.int64)
    return Ragged(np.concatenate([np.ravel(e) for e in elements]), shapes)


@pytest.mark.parametrize(
    "values", [TEXT, TEXT.dictionary_encode(), TEXT.cast(pa.large_string())], ids=lambda v: str(v.type)
)
def test_text_of_any_arrow_type(values):
    column = Strings(values, (3, 2))
    assert column.dtype == STRING
    assert column.to_numpy().tolist() == [["a", None], ["", "dé"], ["e", "f"]]
    assert column.slice(1, 2).to_numpy().tolist() == [["", "dé"]]
    assert column.take(np.array([2, 0])).to_numpy().tolist() == [["e", "f"], ["a", None]]
    assert column.reshape((-1, 3)).shape == (2, 3)
    assert column.item(2).tolist() == ["e", "f"]


def test_bytes_are_bytes():
    column = Strings.from_numpy([b"a", b"\xff"], BINARY)
    assert column.dtype == BINARY
    assert column.item(1) == b"\xff"


def test_values_that_are_no_text_are_refused():
    with pytest.raises(SpecError, match="must be string"):
        Strings.from_numpy(["a", 5])
    with pytest.raises(SpecError, match="a dict is neither a number nor text"):
        Strings.from_numpy([{"a": 5}])
    with pytest.raises(SpecError, match="6 strings do not fill the shape"):
        Strings(TEXT, (4, 2))


def test_lines_are_pieces_of_a_buffer():
    buffer = np.frombuffer("one\ntwó\n\n".encode(), np.uint8)
    lines = Lines(buffer, np.array([0, 4, 9]), np.array([3, 8, 9]))
    assert rows(lines) == ["one", "twó", ""]
    assert rows(lines.slice(1, 3)) == ["twó", ""]
    assert rows(lines.take(np.array([1, 1]))) == ["twó", "twó"]
    assert lines.dtype == STRING
    assert len(lines.slice(1, 1)) == 0


def test_ragged_elements_are_sliced_and_gathered():
    column = ragged([1, 2], [], [3], [4, 5])
    assert rows(column.slice(1, 3)) == [[], [3]]
    assert rows(column.take(np.array([3, 1, 0]))) == [[4, 5], [], [1, 2]]
    assert rows(column.slice(2, 2)) == []
    assert column.nbytes > 0


def test_joining_different_shapes_gives_ragged():
    joined = concat_columns([np.array([[1, 2]]), np.array([[3]]), ragged([4, 5, 6])])
    assert isinstance(joined, Ragged)
    assert rows(joined) == [[1, 2], [3], [4, 5, 6]]


@pytest.mark.parametrize(
    "other",
    [TEXT.dictionary_encode(), TEXT.cast(pa.large_string()), pa.array(["z", "a"]).dictionary_encode()],
)
def test_joining_text_of_several_arrow_types(other):
    for first in (TEXT, TEXT.dictionary_encode()):
        joined = concat_columns([Strings(first), Strings(other)])
        assert rows(joined) == [*TEXT.to_pylist(), *other.to_pylist()]


def test_a_block_is_cut_where_shapes_change():
    block = Block((ragged([1, 2], [3, 4], [5], [6, 7]), np.arange(4)), 4)
    runs = list(block.dense_runs())
    assert [run.length for run in runs] == [2, 1, 1]
    assert [run.columns[0].tolist() for run in runs] == [[[1, 2], [3, 4]], [[5]], [[6, 7]]]


def test_the_origin_moves_with_a_slice_and_is_lost_when_rows_are_mixed():
    block = Block((np.arange(5),), 5, Origin("a.csv", 10))
    assert (
        str(block.slice(2).origin.location(1, "fare", "x")) == "file a.csv, line 13, column fare, value 'x'"
    )
    assert block.take(np.array([1])).origin is None


COLUMNS = {
    "numbers": (np.arange(3), np.arange(3, 5)),
    "floats": (np.arange(3.0, dtype=np.float32), np.arange(2.0, dtype=np.float32)),
    "bools": (np.array([True, False, True]), np.array([False, True])),
    "dates": (np.array(["2020-01-01"] * 3, "M8[D]"), np.array(["2021-01-01"] * 2, "M8[D]")),
    "matrices": (np.arange(12).reshape(3, 2, 2), np.arange(8).reshape(2, 2, 2)),
    "not contiguous": (np.arange(6)[::2], np.arange(4)[::2]),
    "text": (Strings(TEXT[:3]), Strings(TEXT[3:5])),
    "text of rank 1": (Strings(TEXT, (3, 2)), Strings(TEXT[:4], (2, 2))),
    "bytes": (Strings.from_numpy([b"a", b"", b"c"], BINARY), Strings.from_numpy([b"d", b"\xff"], BINARY)),
    "codes": (Strings(TEXT.dictionary_encode()[:3]), Strings(TEXT.dictionary_encode()[3:5])),
    "two dictionaries": (Strings(TEXT[:3].dictionary_encode()), Strings(TEXT[3:5].dictionary_encode())),
    "codes, then text": (Strings(TEXT[:3].dictionary_encode()), Strings(TEXT[3:5])),
    "text, then codes": (Strings(TEXT[:3]), Strings(TEXT[3:5].dictionary_encode())),
    "ragged": (ragged([1], [2, 3], []), ragged([4, 5], [6])),
    "shapes that change": (np.arange(6).reshape(3, 2), np.arange(2).reshape(2, 1)),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_store_gives_back_what_it_was_given(name):
    first, second = COLUMNS[name]
    wanted, store = [*rows(first), *rows(second)], Store()
    store.append(Block((first,), 3))
    assert rows(store.take(np.array([2, 0])).columns[0]) == [wanted[2], wanted[0]]
    store.append(Block((second,), 2))
    assert rows(store.take(np.array([4, 1, 1, 0])).columns[0]) == [wanted[i] for i in (4, 1, 1, 0)]
    store.keep(np.array([1, 4]))
    assert store.length == 2
    store.append(Block((take_column(second, np.array([0])),), 1))
    assert rows(store.take(np.arange(3)).columns[0]) == [wanted[i] for i in (1, 4, 3)]


def test_an_empty_store_takes_nothing_and_goes_on():
    store = Store()
    store.append(Block((np.arange(2),), 2))
    store.keep(np.empty(0, np.int64))
    store.append(Block((np.array([7]),), 1))
    assert store.take(np.array([0])).columns[0].tolist() == [7]
