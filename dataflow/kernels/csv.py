"""The CSV parser: one call finds the fields of many records and converts the wanted columns.

`parse_lines` and `parse_stream` go in steps of some thousand rows, which stay in the CPU's cache. A scanner
looks at 64 bytes at a time through bit masks, one bit a byte: where the delimiters, line ends and quotes
are. It writes one *span* for each field, ``start << 32 | end`` in an int64, row-major ``[rows, width]``; a
quoted field's span has its quotes. Then the converters read the spans of one column after the other.

All of a block is one call, because a thread that comes back from a call must wait for the interpreter
lock. What a kernel cannot accept it does not explain: a scanner stops before the suspicious record, and a
converter *sets aside* the field, for `dataflow.kernels.csv_numbers` and plain Python to look at.

All buffers are C-contiguous; ``data`` is a read-only uint8 array of at least 64 bytes (`BLOCK`), so
that a whole block can always be loaded. No kernel reads or writes outside its arrays.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from dataflow.kernels.jit import inlined, instruction, kernel, part

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Int: TypeAlias = int | np.int64
Int32s: TypeAlias = npt.NDArray[np.int32]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Table: TypeAlias = npt.NDArray[np.int64]
"""int64 of two dimensions."""
U = np.uint64

BLOCK = 64
FIRST_ROWS = 256
"""Rows of the first step; the others are larger. So an early error wastes little work."""
DONE, STEP, BAD, FAR, FULL, LOOK = 0, 1, 2, 3, 4, 5
"""Why a kernel stopped: end of input; as many rows as were wanted; a record that needs a closer look; a
record beyond the reach of a span; no room in the buffers for another step (of which nothing is kept);
fields that were set aside."""
FLOAT32, FLOAT64, INT32, INT64, TEXT = 0, 1, 2, 3, 4
"""Kinds of columns."""

# NumPy's ints, because Numba compiles a kernel anew for each Python constant that it is called with.
_LF, _CR, _QUOTE = np.int64(10), np.int64(13), np.int64(34)
_MINUS = np.int64(45)
_NONE, _ONE, _BYTE = U(0), U(1), U(8)
_ALL = U(0xFFFFFFFFFFFFFFFF)
_32 = U(32)
_EACH_1 = U(0x0101010101010101)
_EACH_80 = U(0x8080808080808080)
_EACH_ZERO = U(0x3030303030303030)
_EACH_POINT = U(0x1E1E1E1E1E1E1E1E)
"""A point in each byte, after ``^ _EACH_ZERO``."""
_EACH_OVER_9 = U(0x7676767676767676)
_ASIDE, _EMPTY = -1, -2
_ANY_NUMBER = 1 << 62
_SCALES = np.array([1.0] + [10.0**power for power in range(16)])


DELIMITER, QUOTING, WIDTH, FEWEST, MOST, NA_TEXT, NA_NUMBER = range(7)
"""What the array of rules holds: a byte; 1 if fields may be quoted; how many fields of a record get spans;
how many fields a record must and may have, -1 for any number (of which `parse_lines` looks at the fewest
only); how many bytes at the start of the constants are missing as text, and as a number in a file."""
KIND, FIELD, OPTIONAL, DEFAULT, SIZE, PLACE, BEGIN, END, WANTED, EXOTIC = range(10)
"""What a row of the table of columns holds: one of `FLOAT32` … `TEXT`; the position in the record; 1 if there
is a default; that itself, as an int, the bits of a float64, or where in the constants the text starts; the
bytes of that text; where the output begins, in items of its dtype; and for text, where its room in the buffer
of text begins and ends, how much the kernels found that it needs, and 1 if it is not all ASCII."""


# --- machine instructions that Numba has no name for, each with its plain twin ---


def _address(context: Any, builder: Any, signature: Any, args: Any, kind: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), kind.as_pointer())


def _equal64(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    vector = ir.VectorType(ir.IntType(8), BLOCK)
    wanted = builder.insert_element(
        ir.Constant(vector, ir.Undefined), builder.trunc(args[2], ir.IntType(8)), ir.IntType(32)(0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), None)
    wanted = builder.shuffle_vector(wanted, ir.Constant(vector, ir.Undefined), zeros)
    found = builder.load(_address(context, builder, signature, args, vector), align=1)
    return builder.bitcast(builder.icmp_unsigned("==", found, wanted), ir.IntType(64))


def _word(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.load(_address(context, builder, signature, args, ir.IntType(64)), align=1)


def _put_word(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    builder.store(args[2], _address(context, builder, signature, args, ir.IntType(64)), align=1)
    return context.get_dummy_value()


def _trailing_zeros(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
    return builder.cttz(args[0], ir.IntType(1)(1))


def _smaller(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
    return builder.select(builder.icmp_signed("<", *args), *args)


def _as_float(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
    return builder.bitcast(args[0], ir.DoubleType())


def _as_bits(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
    return builder.bitcast(args[0], ir.IntType(64))


@instruction(_equal64, types.uint64, types.Array, types.int64, types.int64)
def equal64(data: Bytes, offset: int, byte: Int) -> np.uint64:
    """Return a mask of the bytes of ``data[offset:offset + 64]`` that equal `byte`; bit 0 is the first."""
    return U(sum(1 << k for k in range(64) if data[offset + k] == byte))


@instruction(_word, types.uint64, types.Array, types.int64)
def word(data: Bytes, offset: int) -> np.uint64:
    """Return ``data[offset:offset + 8]`` as a little-endian integer."""
    return U(int.from_bytes(data[offset : offset + 8].tobytes(), "little"))


@instruction(_put_word, types.void, types.Array, types.int64, types.uint64)
def put_word(data: Bytes, offset: int, value: np.uint64) -> None:
    """Write `value` to ``data[offset:offset + 8]``, little-endian."""
    data[offset : offset + 8] = np.frombuffer(int(value).to_bytes(8, "little"), np.uint8)


@instruction(_trailing_zeros, types.int64, types.uint64)
def trailing_zeros(value: np.uint64) -> int:
    """Return the position of the lowest bit that is set; `value` is not zero."""
    return (int(value) & -int(value)).bit_length() - 1


@instruction(_smaller, types.int64, types.int64, types.int64)
def smaller(one: int, other: int) -> int:
    """Return the smaller one; `min` takes longer to compile."""
    return min(one, other)


@instruction(_as_float, types.float64, types.int64)
def as_float(bits: Int) -> float:
    """Return the float64 with these bits."""
    return float(np.int64(bits).view(np.float64))


@instruction(_as_bits, types.int64, types.float64)
def as_bits(value: float) -> int:
    """Return the bits of a float64."""
    return int(np.float64(value).view(np.int64))


# --- scanners ---


@part
def _find(data: Bytes, offset: int, skip: np.uint64, keep: np.uint64, byte: Int) -> np.uint64:
    """Return a mask of the bytes that equal `byte`, without the first `skip` and those not to `keep`."""
    return (equal64(data, offset, byte) >> skip) & keep


@part
def _outside(
    quotes: np.uint64, ends: np.uint64, top: int, inside: np.uint64, begins: np.uint64, closed: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Find what is quoted among the bytes ``0 … top`` of a block.

    Args:
        quotes: Mask of the quotes.
        ends: Mask of delimiters and line ends.
        top: Position of the last byte.
        inside: All ones if the byte before the block is inside quotes.
        begins: One if the byte before the block ends a field.
        closed: One if the byte before the block is a closing quote.

    Returns:
        Mask of what is not inside quotes; mask of the quotes, and the bytes after quotes, that break a
        rule; and `inside` and `closed` for the next block.
    """
    # Bit i becomes the parity of the quotes up to byte i.
    within = quotes ^ (quotes << _ONE)
    within ^= within << U(2)
    within ^= within << U(4)
    within ^= within << _BYTE
    within ^= within << U(16)
    within ^= within << _32
    within ^= inside
    ends &= ~within
    opening = quotes & within
    closing = quotes & ~within
    after_closing = (closing << _ONE) | closed
    bad = opening & ~((ends << _ONE) | begins | after_closing)
    bad |= after_closing & ~(ends | opening) & (_ALL >> U(63 - top))
    return ~within, bad, _NONE - ((within >> U(top)) & _ONE), (closing >> U(top)) & _ONE


