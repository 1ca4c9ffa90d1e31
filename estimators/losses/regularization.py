"""What variables add to a loss."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dataflow.expr.tensor import Tensor, as_tensor
from estimators.graph.variable import variables_of


def get_regularization_loss(of: Tensor | Iterable[Tensor]) -> Tensor:
    """Return the sum of what the regularizers of variables give.

    There are no global collections: the variables are those that tensors of yours depend on.

    Args:
        of: The logits, the loss, or several tensors.

    Returns:
        A scalar: the sum of ``variable.regularizer(variable)``, in the order of their names, or 0 in
        float32 if no variable has a regularizer.

    >>> from estimators.graph.program import Program
    >>> from estimators.graph.variable import Variable
    >>> from estimators.regularizers import l2
    >>> w = Variable("w", (2,), regularizer=l2(0.5))
    >>> loss = get_regularization_loss(w * 10.0)
    >>> float(Program([], {"loss": loss}).run([], {"w": np.float32([1.0, 2.0])})["loss"])
    2.5
    """
    ends = [of] if isinstance(of, Tensor) else list(of)
    parts = [v.regularizer(v) for v in variables_of(ends) if v.regularizer is not None]
    if not parts:
        return as_tensor(np.zeros((), np.float32))
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
