"""`CsvDataset`: records of CSV files, typed; quoted fields may hold line ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.block import Block
from dataflow.csv_format import CsvFormat, Record, csv_format
from dataflow.errors import DataflowError, InvalidArgumentError, TraceError, did_you_mean
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.sources.ranges import ByteRange, RangedFiles, bad_cut, origin_at, range_of
from dataflow.spec import Structure, TensorSpec
from dataflow.storage import files
from dataflow.storage.files import ByteStream, as_paths, check_compression, compression_of
from dataflow.storage.range_stream import RangeStream
from dataflow.storage.record_index import (
    RecordIndex,
    TextRules,
    ends_with_record,
    text_index,
    text_lines,
    text_start,
)


@dataclasses.dataclass(frozen=True)
class CsvRecords(RangedFiles):
    """One element per record: a tuple of its fields, or a dict where `names` are given."""

    paths: tuple[str, ...] | Tensor
    format: CsvFormat = dataclasses.field(repr=False)
    header: bool = False
    names: tuple[str, ...] | None = None
    compression_type: str | None = None
    ranges: tuple[ByteRange, ...] | None = None

    def check(self) -> None:
        """Refuse unknown compressions."""
        check_compression(self.compression_type)

    @property
    def rules(self) -> TextRules:
        """How records are told apart."""
        return TextRules(ord(self.format.delimiter), self.format.quoting, returns=True)

    def record_start(self, path: str, byte: int) -> int:
        """Behind a line end that is not quoted."""
        return text_start(path, byte, self.rules)

    def index_of(self, path: str, span: ByteRange) -> RecordIndex:
        """Of records behind the header."""
        start, stop = span
        if self.header and start == 0:
            stream = RangeStream(path, None, 0, stop)
            try:
                start = read_header(path, stream, self.format)[0].resume
            finally:
                stream.close()
        return text_index(path, start, stop, self.rules)

    def infer_spec(self) -> Structure:
        """Scalars."""
        specs = tuple(TensorSpec((), column.dtype) for column in self.format.columns)
        return specs if self.names is None else dict(zip(self.names, specs, strict=True))

    def operator(self, *inputs: Operator) -> Operator:
        """Read and parse."""
        return CsvRecordsOperator(self)


class CsvRecordsOperator(Operator):
    """Reads chunks of a file and parses the records in them."""

    node: CsvRecords
    stream: RangeStream | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first file, or seek to the saved record."""
        self.paths = as_paths(self.node.paths)
        self.file = 0 if own is None else own["file"]
        # of the next record, in decompressed bytes
        self.offset = range_of(self.node.ranges, self.file)[0] if own is None else own["offset"]
        self.line = 0 if own is None else own["line"]  # physical lines before it in the part that is read
        self.error: DataflowError | None = None
        columns = self.node.format.columns
        # block columns are in flatten order: names sorted
        names = self.node.names
        self.order = (
            range(len(columns)) if names is None else sorted(range(len(columns)), key=names.__getitem__)
        )

    def produce(self) -> Block | None:
        """Return the next records; a bad one raises when its turn comes, and is then passed over."""
        if self.error is not None:
            error, self.error = self.error, None
            self.offset, self.line = self.after_error
            raise error
        while self.file < len(self.paths):
            path = self.paths[self.file]
            try:
                if self.stream is None:
                    self._open(path)
                block = self._records(path)
            except (OSError, DataflowError):
                self._next_file()
                raise
            if block is not None:
                return block
            if self.error is not None:
                return self.produce()
            self._next_file()
        return None

    def _open(self, path: str) -> None:
        codec = compression_of(path, self.node.compression_type)
        self.stream = RangeStream(path, codec, self.offset, range_of(self.node.ranges, self.file)[1])
        self.tail, self.final = b"", False
        if self.node.header and self.offset == 0:
            record = read_header(path, self.stream, self.node.format)
            self.tail, self.final = record[1], record[2]
            self.offset, self.line = record[0].resume, record[0].lines

    def _records(self, path: str) -> Block | None:
        size = self.context.options.block_bytes or 1
        while True:
            assert self.stream is not None
            if not self.final:
                chunk = self.stream.read(size)
                self.final = self.stream.ended
                self.tail = self.tail + chunk if self.tail else chunk
                self._check_cut(path)
            parsed = self.node.format.parse_stream(self.tail, 0, self.final)
            if parsed.length or parsed.error is not None or self.final:
                break
            size *= 2
        start = range_of(self.node.ranges, self.file)[0]
        origin = origin_at(path, self.line + 1, start, _lines_before)
        self.tail = self.tail[parsed.resume :]
        before = self.offset
        if parsed.error is not None:
            record = origin.location(parsed.error.line).record
            assert record is not None
            self.error = parsed.error.at(path, record)
            self.after_error = (before + parsed.resume, self.line + parsed.lines)
            self.offset, self.line = before + parsed.consumed, self.line + parsed.error.line
        else:
            self.offset, self.line = before + parsed.resume, self.line + parsed.lines
        if not parsed.length:
            return None
        columns = tuple(parsed.columns[i] for i in self.order)
        return Block(columns, parsed.length, origin if parsed.lines == parsed.length else None)

    def _check_cut(self, path: str) -> None:
        """Raise where the part that ends with `tail` ends amid a record."""
        assert self.stream is not None
        if not (self.final and self.stream.cut):
            return
        tail = np.frombuffer(self.tail, np.uint8)
        if not ends_with_record(tail, self.node.rules):
            raise bad_cut(
                path,
                self.offset + len(tail),
                "quoted field",
                "shard with even=True, which sees all quotes, or set use_quote_delim=False if there are none",
            )

    def _next_file(self) -> None:
        self.release()
        self.file, self.line = self.file + 1, 0
        self.offset = range_of(self.node.ranges, self.file)[0]

    def release(self) -> None:
        """Close the file."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def own_state(self) -> State:
        """File number, offset of the next record in decompressed bytes, lines before it in the part."""
        return {"file": self.file, "offset": self.offset, "line": self.line}


def _lines_before(path: str, byte: int) -> int:
    return text_lines(path, byte, TextRules(returns=True))


def read_header(path: str, stream: ByteStream, fmt: CsvFormat) -> tuple[Record, bytes, bool]:
    """Return the first record of a file, the bytes read behind it, and whether the file ended there.

    Raises:
        InvalidArgumentError: The file is empty, or its first record is broken.
    """
    data, size = b"", 1 << 16
    while True:
        chunk = stream.read(size)
        data, final = data + chunk, stream.ended
        try:
            record = fmt.skip_record(data, 0, final)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(
                f"{path} has no header: {error.message}", hint="set header=False if the file has none"
            ) from error
        if record is not None:
            return record, data[record.resume :], final
        size *= 2


def csv_node(
    filenames: Any,
    record_defaults: Sequence[Any] | Mapping[str, Any],
    compression_type: str | None = None,
    header: bool = False,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
    exclude_cols: Sequence[int] | None = None,
) -> CsvRecords:
    """Check the arguments, look at the first file's header if there is one, and return the node."""
    paths = filenames if isinstance(filenames, Tensor) else as_paths(filenames)
    names: tuple[str, ...] | None = None
    check_compression(compression_type)
    rules: dict[str, Any] = {
        "field_delim": field_delim,
        "use_quote_delim": use_quote_delim,
        "na_value": na_value,
    }
    defaults = record_defaults
    if header:
        if isinstance(paths, Tensor):
            raise TraceError("the column names are known from the file itself")
        if not paths:
            raise InvalidArgumentError("CsvDataset needs at least one file")
        stream = ByteStream(paths[0], compression_of(paths[0], compression_type))
        try:
            fields = read_header(paths[0], stream, csv_format([[""]], select_cols=[0], **rules))[0].fields
        finally:
            stream.close()
        if isinstance(defaults, Mapping):
            for name in defaults:
                if name not in fields:
                    raise InvalidArgumentError(
                        f"{paths[0]} has no column {name!r}", hint=did_you_mean(name, fields)
                    )
            select_cols = sorted(fields.index(name) for name in defaults)
            defaults = [defaults[fields[i]] for i in select_cols]
        positions = select_cols
        if positions is None:
            excluded = set(exclude_cols or ())
            positions = [i for i in range(len(fields)) if i not in excluded]
        if len(positions) != len(defaults) or (positions and max(positions) >= len(fields)):
            raise InvalidArgumentError(
                f"record_defaults has {len(defaults)} items for {len(positions)} columns "
                f"of {paths[0]}: {fields}",
                hint="give one default or dtype per column, or a dict by column name",
            )
        names = tuple(fields[i] for i in positions)
        if len(set(names)) < len(names):
            raise InvalidArgumentError(f"{paths[0]} has columns of the same name: {names}")
    elif isinstance(defaults, Mapping):
        raise InvalidArgumentError("record_defaults can be a dict only with header=True")
    form = csv_format(
        defaults, select_cols=select_cols, exclude_cols=exclude_cols, names=names, allow_dtypes=True, **rules
    )
    return CsvRecords(paths, form, header, names, compression_type)


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write files and return nodes that read them.

    With and without header, quotes with line ends, gzip; bad records, a missing file.
    """
    plain = files.write_example(directory, "a.csv", b'1,x,0.5\n2,"y\n,y",\n3,,2.5')
    header = files.write_example(directory, "b.csv", b"id,fare\n7,1.5\n8,\n")
    packed = files.write_example(directory, "c.csv.gz", b"id,fare\n9,2.5\n", "gzip")
    bad = files.write_example(directory, "d.csv", b"1,x\ny,x\n2\n3,x,4\n4,\xff\n5,x\n,x\n6,x\n")
    missing = files.join(directory, "missing.csv")
    return [
        csv_node([bad, missing, bad], [int, "none"]),
        csv_node(plain, [0, "none", -1.0]),
        csv_node([header, packed], [int, 0.0], header=True),
        csv_node([header, packed], {"fare": 0.0}, header=True),
        dataclasses.replace(csv_node([bad, bad], [int, "none"]), ranges=((8, None), (0, 16))),
    ]