@part
def _scan_stream(
    data: Bytes, origin: int, stop: int, final: bool, rules: Ints, spans: Ints, records: Ints
) -> tuple[int, int, bool]:
    """Find the fields of the complete records of a stream, where ``records[0]`` begins one.

    The other items of `records` receive where the next ones start; they bound the number of rows.

    Returns:
        Number of rows; `DONE`, `STEP`, or `BAD` if the record after these rows breaks a rule; and whether
        there may be quotes.
    """
    delimiter, quoting, width = rules[DELIMITER], rules[QUOTING] != 0, rules[WIDTH]
    fewest, most = rules[FEWEST], rules[MOST]
    if most < 0:
        most = _ANY_NUMBER
    start, limit = records[0] - origin, stop
    if not final and stop > start and data[stop - 1] == _CR:
        limit -= 1  # the LF that belongs to it may follow
    row, column, slot = 0, 0, 0
    field = position = start
    quoted = False
    quotes, inside, begins, closed, returned = _NONE, _NONE, _ONE, _NONE, _NONE
    while position < limit:
        at = smaller(position, len(data) - BLOCK)
        count = smaller(limit - position, BLOCK - (position - at))
        skip, keep, top = U(position - at), _ALL >> U(BLOCK - count), U(count - 1)
        lines, returns = _find(data, at, skip, keep, _LF), _find(data, at, skip, keep, _CR)
        ends, bad = _find(data, at, skip, keep, delimiter) | lines | returns, _NONE
        if quoting:
            quotes = _find(data, at, skip, keep, _QUOTE)
            if (quotes | inside | closed) != _NONE:
                quoted = True
                outside, bad, inside, closed = _outside(quotes, ends, count - 1, inside, begins, closed)
                ends, lines, returns = ends & outside, lines & outside, returns & outside
        begins = (ends >> top) & _ONE
        if (returns | returned) != _NONE:
            ends &= ~(lines & ((returns << _ONE) | returned))  # the LF of a CRLF
            lines |= returns
            returned = (returns >> top) & _ONE
        if bad != _NONE:
            ends &= (bad & (_NONE - bad)) - _ONE
        while ends != _NONE:
            bit = trailing_zeros(ends)
            ends &= ends - _ONE
            end = position + bit
            if column < width:
                spans[slot + column] = (field << 32) | end
            column += 1
            field = end + 1
            if (lines >> U(bit)) & _ONE != _NONE:
                if column < fewest or column > most:
                    return row, BAD, quoted
                if returns != _NONE and field < stop and data[end] == _CR and data[field] == _LF:
                    field += 1
                row, column, slot = row + 1, 0, slot + width
                records[row] = origin + field
                if row + 1 == len(records):
                    return row, STEP, quoted
        if bad != _NONE:
            return row, BAD, quoted
        position += count
    if final and records[row] < origin + stop:
        if column < width:
            spans[slot + column] = (field << 32) | stop
        if inside != _NONE or not fewest <= column + 1 <= most:
            return row, BAD, quoted
        row += 1
        records[row] = origin + stop
    return row, DONE, quoted


