"""How many threads BLAS gets while a model runs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

import threadpoolctl

from dataflow.expr.function import postorder
from dataflow.expr.primitives.linear_algebra import matmul
from dataflow.expr.tensor import Tensor
from estimators.inputs.in_memory import BATCH_SIZE

LARGE = 1 << 25
"""Multiplications in a product of matrices that pay for a second thread."""


@contextlib.contextmanager
def fitting_blas_threads(ends: Sequence[Tensor]) -> Iterator[None]:
    """Give BLAS one thread for a model of small products: more only wait, for each other and for readers.

    Args:
        ends: Everything that the model computes.
    """
    if any(_multiplications(call.inputs) >= LARGE for call in postorder(ends) if call.primitive is matmul):
        yield
        return
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


def _multiplications(factors: Sequence[Tensor]) -> int:
    """Return about how many multiplications a product needs; unknown sizes are those of batches."""
    a, b = ([BATCH_SIZE if size is None else size for size in factor.shape] for factor in factors)
    return math.prod(a) * (b[-1] if len(b) > 1 else 1)
