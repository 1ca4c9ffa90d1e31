"""Files of blocks: Arrow IPC files in which each row is a block, written in one atomic step.

A row holds the bytes of a block, a header that says what lies where in them, and a checksum of both.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.block import Block
from dataflow.block_bytes import Known, Packed, unpack
from dataflow.errors import DataflowError, DataLossError, InvalidArgumentError
from dataflow.storage import files

CODECS: Mapping[str | None, str | None] = {
    None: None,
    "GZIP": "gzip",
    "ZSTD": "zstd",
    "LZ4": "lz4",
    "SNAPPY": "snappy",
}
"""Names of compressions, and what Arrow calls them."""
BLOCK_BYTES = 1 << 20
"""Blocks are joined and cut to about this size, so that readers can seek and need little memory."""

_FINGERPRINT = b"dataflow.pipeline"
_FIELDS = (("header", pa.string()), ("data", pa.large_binary()), ("checksum", pa.int64()))
_GZIP_LEVEL = 6  # Arrow's default is the slowest


def check_compression(compression: str | None) -> None:
    """Raise `InvalidArgumentError` unless the compression is one of `CODECS`."""
    if compression not in CODECS:
        names = ", ".join(repr(name) for name in CODECS)
        raise InvalidArgumentError(f"compression must be one of {names}, not {compression!r}")


def _checksum(header: str, data: Any) -> int:
    return zlib.crc32(data, zlib.crc32(header.encode()))


class _DiscardedError(Exception):
    """Leaves the atomic writer without a file."""


class Writer:
    """Writes blocks to a file that is visible after `finish`, or never if `discard` is called.

    Args:
        path: Local path or URL.
        fingerprint: Says whose blocks they are; readers find it again.
        compression: One of `CODECS`.

    Attributes:
        pending_bytes: How much is held back.
    """

    def __init__(self, path: str, fingerprint: str | None, compression: str | None = None) -> None:
        check_compression(compression)
        self._codec = CODECS[compression]
        self._pending: list[Block] = []
        self.pending_bytes = 0
        files.make_directory(files.parent(path))
        self._file = contextlib.ExitStack()
        sink = self._file.enter_context(files.atomic_writer(path))
        self._schema = pa.schema(_FIELDS, metadata={_FINGERPRINT: (fingerprint or "").encode()})
        self._writer = pa.ipc.new_file(sink, self._schema)

    def write(self, block: Block) -> None:
        """Add a block."""
        self._pending.append(block)
        self.pending_bytes += block.nbytes
        if self.pending_bytes >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held back to become a larger block."""
        if not self._pending:
            return
        block, size = Block.concat(self._pending), self.pending_bytes
        self._pending, self.pending_bytes = [], 0
        rows = block.length if size < 2 * BLOCK_BYTES else max(1, block.length * BLOCK_BYTES // size)
        for start in range(0, block.length, rows):
            self._write(block.slice(start, start + rows))

    def _write(self, block: Block) -> None:
        packed = Packed(block)
        joined = np.empty(packed.size, np.uint8)
        packed.write(joined)
        data = pa.py_buffer(joined)
        if self._codec is not None:
            level = _GZIP_LEVEL if self._codec == "gzip" else None
            data = pa.Codec(self._codec, compression_level=level).compress(data)
        header = json.dumps({"block": packed.form, "codec": self._codec, "size": packed.size})
        offsets = pa.py_buffer(np.array([0, data.size], np.int64))
        row = [
            pa.array([header], pa.string()),
            pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, data]),
            pa.array([_checksum(header, data)], pa.int64()),
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(row, schema=self._schema))

    def finish(self) -> None:
        """Make the file complete and visible."""
        self.flush()
        self._writer.close()
        self._file.close()

    def discard(self) -> None:
        """Remove what was written."""
        with contextlib.suppress(_DiscardedError), self._file:
            raise _DiscardedError


class Reader:
    """Reads a file of blocks, in order or by number.

    Args:
        path: Local path or URL.
        kind: What messages call the file.

    Raises:
        DataLossError: The file is truncated or is something else.
        NotFoundError: There is no such file.
    """

    def __init__(self, path: str, kind: str = "file of blocks") -> None:
        self._path = path
        self._kind = kind
        self._next = 0
        self._known: Known = {}
        self._source = files.open_binary(path)
        try:
            with self._translated():
                self._file = pa.ipc.open_file(self._source)
                if not self._file.schema.equals(pa.schema(_FIELDS)):
                    raise ValueError(f"it has columns {self._file.schema.names}")
        except BaseException:
            self._source.close()
            raise
        self.fingerprint = (self._file.schema.metadata or {}).get(_FINGERPRINT, b"").decode()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DataflowError:
            raise
        except (pa.ArrowException, ValueError, TypeError, LookupError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataLossError(
                f"{self._path} is not a complete {self._kind}: {error}", hint="delete it, and write it again"
            ) from error

    def __len__(self) -> int:
        return int(self._file.num_record_batches)

    def block(self, number: int) -> Block:
        """Return a block.

        Raises:
            DataLossError: It is corrupt.
        """
        with self._translated():
            batch = self._file.get_batch(number)
            batch.validate(full=True)  # so that no offset points elsewhere
            header, data = str(batch["header"][0]), batch["data"][0].as_buffer()
            if _checksum(header, data) != batch["checksum"][0].as_py():
                raise ValueError(f"the checksum of block {number} is wrong")
            form: dict[str, Any] = json.loads(header)
            if form["codec"] is not None:
                data = pa.decompress(data, form["size"], codec=form["codec"])
            return unpack(form["block"], data, self._known)

    def next(self) -> Block | None:
        """Return the next block, None at the end."""
        if self._next >= len(self):
            return None
        self._next += 1
        return self.block(self._next - 1)

    def close(self) -> None:
        """Close the file."""
        self._source.close()
