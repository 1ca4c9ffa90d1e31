"""`TextLineDataset`: the lines of text files."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow import kernels
from dataflow.block import Block, Origin
from dataflow.errors import DataLossError
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.sources.ranges import ByteRange, RangedFiles, origin_at, range_of
from dataflow.spec import STRING, Structure, TensorSpec
from dataflow.storage import files
from dataflow.storage.files import as_paths, check_compression, compression_of
from dataflow.storage.range_stream import RangeStream
from dataflow.storage.record_index import RecordIndex, TextRules, text_index, text_lines, text_start
from dataflow.strings import Lines, Strings, text_array

Bytes: TypeAlias = npt.NDArray[np.uint8]
_LINES = TextRules()


@dataclasses.dataclass(frozen=True)
class TextLines(RangedFiles):
    """One element per line, files one after the other; line ends are removed, and every carriage return."""

    paths: tuple[str, ...] | Tensor
    compression_type: str | None = None
    ranges: tuple[ByteRange, ...] | None = None

    def check(self) -> None:
        """Refuse unknown compressions."""
        check_compression(self.compression_type)

    def infer_spec(self) -> Structure:
        """A line."""
        return TensorSpec((), STRING)

    def record_start(self, path: str, byte: int) -> int:
        """Behind a line end."""
        return text_start(path, byte, _LINES)

    def index_of(self, path: str, span: ByteRange) -> RecordIndex:
        """Of lines."""
        return text_index(path, *span, _LINES)

    def operator(self, *inputs: Operator) -> Operator:
        """Read and cut."""
        return TextLinesOperator(self)


class TextLinesOperator(Operator):
    """Reads chunks of a file and cuts them at line ends."""

    node: TextLines
    stream: RangeStream | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first file, or seek to the saved line."""
        self.paths = as_paths(self.node.paths)
        self.file = 0 if own is None else own["file"]
        # of the next line, in decompressed bytes
        self.offset = range_of(self.node.ranges, self.file)[0] if own is None else own["offset"]
        self.line = 0 if own is None else own["line"]  # lines before it in the part that is read

    def produce(self) -> Block | None:
        """Return the next lines; a file that cannot be read raises, and is then passed over."""
        while self.file < len(self.paths):
            path = self.paths[self.file]
            if self.stream is None:
                with self._or_next_file():
                    codec = compression_of(path, self.node.compression_type)
                    stop = range_of(self.node.ranges, self.file)[1]
                    self.stream, self.tail = RangeStream(path, codec, self.offset, stop), b""
            block = self._lines(path, self.stream)
            if block is not None:
                return block
            self._next_file()
        return None

    @contextlib.contextmanager
    def _or_next_file(self) -> Iterator[None]:
        try:
            yield
        except (OSError, DataLossError):
            self._next_file()
            raise

    def _lines(self, path: str, stream: RangeStream) -> Block | None:
        """Return the next lines of the open file, None at its end."""
        size = self.context.options.block_bytes or 1
        while True:
            with self._or_next_file():
                buffer = stream.read_after(self.tail, size)
            final = stream.ended
            values, consumed = cut_lines(buffer, final)
            self.tail = buffer[consumed:].tobytes()
            lines = len(values)
            if lines:
                break
            if final:
                return None
            size *= 2
        start = range_of(self.node.ranges, self.file)[0]
        origin = origin_at(path, self.line + 1, start, _lines_before)
        good = lines if buffer.max(initial=0) < 128 else self._valid_prefix(values.values)
        if good < lines:
            return self._up_to_bad_line(buffer, values.values, good, origin)
        self.offset += consumed
        self.line += lines
        return Block((values,), lines, origin)

    @staticmethod
    def _valid_prefix(values: pa.Array) -> int:
        """Return the number of lines before the first that is not UTF-8."""
        try:
            values.validate(full=True)
            return len(values)
        except pa.ArrowInvalid:
            pass
        raw = values.cast(pa.binary())
        for i, line in enumerate(raw):
            try:
                line.as_py().decode()
            except UnicodeDecodeError:
                return i
        raise AssertionError("Arrow refused text that is valid")

    def _up_to_bad_line(self, buffer: Bytes, values: pa.Array, good: int, origin: Origin) -> Block:
        """Deliver the lines before one that is not UTF-8; if it is the first, skip it and raise."""
        ends = np.flatnonzero(buffer == 10)
        skip = good if good else 1
        consumed = int(ends[skip - 1]) + 1 if skip <= len(ends) else len(buffer)
        self.offset += consumed
        self.line += skip
        self.release()  # the next read seeks to behind the line
        if good:
            return Block((Strings(values.slice(0, good)),), good, origin)
        raise DataLossError(
            "the line is not valid UTF-8",
            location=origin.location(0, value=repr(values.cast(pa.binary())[0].as_py())),
            hint="convert the file to UTF-8",
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
        """File number, offset of the next line in decompressed bytes, lines before it in the part."""
        return {"file": self.file, "offset": self.offset, "line": self.line}


def _lines_before(path: str, byte: int) -> int:
    return text_lines(path, byte, _LINES)


def cut_lines(buffer: Bytes, final: bool) -> tuple[Strings, int]:
    r"""Return the lines of a buffer, and how many bytes they take with their ends.

    Without a ``\r`` to drop, the lines are pieces of the buffer; otherwise they are copied.
    """
    if ord("\r") in buffer:
        data, offsets = np.empty(len(buffer), np.uint8), np.empty(len(buffer) + 2, np.int64)
        count, consumed = kernels.text.split_lines(buffer, final, data, offsets)
        return Strings(text_array(pa.string(), data[: offsets[count]], offsets[: count + 1])), consumed
    whole = len(buffer) & ~7
    out = np.empty(len(buffer) // 16 + 16, np.int64)
    while (count := kernels.text.line_ends(buffer[:whole].view(np.uint64), buffer[whole:], out)) < 0:
        out = np.empty(4 * len(out), np.int64)
    stops = out[:count]
    if final and len(buffer) and (not count or stops[-1] != len(buffer) - 1):
        stops = np.append(stops, len(buffer))
    starts = np.empty_like(stops)
    starts[:1], starts[1:] = 0, stops[:-1] + 1
    consumed = min(int(stops[-1]) + 1, len(buffer)) if len(stops) else 0
    return Lines(buffer, starts, stops), consumed


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write files and return nodes that read them.

    Line ends of all kinds, an empty file, compression; lines that are no UTF-8, a truncated file, a
    missing one.
    """
    plain = files.write_example(directory, "a.txt", b"one\r\ntwo\n\nfo\rur\n")
    empty = files.write_example(directory, "b.txt", b"")
    packed = files.write_example(directory, "c.txt.gz", b"five\nsix", "gzip")
    foreign = files.write_example(directory, "d.txt", b"ab\n\xff\ncd\n\xfe\xff\n")
    cut = files.join(directory, "e.txt.gz")
    with files.atomic_writer(cut) as file:
        file.write(files.read_bytes(packed)[:-6])
    missing = files.join(directory, "missing.txt")
    return [
        TextLines((plain, empty, packed)),
        TextLines((packed,)),
        TextLines((foreign, plain)),
        TextLines((plain, cut, missing, empty, packed)),
        TextLines((plain, foreign), None, ((5, None), (0, 8))),
    ]
