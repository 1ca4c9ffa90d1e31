"""`read_csv` and `infer_csv_schema`: CSV files as found in the wild."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dataflow.csv.dialect import MAX_RECORD_BYTES, Dialect
from dataflow.csv.header import distinct, names_of, positions_in
from dataflow.csv.infer import added, look_at
from dataflow.csv.missing import Missing
from dataflow.csv.schema import CsvSchema, column_rule, decide
from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.options import usable_cores
from dataflow.runtime.iterate import BlockIterator, DatasetIterator
from dataflow.runtime.operator import State
from dataflow.runtime.threads import Workers
from dataflow.sources.csv_table import CsvTable, CsvTableOperator
from dataflow.sources.list_files import list_files_node
from dataflow.storage.files import as_paths

__all__ = ["CsvRowCounts", "CsvSchema", "csv_row_counts", "infer_csv_schema", "read_csv"]


def read_csv(
    paths: Any,
    *,
    schema: Mapping[str, Any] | None = None,
    header: bool | Sequence[str] = True,
    delimiter: str = ",",
    quote: str | None = '"',
    doublequote: bool = True,
    escape: str | None = None,
    encoding: str = "utf-8",
    comment: str | None = None,
    na_values: str | Iterable[str] = ("",),
    fill_nulls: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    skip_blank_lines: bool = True,
    compression: str | None = None,
    infer_rows: int | None = None,
    dates: bool = False,
    on_bad_rows: str = "error",
    bad_rows_limit: int | None = None,
    quarantine: str | None = None,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Dataset:
    r"""Read the rows of CSV files as dicts of columns, file after file.

    Each record is a row or a bad row, never neither: one that has too few or too many fields, broken quotes,
    or a value that does not fit the schema. A record with broken quotes is its first line only; reading
    goes on with the next line. A quote inside an unquoted field stands for itself. Lines end with LF, CRLF
    or CR. A byte order mark is left out.

    Missing values are NaN in columns of floats, None in text and NaT in times; in other columns they make a
    bad row, unless `fill_nulls` has a value for them.

    Args:
        paths: A path, several, or glob patterns, which give sorted paths; local or URLs.
        schema: The dtype of each column by name: "int64", "float64", "bool", "string", "bytes",
            "datetime64[D]" and others; with " not null" behind it, a missing value makes a bad row. None
            infers it from all rows, as `infer_csv_schema` does, which reads all files once.
        header: Whether the first record of each file names the columns; or these names, for files without.
            With False they are f0, f1, … Files may have the columns in different orders. Of several
            columns of the same name the others become name.1, name.2, …
        delimiter: One ASCII character.
        quote: One ASCII character, or None if fields are never quoted.
        doublequote: Whether a quote inside quotes is doubled.
        escape: A character that makes the next one stand for itself.
        encoding: Of the files, such as "latin-1", "cp1252" or "utf-16".
        comment: Lines that begin with this are left out.
        na_values: Texts that mean that a value is missing. A number among them does so in any spelling.
        fill_nulls: Values for what is missing, by column.
        columns: The columns to read, in this order; default all. Of the others nothing is checked but
            their number.
        skip_blank_lines: Leave out lines without a character; with more than one column also those of
            blanks only.
        compression: None goes by the suffix; as in `TextLineDataset`.
        infer_rows: Infer the schema from so many rows of each file instead of all.
        dates: Whether inference looks for dates and times, such as 2024-01-31 and 2024-01-31T23:59:59.
        on_bad_rows: "error" raises at the row, and iteration may go on behind it; "skip" leaves bad rows
            out; "quarantine" puts them into a file. The last two count them (`csv_row_counts`), and the
            number is logged at the end.
        bad_rows_limit: Raise if more rows than this are bad.
        quarantine: A local file for bad rows, one JSON object on each line: file, line, column, value,
            reason, and text of the record, with ``base64`` of its bytes where they are no text. It has
            each row once, also when a run is killed and resumed, or goes over the data several times; a
            run over other data replaces it. So datasets read at the same time need files of their own.
        max_record_bytes: A longer record is a bad row: so much may have to be kept in memory.

    Raises:
        InvalidArgumentError: A setting is wrong; the columns of a file are not those of the schema; or,
            while iterating, a row is bad: file, line, column and value are in the message.
        NotFoundError: While iterating, a file is missing, and was not looked at before.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("id,fare\n7,2.5\n8,\nx,1\n")
    >>> dataset = read_csv(path, schema={"id": "int64", "fare": "float64"}, on_bad_rows="skip")
    >>> list(dataset)
    [{'id': np.int64(7), 'fare': np.float64(2.5)}, {'id': np.int64(8), 'fare': np.float64(nan)}]
    """
    dialect = _dialect(
        delimiter, quote, doublequote, escape, comment, skip_blank_lines, encoding, compression, header,
        max_record_bytes,
    )  # fmt: skip
    found, missing = _paths(paths), _missing(na_values)
    if schema is None:
        schema = _inferred(found, dialect, missing, columns, fill_nulls, infer_rows, dates)
    wanted = list(schema if columns is None else columns)
    _check_known(wanted, schema, "the schema")
    _check_known(fill_nulls or {}, wanted, "the dataset")
    names = None
    if dialect.header is not True:
        names = tuple(names_of(found, dialect))
        if dialect.header is False and not set(schema) & set(names):
            raise InvalidArgumentError(
                f"without a header the columns are {', '.join(names[:3])}, …, and the schema has others",
                hint="give the names of all columns of the files: header=[...]",
            )
        _check_known(wanted, names, "the file")
    kinds = [column_rule(name, schema[name]).text for name in wanted]
    return Dataset(
        CsvTable(
            found,
            tuple(wanted),
            tuple(kinds),
            dialect,
            names,
            columns is not None,
            missing.words,
            tuple(sorted((fill_nulls or {}).items())),
            on_bad_rows,
            bad_rows_limit,
            quarantine,
        )
    )


def infer_csv_schema(
    paths: Any,
    *,
    header: bool | Sequence[str] = True,
    delimiter: str = ",",
    quote: str | None = '"',
    doublequote: bool = True,
    escape: str | None = None,
    encoding: str = "utf-8",
    comment: str | None = None,
    na_values: str | Iterable[str] = ("",),
    fill_nulls: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    skip_blank_lines: bool = True,
    compression: str | None = None,
    rows: int | None = None,
    dates: bool = False,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> CsvSchema:
    r"""Find the dtypes that hold all values of CSV files, in one pass over all of them.

    A column is int64, float64, bool (true and false), string or, with `dates`, datetime64. Integers with
    missing values are float64, with NaN, unless `fill_nulls` has a value for them; where float64 would lose
    digits, beyond 2**53, they are string. So are integers beyond 64 bits. Columns without any value are
    float64.

    Args:
        paths: As in `read_csv`, and so are all arguments that are not here.
        header: As in `read_csv`.
        delimiter: As in `read_csv`.
        quote: As in `read_csv`.
        doublequote: As in `read_csv`.
        escape: As in `read_csv`.
        encoding: As in `read_csv`.
        comment: As in `read_csv`.
        na_values: As in `read_csv`.
        fill_nulls: As in `read_csv`.
        columns: As in `read_csv`.
        skip_blank_lines: As in `read_csv`.
        compression: As in `read_csv`.
        rows: How many rows of each file to look at; None is all.
        dates: Whether to look for dates and times.
        max_record_bytes: As in `read_csv`.

    Returns:
        A mapping for ``read_csv(schema=...)``; its text is Python to copy into a program.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("id,fare,name\n7,2,x\n8,,\n")
    >>> infer_csv_schema(path)
    schema={
        # inferred from 2 rows of 1 file
        "id": "int64",
        "fare": "float64",  # integers, 1 missing, which become NaN; "int64" needs fill_nulls
        "name": "string",  # 1 missing
    }
    """
    dialect = _dialect(
        delimiter, quote, doublequote, escape, comment, skip_blank_lines, encoding, compression, header,
        max_record_bytes,
    )  # fmt: skip
    return _inferred(_paths(paths), dialect, _missing(na_values), columns, fill_nulls, rows, dates)


class CsvRowCounts(NamedTuple):
    """How many rows `read_csv` read, and how many were bad and left out, set aside or raised for."""

    rows: int
    bad_rows: int


def csv_row_counts(iterator: DatasetIterator | BlockIterator | State) -> CsvRowCounts:
    """Return how many rows and bad rows the CSV files of an iterator have had, in this epoch.

    What was read ahead counts too. So it is exact at the end, as is the number in the log.

    Args:
        iterator: An iterator of a dataset; or a saved state: then what came before its position counts.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("id" + chr(10) + "7" + chr(10) + "x")
    >>> iterator = iter(read_csv(path, schema={"id": int}, on_bad_rows="skip"))
    >>> _ = list(iterator)
    >>> csv_row_counts(iterator)
    CsvRowCounts(rows=1, bad_rows=1)
    """
    if not isinstance(iterator, dict | DatasetIterator | BlockIterator):
        raise SpecError(
            f"csv_row_counts takes an iterator or a saved state, not a {type(iterator).__name__}",
            hint="iterator = iter(dataset); read it; csv_row_counts(iterator)",
        )
    if isinstance(iterator, dict):
        positions = list(_positions_in(iterator))
    else:
        tables = [found for found in iterator.operators() if isinstance(found, CsvTableOperator)]
        positions = [table.position for table in tables]
    return CsvRowCounts(sum(p["rows"] for p in positions), sum(p["bad"] for p in positions))


def _positions_in(state: Any) -> Iterator[State]:
    """Yield the states of CSV files within a state."""
    if isinstance(state, dict) and state.get("stage") == CsvTable.__name__:
        yield state
    elif isinstance(state, dict | list):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _positions_in(part)


def _dialect(
    delimiter: str,
    quote: str | None,
    doublequote: bool,
    escape: str | None,
    comment: str | None,
    skip_blank_lines: bool,
    encoding: str,
    compression: str | None,
    header: bool | Sequence[str],
    max_record_bytes: int,
) -> Dialect:
    names = header if isinstance(header, bool) else tuple(header)
    if not isinstance(names, bool) and (isinstance(header, str) or len(set(names)) < len(names) or not names):
        raise InvalidArgumentError(f"header must be True, False or a list of distinct names, not {header!r}")
    dialect = Dialect(
        delimiter, quote, doublequote, escape, comment, skip_blank_lines, encoding, compression, names,
        max_record_bytes,
    )  # fmt: skip
    dialect.check()
    return dialect


def _paths(paths: Any) -> tuple[str, ...]:
    found: list[str] = []
    for path in as_paths(paths):
        is_pattern = any(character in path for character in "*?[")
        found += as_paths(list_files_node((path,)).paths) if is_pattern else [path]
    if not found:
        raise InvalidArgumentError("read_csv needs at least one file")
    return tuple(found)


def _missing(na_values: str | Iterable[str]) -> Missing:
    words = [na_values] if isinstance(na_values, str) else list(na_values)
    for word in words:
        if not isinstance(word, str):
            raise InvalidArgumentError(
                f"na_values must be texts, and {word!r} is none", hint=f"{str(word)!r}"
            )
    return Missing(tuple(dict.fromkeys(words)))


def _check_known(names: Iterable[str], available: Iterable[str], where: str) -> None:
    known = set(available)
    for name in names:
        if name not in known:
            raise InvalidArgumentError(f"{where} has no column {name!r}", hint=did_you_mean(name, available))


def _inferred(
    paths: Sequence[str],
    dialect: Dialect,
    missing: Missing,
    columns: Sequence[str] | None,
    fill_nulls: Mapping[str, Any] | None,
    rows: int | None,
    dates: bool,
) -> CsvSchema:
    names = names_of(paths, dialect)
    wanted = names if columns is None else list(columns)
    _check_known(wanted, names, paths[0])
    workers = Workers(min(usable_cores(), len(paths)))
    try:
        tasks = [workers.submit(look_at, path, dialect, missing, len(names), rows) for path in paths]
        seen = [task.result() for task in tasks]
    finally:
        workers.stop()
    placed = []
    for path, file in zip(paths, seen, strict=True):
        if dialect.header is True and file.fields is None:
            continue  # an empty file
        fields = names if file.fields is None else distinct(file.fields)
        placed.append((file, positions_in(path, fields, wanted, strict=columns is None)))
    counts, fills = added(placed, len(wanted)), dict(fill_nulls or {})
    decided = {name: decide(row, fills.get(name), dates) for name, row in zip(wanted, counts, strict=True)}
    return CsvSchema(
        {name: dtype for name, (dtype, _) in decided.items()},
        {name: note for name, (_, note) in decided.items()},
        len(paths),
        sum(file.rows for file in seen),
        sum(file.bad_rows for file in seen),
    )