@part
def _scan_lines(
    data: Bytes, starts: Ints, stops: Ints, begin: int, end: int, origin: int, rules: Ints, spans: Ints
) -> tuple[int, int]:
    """Find the fields of records ``begin … end - 1``, each one ``starts[i] … stops[i]`` of a buffer.

    Returns:
        Number of rows from `begin`; `STEP`, `FAR`, or
        `BAD` if the record after these rows breaks a rule or has line ends outside quotes.
    """
    delimiter, quoting, width = rules[DELIMITER], rules[QUOTING] != 0, rules[WIDTH]
    fewest, most = rules[FEWEST], rules[MOST]
    enough = fewest if most < fewest else _ANY_NUMBER
    slot = 0
    for i in range(begin, end):
        field = position = starts[i] - origin
        stop = stops[i] - origin
        if stop >= 1 << 31:
            return i - begin, FAR
        column = 0
        inside, begins, closed = _NONE, _ONE, _NONE
        while position < stop and column < enough:
            at = smaller(position, len(data) - BLOCK)
            count = smaller(stop - position, BLOCK - (position - at))
            skip, keep = U(position - at), _ALL >> U(BLOCK - count)
            ends = _find(data, at, skip, keep, delimiter)
            bad = _find(data, at, skip, keep, _LF) | _find(data, at, skip, keep, _CR)
            if quoting:
                quotes = _find(data, at, skip, keep, _QUOTE)
                if (quotes | inside | closed) != _NONE:
                    outside, wrong, inside, closed = _outside(quotes, ends, count - 1, inside, begins, closed)
                    ends, bad = ends & outside, (bad & outside) | wrong
            begins = (ends >> U(count - 1)) & _ONE
            if bad != _NONE:
                ends &= (bad & (_NONE - bad)) - _ONE
            while ends != _NONE and column < enough:
                bit = trailing_zeros(ends)
                ends &= ends - _ONE
                if column < width:
                    spans[slot + column] = (field << 32) | (position + bit)
                column += 1
                field = position + bit + 1
            if bad != _NONE and column < enough:
                return i - begin, BAD
            position += count
        if column < enough:
            if column < width:
                spans[slot + column] = (field << 32) | stop
            column += 1
            empty = stops[i] == starts[i]
            if empty or inside != _NONE or column < fewest or (column > most and enough != fewest):
                return i - begin, BAD
        slot += width
    return end - begin, STEP


