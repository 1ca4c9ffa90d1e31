"""Numbers that are not short decimals: exponents, many digits, blanks around them, infinities.

`dataflow.kernels.csv` sets such fields aside. These kernels read them from a list, correctly rounded, and
leave over what is no number, or is too close to the middle between two floats: that is for plain Python.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel, part

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Int: TypeAlias = int | np.int64
Table: TypeAlias = npt.NDArray[np.int64]
"""int64 of two dimensions."""
U = np.uint64

_QUOTE, _0 = np.int64(34), np.int64(0)
_MINUS, _PLUS, _POINT = np.int64(45), np.int64(43), np.int64(46)
_INF, _NAN = 0x696E66, 0x6E616E
_NONE, _ONE = U(0), U(1)
_ALL = U(0xFFFFFFFFFFFFFFFF)
_LOW32, _32, _63 = U(0xFFFFFFFF), U(32), U(63)
_EACH_80, _EACH_ZERO, _EACH_OVER_9 = U(0x8080808080808080), U(0x3030303030303030), U(0x7676767676767676)

_FLOAT32, _FLOAT64, _INT32 = 24, 53, 31
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
_FIVES = np.array([5**power for power in range(28)], U)


@part
def _word(data: Bytes, start: int) -> np.uint64:
    value = _NONE
    for k in range(8):  # compiles to one load
        value |= U(data[U(start) + U(k)]) << U(8 * k)
    return value


@part
def _eight_digits(digits: np.uint64) -> np.uint64:
    pairs = ((digits * U(10 << 8 | 1)) >> U(8)) & U(0x00FF00FF00FF00FF)
    fours = ((pairs * U(100 << 16 | 1)) >> U(16)) & U(0x0000FFFF0000FFFF)
    return (fours * U(10000 << 32 | 1)) >> _32


@part
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the high and the low half of the 128-bit product."""
    a1, a0, b1, b0 = a >> _32, a & _LOW32, b >> _32, b & _LOW32
    cross = (a0 * b0 >> _32) + (a1 * b0 & _LOW32) + a0 * b1
    return a1 * b1 + (a1 * b0 >> _32) + (cross >> _32), a * b


@part
def _round(digits: np.uint64, power: Int, exponent: int, bits: int, lowest: int) -> float:
    """Return ``digits * 5**power * 2**exponent`` rounded once, half to even; -1 if that is undecided.

    The result has `bits` bits; `lowest` is the exponent of the smallest normal float, ``1 - lowest`` that
    of the greatest. The digits are multiplied with 128 bits of the power of five, cut off. That leaves
    the rounding open only where the bits below the result's are 0111…1. The method is that of Lemire,
    "Number parsing at a gigabyte per second", 2021.
    """
    empty = 1086 - (np.float64(digits).view(np.int64) >> 52)  # zero bits on top, but that rounds up perhaps
    if empty < 0 or (digits << U(empty)) >> _63 == _NONE:
        empty += 1
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


@part
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


@part
def _strip(data: Bytes, start: int, stop: int) -> tuple[int, int]:
    """Return the range without the blanks at its ends."""
    while start < stop and (data[start] == 32 or 9 <= data[start] <= 13):
        start += 1
    while start < stop and (data[stop - 1] == 32 or 9 <= data[stop - 1] <= 13):
        stop -= 1
    return start, stop


@part
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


@part
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
        if stop - start >= 8 and significant <= 11 and (digits != _NONE or 49 <= data[start] <= 57):
            eight = _word(data, start) ^ _EACH_ZERO
            if ((eight + _EACH_OVER_9) | eight) & _EACH_80 == _NONE:
                digits = digits * U(100000000) + _eight_digits(eight)
                significant += 8
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


@part
def _long_integer(data: Bytes, start: int, stop: int, highest: np.uint64) -> tuple[bool, int]:
    """Read an integer up to `highest`, or one more below zero; (False, 0) if this is none."""
    start, stop = _strip(data, start, stop)
    negative = start < stop and bool(data[start] == _MINUS)
    start += int(negative)
    while stop - start > 1 and data[start] == 48:
        start += 1
    if not 0 < stop - start <= 19:
        return False, 0
    magnitude = _NONE
    for k in range(start, stop):
        byte = int(data[k])
        if not 48 <= byte <= 57:
            return False, 0
        magnitude = magnitude * U(10) + U(byte - 48)
    if magnitude > highest + U(int(negative)):
        return False, 0
    if negative and magnitude != _NONE:
        return True, -int(np.int64(magnitude - _ONE)) - 1  # the lowest int has no positive twin
    return True, int(np.int64(magnitude))


@kernel
def convert(
    data: Bytes,
    aside: Table,
    quoting: bool,
    bits: Ints,
    places: Ints,
    floats: npt.NDArray[np.float32],
    doubles: npt.NDArray[np.float64],
    int32s: npt.NDArray[np.int32],
    int64s: Ints,
) -> int:
    """Convert the numbers that `dataflow.kernels.csv` set aside.

    Args:
        data: The text.
        aside: (column, row, span) of the fields.
        quoting: Whether a field that starts with a quote ends with one, and both are left out.
        bits: Precision of each column: 24 or 53 for floats, 31 or 63 for integers, 0 for text.
        places: Where the output of each column begins, in items of its dtype.
        floats: The outputs as float32.
        doubles: The same as float64.
        int32s: The same as int32.
        int64s: The same as int64.

    Returns:
        How many fields are left over, those of text columns too; they are then the first of `aside`.
    """
    left = 0
    for i in range(len(aside)):
        c, row, span = aside[i, 0], aside[i, 1], aside[i, 2]
        size, at = bits[c], places[c] + row
        start, stop = span >> 32, span & 0xFFFFFFFF
        if quoting and start < stop and data[start] == _QUOTE:
            start, stop = start + 1, stop - 1
        done, value, integer = False, 0.0, 0
        if size in (_FLOAT32, _FLOAT64):
            done, value = _long_decimal(data, start, stop, size, -126 if size == _FLOAT32 else -1022)
        elif size > 0:
            done, integer = _long_integer(data, start, stop, (_ONE << U(size)) - _ONE)
        if not done:
            aside[left, 0], aside[left, 1], aside[left, 2] = c, row, span
            left += 1
        elif size == _FLOAT32:
            floats[at] = value
        elif size == _FLOAT64:
            doubles[at] = value
        elif size == _INT32:
            int32s[at] = integer
        else:
            int64s[at] = integer
    return left
