"""`TFRecordDataset`: the records of TFRecord files; and `TFRecordWriter`, which writes them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import warnings
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from dataflow import kernels
from dataflow.block import Block
from dataflow.errors import DataLossError, FailedPreconditionError, SpecError
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator
from dataflow.sources.ranges import ByteRange, bad_cut
from dataflow.sources.record_files import RecordFiles, RecordFilesOperator
from dataflow.storage import files
from dataflow.storage.compressed import compressed_writer
from dataflow.storage.record_index import RecordIndex, frame_index, frame_start, frames_before
from dataflow.strings import Strings, text_array

_HEADER, _FRAME = 12, 16
"""Bytes of a frame before the record, and in all beside it."""


@dataclasses.dataclass(frozen=True)
class TFRecords(RecordFiles):
    """One element per record; checksums are verified."""

    def record_start(self, path: str, byte: int) -> int:
        """Where the checksum of a length fits, and that of the next one."""
        return frame_start(path, byte)

    def index_of(self, path: str, span: ByteRange) -> RecordIndex:
        """Of frames."""
        return frame_index(path, *span)

    def records_before(self, path: str, byte: int) -> int:
        """As many as frames say."""
        return frames_before(path, byte)

    def operator(self, *inputs: Operator) -> Operator:
        """Read and cut."""
        return TFRecordsOperator(self)


class TFRecordsOperator(RecordFilesOperator):
    """Cuts chunks of a file into records, all records of a chunk in one kernel call."""

    node: TFRecords

    def cut(self, final: bool) -> Block | DataLossError | None:
        """Return the records before the first bad one; then that one's error."""
        buffer = self.rest
        data, offsets = np.empty(len(buffer), np.uint8), np.empty(len(buffer) // _FRAME + 1, np.int64)
        records, consumed, reason = kernels.records.unframe(buffer, data, offsets)
        if records:
            values = text_array(pa.binary(), data[: offsets[records]], offsets[: records + 1])
            block = Block((Strings(values),), records, self.records_origin())
            self.advance(int(consumed), records)
            return block
        if reason == kernels.records.BAD_LENGTH:
            raise self._error(
                "the length of the record does not match its checksum",
                "the rest of the file cannot be read" if self.offset else _NOT_OURS,
            )
        if reason == kernels.records.BAD_DATA:
            error = self._error(
                "the record does not match its checksum", "the file is corrupt; the next record goes on"
            )
            self.advance(_FRAME + self._length(), 1)
            return error
        if final and len(buffer) and self.stream is not None and self.stream.cut:
            raise bad_cut(self.path, self.offset + len(buffer), "record", "shard with even=True")
        if final and len(buffer):
            whole = _FRAME + self._length() if len(buffer) >= _HEADER else f"at least {_FRAME}"
            raise self._error(
                f"the file ends inside the record: it has {len(buffer)} of {whole} bytes",
                "the file is truncated" if self.offset else _NOT_OURS,
            )
        return None

    def _length(self) -> int:
        return int.from_bytes(self.rest[:8].tobytes(), "little")

    def _error(self, message: str, hint: str) -> DataLossError:
        return DataLossError(f"{message} (at byte {self.offset})", location=self.location(), hint=hint)


_NOT_OURS = "the file is corrupt, or is no TFRecord file, or compression_type is wrong"


class TFRecordWriter:
    """Writes records to a TFRecord file, which tf.data reads too.

    The file becomes visible under its name complete, when the writer is closed; until then a file that was
    there stays. Without `close`, or if the body of ``with`` raises, nothing is written.

    Args:
        path: A local path or URL.
        options: Compression: None goes by the suffix of the path, as `TFRecordDataset` does; '' is none;
            or 'GZIP', 'ZLIB', 'BZ2', 'ZSTD', 'LZ4', 'XZ'.

    Raises:
        InvalidArgumentError: There is no such compression.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.tfrecord")
    >>> with TFRecordWriter(path) as writer:
    ...     writer.write(b"one")
    >>> path.stat().st_size
    19
    """

    def __init__(self, path: str | os.PathLike[str], options: str | None = None) -> None:
        self._path = os.fspath(path)
        self._stack: contextlib.ExitStack | None = None
        files.check_compression(options)
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(files.atomic_writer(self._path))
            self._file = stack.enter_context(compressed_writer(raw, self._path, options))
            self._stack = stack.pop_all()

    def write(self, record: bytes) -> None:
        """Append a record.

        Args:
            record: Bytes, or what has a buffer of bytes; text must be encoded.

        Raises:
            FailedPreconditionError: The writer is closed.
        """
        self._expect_open()
        if isinstance(record, str):
            raise SpecError("a record is bytes, not str", hint="encode it: record.encode()")
        data = np.frombuffer(record, np.uint8)
        out = np.empty(len(data) + _FRAME, np.uint8)
        kernels.records.frame(data, out)
        self._file.write(out.data)

    def flush(self) -> None:
        """Hand what was written to the system; the file is not visible before `close` all the same."""
        self._expect_open()
        self._file.flush()

    def close(self) -> None:
        """Finish the file and make it visible; once closed, this does nothing."""
        self.__exit__(None, None, None)

    def _expect_open(self) -> None:
        if self._stack is None:
            raise FailedPreconditionError(f"the writer of {self._path} is closed")

    def __enter__(self) -> Self:
        self._expect_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.__exit__(kind, error, trace)

    def __del__(self) -> None:
        if getattr(self, "_stack", None) is not None:
            warnings.warn(
                f"the writer of {self._path} was not closed, so nothing was written",
                ResourceWarning,
                stacklevel=1,
                source=self,
            )
            self.__exit__(GeneratorExit, GeneratorExit(), None)


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write files and return nodes that read them.

    Empty and long records, an empty file, compression; wrong checksums of records and lengths, a
    truncated file, a missing one.
    """
    records = [b"one", b"", b"three" * 20, b"\x00\xff"]
    plain, packed, zlib = (files.join(directory, name) for name in ("a", "b.gz", "c.zlib"))
    for path, options in ((plain, None), (packed, None), (zlib, "ZLIB")):
        with TFRecordWriter(path, options) as writer:
            for record in records:
                writer.write(record)
    data = files.read_bytes(plain)
    spoilt = {"data": bytearray(data), "length": bytearray(data), "cut": bytearray(data[:-3])}
    spoilt["data"][12] ^= 1
    spoilt["data"][-5] ^= 1
    spoilt["length"][19] ^= 1
    bad = [files.write_example(directory, name, bytes(text)) for name, text in spoilt.items()]
    empty, missing = files.write_example(directory, "empty", b""), files.join(directory, "missing")
    return [
        TFRecords((plain, empty, packed)),
        TFRecords((zlib,), "ZLIB"),
        TFRecords((*bad, plain)),
        TFRecords((packed, missing, bad[0], bad[2])),
        TFRecords((plain, plain), None, ((19, None), (0, 35))),
    ]
