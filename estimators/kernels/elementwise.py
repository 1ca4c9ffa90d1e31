"""Runs of element-wise operations, block by block, so that what lies between them stays in the cache.

All operations are rounded exactly, as NumPy's are, so a run gives the bits that NumPy gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

BLOCK = 512
"""Elements of a register."""

NEGATIVE, ABSOLUTE, SQUARE, SQRT, CAST, RECIPROCAL, SIGN, LOGICAL_NOT, RELU = range(9)
ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, RELU_GRAD = range(9, 16)
LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, NOT_EQUAL, LOGICAL_AND, LOGICAL_OR = range(16, 24)
WHERE = 24
EXPAND_LIKE = CAST

WHOLE, SCALAR, SUFFIX, PREFIX = 0, 1, 2, 3
"""How an input is aligned with the result: value by value; one value; its last axes; its first ones."""

FIXED, ADVANCES = 0, 1
"""Where an operand's block begins: at its position; further on with each block. A number p above 1: at
its position plus the number of the block's first element modulo p."""


@kernel
def _fill(memory: npt.NDArray[Any], load: npt.NDArray[np.int64], count: int) -> None:
    """Fill the register of an input that does not change from block to block."""
    register, source, kind, period = load[0], load[1], load[2], load[3]
    if kind == SCALAR:
        value = memory[source]
        for i in range(min(BLOCK, count)):
            memory[register + i] = value
    else:
        done = 0
        while done < min(BLOCK, count) + period:
            size = min(period, min(BLOCK, count) + period - done)
            for i in range(size):
                memory[register + done + i] = memory[source + i]
            done += size


@kernel
def _load_rows(memory: npt.NDArray[Any], load: npt.NDArray[np.int64], start: int, size: int) -> None:
    """Fill a register with a block of an input that has one value for `period` elements."""
    register, source, period = load[0], load[1], load[3]
    position = start // period
    done = 0
    left = period - start % period
    while done < size:
        count = min(size - done, left)
        value = memory[source + position]
        for i in range(count):
            memory[register + done + i] = value
        done += count
        position += 1
        left = period


@kernel
def _unary(op: int, z: npt.NDArray[Any], x: npt.NDArray[Any]) -> None:
    one, zero = z.dtype.type(1.0), z.dtype.type(0.0)
    if op == NEGATIVE:
        for i in range(len(z)):
            z[i] = -x[i]
    elif op == ABSOLUTE:
        for i in range(len(z)):
            z[i] = abs(x[i])
    elif op == SQUARE:
        for i in range(len(z)):
            z[i] = x[i] * x[i]
    elif op == SQRT:
        for i in range(len(z)):
            z[i] = np.sqrt(x[i])
    elif op == CAST:
        for i in range(len(z)):
            z[i] = x[i]
    elif op == RECIPROCAL:
        for i in range(len(z)):
            z[i] = one / x[i]
    elif op == SIGN:
        for i in range(len(z)):
            z[i] = one if x[i] > zero else (-one if x[i] < zero else x[i] * zero)
    elif op == RELU:
        for i in range(len(z)):
            z[i] = x[i] if x[i] >= zero or x[i] != x[i] else zero
    else:
        for i in range(len(z)):
            z[i] = one if x[i] == zero else zero


@kernel
def _binary(op: int, z: npt.NDArray[Any], x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    zero = z.dtype.type(0.0)
    if op == ADD:
        for i in range(len(z)):
            z[i] = x[i] + y[i]
    elif op == SUBTRACT:
        for i in range(len(z)):
            z[i] = x[i] - y[i]
    elif op == MULTIPLY:
        for i in range(len(z)):
            z[i] = x[i] * y[i]
    elif op == DIVIDE:
        for i in range(len(z)):
            z[i] = x[i] / y[i]
    elif op == MAXIMUM:
        for i in range(len(z)):
            z[i] = x[i] if x[i] >= y[i] or x[i] != x[i] else y[i]
    elif op == MINIMUM:
        for i in range(len(z)):
            z[i] = x[i] if x[i] <= y[i] or x[i] != x[i] else y[i]
    else:
        for i in range(len(z)):
            z[i] = x[i] if y[i] > zero else zero


@kernel
def _truth(op: int, z: npt.NDArray[Any], x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    """Fill with 1 where something is true, else 0."""
    one, zero = z.dtype.type(1.0), z.dtype.type(0.0)
    if op == LESS:
        for i in range(len(z)):
            z[i] = one if x[i] < y[i] else zero
    elif op == LESS_EQUAL:
        for i in range(len(z)):
            z[i] = one if x[i] <= y[i] else zero
    elif op == GREATER:
        for i in range(len(z)):
            z[i] = one if x[i] > y[i] else zero
    elif op == GREATER_EQUAL:
        for i in range(len(z)):
            z[i] = one if x[i] >= y[i] else zero
    elif op == EQUAL:
        for i in range(len(z)):
            z[i] = one if x[i] == y[i] else zero
    elif op == NOT_EQUAL:
        for i in range(len(z)):
            z[i] = one if x[i] != y[i] else zero
    elif op == LOGICAL_AND:
        for i in range(len(z)):
            z[i] = one if x[i] != zero and y[i] != zero else zero
    else:
        for i in range(len(z)):
            z[i] = one if x[i] != zero or y[i] != zero else zero


@kernel
def _at(place: int, mode: int, start: int) -> int:
    """Return where the block of an operand begins."""
    if mode == FIXED:
        return place
    return place + (start if mode == ADVANCES else start % mode)


@kernel
def run(
    memory: npt.NDArray[Any], loads: npt.NDArray[np.int64], code: npt.NDArray[np.int64], count: int
) -> None:
    """Run a program over `count` elements.

    Args:
        memory: Holds inputs, registers and results, by position.
        loads: ``[n, 4]``: register, position of an input, how it is aligned, its period. A register has
            `BLOCK` elements, for `SUFFIX` its period more.
        code: ``[n, 9]``: operation, then for the result and up to three operands position and mode. The
            result of an operation is never one of its operands.
        count: Elements of the results.
    """
    for k in range(len(loads)):
        if loads[k, 2] != PREFIX:
            _fill(memory, loads[k], count)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        for k in range(len(loads)):
            if loads[k, 2] == PREFIX:
                _load_rows(memory, loads[k], start, size)
        for k in range(len(code)):
            op = code[k, 0]
            z0 = _at(code[k, 1], code[k, 2], start)
            x0 = _at(code[k, 3], code[k, 4], start)
            y0 = _at(code[k, 5], code[k, 6], start)
            z, x, y = memory[z0 : z0 + size], memory[x0 : x0 + size], memory[y0 : y0 + size]
            if op < ADD:
                _unary(op, z, x)
            elif op < LESS:
                _binary(op, z, x, y)
            elif op < WHERE:
                _truth(op, z, x, y)
            else:
                w0 = _at(code[k, 7], code[k, 8], start)
                w = memory[w0 : w0 + size]
                for i in range(size):
                    z[i] = y[i] if x[i] != 0 else w[i]
