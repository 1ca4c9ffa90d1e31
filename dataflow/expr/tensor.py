"""Symbolic tensors: a primitive applied to inputs. Building one computes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dataflow.block import as_column
from dataflow.errors import SpecError, TraceError
from dataflow.expr.messages import (
    NO_ARRAY,
    NO_VALUE,
    build,
    build_numpy,
    full_name,
    is_described,
    not_available,
    suggestion,
)
from dataflow.origin import user_line
from dataflow.spec import STRING, ObjectSpec, ObjectValue, TensorSpec, is_text
from dataflow.strings import Strings


@dataclasses.dataclass(frozen=True, eq=False)
class Primitive:
    """One operation on tensors; everything the project must know about it.

    Attributes:
        name: Unique name; exported models refer to it.
        infer: ``infer(*inputs, **attributes)`` gets Tensors and returns the `TensorSpec` of the
            result, or a tuple of them for several results.
        compute: ``compute(lead, *values, **attributes)`` gets NumPy arrays and `Strings`. With
            ``lead=1`` each value has a leading axis of elements in front of the element's own
            axes, with ``lead=0`` it has none. With ``lead=1`` a result may be a `Ragged` column.
        samples: Makes argument tuples ``(inputs, attributes)`` for the conformance suite.
        elementwise: The inputs broadcast against each other and are aligned by the evaluator, so
            `compute` may treat them as plain arrays and ignore `lead`.
        total: There is a result for all values of known shapes: no element can make it fail.
    """

    name: str
    infer: Callable[..., TensorSpec | tuple[TensorSpec, ...]]
    compute: Callable[..., Any]
    samples: Callable[[], list[tuple[tuple[Any, ...], dict[str, Any]]]]
    elementwise: bool = False
    total: bool = False

    def __call__(self, *inputs: Any, **attributes: Any) -> Any:
        """Build a tensor if any input is one; compute at once otherwise."""
        if not any(isinstance(value, Tensor) for value in inputs):
            return self.eager(*inputs, **attributes)
        tensors = tuple(as_tensor(value) for value in inputs)
        specs = build(self.infer, *tensors, **attributes)
        call = Call(self, tensors, attributes, user_line())
        if isinstance(specs, tuple):
            return tuple(Tensor(call, spec, i) for i, spec in enumerate(specs))
        return Tensor(call, specs)

    def eager(self, *inputs: Any, **attributes: Any) -> Any:
        """Compute on plain values and return plain values: NumPy arrays, scalars, `str`."""
        result = self.compute(0, *(as_value(value) for value in inputs), **attributes)
        return tuple(plain_value(r) for r in result) if isinstance(result, tuple) else plain_value(result)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Call:
    """One application of a primitive, shared by the tensors of its results."""

    primitive: Primitive
    inputs: tuple[Tensor, ...]
    attributes: Mapping[str, Any]
    line: str


def _parameter_spec(spec: TensorSpec) -> TensorSpec:
    return spec


def _no_value(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("a leaf has no kernel")


PARAMETER = Primitive("parameter", _parameter_spec, _no_value, list)
"""A leaf whose value is fed: a component of an element, or a batch."""

CONSTANT = Primitive("constant", _parameter_spec, _no_value, list)
"""A leaf whose value is in its attribute ``value``; Python scalars stay weakly typed."""


def parameter(spec: TensorSpec) -> Tensor:
    """Return a leaf to be fed with values of the spec.

    Raises:
        TraceError: The values are no arrays.
    """
    if isinstance(spec, ObjectSpec):
        raise TraceError(f"there are no symbolic values of {spec}", hint=spec.way_out)
    return Tensor(Call(PARAMETER, (), {"spec": spec}, ""), spec)


def as_value(value: Any) -> Any:
    """Convert a plain value to what kernels take; Python numbers stay as they are (weakly typed)."""
    if isinstance(value, bool | int | float | np.ndarray | Strings) and not (
        isinstance(value, np.ndarray) and value.dtype.kind in "OUS"
    ):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        kind = np.dtype(bytes) if array.dtype.kind == "S" or _holds_bytes(array) else STRING
        return Strings.from_numpy(array, kind)
    return array


def _holds_bytes(array: np.ndarray[Any, Any]) -> bool:
    return array.dtype.kind == "O" and any(isinstance(item, bytes) for item in array.flat)


def plain_value(value: Any) -> Any:
    """Convert a kernel's result to what users see: arrays, NumPy scalars, `str`, `bytes`."""
    if isinstance(value, Strings):
        array = value.to_numpy()
        return array.item() if array.ndim == 0 else array
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def spec_of_value(value: Any) -> TensorSpec:
    """Return the spec of a plain value."""
    if isinstance(value, ObjectValue):
        return value.value_spec
    column = as_value(value)
    if isinstance(column, bool | int | float):
        return TensorSpec((), np.asarray(column).dtype)
    return TensorSpec(column.shape, column.dtype)


