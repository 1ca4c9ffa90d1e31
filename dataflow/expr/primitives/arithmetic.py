"""Element-wise numeric primitives: NumPy's ufuncs, with NumPy's broadcasting and dtype rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.primitives.text import string_equal
from dataflow.expr.tensor import (
    METHODS,
    NUMPY_FUNCTIONS,
    UFUNCS,
    Primitive,
    Tensor,
    as_tensor,
    broadcast_shapes,
    require_numeric,
)
from dataflow.spec import Shape, TensorSpec, is_text


def broadcast(name: str, *tensors: Tensor) -> Shape:
    """Return the shape that tensors broadcast to.

    Raises:
        SpecError: They do not; the message has the name of the function and the specs.
    """
    try:
        return broadcast_shapes(*(tensor.shape for tensor in tensors))
    except SpecError as error:
        specs = " and ".join(str(tensor.spec) for tensor in tensors)
        raise SpecError(f"{name} of {specs}: the shapes do not broadcast", hint=error.hint) from None


def _promotion(tensor: Tensor) -> Any:
    """The dtype, or the Python type of a constant that NumPy promotes weakly."""
    value = tensor.constant
    return type(value) if type(value) in (int, float) else tensor.dtype


def _record(ufunc: np.ufunc, *samples: tuple[Any, ...]) -> Primitive:
    def infer(*inputs: Tensor) -> TensorSpec:
        require_numeric(f"np.{ufunc.__name__}", *inputs)
        shape = broadcast(f"np.{ufunc.__name__}", *inputs)
        try:
            dtypes = ufunc.resolve_dtypes((*map(_promotion, inputs), None))
        except TypeError as error:
            raise SpecError(
                f"np.{ufunc.__name__} does not take {' and '.join(str(t.dtype) for t in inputs)}"
            ) from error
        return TensorSpec(shape, dtypes[-1])

    def compute(_: int, *values: Any) -> Any:
        return ufunc(*values)

    def examples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(tuple(np.asarray(value) for value in sample), {}) for sample in samples]

    return Primitive(ufunc.__name__, infer, compute, examples, elementwise=True, total=ufunc is not np.power)


_SIGNED = ([1.5, -2.0, 0.25],)
_POSITIVE = ([1.5, 2.0, 0.25],)
_PAIR = ([1.5, -2.0, 3.0], [2.0, 0.5, -1.0])
_BOOLS = ([True, False], [True, True])
_INTS = ([6, 3], [3, 5])

ELEMENTWISE: dict[str, Primitive] = {
    record.name: record
    for record in (
        *(_record(u, _PAIR, ([[1.0], [2.0]], [3.0, 4.0]), _INTS) for u in (np.add, np.subtract, np.multiply)),
        *(_record(u, _PAIR, _INTS) for u in (np.true_divide, np.floor_divide, np.remainder)),
        *(_record(u, _PAIR, _INTS) for u in (np.maximum, np.minimum, np.fmax, np.fmin, np.arctan2, np.hypot)),
        *(_record(u, _PAIR, _INTS) for u in (np.fmod, np.copysign, np.logaddexp, np.logaddexp2)),
        _record(np.float_power, ([1.5, 2.0], [2.0, -1.0])),
        _record(np.power, ([1.5, 2.0], [2.0, -1.0]), ([2, 3], [3, 2])),
        *(_record(u, _PAIR, _INTS) for u in (np.equal, np.not_equal, np.less, np.less_equal)),
        *(_record(u, _PAIR, _INTS) for u in (np.greater, np.greater_equal)),
        *(_record(u, _BOOLS) for u in (np.logical_and, np.logical_or, np.logical_xor)),
        *(_record(u, _BOOLS, _INTS) for u in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)),
        *(_record(u, _INTS) for u in (np.left_shift, np.right_shift)),
        *(_record(u, (_BOOLS[0],)) for u in (np.logical_not, np.invert)),
        *(_record(u, _SIGNED) for u in (np.negative, np.positive, np.absolute, np.sign, np.square)),
        *(_record(u, _SIGNED) for u in (np.exp, np.exp2, np.expm1, np.sin, np.cos, np.tan, np.sinh, np.cosh)),
        *(_record(u, _SIGNED) for u in (np.tanh, np.arctan, np.floor, np.ceil, np.trunc, np.rint)),
        *(_record(u, _SIGNED) for u in (np.isnan, np.isinf, np.isfinite, np.degrees, np.radians)),
        *(_record(u, _SIGNED) for u in (np.arcsinh, np.signbit)),
        *(_record(u, _POSITIVE) for u in (np.log, np.log2, np.log10, np.log1p, np.sqrt, np.cbrt)),
        *(_record(u, _POSITIVE) for u in (np.reciprocal,)),
        *(_record(u, ([0.5, -0.25],)) for u in (np.arcsin, np.arccos, np.arctanh)),
        _record(np.arccosh, ([1.5, 2.0],)),
    )
}
"""Primitive by the ufunc's name."""

UFUNCS.update(ELEMENTWISE)
UFUNCS.update(divide=ELEMENTWISE[np.true_divide.__name__], true_divide=ELEMENTWISE[np.true_divide.__name__])
UFUNCS.update(deg2rad=ELEMENTWISE["radians"], rad2deg=ELEMENTWISE["degrees"])
UFUNCS.update(abs=ELEMENTWISE["absolute"], fabs=ELEMENTWISE["absolute"], mod=ELEMENTWISE["remainder"])


def _comparison(name: str) -> Any:
    """Compare numbers with numbers, and text with text."""

    def compare(left: Any, right: Any) -> Any:
        text = [
            isinstance(v, str | bytes) or (isinstance(v, Tensor) and is_text(v.dtype)) for v in (left, right)
        ]
        if not any(text):
            return ELEMENTWISE[name](left, right)
        equal = string_equal(left, right)
        return equal if name == "equal" else ELEMENTWISE["logical_not"](equal)

    return compare


UFUNCS["equal"] = _comparison("equal")
UFUNCS["not_equal"] = _comparison("not_equal")


_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal", 1: "positive"}


def _power(x: Any, exponent: Any) -> Any:
    """Raise to a power; as NumPy does, constant exponents that a faster function knows go to that."""
    known = type(exponent) in (int, float) and exponent in _POWERS and isinstance(x, Tensor)
    if known and (x.dtype.kind == "f" or (x.dtype.kind in "iu" and type(exponent) is int and exponent > 0)):
        return ELEMENTWISE[_POWERS[exponent]](x)
    return ELEMENTWISE["power"](x, exponent)


UFUNCS["power"] = _power


def _round(x: Any, decimals: int = 0) -> Any:
    """Round to so many decimals; half-way cases go to the even number."""
    tensor = as_tensor(x)
    if tensor.dtype.kind in "biu" and decimals >= 0:
        return tensor
    if not decimals:
        return UFUNCS["rint"](tensor)
    scale = 10.0 ** abs(decimals)
    return np.rint(tensor * scale) / scale if decimals > 0 else np.rint(tensor / scale) * scale


METHODS["round"] = NUMPY_FUNCTIONS[np.round] = NUMPY_FUNCTIONS[np.around] = _round
