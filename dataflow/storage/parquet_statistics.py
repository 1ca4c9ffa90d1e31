"""What the statistics of a row group say about the values in it."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa

from dataflow.storage.parquet_schema import Path

Condition: TypeAlias = tuple[Path, str, Any]
"""A column, the name of a NumPy comparison, and the number or text on its right side."""


def may_have_nulls(column: Any) -> bool:
    """Tell whether a column of a row group may have nulls."""
    statistics = column.statistics
    return statistics is None or not statistics.has_null_count or statistics.null_count != 0


def bounds(column: Any) -> tuple[Any, Any] | None:
    """Return the least and the greatest value of a column of a row group, None where that is not known."""
    try:
        statistics = column.statistics
        return None if statistics is None or not statistics.has_min_max else (statistics.min, statistics.max)
    except (pa.ArrowException, ValueError, OverflowError):  # text that is not UTF-8, dates beyond year 9999
        return None


def excludes(column: Any, comparison: str, value: Any) -> bool:
    """Tell whether no value of a column of a row group compares as wanted; nulls never do."""
    ends = bounds(column)
    return ends is not None and lies_outside(*ends, comparison, value)


def lies_outside(least: Any, greatest: Any, comparison: str, value: Any) -> bool:
    """Tell whether no value between the least and the greatest one compares as wanted."""
    kind: Any = type(value) if isinstance(value, str) else (int, float)
    if not isinstance(least, kind) or not isinstance(greatest, kind):
        return False
    if isinstance(value, float) or isinstance(least, float):  # as NumPy compares them
        least, greatest, value = float(least), float(greatest), float(value)
    if least != least or greatest != greatest:
        return False
    match comparison:
        case "equal":
            return bool(value < least or value > greatest)
        case "less":
            return bool(least >= value)
        case "less_equal":
            return bool(least > value)
        case "greater":
            return bool(greatest <= value)
        case "greater_equal":
            return bool(greatest < value)
    return False