@kernel
def count_lines(data: Bytes, start: int, stop: int) -> int:
    """Count the line ends in ``data[start:stop]``: LF, CRLF and lone CR, inside quotes too."""
    total = 0
    before = 0
    for i in range(start, stop):
        byte = int(data[i])
        total += int((byte == _CR) | ((byte == _LF) & (before != _CR)))
        before = byte
    return total


# --- numbers ---


@part
def _eight_digits(digits: np.uint64) -> np.uint64:
    """Return the number whose decimal digits are the bytes, most significant in the lowest byte."""
    pairs = ((digits * U(10 << 8 | 1)) >> _BYTE) & U(0x00FF00FF00FF00FF)
    fours = ((pairs * U(100 << 16 | 1)) >> U(16)) & U(0x0000FFFF0000FFFF)
    return (fours * U(10000 << 32 | 1)) >> _32


@part
def _point(digits: np.uint64) -> int:
    """Return where the byte of the first point begins, in bits, or -1; for bytes ``^ _EACH_ZERO``."""
    others = digits ^ _EACH_POINT
    found = (others - _EACH_1) & ~others & _EACH_80
    return trailing_zeros(found) - 7 if found != _NONE else -1


@part
def _is_missing(data: Bytes, start: Int, stop: Int, na_value: Bytes, size: int) -> bool:
    """Tell whether a field is empty, or equals the first `size` bytes of `na_value`."""
    if start == stop:
        return True
    if stop - start != size:
        return False
    for k in range(size):  # noqa: SIM110
        if data[start + k] != na_value[k]:
            return False
    return True


