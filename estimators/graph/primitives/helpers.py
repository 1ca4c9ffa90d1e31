"""What records of primitives share: kernels for one element serve blocks, and checks of dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor, broadcast_shapes
from dataflow.spec import TensorSpec
from dataflow.strings import Strings


def per_element(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Let a kernel for one element serve a leading axis of elements too."""

    def full(lead: int, *values: Any, **attributes: Any) -> Any:
        if not lead:
            return compute(*values, **attributes)
        parts = []
        for i in range(len(values[0])):
            rows = [
                v.slice(i, i + 1).reshape(v.shape[1:]) if isinstance(v, Strings) else v[i] for v in values
            ]
            parts.append(compute(*rows, **attributes))
        if parts and isinstance(parts[0], Strings):
            text = np.stack([part.to_numpy() for part in parts])
            return Strings.from_numpy(text, parts[0].dtype)
        if parts and isinstance(parts[0], tuple):
            return tuple(np.stack(results) for results in zip(*parts, strict=True))
        return np.stack(parts)

    return full


def float_like(*inputs: Tensor) -> TensorSpec:
    """Spec rule: floating-point inputs broadcast against each other, with the dtype of the first."""
    for tensor in inputs:
        if tensor.dtype.kind != "f":
            raise SpecError(
                f"floating-point numbers are needed, not {tensor.spec}", hint="use .astype(np.float32)"
            )
    return TensorSpec(broadcast_shapes(*(t.shape for t in inputs)), inputs[0].dtype)
