"""Kernels of the CSV parser: find the fields of many records, then convert them column by column.

The scanners look at 64 bytes at a time through bit masks, one bit a byte: where the delimiters, line
ends and quotes are. They write one *span* for each field, ``start << 32 | end`` in an int64, row-major
``[rows, width]``; a quoted field's span has its quotes. The converters read the spans of one column.

What a kernel cannot accept it does not explain: a scanner stops before the suspicious record, and a
converter lists the row as *hard*. The caller looks at these few in plain Python.

All buffers are C-contiguous; ``data`` is a read-only uint8 array of at least 64 bytes (`BLOCK`), so
that a whole block can always be loaded. No kernel reads or writes outside its arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.core.cgutils import ir  # type: ignore[attr-defined]  # LLVM types, as Numba has them
from numba.extending import intrinsic, overload

from dataflow.kernels.jit import kernel

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Int: TypeAlias = int | np.int64
U = np.uint64

BLOCK = 64
DONE, FULL, BAD = 0, 1, 2
"""Why a scanner stopped: end of input, no room for more rows, or a record that needs a closer look."""

# NumPy's ints, because Numba compiles a kernel anew for each Python constant that it is called with.
_LF, _CR, _QUOTE, _0 = np.int64(10), np.int64(13), np.int64(34), np.int64(0)
_MINUS, _PLUS, _POINT = np.int64(45), np.int64(43), np.int64(46)
_INF, _NAN = 0x696E66, 0x6E616E
_NONE, _ONE, _BYTE = U(0), U(1), U(8)
_ALL = U(0xFFFFFFFFFFFFFFFF)
_LOW32, _32, _63 = U(0xFFFFFFFF), U(32), U(63)
_EACH_1 = U(0x0101010101010101)
_EACH_80 = U(0x8080808080808080)
_EACH_ZERO = U(0x3030303030303030)
_EACH_POINT = U(0x1E1E1E1E1E1E1E1E)
"""A point in each byte, after ``^ _EACH_ZERO``."""
_EACH_OVER_9 = U(0x7676767676767676)

_LEAST_POWER, _MOST_POWER = -342, 308
"""Below and above these powers of ten every number of 19 digits is zero or infinite, in float64 too."""


_NO_EXPONENT = 1 << 41


def _powers_of_five() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Ints]:
    """Return 5**q cut off after 128 bits (high and low half), and the exponent of two that belongs to it."""
    high, low, exponents = [], [], []
    for power in range(_LEAST_POWER, _MOST_POWER + 1):
        five = 5 ** abs(power)
        if power >= 0:
            exponent = five.bit_length() - 128
            mantissa = five >> exponent if exponent > 0 else five << -exponent
        else:
            exponent = -(five.bit_length() + 127)
            mantissa = (1 << -exponent) // five
        high.append(mantissa >> 64)
        low.append(mantissa & 0xFFFFFFFFFFFFFFFF)
        exponents.append(exponent)
    return np.array(high, U), np.array(low, U), np.array(exponents, np.int64)


_FIVE_HIGH, _FIVE_LOW, _FIVE_EXPONENT = _powers_of_five()
_LEAST_TWO = -1074
_TWOS = np.ldexp(1.0, np.arange(_LEAST_TWO, 972))
_SCALES = np.array([1.0] + [10.0**power for power in range(16)])
_FIVES = np.array([5**power for power in range(28)], U)


# --- machine instructions that Numba has no name for, each with its plain twin ---


def equal64(data: Bytes, offset: int, byte: Int) -> np.uint64:
    """Return a mask of the bytes of ``data[offset:offset + 64]`` that equal `byte`; bit 0 is the first."""
    return U(sum(1 << k for k in range(64) if data[offset + k] == byte))


def word(data: Bytes, offset: int) -> np.uint64:
    """Return ``data[offset:offset + 8]`` as a little-endian integer."""
    return U(int.from_bytes(data[offset : offset + 8].tobytes(), "little"))


def put_word(data: Bytes, offset: int, value: np.uint64) -> None:
    """Write `value` to ``data[offset:offset + 8]``, little-endian."""
    data[offset : offset + 8] = np.frombuffer(int(value).to_bytes(8, "little"), np.uint8)


def trailing_zeros(value: np.uint64) -> int:
    """Return the position of the lowest bit that is set; `value` is not zero."""
    return (int(value) & -int(value)).bit_length() - 1


def leading_zeros(value: np.uint64) -> int:
    """Return the number of zero bits above the highest bit that is set; `value` is not zero."""
    return 64 - int(value).bit_length()


def _address(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, kind: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer())


def _equal64(_context: Any, data: Any, offset: Any, byte: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), BLOCK)
        address = _address(context, builder, signature.args[0], args[0], args[1], vector)
        wanted = builder.insert_element(
            ir.Constant(vector, ir.Undefined), builder.trunc(args[2], ir.IntType(8)), ir.IntType(32)(0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), None)
        wanted = builder.shuffle_vector(wanted, ir.Constant(vector, ir.Undefined), zeros)
        found = builder.icmp_unsigned("==", builder.load(address, align=1), wanted)
        return builder.bitcast(found, ir.IntType(64))

    return types.uint64(data, types.int64, types.int64), codegen


def _word(_context: Any, data: Any, offset: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1], ir.IntType(64))
        return builder.load(address, align=1)

    return types.uint64(data, types.int64), codegen


def _put_word(_context: Any, data: Any, offset: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1], ir.IntType(64))
        builder.store(args[2], address, align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), codegen


def _trailing_zeros(_context: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), codegen


def _leading_zeros(_context: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), codegen


_equal64_op = cast("Callable[..., Any]", intrinsic(_equal64))
_word_op = cast("Callable[..., Any]", intrinsic(_word))
_put_word_op = cast("Callable[..., Any]", intrinsic(_put_word))
_trailing_zeros_op = cast("Callable[..., Any]", intrinsic(_trailing_zeros))
_leading_zeros_op = cast("Callable[..., Any]", intrinsic(_leading_zeros))
overload(leading_zeros)(lambda value: lambda value: _leading_zeros_op(value))
overload(equal64)(lambda data, offset, byte: lambda data, offset, byte: _equal64_op(data, offset, byte))
overload(word)(lambda data, offset: lambda data, offset: _word_op(data, offset))
overload(put_word)(lambda data, offset, value: lambda data, offset, value: _put_word_op(data, offset, value))
overload(trailing_zeros)(lambda value: lambda value: _trailing_zeros_op(value))


# --- scanners ---


@kernel
def _find(data: Bytes, offset: int, skip: np.uint64, keep: np.uint64, byte: Int) -> np.uint64:
    """Return a mask of the bytes that equal `byte`, without the first `skip` and those not to `keep`."""
    return (equal64(data, offset, byte) >> skip) & keep


@kernel
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


@kernel
def scan_stream(
    data: Bytes,
    start: int,
    stop: int,
    final: bool,
    delimiter: int,
    quoting: bool,
    width: int,
    fewest: int,
    most: int,
    spans: Ints,
    records: Ints,
) -> tuple[int, int, bool]:
    """Find the fields of the complete records of ``data[start:stop]``, where `start` begins a record.

    A record ends with LF, CRLF or CR outside quotes, and at `stop` if `final`. It must have from `fewest`
    to `most` fields; the first `width` of them get spans. `records` receives where each record starts,
    and at the end where the next one would; its length less one bounds the number of rows.

    Returns:
        Number of rows; `DONE`, `FULL`, or `BAD` if the record after these rows breaks a rule; and
        whether there may be quotes.
    """
    limit = stop
    if not final and stop > start and data[stop - 1] == _CR:
        limit -= 1  # the LF that belongs to it may follow
    records[0] = start
    row, column, slot = 0, 0, 0
    field = position = start
    quoted = False
    quotes, inside, begins, closed, returned = _NONE, _NONE, _ONE, _NONE, _NONE
    while position < limit:
        at = min(position, len(data) - BLOCK)
        count = min(limit - position, BLOCK - (position - at))
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
                records[row] = field
                if row + 1 == len(records):
                    return row, FULL, quoted
        if bad != _NONE:
            return row, BAD, quoted
        position += count
    if final and records[row] < stop:
        if column < width:
            spans[slot + column] = (field << 32) | stop
        if inside != _NONE or not fewest <= column + 1 <= most:
            return row, BAD, quoted
        row += 1
        records[row] = stop
    return row, DONE, quoted


@kernel
def scan_lines(
    data: Bytes,
    starts: Ints,
    stops: Ints,
    begin: int,
    end: int,
    origin: int,
    delimiter: int,
    quoting: bool,
    width: int,
    fewest: int,
    most: int,
    spans: Ints,
) -> tuple[int, int]:
    """Find the fields of records ``begin … end - 1``, each one ``starts[i] … stops[i]`` of a buffer.

    `data` is that buffer from position `origin` on. A record must have from `fewest` to `most` fields.
    With ``most < fewest`` what follows field number `fewest` is not looked at.

    Returns:
        Number of rows from `begin`; `DONE`, `FULL` (the next record lies beyond the reach of a span), or
        `BAD` if the record after these rows breaks a rule or has line ends outside quotes.
    """
    enough = fewest if most < fewest else (1 << 62)
    slot = 0
    for i in range(begin, end):
        field = position = starts[i] - origin
        stop = stops[i] - origin
        if stop >= 1 << 31:
            return i - begin, FULL
        column = 0
        inside, begins, closed = _NONE, _ONE, _NONE
        while position < stop and column < enough:
            at = min(position, len(data) - BLOCK)
            count = min(stop - position, BLOCK - (position - at))
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
    return end - begin, DONE


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


@kernel
def _eight_digits(digits: np.uint64) -> np.uint64:
    """Return the number whose decimal digits are the bytes, most significant in the lowest byte."""
    pairs = ((digits * U(10 << 8 | 1)) >> _BYTE) & U(0x00FF00FF00FF00FF)
    fours = ((pairs * U(100 << 16 | 1)) >> U(16)) & U(0x0000FFFF0000FFFF)
    return (fours * U(10000 << 32 | 1)) >> _32


@kernel
def _point(digits: np.uint64) -> int:
    """Return where the byte of the first point begins, in bits, or -1; for bytes ``^ _EACH_ZERO``."""
    others = digits ^ _EACH_POINT
    found = (others - _EACH_1) & ~others & _EACH_80
    return trailing_zeros(found) - 7 if found != _NONE else -1


@kernel
def short_numbers(
    data: Bytes, spans: Ints, rows: int, width: int, column: int, quote: int, other: int, out: Ints
) -> None:
    """Read the fields of a column that are at most 16 digits, at most one point, and perhaps a minus.

    Args:
        data: The text.
        spans: Where the fields are, ``[rows, width]``.
        rows: Number of rows.
        width: Number of fields of a row.
        column: Which field to read.
        quote: A field that starts with this byte ends with it, and both are left out; -1 for none.
        other: Leave out the fields of this size.
        out: Receives a packed number for each row: the digits as one integer times 64, plus 32 with a
            minus, plus 1 + the number of digits after the point if there is one. It is -2 for an empty
            field, and -1 for any other text.
    """
    for row in range(rows):
        span = spans[row * width + column]
        start, stop = span >> 32, span & 0xFFFFFFFF
        out[row] = -2 if start == stop else -1
        if start >= stop or stop - start == other:
            continue
        first = data[start]
        if first == quote:
            start, stop = start + 1, stop - 1
            first = data[start]
            if stop - start == other:
                continue
        negative = first == _MINUS
        size = stop - start - int(negative)
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
            out[row] = np.int64(digits << U(6)) + (int(negative) << 5) + scale


@kernel
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the high and the low half of the 128-bit product."""
    a1, a0, b1, b0 = a >> _32, a & _LOW32, b >> _32, b & _LOW32
    cross = (a0 * b0 >> _32) + (a1 * b0 & _LOW32) + a0 * b1
    return a1 * b1 + (a1 * b0 >> _32) + (cross >> _32), a * b


