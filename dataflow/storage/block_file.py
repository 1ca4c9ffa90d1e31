"""Files of blocks, for caches: an Arrow IPC file whose rows are blocks, written in one atomic step."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.block import Block, Column, Dense
from dataflow.errors import DataLossError
from dataflow.strings import Strings

_FINGERPRINT = b"dataflow.pipeline"


def exists(path: str) -> bool:
    """Tell whether the file is there."""
    return os.path.exists(path)


def _encode(column: Column) -> tuple[bytes, str]:
    if isinstance(column, Strings):
        batch = pa.record_batch([column.values], names=["v"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue().to_pybytes(), json.dumps({"text": True, "shape": column.shape})
    assert isinstance(column, np.ndarray)
    return column.tobytes(), json.dumps({"dtype": column.dtype.str, "shape": column.shape})


def _decode(data: pa.Buffer, header: str) -> Dense:
    form: dict[str, Any] = json.loads(header)
    if "text" in form:
        with pa.ipc.open_stream(data) as reader:
            return Strings(reader.read_next_batch().column(0), form["shape"])
    return np.frombuffer(data, np.dtype(form["dtype"])).reshape(form["shape"])


class Writer:
    """Writes blocks beside the file; `finish` puts them in place, `discard` removes them."""

    def __init__(self, path: str, fingerprint: str | None) -> None:
        self._path = path
        self._temporary = f"{path}.{secrets.token_hex(4)}.tmp"
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        self._sink = open(self._temporary, "wb")  # noqa: SIM115  (closed by finish and discard)
        self._schema = pa.schema(
            [
                ("data", pa.list_(pa.large_binary())),
                ("header", pa.list_(pa.string())),
                ("length", pa.int64()),
            ],
            metadata={_FINGERPRINT: (fingerprint or "").encode()},
        )
        self._writer = pa.ipc.new_file(self._sink, self._schema)

    def write(self, block: Block) -> None:
        """Add a block."""
        for run in block.dense_runs():
            parts = [_encode(column) for column in run.columns]
            row = {"data": [d for d, _ in parts], "header": [h for _, h in parts], "length": run.length}
            self._writer.write_batch(pa.RecordBatch.from_pylist([row], self._schema))

    def finish(self) -> None:
        """Make the file complete and visible."""
        self._writer.close()
        self._sink.flush()
        os.fsync(self._sink.fileno())
        self._sink.close()
        os.replace(self._temporary, self._path)

    def discard(self) -> None:
        """Remove what was written."""
        self._sink.close()
        os.unlink(self._temporary)


class Reader:
    """Reads a file of blocks.

    Raises:
        DataLossError: The file is truncated or is something else.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._file = pa.ipc.open_file(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataLossError(f"{path} is not a complete cache file: {error}", hint="delete it") from error
        self.fingerprint = (self._file.schema.metadata or {}).get(_FINGERPRINT, b"").decode()

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in order."""
        for i in range(self._file.num_record_batches):
            batch = self._file.get_batch(i)
            data, headers = batch["data"][0], batch["header"][0]
            pairs = zip(data, headers, strict=True)
            columns = tuple(_decode(d.as_buffer(), h.as_py()) for d, h in pairs)
            yield Block(columns, batch["length"][0].as_py())
