"""Converting one field by the exact rules, in plain Python: what the kernels leave over."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np

from dataflow.csv.records import CsvColumn, show
from dataflow.spec import dtype_name, is_text

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_HEX = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]+)")
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_BLANKS = " \t\n\v\f\r"


def convert(column: CsvColumn, na_value: str, field: bytes) -> Any:
    """Convert a field exactly, or raise `ValueError` with the reason; `na_value` is missing too."""
    if not field or field == na_value.encode():
        if column.default is None:
            raise ValueError("required field is missing")
        return column.default
    if is_text(column.dtype):
        raise ValueError(f"{show(np.frombuffer(field, np.uint8))!r} is not UTF-8 text")
    text = field.decode("utf-8", "backslashreplace").strip(_BLANKS)
    name = dtype_name(column.dtype)
    article = "an" if column.dtype.kind == "i" else "a"
    reason = f"{text if len(text) <= 50 else text[:50] + '…'!r} is not {article} {name}"
    if column.dtype.kind == "i":
        if not _INTEGER.fullmatch(text):
            raise ValueError(reason)
        limits = np.iinfo(column.dtype)
        if len(text) > 4000 or not limits.min <= int(text) <= limits.max:
            raise ValueError(f"{reason}: it is out of range")
        return int(text)
    if match := _HEX.fullmatch(text):
        value = Fraction(int(match[2], 16)) * (-1 if match[1] == "-" else 1)
    elif _DECIMAL.fullmatch(text):
        estimate = float(text)
        if column.dtype == np.float64 or not 1e-46 < abs(estimate) < 1e39:
            return estimate
        value = Fraction(text)
    else:
        raise ValueError(reason)
    return _round(value, column.dtype)


def _round(value: Fraction, dtype: np.dtype[Any]) -> float:
    """Round to the nearest float of the dtype, half to even."""
    digits, lowest, highest = (24, -126, 127) if dtype == np.float32 else (53, -1022, 1023)
    if value == 0:
        return 0.0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < Fraction(2) ** exponent
    unit = Fraction(2) ** (max(exponent, lowest) - digits + 1)
    rounded = round(value / unit) * unit
    return float(rounded) if abs(rounded) < Fraction(2) ** (highest + 1) else math.copysign(math.inf, value)