@kernel
def _round(digits: np.uint64, power: Int, exponent: int, bits: int, lowest: int) -> float:
    """Return ``digits * 5**power * 2**exponent`` rounded once, half to even; -1 if that is undecided.

    The result has `bits` bits; `lowest` is the exponent of the smallest normal float, ``1 - lowest`` that
    of the greatest. The digits are multiplied with 128 bits of the power of five, cut off. That leaves
    the rounding open only where the bits below the result's are 0111…1. The method is that of Lemire,
    "Number parsing at a gigabyte per second", 2021.
    """
    empty = leading_zeros(digits)
    digits <<= U(empty)
    high, middle = _product(digits, _FIVE_HIGH[power - _LEAST_POWER])
    carry, rest = _product(digits, _FIVE_LOW[power - _LEAST_POWER])
    middle += carry
    if middle < carry:
        high += _ONE
    exponent += _FIVE_EXPONENT[power - _LEAST_POWER] + 190 - empty + np.int64(high >> _63)
    kept = bits - max(lowest - exponent, 0)
    if kept < 0:
        return 0.0
    if kept == 0:
        return -1.0
    shift = U(63 - kept) + (high >> _63)
    mantissa = high >> shift
    remainder = high & ((_ONE << shift) - _ONE)
    half = _ONE << (shift - _ONE)
    if remainder == half and 0 <= power <= 55 and (middle | rest) == _NONE:
        mantissa += mantissa & _ONE  # a tie: these powers are exact, and with others it looks like 0111…1
    elif remainder >= half:
        mantissa += _ONE
    elif remainder == half - _ONE and middle >= _ALL - _ONE and not 0 <= power <= 55:
        return -1.0
    if mantissa >> U(bits) != _NONE:
        mantissa >>= _ONE
        exponent += 1
        kept = bits
    if exponent > 1 - lowest:
        return math.inf
    return float(float(mantissa) * _TWOS[exponent - kept + 1 - _LEAST_TWO])


