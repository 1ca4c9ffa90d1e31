"""The rows that a job reads: files found, columns chosen, and called as the model calls them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow import Dataset, ParquetDataset, infer_csv_schema, read_csv
from dataflow.csv.schema import column_rule
from dataflow.errors import InvalidArgumentError
from dataflow.spec import TensorSpec, dtype_name
from dataflow.storage.files import is_url, join
from dataflow.storage.tree import expanded
from estimators.command_line.arguments import Arguments

_FORMATS = {"parquet": "parquet", "pq": "parquet", "csv": "csv", "tsv": "csv"}
_ENDING = re.compile(rf"\.({'|'.join(_FORMATS)})\b")
BAD_ROWS = "_bad_rows.jsonl"


def files_of(paths: Sequence[str]) -> list[str]:
    """Return the files that paths, patterns and directories mean.

    Raises:
        NotFoundError: There are none.
    """
    return [file for path in paths for file, _ in expanded(path)]


def format_of(files: Sequence[str], wanted: str | None) -> str:
    """Return the format of the input, "parquet" or "csv".

    Raises:
        InvalidArgumentError: The names of files do not tell, or tell different ones.
    """
    if wanted is not None:
        return wanted
    by_format: dict[str | None, str] = {}
    for file in files:
        endings = _ENDING.findall(re.split(r"[/\\]", file)[-1].lower())
        by_format.setdefault(_FORMATS[endings[-1]] if endings else None, file)
    if len(by_format) == 1 and None not in by_format:
        return str(next(iter(by_format)))
    raise InvalidArgumentError(
        f"the names of the files do not tell one format: {', '.join(by_format.values())}",
        hint="give --input-format, or --input of one format",
    )


def pairs(options: Sequence[str], name: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` options as a dict.

    Raises:
        InvalidArgumentError: One has no "=", or a name comes twice.

    >>> pairs(["a=1", "b=x=y"], "--rename")
    {'a': '1', 'b': 'x=y'}
    """
    found: dict[str, str] = {}
    for item in options:
        key, equals, value = item.partition("=")
        if not equals or not key or key in found:
            raise InvalidArgumentError(f"{name} {item}: each must be NAME=VALUE, with a new name")
        found[key] = value
    return found


class Rows:
    """What a job reads.

    Args:
        arguments: Of the command.
        files: To read.
        inputs: What the signature takes.
    """

    def __init__(self, arguments: Arguments, files: Sequence[str], inputs: Mapping[str, TensorSpec]) -> None:
        self._arguments = arguments
        self._files = list(files)
        self._inputs = inputs
        self._aliases = pairs(arguments.rename, "--rename")
        names = dict.fromkeys([*inputs, *arguments.keep])
        self._columns = {name: self._aliases.get(name, name) for name in names}
        unused = [name for name in self._aliases if name not in self._columns]
        if unused:
            raise InvalidArgumentError(
                f"--rename {unused[0]}={self._aliases[unused[0]]}: the signature has no input {unused[0]!r}",
                hint=f"it takes {', '.join(map(repr, inputs))}; or add --keep {unused[0]}",
            )
        self.format = format_of(self._files, arguments.input_format)

    def dtypes(self) -> dict[str, str]:
        """Return the dtypes of columns of CSV files; those that nobody says are inferred from all rows."""
        if self.format != "csv":
            return {}
        given = pairs(self._arguments.dtype, "--dtype")
        found = {
            column: _csv_dtype(name, self._inputs[name])
            for name, column in self._columns.items()
            if name in self._inputs
        }
        found.update((name, dtype) for name, dtype in given.items() if name in self._columns.values())
        rest = [column for column in dict.fromkeys(self._columns.values()) if column not in found]
        if rest:
            fills = {name: value for name, value in self._fills({}).items() if name in rest}
            with self._naming():
                found.update(
                    infer_csv_schema(self._files, columns=rest, fill_nulls=fills, **self._csv_settings())
                )
        return found

    def dataset(self, dtypes: Mapping[str, str]) -> Dataset:
        """Return the rows, as dicts of the inputs and of what is kept."""
        with self._naming():
            read = self._parquet() if self.format == "parquet" else self._csv(dtypes)
        columns, specs = self._columns, read.element_spec
        for column in columns.values():
            if not isinstance(specs[column], TensorSpec):
                raise InvalidArgumentError(
                    f"column {column!r} is a struct, {specs[column]}",
                    hint="choose columns of values or of lists",
                )
        if all(name == column for name, column in columns.items()):
            return read
        return read.map(lambda row: {name: row[column] for name, column in columns.items()})

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Add to an error about a missing column what the model wants."""
        try:
            yield
        except InvalidArgumentError as error:
            if error.location is None and "has no column" in error.message:
                wanted = ", ".join(map(repr, self._inputs))
                error.hint = (
                    f"{error.hint}. The model takes {wanted}; --rename NAME=COLUMN gives a column a name"
                )
            raise

    def _parquet(self) -> Dataset:
        if self._arguments.on_bad_rows != "error":
            raise InvalidArgumentError(
                f"--on-bad-rows {self._arguments.on_bad_rows} is for CSV files: rows of Parquet files have "
                "the types of their columns",
                hint="--fill-null NAME=VALUE gives nulls a value",
            )
        columns = list(dict.fromkeys(self._columns.values()))
        directories = re.split(r"[/\\]", self._files[0])[:-1]
        in_path = any(part.startswith(f"{column}=") for part in directories for column in columns)
        return ParquetDataset(
            self._files,
            columns,
            fill_nulls=self._fills({}),
            partitions=in_path,
            decimals="float64",
        )

    def _csv(self, dtypes: Mapping[str, str]) -> Dataset:
        arguments = self._arguments
        quarantine = None
        if arguments.on_bad_rows == "quarantine":
            quarantine = arguments.quarantine or join(arguments.output, BAD_ROWS)
            if is_url(quarantine):
                raise InvalidArgumentError(
                    f"bad rows go to a local file, not to {quarantine}", hint="give --quarantine PATH"
                )
        return read_csv(
            self._files,
            schema=dtypes,
            columns=list(dtypes),
            fill_nulls=self._fills(dtypes),
            on_bad_rows=arguments.on_bad_rows,
            bad_rows_limit=arguments.bad_rows_limit,
            quarantine=quarantine,
            **self._csv_settings(),
        )

    def _csv_settings(self) -> dict[str, Any]:
        tabs = ".tsv" in self._files[0].lower()
        return {
            "delimiter": self._arguments.delimiter or ("\t" if tabs else ","),
            "header": self._arguments.column_names or True,
            "na_values": ["", *self._arguments.na_values],
            "encoding": self._arguments.encoding,
        }

    def _fills(self, dtypes: Mapping[str, str]) -> dict[str, Any]:
        """Return the values for nulls: text in columns of text, else what JSON reads."""
        found = pairs(self._arguments.fill_null, "--fill-null")
        return {
            name: value if dtypes.get(name) == "string" else _value(value) for name, value in found.items()
        }


def _csv_dtype(name: str, spec: TensorSpec) -> str:
    if spec.rank > 2 or (spec.rank == 2 and spec.shape[1] not in (1, None)):
        raise InvalidArgumentError(
            f"input {name!r} takes rows of the shape {list(spec.shape[1:])}, and CSV has single values",
            hint="give Parquet files with columns of lists",
        )
    dtype = dtype_name(spec.dtype)
    try:
        return column_rule(name, dtype).text
    except InvalidArgumentError:
        return "float64" if spec.dtype.kind == "f" else "int64"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
