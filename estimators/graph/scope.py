"""Names of variables: scopes, sharing, and what layers are called."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import enum
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.messages import described
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec, as_dtype
from estimators import initializers
from estimators.graph.variable import Initializer, Variable, zeros
from estimators.initializers import InitializerArgument, glorot_uniform


class _AutoReuse(enum.Enum):
    AUTO_REUSE = "auto_reuse"


AUTO_REUSE = _AutoReuse.AUTO_REUSE
"""For `variable_scope`: share variables that exist, make those that do not."""

Reuse = bool | _AutoReuse


def _no_value(*_: Any, **__: Any) -> Any:
    raise InvalidArgumentError("the number of the batch is known only inside of a program")


BATCH_NUMBER = Primitive("batch_number", lambda: TensorSpec((), np.int64), _no_value, list)
"""A leaf: in training the global step, else the position of the batch in the input."""


@dataclasses.dataclass(eq=False)
class VariableStore:
    """The variables of one model, by name. `Estimator` opens one for each call of a model function.

    Args:
        seed: Makes the seeds of random operations that are given none.

    >>> with VariableStore() as store:
    ...     weight = get_variable("weight", [2, 1])
    >>> list(store.variables)
    ['weight']
    """

    seed: int | None = None
    variables: dict[str, Variable] = dataclasses.field(default_factory=dict)
    summaries: list[Any] = dataclasses.field(default_factory=list)
    """What `estimators.summary` was asked to show."""
    _names: dict[str, int] = dataclasses.field(default_factory=dict)
    """How often each name of a layer or an operation was asked for."""
    _entered: list[contextlib.ExitStack] = dataclasses.field(default_factory=list)

    def __enter__(self) -> VariableStore:
        stack = contextlib.ExitStack()
        stack.callback(_SCOPE.reset, _SCOPE.set(_Scope(self)))
        stack.enter_context(described(True))
        self._entered.append(stack)
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.pop().close()

    def count(self, name: str) -> int:
        """Return how often the name was asked for before."""
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        return count

    def forget(self, prefix: str) -> None:
        """Begin to count anew below a scope that is entered again."""
        for name in [name for name in self._names if name.startswith(prefix)]:
            del self._names[name]


@dataclasses.dataclass(frozen=True)
class _Scope:
    """Where in a model new variables belong."""

    store: VariableStore
    path: str = ""
    reuse: Reuse = False
    initializer: Initializer | None = None
    regularizer: Callable[[Tensor], Tensor] | None = None


_SCOPE: contextvars.ContextVar[_Scope | None] = contextvars.ContextVar("estimators_scope", default=None)


def _current() -> _Scope:
    scope = _SCOPE.get()
    if scope is None:
        raise InvalidArgumentError(
            "variables are made inside of a model function",
            hint="call it from model_fn, or inside of `with estimators.VariableStore():`",
        )
    return scope


def current_store() -> VariableStore:
    """Return the store of the model function that runs.

    Raises:
        InvalidArgumentError: None runs.
    """
    return _current().store


def model_is_made() -> bool:
    """Tell whether a model function runs."""
    return _SCOPE.get() is not None


@contextlib.contextmanager
def variable_scope(
    name: str,
    *,
    reuse: Reuse = False,
    initializer: Initializer | None = None,
    regularizer: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[None]:
    """Put ``name/`` in front of the names of variables and layers made inside.

    Layers without a name are counted anew each time a scope is entered, so the same calls under
    ``reuse=True`` find the same variables.

    Args:
        name: May hold slashes.
        reuse: False: a variable that exists is an error; True: variables must exist and are shared;
            `AUTO_REUSE`: they are shared if they exist.
        initializer: For variables that are given none.
        regularizer: For variables that are given none.

    >>> with VariableStore():
    ...     with variable_scope("player"):
    ...         first = get_variable("weight", [1])
    ...     with variable_scope("player", reuse=True):
    ...         second = get_variable("weight", [1])
    >>> first is second, first.name
    (True, 'player/weight')
    """
    outer = _current()
    if not isinstance(name, str) or not name.strip("/"):
        raise InvalidArgumentError(f"a scope needs a name, not {name!r}")
    path = f"{outer.path}{name.strip('/')}/"
    outer.store.forget(path)
    token = _SCOPE.set(
        dataclasses.replace(
            outer,
            path=path,
            reuse=reuse or outer.reuse,
            initializer=initializer or outer.initializer,
            regularizer=regularizer or outer.regularizer,
        )
    )
    try:
        yield
    finally:
        _SCOPE.reset(token)


def get_variable(
    name: str,
    shape: Sequence[int] | None = None,
    dtype: npt.DTypeLike | None = None,
    initializer: InitializerArgument | npt.ArrayLike | None = None,
    *,
    regularizer: Callable[[Tensor], Tensor] | None = None,
    trainable: bool = True,
) -> Variable:
    """Return a variable of the model: a new one, or, where the scope says so, one that exists.

    Args:
        name: Below the current scope.
        shape: All sizes known; default that of the array given as initializer, else ``()``.
        dtype: NumPy dtype; default that of the array given as initializer, else float32.
        initializer: A function, its name ("zeros"), or an array or number to start at. Default the
            scope's, else Glorot uniform for floating-point numbers, else zeros.
        regularizer: Default the scope's.
        trainable: Whether optimizers change it.

    Raises:
        InvalidArgumentError: It exists and is not to be shared; or the reverse; or no model function runs.
        SpecError: The variable that exists has another shape or dtype, or a size is unknown.

    >>> with VariableStore():
    ...     get_variable("bias", [10])
    ...     get_variable("table", initializer=np.eye(3))
    Variable('bias', shape=(10,), dtype=float32)
    Variable('table', shape=(3, 3), dtype=float64)
    """
    scope = _current()
    full = scope.path + name
    shape, dtype, initializer = _first_value(shape, dtype, initializer)
    if any(size is None or size < 0 for size in shape):
        raise SpecError(
            f"variable {full!r} needs a known shape, not {tuple(shape)}",
            hint="give the dataset's elements a known shape in all axes but the batch's",
        )
    found = scope.store.variables.get(full)
    if found is None:
        if scope.reuse is True:
            raise InvalidArgumentError(
                f"there is no variable {full!r} to share", hint="make it first, or use reuse=AUTO_REUSE"
            )
        first = initializer or scope.initializer or _default_initializer(as_dtype(dtype))
        found = Variable(full, shape, dtype, first, trainable, regularizer or scope.regularizer)
        scope.store.variables[full] = found
        return found
    if scope.reuse is False:
        raise InvalidArgumentError(
            f"variable {full!r} exists already, made at {found.line}",
            hint="choose another name, or share it: with variable_scope(name, reuse=True)",
        )
    if found.shape != tuple(shape) or found.dtype != as_dtype(dtype):
        raise SpecError(f"{found!r} cannot be shared as {TensorSpec(tuple(shape), as_dtype(dtype))}")
    return found


def _first_value(
    shape: Sequence[int] | None,
    dtype: npt.DTypeLike | None,
    initializer: InitializerArgument | npt.ArrayLike | None,
) -> tuple[Sequence[int], npt.DTypeLike, Initializer | None]:
    """Return shape, dtype and initializer of a variable, as functions and arrays say them."""
    found: Initializer | None = None
    if isinstance(initializer, str) or callable(initializer):
        found = initializers.get(initializer)
    elif initializer is not None:
        if isinstance(initializer, Tensor):
            raise SpecError(
                f"a variable cannot start at {initializer!r}, which is computed in the model",
                hint="give an array, a number, an initializer or its name",
            )
        value = np.asarray(initializer)
        if dtype is None and (isinstance(initializer, np.ndarray | np.generic) or value.dtype.kind != "f"):
            dtype = value.dtype  # Python's floats have no dtype of their own
        shape = value.shape if shape is None else shape
        found = initializers.constant(value)
    return () if shape is None else shape, np.float32 if dtype is None else dtype, found


def trainable_variables(scope: str | None = None) -> list[Variable]:
    """Return the variables of the model so far that optimizers change, in the order they were made.

    Args:
        scope: Only those whose names begin so; the current scope does not matter.

    Raises:
        InvalidArgumentError: No model function runs.

    >>> with VariableStore():
    ...     with variable_scope("player"):
    ...         weight = get_variable("weight", [1])
    ...     bias = get_variable("bias", [1])
    ...     [variable.name for variable in trainable_variables("player/")]
    ['player/weight']
    """
    made = _current().store.variables.values()
    return [variable for variable in made if variable.trainable and variable.name.startswith(scope or "")]


def _default_initializer(dtype: np.dtype[Any]) -> Initializer:
    return glorot_uniform() if dtype.kind == "f" else zeros


def path_of(name: str) -> str:
    """Return the full name of what is called so in the current scope."""
    return _current().path + name


def layer_name(name: str | None, default: str) -> str:
    """Return the name of a layer: the one given, or ``default``, ``default_1`` … in its scope."""
    if name is not None:
        return name
    scope = _current()
    count = scope.store.count(scope.path + default)
    return f"{default}_{count}" if count else default


_GLOBAL_STEP = Variable("global_step", (), np.int64, zeros, trainable=False)
"""The number of training steps done; the training loop counts it."""


def get_global_step() -> Variable:
    """Return the number of training steps done, int64; during a step, of those before it.

    >>> get_global_step()
    Variable('global_step', shape=(), dtype=int64)
    """
    return _GLOBAL_STEP


def batch_number() -> Tensor:
    """Return the number of the batch, an int64 scalar: the global step in training, else 0, 1, …."""
    return Tensor(Call(BATCH_NUMBER, (), {}, ""), TensorSpec((), np.int64))


def op_seed(seed: int | None) -> tuple[int, int]:
    """Return the pair of seeds of a random operation.

    Without `seed` it comes from the model's seed (`RunConfig.tf_random_seed`) and from the operation's
    place: the scope, and how many such operations came before it.
    """
    scope = _current()
    model_seed = scope.store.seed or 0
    if seed is not None:
        return model_seed, int(seed)
    place = f"{scope.path}random_{scope.store.count('#random/' + scope.path)}"
    return model_seed, zlib.crc32(place.encode())
