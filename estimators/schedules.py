"""Learning rates that change with the global step, with the formulas of tf.

A schedule is given to an optimizer as its `learning_rate`. Called with a number, it returns the rate of that
step; with an array, those of all of them; with a symbolic step, a float64 tensor. The first step is 0. The
lower-case names of ``tf.compat.v1.train`` are the same classes: they take no `global_step`, since the
optimizer gives it to them.

>>> from estimators.optimizers import SGD
>>> optimizer = SGD(exponential_decay(0.1, decay_steps=10, decay_rate=0.5))
>>> optimizer.learning_rate
ExponentialDecay(initial_learning_rate=0.1, decay_steps=10, decay_rate=0.5, staircase=False)
>>> optimizer.learning_rate(20)
0.025
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.random import stateless_normal


class LearningRateSchedule(ABC):
    """A learning rate as a function of the global step. A subclass computes it in `rate`."""

    @abstractmethod
    def rate(self, step: Any) -> Any:
        """Return the rate; the step is a float64 array or tensor, to be used in NumPy functions."""

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step: a float for a number, an array for an array, else a tensor.

        Raises:
            SpecError: The step is no number.
        """
        if isinstance(step, Tensor):
            return self.rate(step.astype(np.float64))
        steps = np.asarray(step)
        if steps.dtype.kind not in "iuf":
            raise SpecError(f"a step must be a number, not {step!r}")
        rates = self.rate(steps.astype(np.float64))
        return float(rates) if steps.ndim == 0 else rates


def _check(**settings: Any) -> None:
    """Raise an error for settings that are not positive numbers."""
    for name, value in settings.items():
        if not isinstance(value, float | int | np.number):
            raise SpecError(
                f"{name} must be a number, not {value!r}",
                hint="schedules take no global_step: give the schedule to the optimizer as its learning_rate",
            )
        if not 0 < float(value) < math.inf:
            raise InvalidArgumentError(f"{name} must be more than 0, not {value!r}")


@dataclasses.dataclass(frozen=True)
class ExponentialDecay(LearningRateSchedule):
    """lr * decay_rate^(step / decay_steps).

    Args:
        initial_learning_rate: lr, more than 0.
        decay_steps: More than 0.
        decay_rate: More than 0.
        staircase: Whether to round step / decay_steps down.

    >>> ExponentialDecay(0.1, 10, 0.5, staircase=True)(19)
    0.05
    """

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        _check(
            initial_learning_rate=self.initial_learning_rate,
            decay_steps=self.decay_steps,
            decay_rate=self.decay_rate,
        )

    def part(self, step: Any) -> Any:
        """Return step / decay_steps, rounded down if asked for."""
        part = step / float(self.decay_steps)
        return np.floor(part) if self.staircase else part

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        return self.initial_learning_rate * float(self.decay_rate) ** self.part(step)


@dataclasses.dataclass(frozen=True)
class NaturalExpDecay(ExponentialDecay):
    """lr * e^(-decay_rate * step / decay_steps).

    The settings are those of `ExponentialDecay`.

    >>> round(NaturalExpDecay(0.1, 10, 0.5)(10), 6)
    0.060653
    """

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        return self.initial_learning_rate * np.exp(-self.decay_rate * self.part(step))


@dataclasses.dataclass(frozen=True)
class InverseTimeDecay(ExponentialDecay):
    """lr / (1 + decay_rate * step / decay_steps).

    The settings are those of `ExponentialDecay`.

    >>> InverseTimeDecay(0.1, 10, 0.5)(20)
    0.05
    """

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        return self.initial_learning_rate / (1.0 + self.decay_rate * self.part(step))


