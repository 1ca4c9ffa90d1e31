"""The names of the columns of CSV files."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.csv.dialect import Dialect
from dataflow.csv.framing import FIELDS, RecordReader
from dataflow.errors import InvalidArgumentError, did_you_mean

_SHOWN = 10


def distinct(names: Sequence[str]) -> list[str]:
    """Return names that differ, as pandas does it: a, a.1, a.2; and a name for columns without one.

    >>> distinct(["a", "b", "a", ""])
    ['a', 'b', 'a.1', 'Unnamed: 3']
    """
    found: list[str] = []
    used, given = set(), set(names)
    for place, name in enumerate(names):
        base = name or f"Unnamed: {place}"
        unique, number = base, 0
        while unique in used or (number and unique in given):
            number += 1
            unique = f"{base}.{number}"
        used.add(unique)
        found.append(unique)
    return found


def names_of(paths: Sequence[str], dialect: Dialect) -> list[str]:
    """Return the names of all columns, from the first file that is not empty.

    Without a header they are ``f0``, ``f1``, … as in pyarrow.

    Raises:
        InvalidArgumentError: There is none.
    """
    if isinstance(dialect.header, tuple):
        return list(dialect.header)
    for path in paths:
        reader = RecordReader(path, dialect)
        try:
            if dialect.header:
                fields = reader.header()
                if fields is not None:
                    return distinct(fields)
            else:
                frame = reader.read(1 << 16, most=1)
                if frame is not None:
                    return [f"f{i}" for i in range(int(frame.records[0, FIELDS]))]
        finally:
            reader.close()
    raise InvalidArgumentError(
        "all files are empty, so the columns are not known" if paths else "read_csv needs at least one file",
        hint="give the names and a schema: header=[...], schema={...}" if paths else None,
    )


def positions_in(
    path: str, fields: Sequence[str], columns: Sequence[str], *, strict: bool
) -> tuple[int, ...]:
    """Return where in the records of a file each column is.

    Args:
        path: The file.
        fields: The names in its header.
        columns: The names that are wanted.
        strict: Whether the file may have no other columns.

    Raises:
        InvalidArgumentError: A column is missing, or there are others.
    """
    places = {name: place for place, name in enumerate(distinct(fields))}
    lacking = [name for name in columns if name not in places]
    extra = [name for name in places if name not in set(columns)] if strict else []
    if lacking or extra:
        parts = [f"lacks {_listed(lacking)}"] * bool(lacking) + [f"has also {_listed(extra)}"] * bool(extra)
        hint = did_you_mean(lacking[0], places) if lacking else None
        raise InvalidArgumentError(
            f"the columns of {path} are not those of the schema: it {' and '.join(parts)}",
            hint=hint or "add them to the schema, or choose columns with columns=[...]",
        )
    return tuple(places[name] for name in columns)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
