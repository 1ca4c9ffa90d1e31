"""`FixedLengthRecordDataset`: the records of files in which all have one size."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError, Location
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator
from dataflow.sources.ranges import ByteRange
from dataflow.sources.record_files import RecordFiles, RecordFilesOperator
from dataflow.storage import files
from dataflow.storage.files import as_paths, compression_of
from dataflow.storage.record_index import FixedLengthIndex, RecordIndex, file_size
from dataflow.strings import Strings, text_array


@dataclasses.dataclass(frozen=True)
class FixedLengthRecords(RecordFiles):
    """One element per `record_bytes` bytes between a file's header and its footer."""

    record_bytes: int = dataclasses.field(kw_only=True)
    header_bytes: int = dataclasses.field(default=0, kw_only=True)
    footer_bytes: int = dataclasses.field(default=0, kw_only=True)

    def check(self) -> None:
        """Refuse sizes that cannot be, and unknown compressions."""
        super().check()
        for name, least in (("record_bytes", 1), ("header_bytes", 0), ("footer_bytes", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise InvalidArgumentError(f"{name} must be an integer of at least {least}, not {value!r}")

    def record_start(self, path: str, byte: int) -> int:
        """The next multiple behind the header."""
        records = max(-((self.header_bytes - byte) // self.record_bytes), 0)
        return min(self.header_bytes + records * self.record_bytes, file_size(path) - self.footer_bytes)

    def index_of(self, path: str, span: ByteRange) -> RecordIndex:
        """Computed from the size."""
        start, stop = span
        end = file_size(path) - self.footer_bytes if stop is None else stop
        return FixedLengthIndex(max(start, self.header_bytes), end, self.record_bytes)

    def records_before(self, path: str, byte: int) -> int:
        """As many as fit in between."""
        return (byte - self.header_bytes) // self.record_bytes

    def operator(self, *inputs: Operator) -> Operator:
        """Read and cut."""
        return FixedLengthRecordsOperator(self)


class FixedLengthRecordsOperator(RecordFilesOperator):
    """Makes records of the chunks of a file, in the buffer they were read into."""

    node: FixedLengthRecords

    @property
    def first_offset(self) -> int:
        """Behind the header."""
        return self.node.header_bytes

    @property
    def footer_bytes(self) -> int:
        """Or the first bytes of the next part, in its place."""
        return self.node.footer_bytes

    def open_file(self) -> None:
        """Open the file; a plain one tells its size, and is refused before its first record."""
        if compression_of(self.path, self.node.compression_type) is None:
            with files.open_binary(self.path) as file:
                self._expect_whole_records(file.seek(0, os.SEEK_END))
        super().open_file()
        assert self.stream is not None
        if self.stream.ended and not self.stream.cut:  # while it went to the offset
            raise self._error(f"has fewer than {self.offset} bytes")

    def _expect_whole_records(self, size: int) -> None:
        node = self.node
        body = size - node.header_bytes - node.footer_bytes
        if body < 0 or body % node.record_bytes:
            raise self._error(f"has {size} bytes")

    def _error(self, what: str) -> InvalidArgumentError:
        node = self.node
        return InvalidArgumentError(
            f"the file {what}, which is not a header of {node.header_bytes}, records of {node.record_bytes} "
            f"and a footer of {node.footer_bytes}",
            location=Location(self.path),
            hint="check record_bytes, header_bytes and footer_bytes, and whether the file is complete",
        )

    def cut(self, final: bool) -> Block | None:
        """Return all whole records, as views of `rest`; the last bytes may be the footer."""
        size, body = self.node.record_bytes, len(self.rest) - self.node.footer_bytes
        records = max(body, 0) // size
        if not records:
            if final:
                self._expect_whole_records(self.offset + len(self.rest))
            return None
        offsets = np.arange(records + 1, dtype=np.int64) * size
        values = text_array(pa.binary(), self.rest[: records * size], offsets)
        block = Block((Strings(values),), records, self.records_origin())
        self.advance(records * size, records)
        return block


def fixed_length_node(
    filenames: Any,
    record_bytes: int,
    header_bytes: int | None = None,
    footer_bytes: int | None = None,
    compression_type: str | None = None,
) -> FixedLengthRecords:
    """Return the node, with sizes as plain integers."""
    paths = filenames if isinstance(filenames, Tensor) else as_paths(filenames)
    size, header, footer = (
        value.item() if isinstance(value, np.integer) else value
        for value in (record_bytes, header_bytes or 0, footer_bytes or 0)
    )
    return FixedLengthRecords(
        paths, compression_type, record_bytes=size, header_bytes=header, footer_bytes=footer
    )


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write files and return nodes that read them.

    Header and footer, an empty body, compression; sizes that do not fit, a truncated file, a missing one.
    """
    plain = files.write_example(directory, "a", b"HHaabbccddF")
    empty = files.write_example(directory, "b", b"HHF")
    packed = files.write_example(directory, "c.gz", b"HHeeffggF", "gzip")
    odd = files.write_example(directory, "d", b"HHaabF")
    packed_odd = files.write_example(directory, "e.gz", b"HHaabF", "gzip")
    cut = files.write_example(directory, "f.gz", files.read_bytes(packed)[:-6])
    missing = files.join(directory, "missing")
    return [
        FixedLengthRecords((plain, empty, packed), record_bytes=2, header_bytes=2, footer_bytes=1),
        FixedLengthRecords((plain,), record_bytes=11),
        FixedLengthRecords(
            (plain, plain), None, ((4, None), (0, 6)), record_bytes=2, header_bytes=2, footer_bytes=1
        ),
        FixedLengthRecords(
            (odd, packed_odd, plain, cut, missing, packed), record_bytes=2, header_bytes=2, footer_bytes=1
        ),
    ]
