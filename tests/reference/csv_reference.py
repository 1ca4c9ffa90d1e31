"""The rules of CSV once more, character by character: slow, plain, and meant to be obviously right."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np


class Bad(Exception):
    """A record or a field breaks a rule."""


def lines_fields(record, delimiter=",", quoting=True, enough=None):
    """Return the fields of one string, by the rules of decode_csv."""
    fields = []
    i = 0
    while i < len(record):
        if record[i] in "\r\n":
            i += 1
            continue
        field = ""
        if quoting and record[i] == '"':
            i += 1
            while True:
                if i >= len(record):
                    raise Bad("open quote")
                if record[i] != '"':
                    field += record[i]
                    i += 1
                elif record[i + 1 : i + 2] == '"':
                    field += '"'
                    i += 2
                else:
                    break
            i += 1
            if i < len(record) and record[i] != delimiter:
                raise Bad("after quote")
        else:
            while i < len(record) and record[i] != delimiter:
                if record[i] in "\r\n" or (quoting and record[i] == '"'):
                    raise Bad("in unquoted")
                field += record[i]
                i += 1
        i += 1
        fields.append(field)
        if enough is not None and len(fields) == enough:
            return fields
    if record and record[-1] == delimiter:
        fields.append("")
    return fields


def stream_record(text, i, delimiter=",", quoting=True):
    """Return (fields, or None if the record is bad; where it ends; whether it ends before the text does)."""
    fields, field, state, good = [], "", "start", True
    while i < len(text):
        c = text[i]
        i += 1
        if state == "quoted":
            if c == '"':
                state = "quote"
            else:
                field += c
        elif state == "quote" and c == '"':
            field += '"'
            state = "quoted"
        elif c == delimiter:
            fields.append(field)
            field, state = "", "start"
        elif c in "\r\n":
            fields.append(field)
            certain = i < len(text) or c == "\n"
            if c == "\r" and text[i : i + 1] == "\n":
                i += 1
            return fields if good else None, i, certain
        elif state == "start" and quoting and c == '"':
            state = "quoted"
        else:
            if state == "quote" or (quoting and c == '"' and state == "plain"):
                good = False
            state = "after" if state in ("quote", "after") else "plain"
            field += c
    fields.append(field)
    return fields if good and state != "quoted" else None, i, False


def stream_records(text, final=True, delimiter=",", quoting=True):
    """Return the records of a text as (fields or None, start, end)."""
    records = []
    i = 0
    while i < len(text):
        fields, end, certain = stream_record(text, i, delimiter, quoting)
        if not certain and not final:
            break
        records.append((fields, i, end))
        i = end
    return records


def count_lines(text):
    """Count LF, CRLF and lone CR."""
    return len(re.findall("\r\n|\r|\n", text))


def round_to(value, dtype):
    """Round a Fraction to the nearest float of the dtype, half to even, by looking at the candidates."""
    limits = np.finfo(dtype)
    bound = Fraction(float(limits.max))
    if abs(value) >= bound + (bound - Fraction(float(np.nextafter(limits.max, dtype(0))))) / 2:
        return dtype(np.inf if value > 0 else -np.inf)
    guess = dtype(float(min(max(value, -bound), bound)))
    near = [np.nextafter(guess, dtype(-np.inf)), guess, np.nextafter(guess, dtype(np.inf))]
    near = [n for n in near if np.isfinite(n)]
    bits = dtype(0).itemsize * 8
    return min(
        near,
        key=lambda n: (abs(Fraction(float(n)) - value), int(n.view(f"int{bits}")) & 1),
    )


def to_float(text, dtype):
    """Convert the text of a field, or raise Bad."""
    text = text.strip(" \t\n\v\f\r")
    low = text.lower().lstrip("+-") if text[:2] not in ("+-", "-+", "++", "--") else ""
    sign = -1 if text.startswith("-") else 1
    if low in ("inf", "nan"):
        return dtype(sign * float(low))
    if re.fullmatch("0x[0-9a-f]+", low):
        return round_to(sign * Fraction(int(low, 16)), dtype)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", text.lower()):
        raise Bad("not a float")
    mantissa, _, exponent = low.partition("e")
    digits = re.sub("^0+", "", mantissa.replace(".", ""))
    if not digits:
        return dtype(sign * 0.0)
    if abs(int(exponent or 0)) > 1000 + len(mantissa):
        return dtype(sign * (np.inf if int(exponent) > 0 else 0.0))
    result = round_to(sign * Fraction(mantissa) * Fraction(10) ** int(exponent or 0), dtype)
    return np.copysign(result, dtype(sign))


def to_int(text, dtype):
    """Convert the text of a field, or raise Bad."""
    text = text.strip(" \t\n\v\f\r")
    if not re.fullmatch("-?[0-9]+", text):
        raise Bad("not an int")
    value = int(text)
    if not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
        raise Bad("out of range")
    return dtype(value)


def convert(text, dtype, default, na_value=""):
    """Convert one field; default None means required."""
    if text in ("", na_value):
        if default is None:
            raise Bad("missing")
        return default if dtype in (str, bytes) else dtype(default)
    if dtype in (str, bytes):
        return text if dtype is str else text.encode()
    return to_float(text, dtype) if dtype in (np.float32, np.float64) else to_int(text, dtype)