@kernel
def _nearest(digits: np.uint64, power: int, bits: int, lowest: int) -> float:
    """Return ``digits * 10**power`` rounded as `_round` does; -1 if that is undecided."""
    if digits == _NONE or power < _LEAST_POWER:
        return 0.0
    if power > _MOST_POWER:
        return math.inf
    value = _round(digits, power, power, bits, lowest)
    if value < 0.0 and -27 <= power < 0 and digits % _FIVES[-power] == _NONE:
        return _round(digits // _FIVES[-power], _0, power, bits, lowest)  # exact in binary: perhaps a tie
    return value


@kernel
def _strip(data: Bytes, start: int, stop: int) -> tuple[int, int]:
    """Return the range without the blanks at its ends."""
    while start < stop and (data[start] == 32 or 9 <= data[start] <= 13):
        start += 1
    while start < stop and (data[stop - 1] == 32 or 9 <= data[stop - 1] <= 13):
        stop -= 1
    return start, stop


@kernel
def _exponent(data: Bytes, start: int, stop: int) -> int:
    """Read ``e``, perhaps a sign, and digits; `_NO_EXPONENT` for anything else."""
    if int(data[start]) | 32 != 101:
        return _NO_EXPONENT
    start += 1
    negative = False
    if start < stop and (data[start] == _MINUS or data[start] == _PLUS):
        negative = bool(data[start] == _MINUS)
        start += 1
    if start == stop:
        return _NO_EXPONENT
    exponent = 0
    for k in range(start, stop):
        byte = int(data[k])
        if not 48 <= byte <= 57:
            return _NO_EXPONENT
        exponent = min(exponent * 10 + byte - 48, 1 << 40)
    return -exponent if negative else exponent


@kernel
def _long_decimal(data: Bytes, start: int, stop: int, bits: int, lowest: int) -> tuple[bool, float]:
    """Read any decimal number, ``inf`` or ``nan`` between blanks; (False, 0) if this is none or undecided."""
    start, stop = _strip(data, start, stop)
    sign = 1.0
    if start < stop and (data[start] == _MINUS or data[start] == _PLUS):
        sign = -1.0 if data[start] == _MINUS else 1.0
        start += 1
    if stop - start == 3:
        letters = int(data[start]) << 16 | int(data[start + 1]) << 8 | int(data[start + 2])
        if letters | 0x202020 == _INF:
            return True, sign * math.inf
        if letters | 0x202020 == _NAN:
            return True, math.nan
    digits, power, seen, significant = _NONE, 0, 0, 0
    point = cut = False
    while start < stop:
        if stop - start >= 8 and significant <= 11:
            eight = word(data, start) ^ _EACH_ZERO
            if ((eight + _EACH_OVER_9) | eight) & _EACH_80 == _NONE:
                if digits != _NONE:
                    significant += 8
                elif eight != _NONE:
                    significant = 8 - (trailing_zeros(eight) >> 3)
                digits = digits * U(100000000) + _eight_digits(eight)
                power -= 8 * int(point)
                seen += 8
                start += 8
                continue
        byte = int(data[start])
        if byte == _POINT and not point:
            point = True
        elif 48 <= byte <= 57:
            seen += 1
            if significant < 19:
                digits = digits * U(10) + U(byte - 48)
                significant += int(digits != _NONE)
                power -= int(point)
            else:
                cut = cut or byte != 48
                power += int(not point)
        else:
            break
        start += 1
    if seen == 0:
        return False, 0.0
    if start < stop:
        exponent = _exponent(data, start, stop)
        if exponent == _NO_EXPONENT:
            return False, 0.0
        power += exponent
    value = _nearest(digits, power, bits, lowest)
    if value < 0.0 or (cut and value != _nearest(digits + _ONE, power, bits, lowest)):
        return False, 0.0
    return True, sign * value


@kernel
def _is_missing(data: Bytes, start: Int, stop: Int, na_value: Bytes) -> bool:
    size = stop - start
    if size == 0:
        return True
    if size != len(na_value):
        return False
    for k in range(size):  # noqa: SIM110
        if data[start + k] != na_value[k]:
            return False
    return True


@kernel
def to_float(
    short: Ints,
    optional: bool,
    default: float,
    out: npt.NDArray[np.float32] | npt.NDArray[np.float64],
    base: int,
    hard: Ints,
) -> int:
    """Convert packed numbers to ``out[base:]``, correctly rounded; empty fields are `default` if `optional`.

    Returns:
        How many rows are not packed numbers, or are so near to the middle between two float32 that to
        round them to float64 first could go wrong. These rows stand in `hard`.
    """
    narrow = out.itemsize == 4
    count = 0
    for row in range(len(short)):
        packed = short[row]
        if 0 <= packed < (1 << 59):
            value = float(packed >> 6) / _SCALES[packed & 31]
            if not narrow or np.float64(value).view(np.int64) & 0x1FFFFFFF != 0x10000000:
                out[base + row] = -value if packed & 32 else value
                continue
        elif packed == -2 and optional:
            out[base + row] = default
            continue
        hard[count] = row
        count += 1
    return count


@kernel
def to_int(
    short: Ints,
    optional: bool,
    default: int,
    out: npt.NDArray[np.int32] | npt.NDArray[np.int64],
    base: int,
    hard: Ints,
) -> int:
    """Convert packed numbers to ``out[base:]``; empty fields are `default` if `optional`.

    Returns:
        How many rows are not packed integers that fit. These rows stand in `hard`.
    """
    highest = (1 << 31) - 1 if out.itemsize == 4 else (1 << 62)
    count = 0
    for row in range(len(short)):
        packed = short[row]
        if packed >= 0 and packed & 31 == 0 and packed >> 6 <= highest:
            out[base + row] = -(packed >> 6) if packed & 32 else packed >> 6
        elif packed == -2 and optional:
            out[base + row] = default
        else:
            hard[count] = row
            count += 1
    return count


@kernel
def other_floats(
    data: Bytes,
    spans: Ints,
    width: int,
    column: int,
    quoting: bool,
    na_value: Bytes,
    optional: bool,
    default: float,
    out: npt.NDArray[np.float32] | npt.NDArray[np.float64],
    base: int,
    hard: Ints,
) -> int:
    """Convert the rows of `hard` by all the rules, correctly rounded.

    Missing are empty fields and those that equal `na_value` (which has no quotes if `quoting`).

    Returns:
        How many rows are left in `hard`: missing without a default, no decimal numbers, or too close to
        the middle between two floats.
    """
    bits, lowest = (24, -126) if out.itemsize == 4 else (53, -1022)
    left = 0
    for row in hard:
        span = spans[row * width + column]
        start, stop = span >> 32, span & 0xFFFFFFFF
        missing = _is_missing(data, start, stop, na_value)
        if not missing and quoting and stop - start >= 2 and data[start] == _QUOTE:
            start, stop = start + 1, stop - 1
            missing = _is_missing(data, start, stop, na_value)
        done, value = optional, default
        if not missing:
            done, value = _long_decimal(data, start, stop, bits, lowest)
        if done:
            out[base + row] = value
        else:
            hard[left] = row
            left += 1
    return left


@kernel
def other_ints(
    data: Bytes,
    spans: Ints,
    width: int,
    column: int,
    quoting: bool,
    na_value: Bytes,
    optional: bool,
    default: int,
    out: npt.NDArray[np.int32] | npt.NDArray[np.int64],
    base: int,
    hard: Ints,
) -> int:
    """Convert the rows of `hard` by all the rules; see `other_floats`."""
    highest = U((1 << 31) - 1 if out.itemsize == 4 else (1 << 63) - 1)
    left = 0
    for row in hard:
        span = spans[row * width + column]
        start, stop = span >> 32, span & 0xFFFFFFFF
        missing = _is_missing(data, start, stop, na_value)
        if not missing and quoting and stop - start >= 2 and data[start] == _QUOTE:
            start, stop = start + 1, stop - 1
            missing = _is_missing(data, start, stop, na_value)
        good, negative, magnitude = optional, False, _NONE
        if not missing:
            start, stop = _strip(data, start, stop)
            negative = start < stop and bool(data[start] == _MINUS)
            start += int(negative)
            while stop - start > 1 and data[start] == 48:
                start += 1
            good = 0 < stop - start <= 19
            while good and start < stop:
                byte = int(data[start])
                good = 48 <= byte <= 57
                magnitude = magnitude * U(10) + U(byte & 15)
                start += 1
            good = good and bool(magnitude <= highest + U(int(negative)))
        if not good:
            hard[left] = row
            left += 1
        elif missing:
            out[base + row] = default
        elif negative and magnitude != _NONE:
            out[base + row] = -int(np.int64(magnitude - _ONE)) - 1  # the lowest int has no positive twin
        else:
            out[base + row] = np.int64(magnitude)
    return left


# --- text ---


@kernel
def _has_quote(data: Bytes, start: int, stop: int) -> bool:
    for at in range(start, stop, BLOCK):
        count = min(stop - at, BLOCK)
        offset = min(at, len(data) - BLOCK)
        if _find(data, offset, U(at - offset), _ALL >> U(BLOCK - count), _QUOTE) != _NONE:
            return True
    return False


@kernel
def to_text(
    data: Bytes,
    spans: Ints,
    begin: int,
    rows: int,
    width: int,
    column: int,
    quoting: bool,
    na_value: Bytes,
    optional: bool,
    default: Bytes,
    out: Bytes,
    offsets: npt.NDArray[np.int32],
    base: int,
    hard: Ints,
) -> tuple[int, int, bool]:
    """Copy rows ``begin … rows - 1`` of a column out, without the quotes.

    Row i comes to ``out[offsets[base + i]:offsets[base + i + 1]]``; ``offsets[base + begin]`` is given.
    Missing are fields that are empty or equal `na_value`; if `optional` they become `default`, else
    they are empty, and `hard` receives the rows.

    Returns:
        The row that `out` has no room for, or `rows`; the number of hard rows; and whether there may be
        bytes that are not ASCII.
    """
    used = np.int64(offsets[base + begin])
    seen = _NONE
    count = 0
    for row in range(begin, rows):
        span = spans[row * width + column]
        start, stop = span >> 32, span & 0xFFFFFFFF
        if used + (stop - start) + len(default) + 8 > len(out):
            return row, count, (seen & _EACH_80) != _NONE
        first = used
        doubled = False
        if quoting and start < stop and data[start] == _QUOTE:
            start, stop = start + 1, stop - 1
            doubled = _has_quote(data, start, stop)
        if doubled:
            k = start
            while k < stop:
                out[used] = data[k]
                seen |= U(data[k])
                used += 1
                k += 2 if data[k] == _QUOTE else 1
        elif stop + 7 <= len(data):
            for k in range(start, stop, 8):
                eight = word(data, k)
                seen |= eight
                put_word(out, used + (k - start), eight)
            used += stop - start
        else:
            for k in range(start, stop):
                out[used] = data[k]
                seen |= U(data[k])
                used += 1
        if _is_missing(out, first, used, na_value):
            used = first
            if optional:
                for k in range(len(default)):
                    out[used] = default[k]
                    used += 1
            else:
                hard[count] = row
                count += 1
        offsets[base + row + 1] = used
    return rows, count, (seen & _EACH_80) != _NONE