def as_tensor(value: Any) -> Tensor:
    """Return the value itself if it is a Tensor, a packed Tensor for a list, else a constant."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, list) and any(isinstance(item, Tensor) for item in value):
        return _stack(value)
    if value is None:
        raise TraceError("None is not a tensor", hint=None if is_described() else NO_VALUE)
    spec = spec_of_value(value)
    if isinstance(spec, ObjectSpec):
        raise TraceError(f"a {type(value).__name__} is not a tensor", hint=spec.way_out)
    return Tensor(Call(CONSTANT, (), {"value": as_value(value)}, ""), spec)


def _stack(values: list[Any]) -> Tensor:
    return NUMPY_FUNCTIONS[np.stack]([as_tensor(value) for value in values])  # type: ignore[no-any-return]


NUMPY_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What ``np.function(tensor)`` calls; filled by the modules of `dataflow.expr.primitives`."""
UFUNCS: dict[str, Callable[..., Any]] = {}
"""What a NumPy ufunc of that name calls."""
METHODS: dict[str, Callable[..., Any]] = {}
"""What ``tensor.method()`` calls: ``astype``, ``reshape``, ``sum``…"""


class TraceAttributeError(TraceError, AttributeError):
    """An attribute that symbolic tensors do not have."""


class Tensor:
    """A value that is not known yet: the result of a primitive, with its spec.

    Operators, NumPy functions and the usual array methods build further tensors. What needs the
    value itself (``if``, ``int()``, ``for`` over an unknown length) raises `TraceError`.
    """

    __slots__ = ("__weakref__", "call", "output", "spec")

    if TYPE_CHECKING:  # Python's operators; `_install_operators` makes them

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rlshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __rrshift__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Any: ...
        def __ne__(self, other: object) -> Any: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...

    def __init__(self, call: Call, spec: TensorSpec, output: int = 0) -> None:
        self.call = call
        self.spec = spec
        self.output = output

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Sizes of the dimensions, None where unknown."""
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.spec.rank

    @property
    def constant(self) -> Any:
        """The value of a constant, else None."""
        return self.call.attributes["value"] if self.call.primitive is CONSTANT else None

    @property
    def T(self) -> Tensor:
        """The transposed tensor."""
        return METHODS["transpose"](self)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"Tensor({self.call.primitive.name}, shape={self.shape}, dtype={self.spec.dtype})"

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, format_spec: str) -> str:
        if is_described() and not format_spec:
            return repr(self)
        raise TraceError("the text of a symbolic tensor is not known yet", hint=NO_VALUE)

    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return lambda *args, **kwargs: build(METHODS[name], self, *args, **kwargs)
        hint = "use NumPy functions; a function of Dataset.map may also run per element in Python"
        if not name.startswith("__"):  # NumPy asks for many of these
            hint = suggestion(name, METHODS) + hint
        raise TraceAttributeError(f"symbolic tensors have no attribute {name!r}", hint=hint)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = UFUNCS.get(ufunc.__name__)
        if method != "__call__" or function is None or kwargs:
            called = ufunc.__name__ + ("" if method == "__call__" else "." + method)
            called += f" with {', '.join(kwargs)}" if kwargs else ""
            raise not_available(f"np.{called}", _available())
        return build(function, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        known = NUMPY_FUNCTIONS.get(function)
        if known is None:
            raise not_available(full_name(function), _available())
        return build_numpy(function, known, args, kwargs)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TraceError("a symbolic tensor has no value yet, so it cannot become an array", hint=NO_ARRAY)

    def __bool__(self) -> NoReturn:
        raise TraceError(
            "the truth of a symbolic tensor is not known yet", hint="use np.where instead of if/and/or/while"
        )

    def __float__(self) -> NoReturn:
        raise TraceError("a symbolic tensor has no value yet", hint=NO_VALUE)

    __int__ = __complex__ = __float__

    def __index__(self) -> NoReturn:
        raise TraceError("a symbolic tensor has no value yet", hint=NO_ARRAY)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TraceError(f"the length of {self!r} is not known", hint=NO_VALUE)
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return build(METHODS["__getitem__"], self, key)

    def __contains__(self, item: object) -> NoReturn:
        raise TraceError("`in` needs the values of a symbolic tensor", hint="use (tensor == x).any()")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TraceError("symbolic tensors cannot be changed in place", hint="use np.where or np.concatenate")


def _available() -> list[str]:
    return [*(f"np.{ufunc}" for ufunc in UFUNCS), *map(full_name, NUMPY_FUNCTIONS)]


def _install_operators() -> None:
    """Give Tensor Python's operators, by the ufuncs of the same meaning."""
    binary = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
        "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "matmul": "matmul",
        "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
        "lshift": "left_shift", "rshift": "right_shift",
    }  # fmt: skip
    compare = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
    equality = {"eq": "equal", "ne": "not_equal"}
    unary = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}

    def operator(name: str, *, reflected: bool = False) -> Callable[..., Any]:
        def method(self: Tensor, other: Any) -> Any:
            arguments = (other, self) if reflected else (self, other)
            return build(_ufunc(name), *arguments)

        return method

    for python, ufunc in {**binary, **compare, **equality}.items():
        setattr(Tensor, f"__{python}__", operator(ufunc))
    for python, ufunc in binary.items():
        setattr(Tensor, f"__r{python}__", operator(ufunc, reflected=True))
    for python, ufunc in unary.items():
        setattr(Tensor, f"__{python}__", lambda self, ufunc=ufunc: build(_ufunc(ufunc), self))


