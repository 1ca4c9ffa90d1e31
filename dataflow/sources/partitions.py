"""Columns that stand in the names of directories: ``year=2024/month=7/a.parquet``."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, did_you_mean
from dataflow.spec import STRING, TensorSpec, as_dtype
from dataflow.storage.parquet_statistics import Condition, lies_outside

NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"[+-]?\d{1,18}")


@dataclasses.dataclass(frozen=True)
class Partition:
    """A column that has one value for each file.

    Attributes:
        name: Of the column.
        dtype: Of the values.
        values: One for each file; None is a null.
    """

    name: str
    dtype: np.dtype[Any]
    values: tuple[Any, ...] = dataclasses.field(repr=False)

    @property
    def spec(self) -> TensorSpec:
        """A scalar."""
        return TensorSpec((), self.dtype)

    def excludes(self, file: int, where: Sequence[Condition]) -> bool:
        """Tell whether no row of a file meets all conditions."""
        value = self.values[file]
        return value is not None and any(
            path == self.name and lies_outside(value, value, how, constant) for path, how, constant in where
        )


def partitions_of(
    paths: Sequence[str],
    roots: Sequence[str | None],
    wanted: bool | Mapping[str, Any] | None,
    pinned: Mapping[str, Any],
    fills: Mapping[str, Any],
) -> tuple[Partition, ...]:
    """Return the columns that the directories of files name.

    Args:
        paths: The files.
        roots: For each the directory that was given, if one was: only what is below it counts.
        wanted: Whether to look; None is yes if there are roots; or dtypes by name, for those that are not
            to be found out: integers if all values are, else text.
        pinned: Further dtypes, also of what is no partition.
        fills: What stands for nulls, by name.

    Raises:
        InvalidArgumentError: Files differ in names, or a value is not of its dtype.
    """
    if wanted is False or (wanted is None and not any(roots)):
        return ()
    depths = {root: 0 if root is None else len(_parts(root.rstrip("/\\"))) for root in set(roots)}
    found = [_named(_parts(path)[depths[root] : -1]) for path, root in zip(paths, roots, strict=True)]
    names = list(found[0])
    for path, values in zip(paths, found, strict=True):
        if list(values) != names:
            raise InvalidArgumentError(
                f"{path} lies in partitions {list(values)}, and {paths[0]} in {names}",
                hint="read the directories one by one, or give partitions=False",
            )
    dtypes = dict(wanted) if isinstance(wanted, Mapping) else {}
    for name in dtypes:
        if name not in names:
            raise InvalidArgumentError(f"there is no partition {name!r}", hint=did_you_mean(name, names))
    dtypes = {**pinned, **dtypes}
    return tuple(
        _partition(name, paths, [values[name] for values in found], dtypes.get(name), fills) for name in names
    )


def _parts(path: str) -> list[str]:
    return re.split(r"[/\\]", path)


def _named(directories: Sequence[str]) -> dict[str, str]:
    pairs = [name.split("=", 1) for name in directories if "=" in name]
    return {urllib.parse.unquote(name): urllib.parse.unquote(value) for name, value in pairs if name}


def _partition(
    name: str, paths: Sequence[str], texts: Sequence[str], wanted: Any, fills: Mapping[str, Any]
) -> Partition:
    present = [text for text in texts if text != NULL]
    if wanted is None:
        integers = present and all(_INTEGER.fullmatch(text) for text in present)
        dtype = np.dtype(np.int64) if integers else STRING
    else:
        dtype = as_dtype(wanted)
    by_text = {text: _value(name, text, dtype, paths, texts) for text in set(present)}
    if len(present) < len(texts):
        by_text[NULL] = _null(name, dtype, paths[list(texts).index(NULL)], fills)
    return Partition(name, dtype, tuple(by_text[text] for text in texts))


def _value(name: str, text: str, dtype: np.dtype[Any], paths: Sequence[str], texts: Sequence[str]) -> Any:
    try:
        if dtype.kind == "b":
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if dtype.kind == "S":
            return text.encode()
        if dtype.kind == "U":
            return text
        value = np.array(text).astype(dtype)[()]
        return value if dtype.kind in "mM" else value.item()
    except (ValueError, KeyError, OverflowError) as error:
        raise InvalidArgumentError(
            f"partition {name}={text} of {paths[list(texts).index(text)]} is no {dtype}",
            hint=f"give another dtype, such as partitions={{{name!r}: str}}",
        ) from error


def _null(name: str, dtype: np.dtype[Any], path: str, fills: Mapping[str, Any]) -> Any:
    if name in fills:
        return fills[name]
    if dtype.kind in "biu":
        raise InvalidArgumentError(
            f"partition {name!r} has a null in {path}, and no value can stand for it",
            hint=f"give a default: fill_nulls={{{name!r}: 0}}, or read text: partitions={{{name!r}: str}}",
        )
    return None
