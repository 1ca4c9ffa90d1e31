"""`np.einsum` of one or two tensors, by transposition, one matrix product, and sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.linear_algebra import matmul
from dataflow.expr.primitives.shape import reshape, transpose
from dataflow.expr.tensor import NUMPY_FUNCTIONS, Tensor, as_tensor


def _parsed(subscripts: str, operands: Sequence[Tensor]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result.

    Raises:
        InvalidArgumentError: The formula is not one of letters, or does not fit the tensors.
    """
    left, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    letters = "".join(terms)
    if not arrow:
        result = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    plain = all(c.isalpha() for c in letters + result) and all(
        len(set(t)) == len(t) for t in [*terms, result]
    )
    if not plain or not set(result) <= set(letters):
        raise InvalidArgumentError(
            f"np.einsum({subscripts!r}) of symbolic tensors: each letter once in a term, and no ...",
            hint="name all axes, or use np.matmul",
        )
    ranks = [tensor.ndim for tensor in operands]
    if [len(term) for term in terms] != ranks:
        raise SpecError(f"np.einsum({subscripts!r}) of {' and '.join(str(t.spec) for t in operands)}")
    return terms, result


def _sizes(terms: Sequence[str], operands: Sequence[Tensor]) -> dict[str, int | None]:
    sizes: dict[str, int | None] = {}
    for term, tensor in zip(terms, operands, strict=True):
        for letter, size in zip(term, tensor.shape, strict=True):
            known = sizes.setdefault(letter, size)
            if None not in (known, size) and known != size:
                raise SpecError(
                    f"np.einsum: {letter} is {known} and {size} in "
                    + " and ".join(str(t.spec) for t in operands)
                )
            sizes[letter] = size if known is None else known
    return sizes


def _ordered(x: Tensor, term: str, wanted: str) -> Tensor:
    """Transpose to the order of letters; letters that are not wanted are summed."""
    drop = tuple(i for i, letter in enumerate(term) if letter not in wanted)
    kept = "".join(letter for letter in term if letter in wanted)
    summed = np.sum(x, axis=drop).astype(x.dtype) if drop else x
    order = tuple(kept.index(letter) for letter in wanted)
    result: Tensor = summed if order == tuple(range(len(order))) else transpose(summed, order=order)
    return result


def _merged(x: Tensor, groups: Sequence[str], sizes: dict[str, int | None]) -> Tensor:
    """Make one axis of each group behind the first, whose axes stay."""
    if all(len(group) == 1 for group in groups[1:]):
        return x
    shape = [sizes[letter] for letter in groups[0]]
    for group in groups[1:]:
        known = [sizes[letter] for letter in group]
        shape.append(None if None in known else math.prod(n for n in known if n is not None))
    return _reshaped(x, shape)


def _reshaped(x: Tensor, shape: Sequence[int | None]) -> Tensor:
    if list(shape).count(None) > 1:
        raise SpecError(
            f"np.einsum joins axes of {x.spec}, and more than one size is not known",
            hint="use np.matmul and np.swapaxes, which need no sizes",
        )
    result: Tensor = reshape(x, shape=tuple(-1 if n is None else n for n in shape))
    return result


def _product(a: Tensor, b: Tensor, terms: Sequence[str], result: str) -> Tensor:
    sizes = _sizes(terms, (a, b))
    first, second = terms
    batch = "".join(c for c in result if c in first and c in second)
    rows = "".join(c for c in result if c in first and c not in second)
    columns = "".join(c for c in result if c in second and c not in first)
    inner = "".join(c for c in first if c in second and c not in result)
    left = _merged(_ordered(a, first, batch + rows + inner), (batch, rows, inner), sizes)
    right = _merged(_ordered(b, second, batch + inner + columns), (batch, inner, columns), sizes)
    product = matmul(left, right)
    if len(rows) != 1 or len(columns) != 1:
        product = _reshaped(product, [sizes[letter] for letter in batch + rows + columns])
    return _ordered(product, batch + rows + columns, result)


def einsum(subscripts: str, *operands: Any, optimize: object = None) -> Any:
    """Sum products of one or two tensors over named axes; `optimize` is ignored.

    Raises:
        InvalidArgumentError: There are more tensors, or the formula is not one of letters.
        SpecError: Sizes of one letter differ.
    """
    if not isinstance(subscripts, str) or not 1 <= len(operands) <= 2:
        raise InvalidArgumentError("np.einsum of symbolic tensors takes a formula and one or two of them")
    tensors = [as_tensor(x) for x in operands]
    terms, result = _parsed(subscripts, tensors)
    if len(tensors) == 1:
        return _ordered(tensors[0], terms[0], result)
    return _product(tensors[0], tensors[1], terms, result)


NUMPY_FUNCTIONS[np.einsum] = einsum