def _ufunc(name: str) -> Callable[..., Any]:
    if name not in UFUNCS:
        raise not_available(f"np.{name}", _available())
    return UFUNCS[name]


_install_operators()


def broadcast_shapes(*shapes: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Return the broadcast shape by NumPy's rules; None stays unknown unless the other side fixes it.

    Raises:
        SpecError: Two known sizes differ and neither is 1.
    """
    rank = max(map(len, shapes), default=0)
    result: list[int | None] = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        known = sizes - {None}
        if len(known) > 1:
            raise SpecError(
                f"shapes {' and '.join(map(str, shapes))} do not broadcast",
                hint="sizes, from the last axis on, must be equal or 1: x[:, None] adds an axis",
            )
        result.append(next(iter(known)) if known else (None if None in sizes else 1))
    return tuple(result)


def require_numeric(name: str, *tensors: Tensor) -> None:
    """Raise `SpecError` if a tensor holds text, or `TraceError` for what `str` can do."""
    for tensor in tensors:
        if is_text(tensor.dtype):
            kind = TraceError if name in _PYTHON_TEXT_OPERATORS else SpecError
            raise kind(
                f"{name} needs numbers, and got {tensor.spec}",
                hint="convert text with .astype, or decode it with a numeric default",
            )


_PYTHON_TEXT_OPERATORS = {
    f"np.{n}" for n in ("add", "multiply", "remainder", "less", "less_equal", "greater")
}
_PYTHON_TEXT_OPERATORS.add("np.greater_equal")
"""What works on `str` values: such a function can run per element in Python."""


def as_element(value: Any, spec: TensorSpec) -> Any:
    """Convert one plain value to a column of one row."""
    array = np.asarray(value, dtype=object if is_text(spec.dtype) else None)
    return as_column(array[None, ...], spec)
