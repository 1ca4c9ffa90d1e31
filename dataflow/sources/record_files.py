"""What sources of binary records in files share: where they go on, and what an error passes over."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from dataflow.block import Block, Origin
from dataflow.errors import DataflowError, Location
from dataflow.expr.tensor import Tensor
from dataflow.runtime.operator import Operator, State
from dataflow.sources.ranges import ByteRange, RangedFiles, origin_at, range_of
from dataflow.spec import BINARY, Structure, TensorSpec
from dataflow.storage.files import as_paths, check_compression, compression_of
from dataflow.storage.range_stream import RangeStream


@dataclasses.dataclass(frozen=True)
class RecordFiles(RangedFiles):
    """One element per record, as bytes; files one after the other."""

    paths: tuple[str, ...] | Tensor
    compression_type: str | None = None
    ranges: tuple[ByteRange, ...] | None = None

    def check(self) -> None:
        """Refuse unknown compressions."""
        check_compression(self.compression_type)

    def infer_spec(self) -> Structure:
        """The bytes of a record."""
        return TensorSpec((), BINARY)

    @abstractmethod
    def records_before(self, path: str, byte: int) -> int:
        """Return how many records of a file begin before one of them."""


class RecordFilesOperator(Operator):
    """Reads files in chunks; a subclass defines `cut`, which makes records of them.

    Attributes:
        path: The open file.
        offset: Where its next record begins, in decompressed bytes.
        record: Number of its next record, from 0.
        rest: Bytes of the file from `offset` on that were read and not cut yet.
    """

    node: RecordFiles
    stream: RangeStream | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first file, or seek to the saved record."""
        self.paths = as_paths(self.node.paths)
        self.file = 0 if own is None else own["file"]
        self.offset = self._begin() if own is None else own["offset"]
        self.record = 0 if own is None else own["record"]
        self.rest: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    @property
    def first_offset(self) -> int:
        """Where the first record of a file begins."""
        return 0

    @property
    def footer_bytes(self) -> int:
        """How many bytes behind the last record are looked at too."""
        return 0

    def _begin(self) -> int:
        return range_of(self.node.ranges, self.file)[0] or self.first_offset

    def produce(self) -> Block | None:
        """Return the next records; what `cut` raises, or reading, passes over the rest of the file."""
        while self.file < len(self.paths):
            try:
                if self.stream is None:
                    self.open_file()
                found = self._next_records()
            except (OSError, DataflowError):
                self._next_file()
                raise
            if isinstance(found, DataflowError):
                raise found
            if found is not None:
                return found
            self._next_file()
        return None

    @property
    def path(self) -> str:
        """The file that is read."""
        return self.paths[self.file]

    def open_file(self) -> None:
        """Open the file at the next record."""
        codec = compression_of(self.path, self.node.compression_type)
        stop = range_of(self.node.ranges, self.file)[1]
        end = None if stop is None else stop + self.footer_bytes
        self.stream = RangeStream(self.path, codec, self.offset, end)
        self.rest = np.empty(0, np.uint8)

    def _next_records(self) -> Block | DataflowError | None:
        size = self.context.options.block_bytes or 1
        assert self.stream is not None
        while True:
            found = self.cut(self.stream.ended)
            if found is not None or self.stream.ended:
                return found
            try:
                self.rest = self.stream.read_after(self.rest.tobytes(), size)
            except DataflowError as error:
                error.location = error.location or self.location()
                raise
            size *= 2

    @abstractmethod
    def cut(self, final: bool) -> Block | DataflowError | None:
        """Return the records at the beginning of `rest`, and call `advance`; None if there are none.

        An error that is returned concerns one record, and the file goes on behind it; one that is raised
        passes over the rest of the file.

        Args:
            final: Whether nothing follows `rest` in the file.
        """

    def advance(self, consumed: int, records: int) -> None:
        """Go on behind so many bytes of `rest`, which hold so many records."""
        self.rest = self.rest[consumed:]
        self.offset += consumed
        self.record += records

    def records_origin(self) -> Origin:
        """Return where the next records come from."""
        start = range_of(self.node.ranges, self.file)[0]
        return origin_at(self.path, self.record, start, self.node.records_before, "record")

    def location(self) -> Location:
        """Return the place of the next record."""
        return self.records_origin().location(0)

    def _next_file(self) -> None:
        self.release()
        self.file, self.record = self.file + 1, 0
        self.offset = self._begin()

    def release(self) -> None:
        """Close the file."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def own_state(self) -> State:
        """File number, offset of the next record in decompressed bytes, records before it in the part."""
        return {"file": self.file, "offset": self.offset, "record": self.record}
