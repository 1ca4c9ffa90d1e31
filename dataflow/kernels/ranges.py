"""Kernels that find where records of text begin, from any byte of a file on.

A record ends with LF, and with CR and CRLF where a format says so; not inside a quoted field. A quote
opens a field only as its first byte, and closes it unless it is doubled, whatever the rest of the record
looks like: so each byte moves one of a few states to the next, and often two states that differ meet.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

RECORD, RETURNED, FIELD, PLAIN, QUOTED, CLOSED = range(6)
"""What the next byte is: the first of a record; that, or the LF of a CRLF; the first of another field;
amid a field; inside quotes; behind a quote that was inside quotes."""
STATES = 6

_LF, _CR, _QUOTE = 10, 13, 34
_BLOCK, _LONG = 128, 1024
_EACH_00FF = np.uint64(0x00FF00FF00FF00FF)
_NONE, _EACH_1, _EACH_7F = np.uint64(0), np.uint64(0x0101010101010101), np.uint64(0x7F7F7F7F7F7F7F7F)


@kernel
def _next(state: int, byte: int, delimiter: int, quoting: bool, returns: bool) -> int:
    """Return the state behind a byte."""
    if state == QUOTED:
        return CLOSED if byte == _QUOTE else QUOTED
    if byte > _QUOTE:  # most are
        return FIELD if byte == delimiter else PLAIN
    if byte == _QUOTE and quoting:
        return QUOTED if state <= FIELD or state == CLOSED else PLAIN
    if byte == _LF:
        return RECORD
    if byte == _CR and returns:
        return RETURNED
    return FIELD if byte == delimiter else PLAIN


@kernel
def _marks(word: np.uint64, byte: np.uint64) -> np.uint64:
    """Return a word with the top bit of each byte set that equals `byte`."""
    different = word ^ (byte * _EACH_1)
    return ~(((different & _EACH_7F) + _EACH_7F) | different | _EACH_7F)


@kernel
def _look(words: npt.NDArray[np.uint64], first: int, count: int, quoting: bool) -> tuple[bool, bool, int]:
    """Return whether up to 255 words have a quote, and a CR, and how many LF they have."""
    quotes, returns, lines = _NONE, _NONE, _NONE
    for k in range(first, first + count):
        word = words[k]
        quotes |= _marks(word, np.uint64(_QUOTE))
        returns |= _marks(word, np.uint64(_CR))
        lines += _marks(word, np.uint64(_LF)) >> np.uint64(7)
    lines = (lines & _EACH_00FF) + ((lines >> np.uint64(8)) & _EACH_00FF)
    lines += lines >> np.uint64(16)
    lines = (lines + (lines >> np.uint64(32))) & np.uint64(0xFFFF)
    return quoting and quotes != _NONE, returns != _NONE, np.int64(lines)  # type: ignore[return-value]


@kernel
def count_starts(
    data: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint64],
    state: int,
    delimiter: int,
    quoting: bool,
    returns: bool,
) -> tuple[int, int]:
    """Return how many records begin in `data`, and the state behind it.

    Args:
        data: A piece of a file.
        words: The same, eight bytes a word, little-endian, as far as words are whole.
        state: That before it.
        delimiter: The byte between fields; only matters with `quoting`.
        quoting: Whether fields may be quoted.
        returns: Whether CR ends a record.
    """
    total = 0
    position = 0
    while position < len(data):
        whole = position + _LONG <= 8 * len(words) and position % _LONG == 0
        quoted, returned, lines = True, True, 0
        size = _LONG
        if whole:
            quoted, returned, lines = _look(words, position // 8, _LONG // 8, quoting)
        if not whole or quoted or returned:
            size = _BLOCK
            whole = position + _BLOCK <= 8 * len(words)
            if whole:
                quoted, returned, lines = _look(words, position // 8, _BLOCK // 8, quoting)
        stop = min(position + size, len(data))
        if whole and not quoted and state == QUOTED:
            position = stop
            continue
        last = int(data[stop - 1])
        if whole and not quoted and state < QUOTED and not (returned and returns):
            begins = state == RECORD or (state == RETURNED and data[position] != _LF)
            total += lines + int(begins) - int(last == _LF)
            state = _next(PLAIN, last, delimiter, quoting, returns)
        elif whole and not quoted and state < QUOTED:
            begins = state == RECORD or (state == RETURNED and data[position] != _LF)
            total += int(begins)
            for i in range(position, stop - 1):
                total += int((data[i] == _LF) | ((data[i] == _CR) & (data[i + 1] != _LF)))
            state = _next(PLAIN, last, delimiter, quoting, returns)
        else:
            for i in range(position, stop):
                byte = int(data[i])
                total += int(state == RECORD or (state == RETURNED and byte != _LF))
                state = _next(state, byte, delimiter, quoting, returns)
        position = stop
    return total, state


@kernel
def find_start(
    data: npt.NDArray[np.uint8], state: int, wanted: int, delimiter: int, quoting: bool, returns: bool
) -> int:
    """Return where the record begins before which `wanted` others do in `data`, or -1."""
    for i in range(len(data)):
        byte = int(data[i])
        if state == RECORD or (state == RETURNED and byte != _LF):
            if wanted == 0:
                return i
            wanted -= 1
        state = _next(state, byte, delimiter, quoting, returns)
    return -1


@kernel
def find_sure_start(
    data: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint64],
    states: npt.NDArray[np.int64],
    first: int,
    delimiter: int,
    quoting: bool,
    returns: bool,
) -> int:
    """Return where the first record begins at `first` or behind it, whichever state is right, or -1.

    `states` are possible before `data`, and then those that may be behind it: each once, the others
    negative. The other arguments are those of `count_starts`.
    """
    live = len(states)
    while live > 0 and states[live - 1] < 0:
        live -= 1
    position = 0
    while position < len(data):
        stop = min(position + _BLOCK, len(data))
        skippable = position + _BLOCK <= 8 * len(words) and (live > 1 or stop <= first)
        if skippable and not _look(words, position // 8, _BLOCK // 8, quoting)[0]:
            inside = False
            others = live
            for k in range(live):
                if states[k] == QUOTED:
                    inside = True
                    others -= 1
                states[k] = -1
            live = 0
            if others > 0:
                states[live] = _next(PLAIN, int(data[stop - 1]), delimiter, quoting, returns)
                live += 1
            if inside:
                states[live] = QUOTED
                live += 1
            position = stop
            continue
        for i in range(position, stop):
            byte = int(data[i])
            begins = states[0] == RECORD or (states[0] == RETURNED and byte != _LF)
            if i >= first and live == 1 and begins:
                return i
            kept = 0
            for k in range(live):
                state = _next(states[k], byte, delimiter, quoting, returns)
                known = False
                for j in range(kept):
                    known = known or states[j] == state
                if not known:
                    states[kept] = state
                    kept += 1
            for k in range(kept, live):
                states[k] = -1
            live = kept
        position = stop
    return -1
