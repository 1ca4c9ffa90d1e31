"""`TextLineDataset`: the lines of text files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from dataflow import kernels
from dataflow.block import Block, Origin, Strings
from dataflow.errors import DataLossError
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import STRING, Structure, TensorSpec
from dataflow.storage.files import ByteStream, as_paths, check_compression, compression_of


@dataclasses.dataclass(frozen=True)
class TextLines(Node):
    """One element per line, files one after the other; line ends are removed, and every carriage return."""

    paths: tuple[str, ...] | Tensor
    compression_type: str | None = None

    def check(self) -> None:
        """Refuse unknown compressions."""
        check_compression(self.compression_type)

    def infer_spec(self) -> Structure:
        """A line."""
        return TensorSpec((), STRING)

    def operator(self, *inputs: Operator) -> Operator:
        """Read and cut."""
        return TextLinesOperator(self)


class TextLinesOperator(Operator):
    """Reads chunks of a file and cuts them at line ends."""

    node: TextLines

    def start(self, own: State | None) -> None:
        """Begin with the first file, or seek to the saved line."""
        self.paths = as_paths(self.node.paths)
        self.file = 0 if own is None else own["file"]
        self.offset = 0 if own is None else own["offset"]  # of the next line, in decompressed bytes
        self.line = 0 if own is None else own["line"]  # lines before it
        self._close_stream()

    def produce(self) -> Block | None:
        """Return the next lines."""
        while self.file < len(self.paths):
            path = self.paths[self.file]
            if self.stream is None:
                self.tail = b""
                try:
                    codec = compression_of(path, self.node.compression_type)
                    self.stream = ByteStream(path, codec, self.offset)
                except OSError:
                    self._next_file()
                    raise
            block = self._lines(path)
            if block is not None:
                return block
            self._next_file()
        return None

    def _lines(self, path: str) -> Block | None:
        """Return the next lines of the open file, None at its end."""
        size = self.context.options.block_bytes or 1
        while True:
            assert self.stream is not None
            try:
                chunk = self.stream.read(size)
            except DataLossError as error:
                self._next_file()
                raise error
            final = len(chunk) < size
            buffer = np.frombuffer(self.tail + chunk, np.uint8)
            data, offsets = np.empty(len(buffer), np.uint8), np.empty(len(buffer) + 2, np.int32)
            lines, consumed = kernels.text.split_lines(buffer, final, data, offsets)
            self.tail = buffer[consumed:].tobytes()
            if lines:
                break
            if final:
                return None
            size *= 2
        values = pa.StringArray.from_buffers(
            lines, pa.py_buffer(offsets[: lines + 1].copy()), pa.py_buffer(data[: offsets[lines]])
        )
        origin = Origin(path, self.line + 1)
        good = lines if data[: offsets[lines]].max(initial=0) < 128 else self._valid_prefix(values)
        if good < lines:
            return self._up_to_bad_line(buffer, values, good, origin)
        self.offset += consumed
        self.line += lines
        return Block((Strings(values),), lines, origin)

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

    def _up_to_bad_line(self, buffer: np.ndarray, values: pa.Array, good: int, origin: Origin) -> Block:  # type: ignore[type-arg]
        """Deliver the lines before one that is not UTF-8; if it is the first, skip it and raise."""
        ends = np.flatnonzero(buffer == 10)
        skip = good if good else 1
        consumed = int(ends[skip - 1]) + 1 if skip <= len(ends) else len(buffer)
        self.offset += consumed
        self.line += skip
        self.tail = b""
        self._close_stream()
        if good:
            return Block((Strings(values.slice(0, good)),), good, origin)
        raise DataLossError(
            "the line is not valid UTF-8",
            location=origin.location(0, value=repr(values.cast(pa.binary())[0].as_py())),
            hint="convert the file to UTF-8",
        )

    def _next_file(self) -> None:
        self._close_stream()
        self.file, self.offset, self.line = self.file + 1, 0, 0

    def _close_stream(self) -> None:
        stream = getattr(self, "stream", None)
        if stream is not None:
            stream.close()
        self.stream: ByteStream | None = None

    def own_state(self) -> State:
        """File number, offset of the next line in decompressed bytes, lines before it."""
        return {"file": self.file, "offset": self.offset, "line": self.line}

    def close(self) -> None:
        """Close the file."""
        self._close_stream()


EXAMPLES = ()
"""Files differ by machine: the suite makes them and builds the nodes itself."""