@dataclasses.dataclass(frozen=True)
class PolynomialDecay(LearningRateSchedule):
    """(lr - end) * (1 - step / decay_steps)^power + end, and `end` after `decay_steps`.

    Args:
        initial_learning_rate: lr, more than 0.
        decay_steps: More than 0.
        end_learning_rate: At least 0.
        power: More than 0; 1 is a line.
        cycle: Whether to use, in place of `decay_steps`, its least multiple that is at least the step.

    >>> PolynomialDecay(0.5, 10, end_learning_rate=0.25)(5)
    0.375
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        _check(
            initial_learning_rate=self.initial_learning_rate, decay_steps=self.decay_steps, power=self.power
        )
        if not self.end_learning_rate >= 0:
            raise InvalidArgumentError(f"end_learning_rate must be at least 0, not {self.end_learning_rate}")

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        length: Any = float(self.decay_steps)
        if self.cycle:
            length = length * np.maximum(np.ceil(step / length), 1.0)
        else:
            step = np.minimum(step, length)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * (1.0 - step / length) ** float(self.power) + self.end_learning_rate


@dataclasses.dataclass(frozen=True)
class PiecewiseConstantDecay(LearningRateSchedule):
    """The first value up to and with the first boundary, the second up to and with the second, and so on.

    Args:
        boundaries: Steps, each larger than the one before.
        values: Rates, one more than boundaries, each more than 0.

    Raises:
        InvalidArgumentError: There is another number of values, or the boundaries do not grow.

    >>> schedule = PiecewiseConstantDecay([10, 15], [1.0, 0.5, 0.1])
    >>> schedule(10), schedule(11), schedule(16)
    (1.0, 0.5, 0.1)
    """

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        if not isinstance(self.boundaries, Sequence) or not isinstance(self.values, Sequence):
            raise SpecError("boundaries and values must be lists")
        if len(self.values) != len(self.boundaries) + 1:
            raise InvalidArgumentError(
                f"{len(self.boundaries)} boundaries need one more values, not {len(self.values)}"
            )
        if any(b <= a for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise InvalidArgumentError(f"boundaries must grow, unlike {list(self.boundaries)}")
        _check(**{f"values[{i}]": value for i, value in enumerate(self.values)})

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        found = step * 0.0 + float(self.values[0])
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            found = np.where(step > float(boundary), float(value), found)
        return found


@dataclasses.dataclass(frozen=True)
class CosineDecay(LearningRateSchedule):
    """lr * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha), and lr * alpha after decay_steps.

    Source: Loshchilov & Hutter, 2016.

    Args:
        initial_learning_rate: lr, more than 0.
        decay_steps: More than 0.
        alpha: The least rate, as a share of the first.
        warmup_target: With it, the rate first grows from lr to this in a line, then decays from this.
        warmup_steps: How long it grows; at least 0.

    >>> CosineDecay(0.5, 10, alpha=0.5)(10)
    0.25
    >>> CosineDecay(0.25, 10, warmup_target=0.75, warmup_steps=4)(2)
    0.5
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __post_init__(self) -> None:
        _check(initial_learning_rate=self.initial_learning_rate, decay_steps=self.decay_steps)
        if self.warmup_target is not None:
            _check(warmup_target=self.warmup_target)
        if not self.warmup_steps >= 0:
            raise InvalidArgumentError(f"warmup_steps must be at least 0, not {self.warmup_steps}")

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        if self.warmup_target is None:
            return self._decayed(step, self.initial_learning_rate)
        decayed = self._decayed(np.maximum(step - float(self.warmup_steps), 0.0), self.warmup_target)
        if not self.warmup_steps:
            return decayed
        slope = (self.warmup_target - self.initial_learning_rate) / self.warmup_steps
        growing = self.initial_learning_rate + slope * step
        return np.where(step < float(self.warmup_steps), growing, decayed)

    def _decayed(self, step: Any, start: float) -> Any:
        part = np.minimum(step, float(self.decay_steps)) / float(self.decay_steps)
        cosine = 0.5 * (1.0 + np.cos(math.pi * part))
        return start * ((1.0 - self.alpha) * cosine + self.alpha)


