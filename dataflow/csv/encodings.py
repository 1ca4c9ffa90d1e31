"""Text files as streams of UTF-8, whatever their encoding, read from any position on."""

from __future__ import annotations

import codecs
import functools
from typing import cast

import numpy as np

from dataflow.csv.records import Bytes
from dataflow.errors import InvalidArgumentError
from dataflow.storage.files import ByteStream
from dataflow.storage.range_stream import RangeStream

_ERRORS = "dataflow.csv"
_MARKS = {
    "utf-16": {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"},
    "utf-32": {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be"},
}
"""The bytes at the beginning of a file that tell the order of bytes."""


def _undecodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Stand in for bytes that mean nothing: what encodes to a byte that is no UTF-8, so it is found later."""
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    if isinstance(error, UnicodeEncodeError):
        return b"\xff", error.end
    raise error


codecs.register_error(_ERRORS, _undecodable)


class TextStream:
    """The content of a file as UTF-8, without a byte order mark.

    Bytes that cannot be decoded become the byte 0xFF, which is no UTF-8.

    Args:
        path: Local path or URL.
        compression: What `compression_of` returned.
        codec: Name of the encoding; None is UTF-8.
        offset: Where to begin, in bytes of UTF-8.
        anchor: A place before `offset`, from `anchor_before`; without one the file is decoded up to there.
        stop: Where the file is to end, in its own bytes.

    Attributes:
        ended: Whether the end was met.
    """

    def __init__(
        self,
        path: str,
        compression: str | None,
        codec: str | None,
        offset: int = 0,
        anchor: tuple[int, int] = (0, 0),
        stop: int | None = None,
    ) -> None:
        self._anchors = [anchor]
        self.ended = False
        self.position = offset
        """Where in the stream the next read begins; after a byte order mark of UTF-8, behind that."""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._rest = b""
        if codec is None:
            self._stream = RangeStream(path, compression, offset, stop)
            if offset == 0:
                self._skip_mark(path)
            return
        source, target = anchor
        codec, mark = self._without_mark(path, compression, codec)
        self._source = max(source, mark)
        self._stream = RangeStream(path, compression, self._source, stop)
        self._decoder = codecs.getincrementaldecoder(codec)(_ERRORS)
        self._target = target
        while target < offset and not self.ended:
            target += len(self._read(min(offset - target, 1 << 20)))

    def _skip_mark(self, path: str) -> None:
        self._rest = self._stream.read(3)
        if self._rest == codecs.BOM_UTF8:
            self._rest, self.position = b"", 3
        elif self._rest[:2] in _MARKS["utf-16"]:
            self._stream.close()
            raise InvalidArgumentError(
                f"{path} begins with the byte order mark of UTF-16", hint="read it with encoding='utf-16'"
            )

    @staticmethod
    def _without_mark(path: str, compression: str | None, codec: str) -> tuple[str, int]:
        """Return the codec, with the order of bytes that the file's mark tells, and the size of the mark."""
        marks = _MARKS.get(codec, {})
        if not marks:
            return codec, 0
        stream = ByteStream(path, compression)
        try:
            start = stream.read(4)
        finally:
            stream.close()
        for mark, found in marks.items():
            if start.startswith(mark):
                return found, len(mark)
        return f"{codec}-le", 0

    def read_after(self, head: Bytes, size: int) -> Bytes:
        """Return the head and about `size` bytes behind it; nothing behind it at the end."""
        if self._decoder is not None or self._rest:
            return np.concatenate([head, np.frombuffer(self._read(size), np.uint8)])
        data = self._stream.read_after(cast("bytes", head.data), size)  # any buffer will do
        self.ended = self._stream.ended
        return data

    def _read(self, size: int) -> bytes:
        if self._decoder is None:
            data, self._rest = self._rest, b""
            return data
        while len(self._rest) < size and not self._stream.ended:
            raw = self._stream.read(max(size, 4096))
            text = self._decoder.decode(raw, self._stream.ended)
            piece = text.encode("utf-8", _ERRORS)
            self._rest += piece
            self._source += len(raw)
            self._target += len(piece)
            pending, flag = self._decoder.getstate()
            if flag == 0:  # the encoding has no shifts, so decoding can begin here
                self._anchors.append((self._source - len(pending), self._target))
        data, self._rest = self._rest[:size], self._rest[size:]
        self.ended = self._stream.ended and not self._rest
        return data

    @property
    def cut(self) -> bool:
        """Whether it ends before the file does."""
        return self._stream.cut

    def anchor_before(self, offset: int) -> tuple[int, int]:
        """Return the last place before `offset` to decode from: in bytes of the file, and of UTF-8."""
        while len(self._anchors) > 1 and self._anchors[1][1] <= offset:
            del self._anchors[0]
        return self._anchors[0]

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


@functools.cache
def one_byte_each(codec: str) -> bool:
    """Tell whether each byte is a character in an encoding, the same as in ASCII if it is one there."""
    ascii_bytes = bytes(range(128))
    if ascii_bytes.decode(codec, "replace") != ascii_bytes.decode("ascii"):
        return False
    others = [bytes([byte, behind]) for byte in range(128, 256) for behind in (65, byte)]
    texts = [pair.decode(codec, "replace") for pair in others]
    return all(len(text) == 2 and not text[0].isascii() for text in texts)


def encoded_size(path: str, stop: int, codec: str | None) -> int:
    """Return how many bytes of UTF-8 the first `stop` bytes of a plain file are."""
    if codec is None:
        return stop
    stream = TextStream(path, None, codec, stop=stop)
    try:
        size = 0
        while not stream.ended:
            size += len(stream.read_after(np.empty(0, np.uint8), 1 << 16))
        return size
    finally:
        stream.close()
