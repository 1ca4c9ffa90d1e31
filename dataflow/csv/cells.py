"""From the columns that the kernels convert to those that a schema asks for; and what does not fit."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.block import Dense
from dataflow.csv.missing import Missing
from dataflow.csv.records import show
from dataflow.csv.schema import ColumnRule
from dataflow.spec import BINARY, dtype_name
from dataflow.strings import Strings

_TRUE, _FALSE = ("true", "TRUE", "True", "1"), ("false", "FALSE", "False", "0")
_MISSING = "the value is missing"
Mask = npt.NDArray[np.bool_]


class Cells:
    """A column on its way.

    Args:
        values: What the kernels converted.
        rule: What is wanted.
        missing: What stands for no value.

    Attributes:
        wrong: Row, reason and text of each value that does not fit.
    """

    def __init__(self, values: Dense, rule: ColumnRule, missing: Missing) -> None:
        self.values = values
        self.rule = rule
        self.missing = missing
        self.wrong: list[tuple[int, str, str]] = []

    def refuse(self, mask: Mask, reason: Callable[[Any], str], shown: Dense | None = None) -> None:
        """Note the rows of the mask."""
        values = self.values if shown is None else shown
        for row in np.flatnonzero(mask).tolist():
            value = values.values[row].as_py() if isinstance(values, Strings) else values[row]
            self.wrong.append((row, reason(value), "" if value is None else str(value)))

    def refuse_missing(self, mask: Mask) -> None:
        """Note the rows of the mask, unless something stands for what is missing."""
        if not self.rule.optional:
            self.refuse(mask, lambda _: _MISSING)

    def null_mask(self) -> Mask:
        """Tell where text is missing."""
        assert isinstance(self.values, Strings)
        array = self.values.values
        if self.missing.words == ("",):
            lengths = np.asarray(pc.binary_length(array))
            return np.asarray(lengths == 0, bool)
        return np.asarray(pc.is_in(array.view(pa.binary()), value_set=self.missing.texts), bool)

    def trimmed(self) -> tuple[pa.Array, Mask]:
        """Return the text without blanks around it, and where it is missing."""
        assert isinstance(self.values, Strings)
        self.values = Strings(pc.ascii_trim_whitespace(self.values.values))
        return self.values.values, self.null_mask()


def _numbers(cells: Cells) -> Cells:
    """Find the numbers that mean that there is none, and narrow integers."""
    values, rule = cells.values, cells.rule
    assert isinstance(values, np.ndarray)
    for number in cells.missing.numbers:
        mask = values == number
        if mask.any():
            cells.refuse_missing(mask)
            if rule.optional:
                values = values.copy()
                values[mask] = math.nan if rule.fill is None else rule.fill
    if rule.dtype != values.dtype:
        limits = np.iinfo(rule.dtype)
        outside = (values < limits.min) | (values > limits.max)
        if outside.any():
            cells.refuse(outside, lambda v: f"'{v}' is not a {rule.dtype}: it is out of range", values)
        values = values.astype(rule.dtype)
    cells.values = values
    return cells


def _text(cells: Cells) -> Cells:
    """Make nulls of what is missing, or fill it."""
    mask, rule = cells.null_mask(), cells.rule
    if not mask.any():
        return cells
    cells.refuse_missing(mask)
    array = cells.values.values  # type: ignore[union-attr]
    kind = pa.binary() if rule.dtype == BINARY else pa.string()
    buffers = array.buffers()
    array = pa.Array.from_buffers(
        kind, len(array), [pa.py_buffer(np.packbits(~mask, bitorder="little")), *buffers[1:]]
    )
    cells.values = Strings(array if rule.fill is None else array.fill_null(rule.fill))
    return cells


@functools.cache
def _words() -> pa.Array:
    """Return what is true, at even positions, and what is false."""
    return pa.array([word for pair in zip(_TRUE, _FALSE, strict=True) for word in pair])


def _bools(cells: Cells) -> Cells:
    """Read true and false."""
    array, mask = cells.trimmed()
    found = np.asarray(pc.fill_null(pc.index_in(array, value_set=_words()), -1))
    wrong = (found < 0) & ~mask
    if wrong.any():
        cells.refuse(wrong, lambda v: f"{_short(v)!r} is not true or false")
    cells.refuse_missing(mask)
    values = found % 2 == 0
    values[mask] = bool(cells.rule.fill)
    cells.values = values
    return cells


def _times(cells: Cells) -> Cells:
    """Read days and times as ISO 8601 writes them."""
    array, mask = cells.trimmed()
    cells.refuse_missing(mask)
    dtype, fill = cells.rule.dtype, cells.rule.fill
    unit = np.datetime_data(dtype)[0]
    kind = pa.date32() if unit == "D" else pa.timestamp(unit)
    array = pc.if_else(pa.array(~mask), array, pa.scalar(None, pa.string()))
    try:
        times = array.cast(kind)
    except pa.ArrowInvalid:
        wrong = np.array([not _is_time(value, kind) for value in array], bool)
        cells.refuse(wrong, lambda v: f"{_short(v)!r} is not a {dtype_name(dtype)}")
        times = pc.if_else(pa.array(~wrong), array, pa.scalar(None, pa.string())).cast(kind)
    values = times.to_numpy(zero_copy_only=False).astype(dtype)
    if fill is not None:
        values[mask] = fill
    cells.values = values
    return cells


def _is_time(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _short(value: str) -> str:
    return show(np.frombuffer(value.encode("utf-8", "surrogateescape"), np.uint8))[:50]


CELLS: dict[str, Callable[[Cells], Cells]] = {
    "i": _numbers, "u": _numbers, "f": _numbers, "U": _text, "S": _text, "b": _bools, "M": _times,
}  # fmt: skip
"""What to do for each kind of dtype."""