@part
def _read_numbers(
    data: Bytes, spans: Ints, field: int, rows: int, rules: Ints, constants: Bytes, packed: Ints
) -> None:
    """Read the fields that are at most 16 digits, at most one point, and perhaps a minus.

    `packed` receives for each row the digits as one integer times 64, plus 32 with a minus, plus 1 + the
    number of digits after the point if there is one. It is `_EMPTY` for a field that is missing, and
    `_ASIDE` for any other text.
    """
    quote, other = _QUOTE if rules[QUOTING] else np.int64(-1), rules[NA_NUMBER]
    for row in range(rows):
        span = spans[row * rules[WIDTH] + field]
        start, stop = span >> 32, span & 0xFFFFFFFF
        packed[row] = _EMPTY
        if start >= stop:
            continue
        first = data[start]
        if first == quote:
            start, stop = start + 1, stop - 1
            first = data[start]
        if stop - start == other and _is_missing(data, start, stop, constants, other):
            continue
        packed[row] = _ASIDE
        minus = 1 if first == _MINUS else 0
        size = stop - start - minus
        if size <= 0 or size > 16:
            continue
        # The bytes of the field end the two words, the last digit on top; before them come zeros.
        if stop >= 16:
            low, high = word(data, stop - 16), word(data, stop - 8)
        elif stop > 8:
            low, high = word(data, 0), word(data, 8)
            low, high = low << U(128 - 8 * stop), (high << U(128 - 8 * stop)) | (low >> U(8 * stop - 64))
        else:
            low, high = _NONE, word(data, 0) << U(64 - 8 * stop)
        if size > 8:
            low = (low ^ _EACH_ZERO) & (_ALL << U(8 * (16 - size)))
            high ^= _EACH_ZERO
        else:
            low = _NONE
            high = (high ^ _EACH_ZERO) & (_ALL << U(8 * (8 - size)))
        scale, bits = 0, _point(high)
        if bits >= 0:  # the bytes below the point move up over it
            above = _ALL << U(bits)
            high = (high & (above << _BYTE)) | ((high & ~above) << _BYTE) | (low >> U(56))
            low <<= _BYTE
            scale = 8 - (bits >> 3)
        elif size > 8:
            bits = _point(low)
            if bits >= 0:
                above = _ALL << U(bits)
                low = (low & (above << _BYTE)) | ((low & ~above) << _BYTE)
                scale = 16 - (bits >> 3)
        wrong = ((high + _EACH_OVER_9) | high | (low + _EACH_OVER_9) | low) & _EACH_80
        if wrong == _NONE and not (size == 1 and scale != 0):
            digits = _eight_digits(low) * U(100000000) + _eight_digits(high)
            packed[row] = np.int64(digits << U(6)) + (minus << 5) + scale


@part
def _to_floats(
    packed: Ints,
    rows: int,
    optional: bool,
    default: float,
    narrow: bool,
    floats: Floats,
    doubles: Doubles,
    at: int,
) -> int:
    """Convert packed numbers to items `at` … of one of the outputs, correctly rounded.

    Set aside are also fields so near to the middle between two float32 that to round them to float64
    first could go wrong.

    Returns:
        How many rows are set aside: `packed` is `_ASIDE` there.
    """
    count = 0
    for row in range(rows):
        number = packed[row]
        value, good = default, optional and number == _EMPTY
        if number >= 0:
            value = float(number >> 6) / _SCALES[number & 31]
            good = not narrow or as_bits(value) & 0x1FFFFFFF != 0x10000000
            if number & 32:
                value = -value
        if not good:
            packed[row] = _ASIDE
            count += 1
        elif narrow:
            floats[at + row] = value
        else:
            doubles[at + row] = value
    return count


@part
def _to_ints(
    packed: Ints, rows: int, optional: bool, default: int, narrow: bool, int32s: Int32s, int64s: Ints, at: int
) -> int:
    """Convert packed numbers; as `_to_floats`."""
    highest = (1 << 31) - 1 if narrow else 1 << 62
    count = 0
    for row in range(rows):
        number = packed[row]
        value, good = default, optional and number == _EMPTY
        if number >= 0:
            value = number >> 6
            good = number & 31 == 0 and value <= highest
            if number & 32:
                value = -value
        if not good:
            packed[row] = _ASIDE
            count += 1
        elif narrow:
            int32s[at + row] = value
        else:
            int64s[at + row] = value
    return count


# --- text ---


