"""CSV as found in the wild: cutting a stream into records, and rewriting unusual ones.

`frame` cuts by the rules of a dialect and says of each record whether `dataflow.kernels.csv` can read it
as it is. `rewrite` puts the others into the form that it reads: every field quoted with doubled quotes.
All arrays are C-contiguous; ``data`` has at least 64 bytes, so that a whole block can always be loaded.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.kernels.csv import equal64, trailing_zeros
from dataflow.kernels.jit import kernel, part

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Table: TypeAlias = npt.NDArray[np.int64]
U = np.uint64

DELIMITER, QUOTE, ESCAPE, DOUBLED, SKIP_BLANK, WIDTH, LONGEST = range(7)
"""What the array of rules holds: a byte; two bytes or -1 for none; whether a quote is doubled inside quotes;
whether blank lines are left out; fields of a record, -1 for any number; bytes that a record may have."""
PLAIN, ODD, COUNT, AFTER, OPEN, LONG = range(6)
"""Kinds of records: right as it is; right, and to be rewritten; with too few or too many fields; with text
behind a closing quote; without a closing quote; too long. Of the last three it is the first line only."""

_LF, _CR, _QUOTE = np.int64(10), np.int64(13), np.int64(34)
_SPACE, _TAB = np.int64(32), np.int64(9)
_NONE, _ONE, _ALL = U(0), U(1), U(0xFFFFFFFFFFFFFFFF)
_BLOCK = 64


@part
def _ones(mask: np.uint64) -> int:
    """Count the bits that are set."""
    mask -= (mask >> _ONE) & U(0x5555555555555555)
    mask = (mask & U(0x3333333333333333)) + ((mask >> U(2)) & U(0x3333333333333333))
    mask = (mask + (mask >> U(4))) & U(0x0F0F0F0F0F0F0F0F)
    return int(np.int64((mask * U(0x0101010101010101)) >> U(56)))


@part
def _line_end(data: Bytes, start: int, stop: int) -> int:
    """Return the position of the first LF or CR, or `stop`."""
    at = start
    while at < stop:
        base = min(at, len(data) - _BLOCK)
        count = min(stop - at, _BLOCK - (at - base))
        found = equal64(data, base, _LF) | equal64(data, base, _CR)
        found = (found >> U(at - base)) & (_ALL >> U(_BLOCK - count))
        if found != _NONE:
            return at + trailing_zeros(found)
        at += count
    return stop


@kernel
def line_end(data: Bytes, start: int, stop: int) -> int:
    """Return the position of the first LF or CR in ``data[start:stop]``, or `stop`."""
    return _line_end(data, start, stop)


@part
def _special(data: Bytes, at: int, bound: int, rules: Ints, escape: int) -> tuple[int, int]:
    """Find the next line end, quote or escape: return its position or `bound`, and the delimiters before."""
    quote, delimiter, delimiters = rules[QUOTE], rules[DELIMITER], 0
    while at < bound:
        base = min(at, len(data) - _BLOCK)
        count = min(bound - at, _BLOCK - (at - base))
        skip, keep = U(at - base), _ALL >> U(_BLOCK - count)
        found = equal64(data, base, _LF) | equal64(data, base, _CR) | equal64(data, base, _QUOTE)
        if quote >= 0 and quote != _QUOTE:
            found |= equal64(data, base, quote)
        if escape >= 0:
            found |= equal64(data, base, escape)
        found = (found >> skip) & keep
        between = (equal64(data, base, delimiter) >> skip) & keep
        if found != _NONE:
            between &= (found & (_NONE - found)) - _ONE
            return at + trailing_zeros(found), delimiters + _ones(between)
        delimiters += _ones(between)
        at += count
    return bound, delimiters


@part
def _quoted(data: Bytes, at: int, bound: int, rules: Ints) -> tuple[int, bool, bool, int]:
    """Go through a quoted field from behind its first quote.

    Returns:
        The position behind its last one, or past `bound` if that is not reached; whether it ends; whether
        there are escapes; and the number of line ends.
    """
    quote, escape, doubled = rules[QUOTE], rules[ESCAPE], rules[DOUBLED] != 0
    escaped, lines = False, 0
    while at < bound:
        byte = int(data[at])
        if escape >= 0 and byte == escape and byte != quote:
            escaped = True
            at += 1
            byte = int(data[at]) if at < bound else 0
        elif byte == quote:
            if not (doubled and at + 1 < bound and data[at + 1] == quote):
                return at + 1, True, escaped, lines
            at += 1
        lines += int(byte == _CR or (byte == _LF and data[at - 1] != _CR))
        at += 1
    return at, False, escaped, lines


@part
def _record(data: Bytes, start: int, bound: int, rules: Ints) -> tuple[int, int, int, int]:
    """Cut one record; return where it ends (-1: not before `bound`), kind, delimiters and line ends."""
    quote, escape, delimiter = rules[QUOTE], rules[ESCAPE], rules[DELIMITER]
    at, kind, delimiters, lines = start, PLAIN, 0, 0
    literal = -1  # where a field does not begin, though a delimiter is before it
    while True:
        at, more = _special(data, at, bound, rules, escape)
        delimiters += more
        if at >= bound:
            return -1, kind, delimiters, lines
        byte = int(data[at])
        if byte in (_LF, _CR):
            return at, kind, delimiters, lines
        if byte == escape and byte != quote:
            kind = ODD
            if at + 1 < bound:
                byte = int(data[at + 1])
                lines += int(byte == _CR or (byte == _LF and data[at] != _CR))
            at += 2
            literal = at
        elif byte == quote and (at == start or (data[at - 1] == delimiter and at != literal)):
            at, closed, escaped, inside = _quoted(data, at + 1, bound, rules)
            lines += inside
            if escaped or quote != _QUOTE:
                kind = ODD
            if not closed:
                return -1, OPEN, delimiters, lines
            if at < bound and data[at] != delimiter and data[at] != _LF and data[at] != _CR:
                return -1, AFTER, delimiters, lines
        else:  # a quote that stands for itself
            kind = ODD
            at += 1


@part
def _is_blank(data: Bytes, start: int, stop: int, rules: Ints) -> bool:
    """Tell whether a line is empty; with more than one column, one of blanks is too."""
    for at in range(start, stop):
        byte = int(data[at])
        if rules[WIDTH] == 1 or byte == rules[DELIMITER] or byte not in (_SPACE, _TAB):
            return False
    return True


@part
def _begins(data: Bytes, start: int, stop: int, prefix: Bytes) -> bool:
    if len(prefix) == 0 or stop - start < len(prefix):
        return False
    for k in range(len(prefix)):  # noqa: SIM110
        if data[start + k] != prefix[k]:
            return False
    return True


@kernel
def frame(
    data: Bytes, start: int, stop: int, final: bool, line: int, rules: Ints, comment: Bytes, records: Table
) -> tuple[int, int, int, bool]:
    """Cut the complete records of a stream.

    Args:
        data: A piece of the stream.
        start: Where a record begins.
        stop: Where the piece ends.
        final: Whether the stream ends there too.
        line: Lines before `start`.
        rules: See `DELIMITER`.
        comment: Lines that begin with these bytes are left out; empty for none.
        records: Receives start, stop, start of the next one, kind, number of fields and lines before it
            of each record, int64 ``[n, 6]``.

    Returns:
        Number of records; where to go on, and the lines before that; and whether there a record begins
        that is too long, of which the end is not in the piece.
    """
    count, longest = 0, rules[LONGEST]
    while start < stop and count < len(records):
        cut = stop - start > longest  # the record must end before `bound`, not just so far
        bound = start + longest + 1 if cut else stop
        if not final and not cut and stop - start < len(comment):
            break
        fields, lines, kind = 1, 0, PLAIN
        is_comment = _begins(data, start, stop, comment)
        if is_comment:
            end = _line_end(data, start, stop)
            if end == stop and not final and not cut:
                break
            cut = end == stop and not final
            end = -1 if cut else end
        else:
            end, kind, delimiters, lines = _record(data, start, bound, rules)
            fields = delimiters + 1
            if end < 0 and kind < AFTER and final and not cut:
                end = stop
            elif end < 0 and kind != AFTER and not final and not cut:
                break
            elif end < 0:  # the record is its first line
                kind = kind if kind >= AFTER else LONG
                end, lines = _line_end(data, start, bound), 0
                if end == bound and cut:
                    end, kind = _line_end(data, bound, stop), LONG
                    end = -1 if end == stop and not final else end
                elif end == bound and not final:
                    break
        if end < 0:
            return count, start, line, True
        after = end
        if end < stop:
            if data[end] == _CR and end + 1 == stop and not final:
                break
            after = end + 1 + int(data[end] == _CR and end + 1 < stop and data[end + 1] == _LF)
        blank = kind == PLAIN and rules[SKIP_BLANK] != 0 and _is_blank(data, start, end, rules)
        if not is_comment and not blank:
            if kind < COUNT and rules[WIDTH] >= 0 and fields != rules[WIDTH]:
                kind = COUNT
            elif end == start:
                kind = ODD  # one field that is empty
            records[count, 0], records[count, 1], records[count, 2] = start, end, after
            records[count, 3], records[count, 4], records[count, 5] = kind, fields, line
            count += 1
        start = after
        line += lines + 1
    return count, start, line, False


@part
def _put_field(data: Bytes, at: int, stop: int, rules: Ints, out: Bytes, used: int) -> tuple[int, int, bool]:
    """Write the field that begins at `at`, quoted; return where it and `out` end, and if one follows."""
    quote, escape, delimiter = rules[QUOTE], rules[ESCAPE], rules[DELIMITER]
    inside = at < stop and data[at] == quote
    at += int(inside)
    out[used] = _QUOTE
    used += 1
    while at < stop:
        byte = int(data[at])
        if byte == escape and byte != quote and at + 1 < stop:
            at += 1
            byte = int(data[at])
        elif inside and byte == quote:
            at += 1
            if not (rules[DOUBLED] != 0 and at < stop and data[at] == quote):
                break
        elif not inside and byte == delimiter:
            break
        out[used] = byte
        used += 1
        if byte == _QUOTE:
            out[used] = byte
            used += 1
        at += 1
    out[used] = _QUOTE
    return at, used + 1, at < stop


@kernel
def rewrite(data: Bytes, records: Table, rules: Ints, out: Bytes, bounds: Table) -> int:
    """Copy records, and write the fields of those that are `ODD` with quotes around.

    Args:
        data: The stream.
        records: As `frame` wrote them; none is wrong.
        rules: See `DELIMITER`.
        out: Receives the records.
        bounds: Receives where each record starts and ends, int64 ``[n, 2]``.

    Returns:
        Bytes written.
    """
    used = 0
    for i in range(len(records)):
        at, stop = records[i, 0], records[i, 1]
        bounds[i, 0] = used
        if records[i, 3] == ODD:
            more = True
            while more:
                at, used, more = _put_field(data, at, stop, rules, out, used)
                if more:
                    out[used] = rules[DELIMITER]
                    used += 1
                    at += 1
        else:
            for k in range(at, stop):
                out[used] = data[k]
                used += 1
        bounds[i, 1] = used
    return used
