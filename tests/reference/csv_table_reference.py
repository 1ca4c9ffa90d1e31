"""A slow reader of CSV as found in the wild, by the rules that `read_csv` states, byte by byte."""

from __future__ import annotations

import dataclasses
import math
import re

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_WORD = re.compile(r"[+-]?(nan|inf)", re.ASCII | re.IGNORECASE)
_BLANKS = " \t\n\v\f\r"


@dataclasses.dataclass(frozen=True)
class Rules:
    """As the arguments of `read_csv`; `width` is the number of columns, None to take it from the header."""

    delimiter: str = ","
    quote: str | None = '"'
    doublequote: bool = True
    escape: str | None = None
    comment: str | None = None
    skip_blank_lines: bool = True
    max_record_bytes: int = 64 << 20


@dataclasses.dataclass(frozen=True)
class Record:
    """One record: its text, the lines before it, and its fields, None if they cannot be told."""

    raw: bytes
    line: int
    fields: list[bytes] | None


def _line_end(data: bytes, start: int) -> int:
    while start < len(data) and data[start : start + 1] not in (b"\n", b"\r"):
        start += 1
    return start


def _behind(data: bytes, end: int) -> int:
    return end + 2 if data[end : end + 2] == b"\r\n" else min(end + 1, len(data))


def _cut(data: bytes, start: int, rules: Rules) -> tuple[int, list[bytes]] | None:
    """Return where the record ends, and its fields; None if it is broken."""
    delimiter, fields, at = rules.delimiter.encode(), [], start
    quote = (rules.quote or "").encode() or None
    escape = (rules.escape or "").encode() or None
    while True:
        field = b""
        if quote and data[at : at + 1] == quote:
            at += 1
            while True:
                byte = data[at : at + 1]
                if not byte:
                    return None
                if byte == escape:
                    if not data[at + 1 : at + 2]:
                        return None
                    field += data[at + 1 : at + 2]
                    at += 2
                elif byte == quote and rules.doublequote and data[at + 1 : at + 2] == quote:
                    field += quote
                    at += 2
                elif byte == quote:
                    at += 1
                    break
                else:
                    field += byte
                    at += 1
            if data[at : at + 1] not in (b"", delimiter, b"\n", b"\r"):
                return None
        else:
            while (byte := data[at : at + 1]) not in (b"", delimiter, b"\n", b"\r"):
                if byte == escape and at + 1 < len(data):
                    at += 1
                    byte = data[at : at + 1]
                field += byte
                at += 1
        fields.append(field)
        if data[at : at + 1] != delimiter:
            return at, fields
        at += 1


def records(data: bytes, rules: Rules, width: int | None) -> list[Record]:
    """Return the records of a file; the first one is the header where there is one, with `width` None."""
    found: list[Record] = []
    at = line = 0
    while at < len(data):
        end = _line_end(data, at)
        if rules.comment and data.startswith(rules.comment.encode(), at):
            at, line = _behind(data, end), line + 1
            continue
        blanks = b" \t".replace(rules.delimiter.encode(), b"")
        text = data[at:end]
        if rules.skip_blank_lines and (not text or (width != 1 and not text.strip(blanks))):
            at, line = _behind(data, end), line + 1
            continue
        cut = _cut(data, at, rules)
        if cut is None or cut[0] - at > rules.max_record_bytes:
            found.append(Record(data[at:end], line, None))
            at, line = _behind(data, end), line + 1
        else:
            found.append(Record(data[at : cut[0]], line, cut[1]))
            lines = len(re.findall(rb"\r\n|\r|\n", data[at : cut[0]]))
            at, line = _behind(data, cut[0]), line + 1 + lines
        if width is None:
            width = len(found[-1].fields or ())
    return found


def value(field: bytes, dtype: str, na_values: tuple[str, ...]) -> object:
    """Return the value of a field, None if it is missing; raise ValueError if it does not fit."""
    text = field.decode()
    if dtype == "string":
        return None if text in na_values else text
    text, numbers = text.strip(_BLANKS), [float(word) for word in na_values if _FLOAT.fullmatch(word)]
    if text in na_values:
        if dtype == "int64":
            raise ValueError("missing")
        return math.nan
    if dtype == "int64":
        if not _INTEGER.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
            raise ValueError(text)
        if int(text) in numbers:
            raise ValueError("missing")
        return int(text)
    if not _FLOAT.fullmatch(text) and not _WORD.fullmatch(text):
        raise ValueError(text)
    return math.nan if float(text) in numbers else float(text)