@part
def _copy_text(
    data: Bytes,
    spans: Ints,
    rows: int,
    rules: Ints,
    columns: Table,
    c: int,
    constants: Bytes,
    text: Bytes,
    offsets: Int32s,
    at: int,
    packed: Ints,
) -> int:
    """Copy the fields of column `c` out, without the quotes; row 0 begins at ``offsets[at]``.

    Missing fields become the default; if there is none they are empty, and set aside.

    Returns:
        How many rows are set aside: `packed` is `_ASIDE` there. -1 if there is no room for all rows.
    """
    width, quoting, field, begin = rules[WIDTH], rules[QUOTING] != 0, columns[c, FIELD], columns[c, BEGIN]
    default, size = columns[c, DEFAULT], columns[c, SIZE]
    used = begin + np.int64(offsets[at])
    seen, count = _NONE, 0
    for row in range(rows):
        span = spans[row * width + field]
        start, stop = span >> 32, span & 0xFFFFFFFF
        needed = used + (stop - start) + size + 8
        if needed > columns[c, END]:
            columns[c, WANTED] = needed - begin
            return -1
        packed[row] = 0
        first = used
        doubled = False
        if quoting and start < stop and data[start] == _QUOTE:
            start, stop = start + 1, stop - 1
            for k in range(start, stop):
                doubled |= data[k] == _QUOTE
        if doubled or stop + 7 > len(data):
            k = start
            while k < stop:
                text[used] = data[k]
                seen |= U(data[k])
                used += 1
                k += 2 if doubled and data[k] == _QUOTE else 1
        else:
            for k in range(start, stop, 8):
                eight = word(data, k)
                seen |= eight
                put_word(text, used + (k - start), eight)
            used += stop - start
        if _is_missing(text, first, used, constants, rules[NA_TEXT]):
            used = first
            if columns[c, OPTIONAL]:
                for k in range(default, default + size):
                    text[used] = constants[k]
                    used += 1
            else:
                packed[row] = _ASIDE
                count += 1
        offsets[at + row + 1] = used - begin
    if seen & _EACH_80 != _NONE:
        columns[c, EXOTIC] = 1
    return count


# --- all together ---


@inlined
def _convert(
    data: Bytes,
    rules: Ints,
    constants: Bytes,
    columns: Table,
    spans: Ints,
    packed: Ints,
    floats: Floats,
    doubles: Doubles,
    int32s: Int32s,
    int64s: Ints,
    text: Bytes,
    aside: Table,
    rows: int,
    done: int,
    count: int,
) -> int:
    """Convert a step of `rows` rows, which come behind the first `done`; the rest is as in `parse_lines`.

    Returns:
        Number of fields that were set aside, the `count` of earlier steps included; -1 if there is no
        room in `text`.
    """
    for c in range(len(columns)):
        kind, field, at = columns[c, KIND], columns[c, FIELD], columns[c, PLACE] + done
        optional, default = columns[c, OPTIONAL] != 0, columns[c, DEFAULT]
        if kind == TEXT:
            left = _copy_text(data, spans, rows, rules, columns, c, constants, text, int32s, at, packed)
        else:
            _read_numbers(data, spans, field, rows, rules, constants, packed)
            if kind <= FLOAT64:
                number = as_float(default)
                left = _to_floats(packed, rows, optional, number, kind == FLOAT32, floats, doubles, at)
            else:
                left = _to_ints(packed, rows, optional, default, kind == INT32, int32s, int64s, at)
        if left < 0:
            return -1
        if left > 0:
            for row in range(rows):
                if packed[row] == _ASIDE:
                    aside[count, 0], aside[count, 1] = c, done + row
                    aside[count, 2] = spans[row * rules[WIDTH] + field]
                    count += 1
    return count


@inlined
def _worth_a_look(columns: Table, count: int) -> bool:
    """Tell whether there is something for Python to look at: fields set aside, or text that is not ASCII."""
    for c in range(len(columns)):
        count += columns[c, EXOTIC]
    return count > 0


