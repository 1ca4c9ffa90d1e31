"""The components of many Parquet files: those of the first, of all, or those that the user names."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataflow.arrow_columns import spec_of
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError
from dataflow.runtime.threads import Workers
from dataflow.spec import TensorSpec, as_dtype
from dataflow.storage.files import is_url
from dataflow.storage.parquet_footers import Outline, outline_of
from dataflow.storage.parquet_schema import (
    Path,
    Schema,
    arrow_type,
    decimal_rule,
    differences,
    holds_nulls,
    is_convertible,
    label,
    selected,
    value_type,
    widened,
    with_value_type,
)

STRICT, UNION, PINNED = "strict", "union", "pinned"
AT_ONCE = 16
"""Footers of remote files that are asked for at the same time."""
SHOWN = 10
"""Files that differ, in a message."""
LOOKED_AT = 1000
"""Files that are compared for a message."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is read of files.

    Attributes:
        columns: The components.
        types: Their Arrow types.
        rule: How files may differ.
        others: Whether they may have further components.
        ignored: Further components that they may have in any case.
    """

    columns: tuple[Path, ...]
    types: tuple[pa.DataType, ...]
    rule: str
    others: bool
    ignored: tuple[str, ...] = ()

    @property
    def pairs(self) -> Iterator[tuple[Path, pa.DataType]]:
        """Components with their types."""
        return zip(self.columns, self.types, strict=True)


def layout_of(
    paths: Sequence[str],
    columns: Sequence[str] | None,
    schema: str | Mapping[str, Any],
    decimals: str | None,
    fills: Mapping[str, Any],
    partitions: Sequence[str],
) -> Layout:
    """Return the components to read.

    Args:
        paths: The files.
        columns: Names, None for all.
        schema: "strict", "union" or dtypes by name.
        decimals: What decimals are read as.
        fills: What stands for nulls, by name.
        partitions: Names that the directories have: files need not have them.

    Raises:
        InvalidArgumentError, SpecError: There is no such column, or files do not fit together.
    """
    if decimals not in (None, "float64"):
        raise InvalidArgumentError(f'decimals must be None or "float64", not {decimals!r}')
    if isinstance(schema, Mapping):
        found: Schema = outline_of(paths[0]).leaves
        names = [name for name in schema if name not in partitions]
        columns = names if columns is None else [name for name in columns if name not in partitions]
        if unknown := [name for name in columns if name not in schema]:
            raise InvalidArgumentError(f"schema has no column {unknown[0]!r}", hint="name it in both")
        kinds = {
            path: _pinned(path, found, schema[name], paths[0])
            for name, path in _each(found, columns, paths[0])
        }
        return Layout(tuple(kinds), tuple(kinds.values()), PINNED, True)
    if schema not in (STRICT, UNION):
        raise InvalidArgumentError(
            f'schema must be "strict", "union" or a dict of dtypes by column name, not {schema!r}'
        )
    if schema == UNION:
        kinds, lacking = _united(paths, decimals)
    else:
        kinds = {p: decimal_rule(leaf.kind, decimals) for p, leaf in outline_of(paths[0]).leaves.items()}
        lacking = {}
    kinds = {path: kind for path, kind in kinds.items() if path not in partitions}
    where = paths[0] if schema == STRICT else f"the union of {len(paths)} files"
    wanted = None if columns is None else [name for name in columns if name not in partitions]
    chosen = list(kinds) if wanted is None else selected(kinds, wanted, where)
    for path in chosen:
        kind = kinds[path]
        if path in lacking and label(path) not in fills and not holds_nulls(kind):
            raise InvalidArgumentError(
                f"column {label(path)!r} of type {kind} is missing in {lacking[path]}, and no value can "
                "stand for it",
                hint=f"give one: fill_nulls={{{label(path)!r}: 0}}",
            )
    types = tuple(kinds[path] for path in chosen)
    return Layout(tuple(chosen), types, schema, columns is not None, tuple(partitions))


def _each(found: Schema, names: Sequence[str], where: str) -> Iterator[tuple[str, Path]]:
    for name in names:
        for path in selected(found, [name], where):
            yield name, path


def _pinned(path: Path, found: Schema, dtype: Any, where: str) -> pa.DataType:
    kind = found[path].kind
    wanted = with_value_type(kind, arrow_type(as_dtype(dtype)))
    if not is_convertible(kind, wanted):
        raise SpecError(
            f"column {label(path)!r} is {kind} in {where}, which cannot be read as {wanted}",
            hint="numbers are read as numbers, text as bytes and bytes as text, times in other units",
        )
    return _same_zone(kind, wanted)


def _same_zone(kind: pa.DataType, wanted: pa.DataType) -> pa.DataType:
    """Return the wanted type with the time zone of the type that is there, which NumPy has not."""
    inner, value = value_type(kind), value_type(wanted)
    if pa.types.is_timestamp(inner) and pa.types.is_timestamp(value):
        return with_value_type(wanted, pa.timestamp(value.unit, inner.tz))
    if pa.types.is_time(inner) and pa.types.is_duration(value):
        return kind
    return wanted


def _united(paths: Sequence[str], decimals: str | None) -> tuple[dict[Path, pa.DataType], dict[Path, str]]:
    """Return the types of the components of all files, and for those that some files lack one of these."""
    kinds: dict[Path, pa.DataType] = {}
    first: dict[Path, str] = {}
    seen: dict[int, Schema] = {}
    lacking: dict[Path, str] = {}
    for path, outline in zip(paths, outlines_of(paths), strict=True):
        leaves = outline.leaves
        if id(leaves) in seen:
            continue
        seen[id(leaves)] = leaves
        for name, leaf in leaves.items():
            kind = decimal_rule(leaf.kind, decimals)
            common = widened(kinds.get(name, kind), kind)
            if common is None:
                raise SpecError(
                    f"column {label(name)!r} is {kind} in {path} and {kinds[name]} in {first[name]}, "
                    "and no type holds both",
                    hint="leave it out with columns=[...], or write the files with one type",
                )
            if name not in kinds and len(seen) > 1:
                lacking[name] = paths[0]
            kinds[name] = common
            first.setdefault(name, path)
        lacking |= {name: path for name in kinds if name not in leaves}
    return kinds, lacking


def outlines_of(paths: Sequence[str]) -> Iterator[Outline]:
    """Yield components and sizes of files in their order; several remote ones are asked for at a time."""
    if not any(map(is_url, paths)) or len(paths) == 1:
        yield from map(outline_of, paths)
        return
    workers = Workers(AT_ONCE)
    try:
        pending = [workers.submit(outline_of, path) for path in paths]
        for future in pending:
            yield future.result()
    finally:
        workers.stop()


def chosen_groups(of: Any, wanted: Sequence[int] | None) -> Sequence[int]:
    """Return the row groups of a file that are read; `of` has its `group_rows`."""
    every = range(len(of.group_rows))
    return every if wanted is None else [group for group in wanted if group in every]


def spec_of_leaf(path: Path, kind: pa.DataType) -> TensorSpec:
    """Return the spec of a component.

    Raises:
        SpecError: No tensor can hold it.
    """
    if pa.types.is_decimal(value_type(kind)):
        raise SpecError(
            f"column {label(path)!r} has type {kind}, which no tensor can hold",
            hint='read it as the nearest float64 with decimals="float64", or leave it out with columns=[...]',
        )
    return spec_of(pa.field(label(path), kind))


def checked_fills(
    layout: Mapping[Path, pa.DataType], fills: Mapping[str, Any], where: str
) -> tuple[tuple[Path, Any], ...]:
    """Return what stands for nulls as a setting of a node.

    Raises:
        InvalidArgumentError: There is no such column, or the value is not of its type.
    """
    checked: dict[Path, Any] = {}
    for name, value in sorted(fills.items()):
        for path in selected(layout, [name], where):
            try:
                pa.scalar(value, layout[path])
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
                raise InvalidArgumentError(
                    f"fill_nulls[{name!r}] must be a {layout[path]}, not {value!r}"
                ) from error
            checked[path] = value
    return tuple(checked.items())


def check_file(leaves: Schema, layout: Layout, decimals: str | None, fills: Collection[Path]) -> list[str]:
    """Return what is wrong with the components of a file, as far as the rule asks for it."""
    wanted = dict(layout.pairs)
    if layout.rule == STRICT:
        found = {path: leaf for path, leaf in leaves.items() if path not in layout.ignored}
        return differences(found, wanted, extras=layout.others, decimals=decimals)
    missing = [path for path in wanted if layout.rule == PINNED and path not in leaves and path not in fills]
    said = [f"column {label(path)!r} is missing" for path in missing]
    for path, kind in wanted.items():
        if path in leaves and not is_convertible(leaves[path].kind, kind):
            said.append(f"column {label(path)!r} is {leaves[path].kind}, and cannot be read as {kind}")
    return said


def disagreement(
    paths: Sequence[str], at: int, layout: Layout, decimals: str | None, fills: Collection[Path]
) -> SpecError:
    """Return the error over a file that differs, with how it and others do, file by file."""
    lines: list[str] = []
    unread = 0
    around = [*range(at, len(paths)), *range(at)][:LOOKED_AT]
    for number in around:
        try:
            said = check_file(outline_of(paths[number]).leaves, layout, decimals, fills)
        except (OSError, DataflowError):
            unread += 1
            continue
        if said:
            shown = "; ".join(said[:SHOWN]) + ("; …" if len(said) > SHOWN else "")
            lines.append(f"  {paths[number]}: {shown}")
    more = len(lines) - SHOWN
    listed = "\n".join(lines[:SHOWN]) + (f"\n  and {more} more files" if more > 0 else "")
    like = f"from {paths[0]}" if layout.rule == STRICT else "from the schema that was given"
    return SpecError(
        f"{len(lines)} of {len(around) - unread} files differ {like}:\n{listed}",
        hint='write all shards with one schema; or read the columns of all files, with schema="union", or '
        "those that you name, with schema={name: dtype}",
    )
