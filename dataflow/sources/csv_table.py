"""`read_csv`: rows of CSV files as found in the wild as dicts of columns, with a policy for bad ones."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
from collections import deque
from typing import Any

import numpy as np

from dataflow.block import Block, Origin
from dataflow.csv.dialect import Dialect
from dataflow.csv.encodings import encoded_size, one_byte_each
from dataflow.csv.framing import LINE, START, Frame, RecordReader
from dataflow.csv.header import positions_in
from dataflow.csv.missing import Missing
from dataflow.csv.schema import ColumnRule, column_rule
from dataflow.csv.table import BadRow, ParsedFrame, TableParser, hint_for
from dataflow.errors import DataflowError, InvalidArgumentError, Location
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.sources.ranges import ByteRange, DividedFiles, bad_cut, origin_at, range_of
from dataflow.spec import Structure, TensorSpec
from dataflow.storage import files
from dataflow.storage.record_index import TextRules, text_lines, text_start
from dataflow.storage.rejected import RejectedFile

_log = logging.getLogger("dataflow")
_FEW = 5
"""Bad rows that an error shows."""


@dataclasses.dataclass(frozen=True)
class CsvTable(DividedFiles):
    """Dicts of the columns, files in order.

    `names` are those of all columns, for files without a header; of files with one all columns must be
    known, unless some are chosen (`chosen`).
    """

    paths: tuple[str, ...]
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    dialect: Dialect = dataclasses.field(default_factory=Dialect)
    names: tuple[str, ...] | None = None
    chosen: bool = False
    na_values: tuple[str, ...] = ("",)
    fill_nulls: tuple[tuple[str, Any], ...] = ()
    on_bad_rows: str = "error"
    bad_rows_limit: int | None = dataclasses.field(default=None, metadata={"physical": True})
    quarantine: str | None = dataclasses.field(default=None, metadata={"physical": True})
    ranges: tuple[ByteRange, ...] | None = None

    def check(self) -> None:
        """Refuse what cannot be."""
        self.dialect.check()
        if self.on_bad_rows not in ("error", "skip", "quarantine"):
            raise InvalidArgumentError(
                f"on_bad_rows must be 'error', 'skip' or 'quarantine', not {self.on_bad_rows!r}"
            )
        if (self.quarantine is None) == (self.on_bad_rows == "quarantine"):
            raise InvalidArgumentError(
                "on_bad_rows='quarantine' and quarantine=path, a local file, go together",
                hint="give both or none",
            )
        if self.bad_rows_limit is not None and self.bad_rows_limit < 0:
            raise InvalidArgumentError(f"bad_rows_limit must not be negative, as {self.bad_rows_limit} is")
        if not self.columns:
            raise InvalidArgumentError("there are no columns to read")

    @property
    def rules(self) -> list[ColumnRule]:
        """How each column is read."""
        fills = dict(self.fill_nulls)
        return [
            column_rule(name, kind, fills.get(name))
            for name, kind in zip(self.columns, self.kinds, strict=True)
        ]

    def divisible(self, path: str) -> bool:
        """Not if a place in the text tells nothing of the quotes, escapes and characters before it."""
        dialect = self.dialect
        return (
            files.compression_of(path, dialect.compression) is None
            and (dialect.codec is None or one_byte_each(dialect.codec))
            and dialect.quote in (None, '"')
            and dialect.escape is None
        )

    def record_start(self, path: str, byte: int) -> int:
        """Behind a line end that is not quoted."""
        dialect = self.dialect
        return text_start(path, byte, TextRules(ord(dialect.delimiter), dialect.quote is not None, True))

    def infer_spec(self) -> Structure:
        """The columns."""
        return {rule.name: TensorSpec((), rule.dtype) for rule in self.rules}

    def operator(self, *inputs: Operator) -> Operator:
        """Read and convert."""
        return CsvTableOperator(self)


class CsvTableOperator(Operator):
    """Reads frames of records, converts them, and does with bad ones what the policy says."""

    node: CsvTable
    position: State = {"rows": 0, "bad": 0}  # noqa: RUF012  (replaced, never changed)
    reader: RecordReader | None = None
    rejected: RejectedFile | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first file, or seek to the saved row."""
        fresh = {**self._beginning(0), "rows": 0, "bad": 0, "rejected": 0}
        self.position = fresh if own is None else dict(own)
        self.rules = self.node.rules
        self.order = sorted(range(len(self.rules)), key=lambda i: self.rules[i].name)
        self.parsers: dict[tuple[int, ...], TableParser] = {}
        self.ready: deque[tuple[Block | DataflowError, State]] = deque()
        self.first_bad: list[tuple[str, int, BadRow]] = []
        self.ended = False

    def produce(self) -> Block | None:
        """Return the next rows; a bad one raises when its turn comes, if that is the policy."""
        while not self.ready:
            if self.position["file"] >= len(self.node.paths):
                self._end()
                return None
            try:
                if self.reader is None:
                    self._open()
                assert self.reader is not None
                frame = self.reader.read(self.context.options.block_bytes or 1)
                if frame is not None and self.reader.ends_amid(frame):
                    raise self._bad_cut()
            except (OSError, DataflowError):
                self._next_file()
                raise
            if frame is None:
                self._next_file()
                continue
            try:
                self._take(frame, self.reader)
            except DataflowError:
                self._close_reader()  # the next read begins again at the position
                raise
        found, after = self.ready[0]
        if isinstance(found, DataflowError) and self.node.on_bad_rows != "error":
            raise found  # too many bad rows: there is no way past it
        self.position = after
        self.ready.popleft()
        if isinstance(found, DataflowError):
            raise found
        return found

    def _open(self) -> None:
        node, at = self.node, self.position
        path, (start, stop) = self.path, range_of(node.ranges, at["file"])
        fields: list[str] | None = None if node.names is None else list(node.names)
        reader: RecordReader | None = None
        place = at["offset"], at["line"], tuple(at["anchor"])
        if node.dialect.header is True:
            reader = RecordReader(path, node.dialect)
            self.reader = reader
            fields = reader.header() or list(node.columns)
            if at["offset"] or stop is not None:
                begins = at["offset"] == start < reader.offset
                if begins and encoded_size(path, start, node.dialect.codec) < reader.offset:
                    # `start` may be amid blank lines and comments before the header
                    place = reader.offset, reader.line - _lines_before(path, start), (0, 0)
                reader.close()
                reader = None
        assert fields is not None
        where = positions_in(path, fields, node.columns, strict=not node.chosen)
        if reader is None:
            reader = RecordReader(path, node.dialect, *place, stop)
        self.reader, reader.width = reader, len(fields)
        if where not in self.parsers:
            self.parsers[where] = TableParser(self.rules, where, Missing(node.na_values))
        self.parser = self.parsers[where]

    def _take(self, frame: Frame, reader: RecordReader) -> None:
        """Put the rows of a frame, and the errors between them, in the queue."""
        parsed = self.parser.parse(frame, reader)
        columns = tuple(parsed.columns[i] for i in self.order)
        block = Block(columns, len(parsed.rows), self._origin(frame, parsed))
        anchor = list(reader.stream.anchor_before(self.position["offset"]))
        after = {**self.position, "offset": reader.offset, "line": reader.line, "anchor": anchor}
        allowed = 0 if self.node.on_bad_rows == "error" else len(parsed.bad)
        if self.node.bad_rows_limit is not None:
            allowed = max(0, min(allowed, self.node.bad_rows_limit - self.position["bad"]))
        if len(self.first_bad) < _FEW:
            few = parsed.bad[: _FEW - len(self.first_bad)]
            self.first_bad += [(self.path, self._part_start, row) for row in few]
        if self.node.quarantine is not None:
            after["rejected"] = self._write(parsed.bad[:allowed])
        rows = 0
        for number, row in enumerate(parsed.bad[allowed:], allowed):
            upto = int(np.searchsorted(parsed.rows, row.index))
            here = {
                **after,
                "offset": frame.base + int(frame.records[row.index, START]),
                "line": row.line,
                "rows": self.position["rows"] + upto,
                "bad": self.position["bad"] + number,
            }
            if upto > rows:
                self.ready.append((block.slice(rows, upto), here))
            rows = upto
            behind = {**here, "offset": reader.offset, "line": reader.line, "bad": here["bad"] + 1}
            if row.index + 1 < len(frame.records):
                following = frame.records[row.index + 1]
                behind |= {"offset": frame.base + int(following[START]), "line": int(following[LINE])}
            self.ready.append((self._error(row), behind))
            if self.node.on_bad_rows != "error":
                return
        after["rows"] += len(parsed.rows)
        after["bad"] += len(parsed.bad)
        if block.length > rows:
            self.ready.append((block.slice(rows), after))
        elif self.ready:
            self.ready[-1] = (self.ready[-1][0], after)
        else:
            self.position = after

    def _origin(self, frame: Frame, parsed: ParsedFrame) -> Origin | None:
        """Return where the rows come from, if each is one line behind the other."""
        lines = frame.records[:, LINE]
        if parsed.bad or int(lines[-1] - lines[0]) != len(lines) - 1 or (np.diff(lines) != 1).any():
            return None
        return origin_at(self.path, int(lines[0]) + 1, self._part_start, _lines_before)

    @property
    def path(self) -> str:
        """The file that is read."""
        return self.node.paths[self.position["file"]]

    @property
    def _part_start(self) -> int:
        """Where the part of the file that is read begins; lines are counted from there."""
        return range_of(self.node.ranges, self.position["file"])[0]

    def _line(self, row: BadRow) -> int:
        """Return the number of a row's line in the whole file."""
        return _lines_before(self.path, self._part_start) + row.line + 1

    def _error(self, row: BadRow) -> DataflowError:
        """Return the error for a row that is not set aside."""
        if self.node.on_bad_rows != "error":
            limit = self.node.bad_rows_limit or 0
            first = "\n    ".join(["", *(_said(*bad) for bad in self.first_bad)])
            return InvalidArgumentError(
                f"{limit + 1} rows are bad, and bad_rows_limit is {limit}; the first of this run:{first}",
                location=Location(self.path, self._line(row)),
                hint="mend the files or the schema, or raise bad_rows_limit",
            )
        rule = next((rule for rule in self.rules if rule.name == row.column), None)
        value = row.raw[:1000].decode("utf-8", "backslashreplace") if row.value is None else row.value
        hint = "leave such rows out with on_bad_rows='skip', or keep them with 'quarantine'"
        return InvalidArgumentError(
            row.reason,
            location=Location(self.path, self._line(row), "line", row.column, value),
            hint=hint if rule is None else hint_for(rule, row.reason),
        )

    def _write(self, bad: list[BadRow]) -> int:
        """Write rows to the quarantine; return where the next one will be."""
        position: int = self.position["rejected"]
        assert self.node.quarantine is not None
        if self.rejected is None:
            self.rejected = RejectedFile(self.node.quarantine)
        lines = [
            {
                "file": self.path,
                "line": self._line(row),
                "column": row.column,
                "value": row.value,
                "reason": row.reason,
                **_as_text(row.raw),
            }
            for row in bad
        ]
        return self.rejected.put(position, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def _bad_cut(self) -> DataflowError:
        stop = range_of(self.node.ranges, self.position["file"])[1]
        assert stop is not None
        hint = "shard by files, or leave out contiguous=True; set quote=None if no fields are quoted"
        return bad_cut(self.path, stop, "quoted field", hint)

    def _beginning(self, file: int) -> State:
        """Return the position at the first byte that is read of a file."""
        start = range_of(self.node.ranges, file)[0]
        return {"file": file, "offset": start, "line": 0, "anchor": [start, start]}

    def _next_file(self) -> None:
        self._close_reader()
        self.position = {**self.position, **self._beginning(self.position["file"] + 1)}

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        if self.node.quarantine is not None:
            self._write([])
            assert self.rejected is not None
            self.rejected.end(self.position["rejected"])
        bad, rows = self.position["bad"], self.position["rows"]
        if bad and self.node.on_bad_rows != "error":
            what = "left out" if self.node.quarantine is None else "put into " + self.node.quarantine
            _log.warning(
                "read_csv: %d of %d rows were bad and %s (%s)", bad, bad + rows, what, self.node.stage
            )

    def _close_reader(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def release(self) -> None:
        """Close the files."""
        self._close_reader()
        if self.rejected is not None:
            self.rejected.close()
            self.rejected = None

    def own_state(self) -> State:
        """Return the position: file, offset and line of the next record, and how many were good and bad.

        ``anchor`` is where to decode from, ``rejected`` the bytes of the quarantine.
        """
        return self.position


def _as_text(raw: bytes) -> dict[str, str]:
    """Return the record as JSON can hold it: as text, and exactly too, where it is none."""
    try:
        return {"text": raw.decode()}
    except UnicodeDecodeError:
        exact = base64.b64encode(raw).decode()
        return {"text": raw.decode("utf-8", "backslashreplace"), "base64": exact}


def _lines_before(path: str, byte: int) -> int:
    return text_lines(path, byte, TextRules(returns=True)) if byte else 0


def _said(path: str, start: int, row: BadRow) -> str:
    column = f", column {row.column}" if row.column is not None else ""
    return f"{path}, line {_lines_before(path, start) + row.line + 1}{column}: {row.reason}"


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write files and return nodes that read them: bad rows, quotes, comments, encodings, a missing file."""
    wild = b'id,name\r\n1,"a\nb"\r\n\r\n# no\nx,y\n3\n4,5" pipe\n+5,\xff\n,q\n"7","d""e"'
    paths = [
        files.write_example(directory, "a.csv", wild),
        files.write_example(directory, "b.csv", b"name,id\nu,8\nv,9\n"),
        files.write_example(directory, "c.csv.gz", b"id,name\n10,w\n", "gzip"),
    ]
    missing, bad = files.join(directory, "missing.csv"), files.join(directory, "bad.jsonl")
    wide = files.write_example(directory, "u.csv", "id;x\n1;é\n;ü\n3;ß\n4;b;\n".encode("utf-16"))
    latin = Dialect(delimiter=";", encoding="utf-16", header=("p", "q"))
    table = CsvTable(tuple(paths), ("id", "name"), ("int64", "string"), Dialect(comment="#"))
    return [
        table,
        dataclasses.replace(table, paths=(paths[1], missing, paths[2])),
        dataclasses.replace(table, on_bad_rows="skip", fill_nulls=(("id", 0),)),
        dataclasses.replace(table, kinds=("float64",) * 2, on_bad_rows="quarantine", quarantine=bad),
        CsvTable((wide,), ("q", "p"), ("string", "string"), latin, names=("p", "q")),
        dataclasses.replace(table, paths=(paths[0], paths[1]), ranges=((24, None), (0, 12))),
    ]