@dataclasses.dataclass(frozen=True)
class CosineDecayRestarts(LearningRateSchedule):
    """`CosineDecay` over periods: each is `t_mul` times as long as the last and starts `m_mul` times as high.

    Source: Loshchilov & Hutter, 2016.

    Args:
        initial_learning_rate: More than 0.
        first_decay_steps: Length of the first period, more than 0.
        t_mul: At least 1.
        m_mul: More than 0.
        alpha: The least rate, as a share of the first.

    >>> CosineDecayRestarts(0.5, 10, m_mul=0.5)(10)
    0.25
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        _check(
            initial_learning_rate=self.initial_learning_rate,
            first_decay_steps=self.first_decay_steps,
            m_mul=self.m_mul,
        )
        if not self.t_mul >= 1:
            raise InvalidArgumentError(f"t_mul must be at least 1, not {self.t_mul}")

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        part = step / float(self.first_decay_steps)
        factor = float(self.t_mul)
        tiny = 1e-9  # logarithms are rounded, and a period begins where their quotient is whole
        if factor == 1.0:
            period = np.floor(part + tiny)
            part = part - period
        else:
            period = np.floor(np.log(1.0 + part * (factor - 1.0)) / math.log(factor) + tiny)
            length = factor**period
            part = (part - (length - 1.0) / (factor - 1.0)) / length
        cosine = 0.5 * float(self.m_mul) ** period * (1.0 + np.cos(math.pi * part))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)


@dataclasses.dataclass(frozen=True)
class LinearCosineDecay(LearningRateSchedule):
    """lr * ((alpha + 1 - p) * (1 + cos(2 pi * num_periods * p)) / 2 + beta), with p = step / decay_steps.

    p is at most 1. Source: Bello et al., 2017, in the form of tf.

    Args:
        initial_learning_rate: lr, more than 0.
        decay_steps: More than 0.
        num_periods: Periods of the cosine.
        alpha: Added to the line.
        beta: Added to the product.

    >>> LinearCosineDecay(0.5, 10, beta=0.0)(5)
    0.125
    """

    initial_learning_rate: float
    decay_steps: float
    num_periods: float = 0.5
    alpha: float = 0.0
    beta: float = 0.001

    def __post_init__(self) -> None:
        _check(initial_learning_rate=self.initial_learning_rate, decay_steps=self.decay_steps)

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        part = np.minimum(step, float(self.decay_steps)) / float(self.decay_steps)
        cosine = 0.5 * (1.0 + np.cos(2.0 * math.pi * self.num_periods * part))
        return self.initial_learning_rate * ((self.alpha + 1.0 - part) * cosine + self.beta)


@dataclasses.dataclass(frozen=True)
class NoisyLinearCosineDecay(LearningRateSchedule):
    """`LinearCosineDecay` with a noise on the line, of variance initial_variance / (1 + step)^variance_decay.

    The step in this is at most `decay_steps`. The noise of a step is set by `seed` and the step alone, so
    runs that are resumed have the same rates. Rates can be negative, as in tf. Source: Bello et al., 2017.

    Args:
        initial_learning_rate: lr, more than 0.
        decay_steps: More than 0.
        initial_variance: At least 0.
        variance_decay: At least 0.
        num_periods: Periods of the cosine.
        alpha: Added to the line.
        beta: Added to the product.
        seed: An integer.

    >>> schedule = NoisyLinearCosineDecay(0.5, 10, initial_variance=0.0, beta=0.0)
    >>> schedule(5)
    0.125
    """

    initial_learning_rate: float
    decay_steps: float
    initial_variance: float = 1.0
    variance_decay: float = 0.55
    num_periods: float = 0.5
    alpha: float = 0.0
    beta: float = 0.001
    seed: int = 0

    def __post_init__(self) -> None:
        _check(initial_learning_rate=self.initial_learning_rate, decay_steps=self.decay_steps)
        for name in ("initial_variance", "variance_decay"):
            if not getattr(self, name) >= 0:
                raise InvalidArgumentError(f"{name} must be at least 0, not {getattr(self, name)}")

    def rate(self, step: Any) -> Any:
        """Apply the formula of the class."""
        until = np.minimum(step, float(self.decay_steps))
        part = until / float(self.decay_steps)
        spread = (self.initial_variance * (1.0 + until) ** -float(self.variance_decay)) ** 0.5
        cosine = 0.5 * (1.0 + np.cos(2.0 * math.pi * self.num_periods * part))
        line = self.alpha + 1.0 - part + spread * self._noise(step.astype(np.int64))
        return self.initial_learning_rate * (line * cosine + self.beta)

    def _noise(self, step: Any) -> Any:
        """Return a normal number for each step."""
        if isinstance(step, Tensor):
            return stateless_normal((), [self.seed, step], dtype=np.float64)
        noise = [stateless_normal((), [self.seed, int(one)], dtype=np.float64) for one in step.reshape(-1)]
        return np.reshape(np.array(noise, np.float64), step.shape)


exponential_decay = ExponentialDecay
natural_exp_decay = NaturalExpDecay
inverse_time_decay = InverseTimeDecay
polynomial_decay = PolynomialDecay
piecewise_constant = piecewise_constant_decay = PiecewiseConstantDecay
cosine_decay = CosineDecay
cosine_decay_restarts = CosineDecayRestarts
linear_cosine_decay = LinearCosineDecay
noisy_linear_cosine_decay = NoisyLinearCosineDecay
