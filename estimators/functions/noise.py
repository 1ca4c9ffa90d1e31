"""Random numbers in models: other ones in each batch, the same ones in each run and after a resume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.random import stateless_normal, stateless_uniform
from estimators.graph.scope import batch_number, op_seed


def _seed_pair(seed: int | None) -> list[Any]:
    """Return the pair of an operation: one number for model and operation, and that of the batch."""
    words = [part % (1 << 64) for part in op_seed(seed)]
    mixed = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return [int(mixed[0]), batch_number()]


def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: npt.DTypeLike = np.float32,
    seed: int | None = None,
) -> Tensor:
    """Return normally distributed numbers, other ones in each batch.

    They depend on the seed of the model (`RunConfig.tf_random_seed`), `seed`, and the global step in
    training, else the number of the batch.

    Args:
        shape: Sizes of the result; or a tensor that has the shape wanted, for batches of unknown size.
        mean: Mean of the distribution, a number or a tensor that broadcasts.
        stddev: Its standard deviation, likewise.
        dtype: float32 or float64.
        seed: None: one is made of the operation's place in the model.

    Raises:
        InvalidArgumentError: No model function runs.
        SpecError: A size is not known, or the dtype is another one.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore(seed=1):
    ...     noise = random_normal((2, 3), stddev=0.1)
    >>> noise.shape
    (2, 3)
    """
    result: Tensor = stateless_normal(shape, _seed_pair(seed), mean, stddev, dtype)
    return result


def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: npt.DTypeLike = np.float32,
    seed: int | None = None,
) -> Tensor:
    """Return numbers of a range, all equally likely, other ones in each batch.

    Args:
        shape: As for `random_normal`; so is what they depend on.
        minval: Lower end of the range, which is inside.
        maxval: Upper end, which is outside; 1 for floats, integers need it.
        dtype: float32, float64, int32, int64, uint32 or uint64.
        seed: As for `random_normal`.

    Raises:
        InvalidArgumentError: No model function runs, or the range is empty.
        SpecError: A size is not known, or the dtype is another one.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore(seed=1):
    ...     random_uniform((2, 3), maxval=10, dtype=np.int64).dtype
    dtype('int64')
    """
    result: Tensor = stateless_uniform(shape, _seed_pair(seed), minval, maxval, dtype)
    return result


def dropout(
    x: Any, rate: float, *, noise_shape: Sequence[int | None] | None = None, seed: int | None = None
) -> Any:
    """Set a share of the values to 0, and divide the others by 1 - rate, so that the mean stays.

    Other values are dropped in each batch, see `random_normal`; the gradient is 0 where they were. It
    drops always: in a model function, call it only where ``mode == ModeKeys.TRAIN``.

    Args:
        x: Floating-point numbers.
        rate: The share that is dropped, from 0 to less than 1.
        noise_shape: Size 1 in an axis drops all values along it together, None or the size of `x` each
            on its own. None: each value on its own.
        seed: None: one is made of the operation's place in the model.

    Returns:
        What has the shape and dtype of `x`.

    Raises:
        InvalidArgumentError: The rate is out of range, or no model function runs.
        SpecError: `x` holds no floating-point numbers, or `noise_shape` does not fit it.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore(seed=1):
    ...     half = dropout(np.ones((2, 3), np.float32), 0.5)
    >>> half.shape, half.dtype
    ((2, 3), dtype('float32'))
    """
    if isinstance(rate, bool | Tensor) or not 0 <= rate < 1:
        raise InvalidArgumentError(
            f"rate must be a number from 0 to less than 1, not {rate!r}",
            hint="it is the share that is dropped: 0.1 keeps 90 %",
        )
    tensor = as_tensor(x)
    if tensor.dtype.kind != "f":
        raise SpecError(
            f"dropout takes floating-point numbers, not {tensor.spec}", hint="use .astype(np.float32)"
        )
    if rate == 0:
        return x
    keep = stateless_uniform(_like(tensor, noise_shape), _seed_pair(seed)) >= rate
    return np.where(keep, tensor * (1 / (1 - rate)), 0.0)


def _like(x: Tensor, noise_shape: Sequence[int | None] | None) -> Tensor:
    """Return a tensor of the shape of the mask."""
    if noise_shape is None:
        return x
    sizes = tuple(noise_shape)
    fits = len(sizes) == x.ndim and all(
        size in (None, 1, known) or known is None for size, known in zip(sizes, x.shape, strict=True)
    )
    if not fits:
        raise SpecError(
            f"noise_shape {sizes} does not fit {x.spec}", hint="give 1, None or the size of x for each axis"
        )
    result: Tensor = x[tuple(slice(0, 1) if size == 1 else slice(None) for size in sizes)]
    return result
