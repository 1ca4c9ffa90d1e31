"""Cutting one record by the exact rules, in plain Python: what is wrong with it, and where it ends.

The kernels of `dataflow.kernels.csv` cut all that is right; these functions look at what they stop before.
"""

from __future__ import annotations

import dataclasses
import functools
import re

from dataflow.csv.records import Bytes

_QUOTE, _CR, _LF = 34, 13, 10


@dataclasses.dataclass(frozen=True)
class Split:
    """One record: spans of its fields, where it ends, and which rule it breaks."""

    spans: list[tuple[int, int]]
    resume: int
    problem: str | None


def split_stream(
    data: Bytes, start: int, stop: int, final: bool, *, delimiter: str, quoting: bool
) -> Split | None:
    """Cut one record of a stream; None if it is not complete. The exact form of `_scan_stream`."""
    ends = _any_of(delimiter + "\r\n")
    view, position = memoryview(data.data), start
    spans: list[tuple[int, int]] = []
    problem: str | None = None
    while True:
        begin = position
        if quoting and begin < stop and data[begin] == _QUOTE:
            position = _closing_quote(view, begin + 1, stop) + 1
            if position == 0:
                return Split(spans, stop, problem or "closing quote is missing") if final else None
            if position < stop and not ends.match(view, position, stop):
                problem = problem or "text after the closing quote"
            quoted = position
        else:
            quoted = -1
        match = ends.search(view, position, stop)
        if match is None and not final:
            return None
        position = match.start() if match else stop
        if quoted < 0 and quoting and _any_of('"').search(view, begin, position):
            problem = problem or "quote inside an unquoted field"
        spans.append((begin, position))
        if position == stop:
            return Split(spans, stop, problem)
        byte = data[position]
        position += 1
        if byte == _LF:
            return Split(spans, position, problem)
        if byte == _CR:
            if position == stop and not final:
                return None
            return Split(spans, position + (position < stop and data[position] == _LF), problem)


def split_line(
    data: Bytes, start: int, stop: int, enough: int | None, *, delimiter: str, quoting: bool
) -> Split:
    """Cut one string as ``decode_csv`` does, up to field number `enough`. The exact form of `_scan_lines`."""
    ends = _any_of(delimiter + '\r\n"' if quoting else delimiter + "\r\n")
    view, position, border = memoryview(data.data), start, ord(delimiter)
    spans: list[tuple[int, int]] = []
    while position < stop:
        if data[position] in (_CR, _LF):
            position += 1  # line ends are skipped where a field may start
            continue
        begin = position
        if quoting and data[begin] == _QUOTE:
            position = _closing_quote(view, begin + 1, stop) + 1
            if position == 0:
                return Split(spans, stop, "closing quote is missing")
            if position < stop and data[position] != border:
                return Split(spans, stop, "text after the closing quote")
        else:
            match = ends.search(view, begin, stop)
            position = match.start() if match else stop
            if position < stop and data[position] != border:
                what = "quote" if data[position] == _QUOTE else "line end"
                return Split(spans, stop, f"{what} inside an unquoted field")
        spans.append((begin, position))
        position += 1
        if len(spans) == enough:
            return Split(spans, stop, None)
    if start < stop and data[stop - 1] == border:
        spans.append((stop, stop))
    return Split(spans, stop, None)


def unquoted(data: Bytes, start: int, stop: int, quoting: bool) -> bytes:
    """Return a field without its quotes."""
    field = data[start:stop].tobytes()
    return field[1:-1].replace(b'""', b'"') if quoting and field[:1] == b'"' else field


@functools.cache
def _any_of(characters: str) -> re.Pattern[bytes]:
    return re.compile(b"[" + re.escape(characters.encode()) + b"]")


def _closing_quote(view: memoryview, position: int, stop: int) -> int:
    """Return the position of the next quote that is not doubled, or -1."""
    while match := _any_of('"').search(view, position, stop):
        if match.end() < stop and view[match.end()] == _QUOTE:
            position = match.end() + 1
        else:
            return match.start()
    return -1
