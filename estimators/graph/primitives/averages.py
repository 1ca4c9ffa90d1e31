"""Moving averages of variables, and tables with some rows replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.helpers import per_element
from estimators.graph.primitives.steps import cast
from estimators.graph.registry import KERNELS, Kernel


def _infer(average: Tensor, start: Tensor, value: Tensor, decay: Tensor, step: Tensor) -> TensorSpec:
    for part in (start, value):
        if part.spec != average.spec:
            raise SpecError(f"a moving average of {average.spec} does not take {part.spec}")
    return average.spec


def _moving_average(average: Any, start: Any, value: Any, decay: Any, step: Any) -> Any:
    keep, new = cast(average, float(decay), 1.0 - float(decay))
    return np.asarray(keep * (start if step == 0 else average) + new * value)


def _moving_average_run(
    out: tuple[Any, ...], _: Any, average: Any, start: Any, value: Any, decay: Any, step: Any
) -> None:
    before, after = (
        np.ascontiguousarray(array).reshape(-1) for array in (start if step == 0 else average, value)
    )
    kernels.updates.moving_average(out[0].reshape(-1), before, after, float(decay))


moving_average = Primitive(
    "moving_average",
    _infer,
    per_element(_moving_average),
    lambda: [
        ((np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.array([7.0, 9.0]), 0.9, np.int64(step)), {})
        for step in (0, 4)
    ],
)
"""decay * average + (1 - decay) * value; in step 0, `start` is taken for `average`."""
KERNELS["moving_average"] = Kernel(_moving_average_run, in_place=True)


def _replace_rows(table: Any, rows: Any, values: Any) -> Any:
    out = np.array(table)
    out[rows] = values
    return out


def _replace_rows_run(out: tuple[Any, ...], _: Any, table: Any, rows: Any, values: Any) -> None:
    out[0][...] = table
    out[0][rows] = values


replace_rows = Primitive(
    "replace_rows",
    lambda table, rows, values: table.spec,
    per_element(_replace_rows),
    lambda: [((np.arange(6.0).reshape(3, 2), np.array([2, 0]), np.array([[7.0, 8.0], [9.0, 9.5]])), {})],
)
"""A table ``[n, *row]`` with the rows of these numbers ``[m]`` replaced by values ``[m, *row]``."""
KERNELS["replace_rows"] = Kernel(_replace_rows_run)
