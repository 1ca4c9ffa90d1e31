"""What the fields of CSV records are, for inference, and which of the fields set aside are missing."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel, part

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Table: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
U = np.uint64

MISSING, INTEGER, WIDE, HUGE, FLOAT, BOOL, DATE, TIME, TEXT, CLASSES = range(10)
"""Kinds of fields: an integer up to 2**53 and one beyond it, one beyond 64 bits, true or false, a day, …"""

_CR, _QUOTE, _SPACE, _TAB = np.int64(13), np.int64(34), np.int64(32), np.int64(9)
_MINUS, _POINT = np.int64(45), np.int64(46)
_NONE = U(0)


@part
def _strip(data: Bytes, start: int, stop: int) -> tuple[int, int]:
    while start < stop and (data[start] == _SPACE or _TAB <= data[start] <= _CR):
        start += 1
    while start < stop and (data[stop - 1] == _SPACE or _TAB <= data[stop - 1] <= _CR):
        stop -= 1
    return start, stop


@part
def _is_missing(data: Bytes, start: int, stop: int, words: Bytes, bounds: Ints) -> bool:
    """Tell whether a field is one of the words ``words[bounds[i]:bounds[i + 1]]``."""
    for i in range(len(bounds) - 1):
        first = bounds[i]
        if bounds[i + 1] - first == stop - start:
            same = True
            for k in range(stop - start):
                same = same and data[start + k] == words[first + k]
            if same:
                return True
    return False


@part
def _digits(data: Bytes, start: int, stop: int) -> int:
    """Return the position behind the digits that begin at `start`."""
    while start < stop and 48 <= data[start] <= 57:
        start += 1
    return start


@part
def _whole(data: Bytes, start: int, stop: int, limit: np.uint64) -> tuple[bool, np.uint64]:
    """Read digits up to `limit`; (False, 0) beyond it."""
    while stop - start > 1 and data[start] == 48:
        start += 1
    if stop - start > 19:
        return False, _NONE
    value = _NONE
    for k in range(start, stop):
        value = value * U(10) + U(data[k] - 48)
    return bool(value <= limit), value


@part
def _is_plus(data: Bytes, start: int, stop: int) -> bool:
    """Tell whether the text is a plus and digits."""
    return stop - start > 1 and data[start] == 43 and _digits(data, start + 1, stop) == stop


@part
def _is_float(data: Bytes, start: int, stop: int) -> bool:
    """Tell whether the text, without its sign, is a decimal number, ``nan`` or ``inf``."""
    if stop - start == 3:
        letters = (int(data[start]) << 16 | int(data[start + 1]) << 8 | int(data[start + 2])) | 0x202020
        if letters == 0x6E616E or letters == 0x696E66:
            return True
    at = _digits(data, start, stop)
    seen = at - start
    if at < stop and data[at] == 46:
        after = _digits(data, at + 1, stop)
        seen += after - at - 1
        at = after
    if seen == 0:
        return False
    if at < stop and int(data[at]) | 32 == 101:
        at += 1
        if at < stop and (data[at] == 43 or data[at] == 45):
            at += 1
        after = _digits(data, at, stop)
        return after > at and after == stop
    return at == stop


@part
def _is_word(data: Bytes, start: int, stop: int) -> bool:
    """Tell whether the text is ``true`` or ``false``, in small letters, capitals, or with one capital."""
    size = stop - start
    if size < 4 or size > 5:
        return False
    lower = True
    upper = True
    for k in range(start + 1, stop):
        lower = lower and data[k] >= 97
        upper = upper and 65 <= data[k] <= 90
    if not (lower or (upper and data[start] < 97)):
        return False
    word = 0
    for k in range(start, stop):
        word = word << 8 | (int(data[k]) | 32)
    return word == 0x74727565 or word == 0x66616C7365


@part
def _date(data: Bytes, start: int, stop: int) -> int:
    """Tell a `DATE` 2024-01-31, a `TIME` with T or a blank and 23:59, perhaps :59.999999, and `TEXT`."""
    if stop - start < 10:
        return TEXT
    for k in range(10):
        byte = int(data[start + k])
        if (k == 4 or k == 7) and byte != 45:
            return TEXT
        if k != 4 and k != 7 and not 48 <= byte <= 57:
            return TEXT
    month = (int(data[start + 5]) - 48) * 10 + int(data[start + 6]) - 48
    day = (int(data[start + 8]) - 48) * 10 + int(data[start + 9]) - 48
    if month < 1 or month > 12 or day < 1 or day > 28:
        year = 0
        for k in range(4):
            year = year * 10 + int(data[start + k]) - 48
        leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
        most = 28 + int(leap) if month == 2 else 30 + int(month in (1, 3, 5, 7, 8, 10, 12))
        if month < 1 or month > 12 or day < 1 or day > most:
            return TEXT
    size = stop - start
    if size == 10:
        return DATE
    if (data[start + 10] != 84 and data[start + 10] != _SPACE) or size < 16 or data[start + 13] != 58:
        return TEXT
    if size != 16 and (size < 19 or data[start + 16] != 58):
        return TEXT
    if size > 19 and (data[start + 19] != 46 or size == 20 or size > 26):
        return TEXT
    for k in (11, 14, 17):
        if k < size:
            ten, one = int(data[start + k]) - 48, int(data[start + k + 1]) - 48
            if not (0 <= ten <= 9 and 0 <= one <= 9) or ten * 10 + one > (23 if k == 11 else 59):
                return TEXT
    return TIME if _digits(data, start + min(size, 20), stop) == stop else TEXT


@part
def _class(data: Bytes, start: int, stop: int) -> int:
    """Return what a field without blanks at its ends is."""
    signed = int(data[start] == 43 or data[start] == 45)
    first = start + signed
    if first < stop and _digits(data, first, stop) == stop:
        fits, value = _whole(data, first, stop, U(1 << 63))
        if not fits or (value == U(1 << 63) and data[start] != 45):
            return HUGE
        return WIDE if value > U(1 << 53) else INTEGER
    if _is_float(data, first, stop):
        return FLOAT
    if _is_word(data, start, stop):
        return BOOL
    return _date(data, start, stop)


@kernel
def classify(
    data: Bytes, bounds: Table, delimiter: int, words: Bytes, word_bounds: Ints, counts: Table
) -> None:
    """Count what the fields of each column are.

    Args:
        data: Records that `dataflow.kernels.csv` can read.
        bounds: Where each starts and ends, int64 ``[n, 2]``.
        delimiter: A byte.
        words: What is missing, one word behind the other.
        word_bounds: Where these words are; one more than there are words.
        counts: Of each column and kind of field, int64 ``[columns, CLASSES]``; added to.
    """
    for i in range(len(bounds)):
        at, stop = bounds[i, 0], bounds[i, 1]
        column = 0
        while column < len(counts):
            start, end, doubled, points, others = at, at, False, 0, 0
            if at < stop and data[at] == _QUOTE:
                start = end = at + 1
                while end < stop and (data[end] != _QUOTE or (end + 1 < stop and data[end + 1] == _QUOTE)):
                    if data[end] == _QUOTE:
                        doubled = True
                        end += 1
                    end += 1
                at = end + 1
            else:
                if at < stop and data[at] == _MINUS and delimiter != _MINUS:
                    at += 1
                first = at
                while at < stop and data[at] != delimiter:
                    points += int(data[at] == _POINT)
                    others += int(not 48 <= data[at] <= 57)
                    at += 1
                end = at
                if points == others <= 1 and points < end - first <= 15 and len(words) == 0:  # most numbers
                    counts[column, FLOAT if points else INTEGER] += 1
                    column += 1
                    at += 1
                    continue
            first, last = _strip(data, start, end)
            kind = TEXT
            if not doubled:
                if _is_missing(data, first, last, words, word_bounds):
                    kind = MISSING
                elif first < last:
                    kind = _class(data, first, last)
            counts[column, kind] += 1
            column += 1
            at += 1


@kernel
def settle(
    data: Bytes,
    aside: Table,
    bits: Ints,
    fills: Bools,
    defaults: Ints,
    words: Bytes,
    word_bounds: Ints,
    places: Ints,
    floats: npt.NDArray[np.float32],
    doubles: npt.NDArray[np.float64],
    int64s: Ints,
) -> int:
    """Fill in what is missing, and read integers with a plus, among the numbers that were set aside.

    Args:
        data: The text.
        aside: (column, row, span) of the fields.
        bits: Precision of each column: 24 or 53 for floats, 63 for integers, 0 for text.
        fills: Whether a column has a value for what is missing.
        defaults: These values, as the kernels of `dataflow.kernels.csv` take them.
        words: As in `classify`.
        word_bounds: As in `classify`.
        places: Where the output of each column begins, in items of its dtype.
        floats: The outputs as float32.
        doubles: The same as float64.
        int64s: The same as int64.

    Returns:
        How many fields are left over; they are then the first of `aside`.
    """
    left = 0
    for i in range(len(aside)):
        c, row, span = aside[i, 0], aside[i, 1], aside[i, 2]
        at = places[c] + row
        start, stop = span >> 32, span & 0xFFFFFFFF
        if start < stop and data[start] == _QUOTE:
            start, stop = start + 1, stop - 1
        start, stop = _strip(data, start, stop)
        done = False
        if bits[c] > 0 and fills[c] and _is_missing(data, start, stop, words, word_bounds):
            done = True
            if bits[c] == 24:
                floats[at] = np.int64(defaults[c]).view(np.float64)
            elif bits[c] == 53:
                doubles[at] = np.int64(defaults[c]).view(np.float64)
            else:
                int64s[at] = defaults[c]
        elif bits[c] == 63 and _is_plus(data, start, stop):
            done, value = _whole(data, start + 1, stop, U((1 << 63) - 1))
            if done:
                int64s[at] = np.int64(value)
        if not done:
            aside[left, 0], aside[left, 1], aside[left, 2] = c, row, span
            left += 1
    return left
