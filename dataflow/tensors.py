"""Functions of tensors that NumPy has no name for, for `Dataset.map` and models.

They take symbolic tensors and arrays alike; on arrays they compute at once. Everything else is a NumPy
function or an array method: ``np.concatenate``, ``np.cumsum``, ``x.astype``, ``x[:, None]``…
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.expr.messages import build
from dataflow.expr.primitives import fill, indexing, order
from dataflow.expr.tensor import Primitive, as_tensor
from dataflow.spec import as_dtype

__all__ = ["gather", "one_hot", "stop_gradient", "top_k"]


def gather(params: Any, indices: Any, axis: int = 0) -> Any:
    """Return slices of `params` at integer positions, as tf.gather does.

    The axes of `indices` come where `axis` was. It is ``np.take``, but for arrays looked up by symbolic
    tensors too, and it never counts from the end. In training, the gradient of a table looked up along
    axis 0 is sparse: only the rows that were used are changed.

    Args:
        params: Numbers or text, of any shape with that axis.
        indices: Integers of any shape, each in ``[0, size of the axis)``.
        axis: Which axis of `params`; negative ones count from the last.

    Raises:
        SpecError: There is no such axis, or `indices` are no integers.
        InvalidArgumentError: A position is out of range; raised when the value is there.

    >>> gather(np.array([0.5, 1.5, 2.5]), [2, 0])
    array([2.5, 0.5])
    >>> from dataflow import Dataset
    >>> names = np.array(["cash", "card"])
    >>> list(Dataset.from_tensor_slices([1, 0]).map(lambda i: gather(names, i)))
    ['card', 'cash']
    """
    place = build(indexing.normalize_axis, axis, as_tensor(params).ndim)
    return _apply(indexing.gather, params, indices, axis=place)


def one_hot(
    indices: Any,
    depth: int,
    on_value: float = 1,
    off_value: float = 0,
    axis: int = -1,
    dtype: npt.DTypeLike = np.float32,
) -> Any:
    """Return a new axis of size `depth`, with `on_value` at each index and `off_value` elsewhere.

    As tf.one_hot: an index out of ``[0, depth)``, such as -1, is off everywhere.

    Args:
        indices: Integers of any shape.
        depth: Size of the new axis.
        on_value: The value at the index.
        off_value: The value elsewhere.
        axis: Where the new axis comes; -1 is behind all others.
        dtype: Of the result.

    Raises:
        SpecError: The indices are no integers, or there is no such axis.
        InvalidArgumentError: The depth is negative.

    >>> one_hot([1, -1], 3)
    array([[0., 1., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    return _apply(
        fill.one_hot,
        indices,
        depth=int(depth),
        on_value=on_value,
        off_value=off_value,
        axis=axis,
        dtype=as_dtype(dtype).name,
    )


def top_k(x: Any, k: int = 1) -> tuple[Any, Any]:
    """Return the k largest values along the last axis, descending, and their positions.

    As tf.math.top_k: of equal values the one with the lower position comes first. Gradients flow through
    the values to the entries that were chosen.

    Args:
        x: Numbers ``[..., n]``.
        k: How many, at most n.

    Returns:
        Values ``[..., k]`` of the dtype of `x`, and int32 positions ``[..., k]``.

    Raises:
        SpecError: k is larger than n, or x is a scalar.
        InvalidArgumentError: The same, of a size that was not known before.

    >>> top_k([1.0, 3.0, 3.0, 2.0], 2)
    (array([3., 3.]), array([1, 2], dtype=int32))
    """
    found: tuple[Any, Any] = _apply(order.top_k, x, k=k)
    return found


def stop_gradient(x: Any) -> Any:
    """Return the same values, through which no gradient flows: a model trains without what is behind.

    >>> stop_gradient(np.array([1.0, 2.0]))
    array([1., 2.])
    """
    return fill.stop_gradient(x)


def _apply(primitive: Primitive, *inputs: Any, **attributes: Any) -> Any:
    """Call a primitive; arrays are checked as symbolic tensors are."""
    tensors = [as_tensor(value) for value in inputs]
    build(primitive.infer, *tensors, **attributes)
    symbolic = any(tensor.constant is None for tensor in tensors)
    return primitive(*(tensors if symbolic else inputs), **attributes)
