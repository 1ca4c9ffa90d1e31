"""Gradients of rows as model functions see them: to scale, to clip, to make dense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.tables import RowGradient


class SparseGradient(RowGradient):
    """A gradient that is zero but in some rows of a table; ``.dense()`` gives all rows.

    It can be multiplied and divided by numbers and by scalar tensors, and clipped with
    ``estimators.clip_by_value`` and its kin. Whatever else it is given to raises `SpecError`.

    >>> from estimators import VariableStore, gradients, layers
    >>> with VariableStore() as store:
    ...     rows = layers.embedding(np.array([2, 0, 2]), 3, 1)
    ...     (gradient,) = gradients(np.sum(rows), list(store.variables.values()))
    >>> (gradient * 0.5).dense()
    Tensor(scatter_sum, shape=(3, 1), dtype=float32)
    """

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape of the table."""
        return self.table.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.values.dtype

    def __repr__(self) -> str:
        return f"SparseGradient(shape={self.shape}, dtype={self.dtype})"

    def __mul__(self, factor: Any) -> SparseGradient:
        return self._scaled(np.multiply, factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> SparseGradient:
        return self._scaled(np.divide, divisor)

    def __neg__(self) -> SparseGradient:
        return self._scaled(np.multiply, -1)

    def _scaled(self, function: Any, number: Any) -> SparseGradient:
        scalar = number if isinstance(number, Tensor) else np.asarray(number)
        if scalar.shape != () or scalar.dtype.kind not in "biuf":
            raise refused(f"{function.__name__} with {number!r}")
        values = function(self.values, scalar.astype(self.dtype))
        return SparseGradient(self.ids, values, self.table)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> SparseGradient:
        plain = method == "__call__" and not settings
        if plain and (ufunc is np.multiply or (ufunc is np.true_divide and inputs[0] is self)):
            return self._scaled(ufunc, inputs[1] if inputs[0] is self else inputs[0])
        raise refused(f"np.{ufunc.__name__}")

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        raise refused(f"np.{function.__name__}")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise refused("this function")

    def _refuse(self, *_: Any) -> NoReturn:
        raise refused("this operator")

    __add__ = __radd__ = __sub__ = __rsub__ = __pow__ = __rtruediv__ = __matmul__ = __abs__ = _refuse


def over_rows(gradient: RowGradient, function: Callable[[Tensor], Tensor]) -> SparseGradient:
    """Return the gradient with a function applied to its rows' sums; it must keep 0 where it is."""
    rows, sums = gradient.summed()
    return SparseGradient(rows[:, None], function(sums), gradient.table)


def refused(what: str) -> SpecError:
    """Return the error of what gradients of rows cannot do."""
    return SpecError(
        f"{what} does not take the gradient of a table's rows",
        hint="make it dense with gradient.dense(); or scale it with gradient * number, and clip it with "
        "estimators.clip_by_value, clip_by_norm or clip_by_global_norm, and it stays sparse",
    )
