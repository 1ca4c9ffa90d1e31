"""`SplitProgram`: what `predict` divides between the reading threads and a program, for batches in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.block import concat_columns
from dataflow.errors import DataflowError
from dataflow.expr.function import Function, postorder
from dataflow.expr.primitives.image import decode_image
from dataflow.expr.tensor import Tensor
from dataflow.strings import Strings
from estimators.graph.program import Program
from estimators.graph.schedule import without_repeats
from estimators.graph.variable import Array
from estimators.inputs.hoisting import hoisted, replaced
from estimators.inputs.input_fn import SymbolicInput


class SplitProgram:
    """Computes outputs from batches of inputs, to the bits that `Estimator.predict` gives.

    What needs no variables is computed by primitives in their plain form, as `predict` has it with the data.
    So the program knows all sizes, also those that depend on values, such as of decoded images.

    Args:
        inputs: Leaves that are fed.
        fetches: What to compute, by name.
    """

    def __init__(self, inputs: Sequence[Tensor], fetches: Mapping[str, Tensor]) -> None:
        leaves, outputs = tuple(inputs), list(fetches.values())
        columns = hoisted(SymbolicInput(leaves, None, None, ()), outputs)
        inner, ends = replaced(outputs, columns)
        self._first = Function(leaves, without_repeats(columns))
        self._decodes = any(call.primitive is decode_image for call in postorder(columns))
        self._program = Program(inner, dict(zip(fetches, ends, strict=True)))

    def first(self, columns: Sequence[Any]) -> list[Any]:
        """Compute what needs no variables; several threads may do so.

        Images of a batch may differ in size if what is made of them does not.
        """
        try:
            return self._first.run(columns, lead=0)
        except DataflowError:
            rows = {len(column) if column.shape else 0 for column in columns}
            if not self._decodes or len(rows) > 1 or max(rows) < 2:
                raise
            parts = [
                self._first.run([_row(column, i) for column in columns], lead=0) for i in range(max(rows))
            ]
            shapes = {tuple(value.shape for value in part) for part in parts}
            if len(shapes) > 1 or any(shape[:1] != (1,) for shape in next(iter(shapes))):
                raise
        return [concat_columns(list(column)) for column in zip(*parts, strict=True)]

    def rest(self, columns: Sequence[Any], values: dict[str, Array]) -> dict[str, Any]:
        """Return the outputs, of what `first` gave; one thread at a time.

        Args:
            columns: From `first`.
            values: Arrays by name of a variable, as of `Program.run`.
        """
        return self._program.run(columns, values)


def _row(column: Any, i: int) -> Any:
    return column.slice(i, i + 1) if isinstance(column, Strings) else column[i : i + 1]
