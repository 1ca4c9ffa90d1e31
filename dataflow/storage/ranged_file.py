"""A remote object as a file that can be read anywhere, and asks for what comes next ahead of its reader."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dataflow.storage.disk_cache import DiskCache
from dataflow.storage.fetch import Fetcher
from dataflow.storage.settings import Settings
from dataflow.storage.stores import Stat

_LEAST = 1 << 18
"""Bytes that a request for what is read in order asks for at least, however many files are open."""
_FIRST = 1 << 17
"""Bytes that are asked for behind a jump, as long as nobody knows whether reading goes on from there."""
_TAIL = 1 << 18
"""Bytes at the end that are asked for together: most footers of files that have one fit in."""
_HOLE = 1 << 17
"""Bytes between two wanted ranges that are cheaper to read than a second request."""
_open: weakref.WeakSet[RangedFile] = weakref.WeakSet()


class _Piece:
    """A range that is one request; it is kept until all that is wanted of it was read."""

    def __init__(self, start: int, stop: int, wanted: int | None = None) -> None:
        self.start, self.stop = start, stop
        self.wanted = stop - start if wanted is None else wanted
        self.future: Any = None
        self.data: memoryview | None = None

    @property
    def asked(self) -> bool:
        """Whether it was asked for."""
        return self.future is not None or self.data is not None


class RangedFile(io.RawIOBase):
    """Reads an object; each read returns all bytes it is asked for, up to the end.

    Who reads from front to back has ever more pieces under way, up to a share of what all open files may
    hold. Who reads otherwise says with `expect` what comes.

    Args:
        url: Where it is.
        stat: What it was when it was opened; bytes of anything else are refused.
        connect: Returns what fetches for the process that asks, and its event loop.
        limits: How much is read ahead.

    Attributes:
        details: Name, size and tag of what is read, under the names that fsspec uses.
    """

    def __init__(
        self,
        url: str,
        stat: Stat,
        connect: Callable[[], tuple[Fetcher, asyncio.AbstractEventLoop]],
        limits: Settings,
    ) -> None:
        super().__init__()
        self.name = url
        self.details = {"name": url, "size": stat.size, "ETag": stat.tag}
        self._stat = stat
        self._connect = connect
        self._limits = limits
        self._cache = DiskCache(limits.disk_cache, limits.disk_cache_bytes) if limits.disk_cache else None
        self._process = os.getpid()
        self._at, self._last_end = 0, -1
        self._steady = 0  # reads, each of which began where the one before it ended
        self._expected = False
        self._pieces: list[_Piece] = []
        self._left: list[_Piece] = []  # the piece that the last jump left, as a reader may come back to it
        _open.add(self)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; nothing is fetched."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stat.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Return `size` bytes, or all."""
        return b"".join(self._parts(self._stat.size if size is None or size < 0 else size))

    def readinto(self, target: Any, /) -> int:
        """Fill a buffer and return how many bytes were read."""
        view = memoryview(target).cast("B")
        filled = 0
        for part in self._parts(len(view)):
            view[filled : filled + len(part)] = part
            filled += len(part)
        return filled

    def _parts(self, size: int) -> Iterator[memoryview]:
        """Yield the next bytes as they lie in the pieces."""
        if self.closed:
            raise ValueError("read of a closed file")
        stop = min(self._at + size, self._stat.size)
        self._steady = self._steady + 1 if self._at == self._last_end else 0
        while self._at < stop:
            piece = self._piece(stop - self._at)
            part = self._data(piece)[self._at - piece.start :][: stop - self._at]
            self._at += len(part)
            piece.wanted -= len(part)
            if piece.wanted <= 0 and piece in self._pieces:
                self._pieces.remove(piece)
            yield part
        self._last_end = self._at

    def expect(self, *runs: Iterable[tuple[int, int]]) -> None:
        """Begin to fetch runs of ranges, each of which will be read once; drop what was expected before."""
        known = [piece for piece in self._pieces + self._left if piece.asked]
        pieces: list[_Piece] = []
        for piece in (piece for run in runs for piece in self._joined(run)):
            old = next((p for p in known if p.start <= piece.start and piece.stop <= p.stop), None)
            if old is None:
                pieces.append(piece)
            elif old in pieces:
                old.wanted += piece.wanted
            else:
                old.wanted = piece.wanted
                pieces.append(old)
        self._cancel(piece for piece in known if piece not in pieces)
        self._pieces, self._left, self._expected = pieces, [], True
        self._ask()

    def _joined(self, ranges: Iterable[tuple[int, int]]) -> list[_Piece]:
        """Return the requests for ranges: neighbours in one, long ones in several."""
        joined: list[list[int]] = []  # start, stop, wanted
        for start, stop in sorted((max(0, a), min(b, self._stat.size)) for a, b in ranges):
            if stop <= start:
                continue  # a footer that is wrong
            if (
                joined
                and start - joined[-1][1] <= _HOLE
                and stop - joined[-1][0] <= self._limits.request_bytes
            ):
                joined[-1][1] = max(stop, joined[-1][1])
                joined[-1][2] += stop - start
            else:
                joined.append([start, stop, stop - start])
        pieces = []
        for start, stop, wanted in joined:
            if stop - start <= self._limits.request_bytes:
                pieces.append(_Piece(start, stop, wanted))
                continue
            cuts = [*range(start, stop, self._limits.request_bytes), stop]
            pieces += [_Piece(a, b) for a, b in itertools.pairwise(cuts)]
        return pieces

    def _piece(self, wanted: int) -> _Piece:
        """Return the piece with the next byte, asked for, and so are those behind it."""
        if self._process != os.getpid():  # a fork has no threads: nothing that was under way comes
            self._process, self._pieces = os.getpid(), []
        found = next((p for p in self._pieces + self._left if p.start <= self._at < p.stop), None)
        if found is not None and found in self._left:
            return found
        if self._expected:
            if found is None:
                found = _Piece(self._at, min(self._at + wanted, self._stat.size))
                self._pieces.insert(0, found)
        else:
            passed = self._pieces.index(found) if found is not None else len(self._pieces)
            if found is None:
                self._left = [piece for piece in self._pieces[:1] if piece.data is not None]
            self._cancel(self._pieces[:passed])
            del self._pieces[:passed]
            self._extend(wanted)
            found = self._pieces[0]
        self._ask(found)
        return found

    def _extend(self, wanted: int) -> None:
        """Add pieces behind the position, the more, the longer it has been read without a jump."""
        share = self._limits.read_ahead_bytes // max(1, len(_open))
        size = min(max(share // 4, _LEAST), self._limits.request_bytes)
        ahead = min((1 << min(self._steady, 10)) - 1, max(1, share // size - 1), self._limits.requests)
        end = self._stat.size
        while len(self._pieces) <= ahead or self._pieces[-1].stop < min(self._at + wanted, end):
            start = self._pieces[-1].stop if self._pieces else self._at
            if start >= end:
                return
            if self._cache is not None:  # the same pieces however it is read, so that they are found again
                size = self._limits.request_bytes
                start -= start % size
            elif not self._pieces and not self._steady:  # a jump: perhaps to what stands at the end
                size = min(max(wanted, min(_FIRST, size)), self._limits.request_bytes)
                start = min(start, max(0, end - _TAIL)) if size >= _TAIL else start
            self._pieces.append(_Piece(start, min(start + size, end)))

    def _ask(self, needed: _Piece | None = None) -> None:
        """Ask for the piece that is needed, and for others in their order as long as they may be held."""
        held = sum(p.stop - p.start for p in self._pieces if p.asked)
        share = self._limits.read_ahead_bytes // max(1, len(_open))
        for piece in ([] if needed is None else [needed]) + self._pieces:
            if piece.asked:
                continue
            held += piece.stop - piece.start
            if piece is not needed and held > share:
                return
            if self._cache is not None:
                piece.data = self._cache.get(self._key(piece), piece.stop - piece.start)
            if piece.data is None:
                fetcher, loop = self._connect()
                work = fetcher.fetch(self.name, self._stat, piece.start, piece.stop)
                piece.future = asyncio.run_coroutine_threadsafe(work, loop)

    def _data(self, piece: _Piece) -> memoryview:
        if piece.data is None:
            try:
                piece.data = piece.future.result()
            except BaseException:
                self._pieces.remove(piece)  # the next read asks again
                self._cancel([piece])
                raise
            assert piece.data is not None
            if self._cache is not None:
                self._cache.put(self._key(piece), piece.data)
        return piece.data

    def _key(self, piece: _Piece) -> tuple[str, ...] | None:
        """Return what names the content of a piece; None if a change would not be seen."""
        tag = self._stat.tag
        return None if tag is None else (self.name, tag, str(self._stat.size), f"{piece.start}-{piece.stop}")

    @staticmethod
    def _cancel(pieces: Iterable[_Piece]) -> None:
        for piece in pieces:
            if piece.future is not None:
                with contextlib.suppress(RuntimeError):  # the event loop has ended before
                    piece.future.cancel()

    def close(self) -> None:
        """Drop what is under way."""
        if not self.closed and self._process == os.getpid():
            self._cancel(self._pieces)
        self._pieces, self._left = [], []
        _open.discard(self)
        super().close()
