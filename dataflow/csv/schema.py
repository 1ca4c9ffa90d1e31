"""Schemas of CSV files: what columns there are, of which dtypes, and what was seen of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow import kernels
from dataflow.csv.records import Ints
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.spec import as_dtype, dtype_name

REQUIRED = " not null"
_NAMES = {int: "int64", float: "float64", str: "string", bool: "bool", bytes: "bytes"}
_KINDS = [
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
    *("float32", "float64", "bool", "string", "bytes"),
]
_TIMES = [f"datetime64[{unit}]" for unit in ("D", "s", "ms", "us", "ns")]


@dataclasses.dataclass(frozen=True)
class ColumnRule:
    """How a column is read.

    Args:
        name: Of the column.
        dtype: Of its values.
        required: Whether a row without a value is bad though the dtype could tell that it is missing.
        fill: Stands for what is missing; None if nothing does.
    """

    name: str
    dtype: np.dtype[Any]
    required: bool = False
    fill: Any = None

    @property
    def optional(self) -> bool:
        """Whether a value may be missing."""
        return self.fill is not None or (not self.required and self.dtype.kind in "fUSM")

    @property
    def text(self) -> str:
        """The dtype as a schema says it."""
        return dtype_name(self.dtype) + REQUIRED * self.required


def column_rule(name: str, kind: Any, fill: Any = None) -> ColumnRule:
    """Return the rule that a schema's entry stands for.

    Raises:
        InvalidArgumentError: There is no such dtype for CSV columns, or `fill` is not of it.
    """
    text: Any = _NAMES.get(kind, kind) if isinstance(kind, type) else kind
    required = isinstance(text, str) and text.endswith(REQUIRED)
    try:
        dtype = as_dtype(text.removesuffix(REQUIRED) if required else text)
    except SpecError as error:
        raise InvalidArgumentError(f"column {name!r}: {error.message}", hint=error.hint) from error
    if dtype_name(dtype) not in (*_KINDS, *_TIMES):
        raise InvalidArgumentError(
            f"column {name!r} of CSV files cannot be {dtype_name(dtype)}",
            hint=f"use one of {', '.join([*_KINDS, *_TIMES])}, and cast later",
        )
    if fill is not None:
        fill = _checked_fill(name, dtype, fill)
    return ColumnRule(name, dtype, required, fill)


def _checked_fill(name: str, dtype: np.dtype[Any], fill: Any) -> Any:
    if dtype.kind in "US":
        good = isinstance(fill, str if dtype.kind == "U" else bytes)
        value = fill
    else:
        try:
            time = dtype.kind == "M"
            value = np.datetime64(fill).astype(dtype) if time else np.asarray(fill).astype(dtype).item()
            good = time or value == fill or fill != fill
            good &= dtype.kind == "b" or not isinstance(fill, bool)
        except (ValueError, TypeError, OverflowError):
            good = False
    if not good:
        raise InvalidArgumentError(f"fill_nulls[{name!r}] must be a {dtype_name(dtype)}, not {fill!r}")
    return value


@dataclasses.dataclass(frozen=True)
class CsvSchema(Mapping[str, str]):
    """The dtypes of the columns of CSV files by name, as `infer_csv_schema` finds them.

    It is a mapping, and goes into ``read_csv(schema=...)`` as it is. Its text is a piece of Python to copy
    into a program instead, so that other data cannot change it.

    Args:
        dtypes: Names of the dtypes by column.
        notes: What was seen, by column.
        files: How many files were looked at.
        rows: How many rows.
        bad_rows: How many of these could not be cut into fields.

    >>> print(CsvSchema({"id": "int64", "fare": "float64"}, {"fare": "2 missing"}))
    schema={
        "id": "int64",
        "fare": "float64",  # 2 missing
    }
    """

    dtypes: Mapping[str, str]
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)
    files: int = dataclasses.field(default=0, compare=False)
    rows: int = dataclasses.field(default=0, compare=False)
    bad_rows: int = dataclasses.field(default=0, compare=False)

    def __getitem__(self, name: str) -> str:
        return self.dtypes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.dtypes)

    def __len__(self) -> int:
        return len(self.dtypes)

    def __eq__(self, other: object) -> bool:
        return Mapping.__eq__(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        lines = []
        if self.files:
            bad = f", {self.bad_rows:,} of them bad" if self.bad_rows else ""
            seen = f"{self.rows:,} rows of {self.files:,} file{'s' * (self.files != 1)}{bad}"
            lines.append(f"    # inferred from {seen}")
        for name, dtype in self.dtypes.items():
            note = self.notes.get(name)
            lines.append(f"    {_quoted(name)}: {_quoted(dtype)}," + (f"  # {note}" if note else ""))
        return "\n".join(["schema={", *lines, "}"])


def _quoted(text: str) -> str:
    """Return a Python literal with double quotes where that needs no escapes."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain and "\\'" not in plain else plain


def decide(counts: Ints, fill: Any, dates: bool) -> tuple[str, str]:
    """Return the dtype for the fields of a column, and what there is to say of it.

    Args:
        counts: How many fields are of each kind, int64 ``[CLASSES]``.
        fill: What will stand for missing values; None if nothing does.
        dates: Whether days and times become datetime64.
    """
    k = kernels.csv_fields
    n: npt.NDArray[np.int64] = counts
    missing, total = int(n[k.MISSING]), int(n.sum())
    lack = f"{missing:,} missing" if missing else ""
    whole, wide, huge = int(n[k.INTEGER]), int(n[k.WIDE]), int(n[k.HUGE])
    numbers, words, times = whole + wide + huge + int(n[k.FLOAT]), int(n[k.BOOL]), int(n[k.DATE] + n[k.TIME])
    if total == missing:
        return "float64", "all missing" if total else "no row seen"
    if n[k.TEXT] or bool(numbers) + bool(words) + bool(times) > 1:
        return "string", lack
    if times:
        return ("string" if not dates else "datetime64[us]" if n[k.TIME] else "datetime64[D]"), lack
    if words:
        if not missing or fill is not None:
            return "bool", lack
        return "string", f'true or false, {lack}; "bool" needs fill_nulls'
    if n[k.FLOAT]:
        return "float64", lack
    if huge:
        return "string", _joined("integers beyond 64 bits", lack)
    if not missing or fill is not None:
        return "int64", lack
    if wide:
        return "string", f'integers beyond 2**53, {lack}; "int64" needs fill_nulls'
    return "float64", f'integers, {lack}, which become NaN; "int64" needs fill_nulls'


def _joined(*notes: str) -> str:
    return ", ".join(note for note in notes if note)