@kernel
def parse_lines(
    data: Bytes,
    starts: Ints,
    stops: Ints,
    origin: int,
    ready: bool,
    done: int,
    pause: int,
    rules: Ints,
    constants: Bytes,
    columns: Table,
    spans: Ints,
    packed: Ints,
    floats: Floats,
    doubles: Doubles,
    int32s: Int32s,
    int64s: Ints,
    text: Bytes,
    aside: Table,
) -> tuple[int, int, int]:
    """Parse records ``done …``, each one ``starts[i] … stops[i]`` of a buffer, to rows ``done …``.

    Args:
        data: That buffer from position `origin` on.
        starts: int64 ``[n]``.
        stops: int64 ``[n]``.
        origin: See `data`.
        ready: Whether `spans` has the fields of the first record already.
        done: Records that are parsed.
        pause: Once so many rows are done, stop after a step if something is worth a look.
        rules: See `DELIMITER`.
        constants: Text that is missing, and the default texts.
        columns: See `KIND`.
        spans: Room for the fields of a step, int64 ``[rows * width]``.
        packed: Room for one field of a step, int64 ``[rows]``; its length is that of the longest step.
        floats: One buffer for the columns, with room for n rows; here as float32.
        doubles: The same as float64.
        int32s: The same as int32. The offsets of text are there too, from the column's own beginning.
        int64s: The same as int64.
        text: Room for the bytes of all text columns.
        aside: Receives (column, row, span) of the fields set aside, int64 ``[m, 3]``.

    Returns:
        Number of rows that are done, all counted; number of fields set aside; and `DONE`, `BAD` (see
        `_scan_lines`), `FAR`, `FULL` or `LOOK`.
    """
    count, why = 0, STEP
    while done < len(starts):
        rows = smaller(smaller(len(packed), FIRST_ROWS + 8 * done), len(starts) - done)
        if count + rows * len(columns) > len(aside):
            return done, count, LOOK
        if ready:
            rows = 1
        else:
            rows, why = _scan_lines(data, starts, stops, done, done + rows, origin, rules, spans)
        left = _convert(
            data, rules, constants, columns, spans, packed, floats, doubles, int32s, int64s, text, aside,
            rows, done, count,
        )  # fmt: skip
        if left < 0:
            return done, count, FULL
        done, count, ready = done + rows, left, False
        if why != STEP:
            return done, count, why
        if done >= pause and _worth_a_look(columns, count):
            return done, count, LOOK
    return done, count, DONE


@kernel
def parse_stream(
    data: Bytes,
    records: Ints,
    origin: int,
    stop: int,
    final: bool,
    done: int,
    pause: int,
    rules: Ints,
    constants: Bytes,
    columns: Table,
    spans: Ints,
    packed: Ints,
    floats: Floats,
    doubles: Doubles,
    int32s: Int32s,
    int64s: Ints,
    text: Bytes,
    aside: Table,
) -> tuple[int, int, int, bool]:
    """Parse the complete records of a stream to rows ``done …``; ``records[done]`` begins one.

    A record ends with LF, CRLF or CR outside quotes, and at `stop` of `data` if `final`. The int64 array
    `records`, one longer than there is room for rows, receives where in the stream each record starts, and
    at the end where the next one would. The other arguments are as in `parse_lines`.

    Returns:
        As `parse_lines`, and whether there may be quotes. With `BAD` the next record may be incomplete.
    """
    count, quoted = 0, False
    while records[done] < origin + stop:
        rows = smaller(smaller(len(packed), FIRST_ROWS + 8 * done), len(records) - 1 - done)
        if count + rows * len(columns) > len(aside):
            return done, count, LOOK, quoted
        if rows == 0:
            return done, count, FULL, quoted
        rows, why, some = _scan_stream(
            data, origin, stop, final, rules, spans, records[done : done + rows + 1]
        )
        left = _convert(
            data, rules, constants, columns, spans, packed, floats, doubles, int32s, int64s, text, aside,
            rows, done, count,
        )  # fmt: skip
        if left < 0:
            return done, count, FULL, quoted
        done, count, quoted = done + rows, left, quoted or some
        if why != STEP:
            return done, count, why, quoted
        if done >= pause and _worth_a_look(columns, count):
            return done, count, LOOK, quoted
    return done, count, DONE, quoted
