"""Convolution of images NHWC with filters ``[height, width, in, out]``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators.graph.primitives import convolution_kernels
from estimators.graph.primitives.helpers import per_element
from estimators.graph.primitives.windows import Axis, axes, counts, padded
from estimators.graph.registry import KERNELS, RULES


def _conv2d_infer(
    x: Tensor, filters: Tensor, *, strides: Any = (1, 1), padding: str = "valid", dilation: Any = (1, 1)
) -> TensorSpec:
    if x.ndim != 4 or filters.ndim != 4 or None in filters.shape:
        raise SpecError(
            "conv2d takes images [batch, height, width, channels] and filters [height, width, channels, "
            f"out] of known sizes, not {x.spec} and {filters.spec}"
        )
    if x.dtype != filters.dtype or x.dtype not in (np.float32, np.float64):
        raise SpecError(
            "conv2d takes images and filters both of float32 or both of float64, not "
            f"{x.spec} and {filters.spec}",
            hint="use .astype(np.float32)",
        )
    if x.shape[3] not in (None, filters.shape[2]):
        raise SpecError(
            f"conv2d needs as many channels in the images {x.spec} as the filters {filters.spec} take, which "
            f"is {filters.shape[2]}",
            hint="images are [batch, height, width, channels], filters [height, width, channels, out]",
        )
    try:
        taps = tuple(n or 0 for n in filters.shape[:2])
        windows = counts(x.shape[1:3], taps, strides, padding, dilation)
    except SpecError as error:
        raise SpecError(
            f"{error.message}: conv2d of images {x.spec} with filters {filters.spec}", hint=error.hint
        ) from None
    return TensorSpec((x.shape[0], *windows, filters.shape[3]), x.dtype)


def _axes_of(
    image: Any, filters: Any, *, strides: Any = (1, 1), padding: str = "valid", dilation: Any = (1, 1)
) -> tuple[Axis, Axis]:
    """Return the windows for arrays, or specs, of known shapes."""
    return axes(image.shape[1:3], filters.shape[:2], strides, padding, dilation)


def _conv2d(x: Any, filters: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(x, filters, **attributes)
    x = padded(x, rows, columns)
    out = np.zeros((len(x), rows.count, columns.count, filters.shape[3]), x.dtype)
    for i, j in np.ndindex(*filters.shape[:2]):
        out += x[:, rows.at(i), columns.at(j)] @ filters[i, j]
    return out


def _backward_input(filters: Any, g: Any, like: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(like, filters, **attributes)
    out = padded(np.zeros_like(like), rows, columns)
    for i, j in np.ndindex(*filters.shape[:2]):
        out[:, rows.at(i), columns.at(j)] += g @ filters[i, j].T
    top, left = rows.before, columns.before
    return out[:, top : top + rows.size, left : left + columns.size].copy()


def _backward_filters(x: Any, g: Any, like: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(x, like, **attributes)
    x = padded(x, rows, columns)
    out = np.zeros_like(like)
    for i, j in np.ndindex(*like.shape[:2]):
        out[i, j] = np.tensordot(x[:, rows.at(i), columns.at(j)], g, axes=((0, 1, 2), (0, 1, 2)))
    return out


_X = np.sin(np.arange(60.0)).reshape(1, 6, 5, 2)
_FILTERS = np.cos(np.arange(36.0)).reshape(3, 2, 2, 3)
_SETTINGS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((4, 4), {}),
    ((3, 3), {"strides": (2, 2), "padding": "same"}),
    ((2, 3), {"strides": (1, 1), "padding": "valid", "dilation": (2, 2)}),
]

conv2d = Primitive(
    "conv2d", _conv2d_infer, per_element(_conv2d), lambda: [((_X, _FILTERS), a) for _, a in _SETTINGS]
)
"""Sums of products of images ``[batch, height, width, in]`` with filters ``[height, width, in, out]``.

Attributes: `strides` and `dilation`, two ints each, and `padding`, "same" or "valid", as in TensorFlow. The
filters are not mirrored.
"""


def _grads(shape: tuple[int, ...]) -> Any:
    return np.cos(np.arange(math.prod(shape) * 3.0)).reshape(1, *shape, 3)


conv2d_backward_input = Primitive(
    "conv2d_backward_input",
    lambda filters, g, like, **_: like.spec,
    per_element(_backward_input),
    lambda: [((_FILTERS, _grads(shape), np.zeros_like(_X)), a) for shape, a in _SETTINGS],
)
"""Gradient of conv2d for its images: from the filters, the gradient of the result, and the images' shape."""

conv2d_backward_filters = Primitive(
    "conv2d_backward_filters",
    lambda x, g, like, **_: like.spec,
    per_element(_backward_filters),
    lambda: [((_X, _grads(shape), np.zeros_like(_FILTERS)), a) for shape, a in _SETTINGS],
)
"""Gradient of conv2d for its filters: from the images, the gradient of the result, and the filters' shape."""


KERNELS["conv2d"] = convolution_kernels.FORWARD
KERNELS["conv2d_backward_input"] = convolution_kernels.BACKWARD_INPUT
KERNELS["conv2d_backward_filters"] = convolution_kernels.BACKWARD_FILTERS

# Gradients -----------------------------------------------------------------------------------------
# The sum of h · conv2d(x, f) is linear in each of h, x and f, so its three gradients are each other's.


def _rule(call: Call, g: Tensor) -> Sequence[Tensor]:
    x, filters = call.inputs
    settings = call.attributes
    return conv2d_backward_input(filters, g, x, **settings), conv2d_backward_filters(
        x, g, filters, **settings
    )


def _backward_input_rule(call: Call, h: Tensor) -> Sequence[Tensor | None]:
    filters, g, _ = call.inputs
    settings = call.attributes
    return conv2d_backward_filters(h, g, filters, **settings), conv2d(h, filters, **settings), None


def _backward_filters_rule(call: Call, h: Tensor) -> Sequence[Tensor | None]:
    x, g, _ = call.inputs
    settings = call.attributes
    return conv2d_backward_input(h, g, x, **settings), conv2d(x, h, **settings), None


RULES["conv2d"] = _rule
RULES["conv2d_backward_input"] = _backward_input_rule
RULES["conv2d_backward_filters"] = _backward_filters_rule
