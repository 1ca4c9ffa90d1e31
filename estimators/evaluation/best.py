"""What "best" means: a metric of evaluations, and a direction."""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from typing import Literal

from dataflow.errors import InvalidArgumentError, did_you_mean
from estimators.evaluation import evaluations
from estimators.evaluation.evaluations import Evaluation

Mode = Literal["min", "max"]

_SMALLER = re.compile(r"loss|error|mse|mae|rmse|perplexity|false_|deviance")
_LARGER = re.compile(r"auc|accuracy|precision|recall|f1|iou|true_|top_k|cosine")


def mode_of(metric: str, mode: str | None) -> Mode:
    """Return whether small or large values of a metric are good; None: as its name says.

    Raises:
        InvalidArgumentError: The mode is something else, or the name does not say it.

    >>> mode_of("average_loss", None), mode_of("auc_precision_recall", None), mode_of("gain", "max")
    ('min', 'max', 'max')
    """
    if mode in ("min", "max"):
        return "min" if mode == "min" else "max"
    if mode is not None:
        raise InvalidArgumentError(
            f"mode must be 'min', 'max' or None, not {mode!r}", hint=did_you_mean(str(mode), ["min", "max"])
        )
    smaller, larger = _SMALLER.search(metric), _LARGER.search(metric)
    if bool(smaller) == bool(larger):
        raise InvalidArgumentError(
            f"the name of the metric {metric!r} does not say whether small or large values are good",
            hint="give mode='min' or mode='max'",
        )
    return "min" if smaller else "max"


@dataclasses.dataclass(frozen=True)
class Criterion:
    """A metric of evaluations by which models are compared.

    Args:
        metric: One that `Estimator.evaluate` gives, such as ``'average_loss'``.
        mode: ``'min'`` or ``'max'``; None: as the name of the metric says.
        name: Of the evaluation: `name` of `EvalSpec`.

    Raises:
        InvalidArgumentError: The mode is something else, or must be given.
    """

    metric: str = "loss"
    mode: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mode", mode_of(self.metric, self.mode))

    def is_better(self, value: float, best: float) -> bool:
        """Tell whether a value is better than another one; NaN is worse than all.

        >>> Criterion("auc").is_better(0.9, 0.8), Criterion("loss").is_better(0.9, 0.8)
        (True, False)
        """
        if math.isnan(value) or math.isnan(best):
            return math.isnan(best) and not math.isnan(value)
        return value < best if self.mode == "min" else value > best

    def values(self, model_dir: str) -> list[tuple[int, float]]:
        """Return steps and values of the evaluations that are kept, by step.

        Raises:
            InvalidArgumentError: An evaluation has no such metric.
        """
        found = evaluations.read(evaluations.directory_of(model_dir, self.name))
        return [(evaluation.step, self._value(evaluation)) for evaluation in found]

    def _value(self, evaluation: Evaluation) -> float:
        if self.metric not in evaluation.metrics:
            of = f" {self.name!r}" if self.name else ""
            raise InvalidArgumentError(
                f"the evaluation{of} of step {evaluation.step} gave no {self.metric!r}",
                hint=did_you_mean(self.metric, sorted(evaluation.metrics)),
            )
        return evaluation.metrics[self.metric]

    def best_steps(self, model_dir: str, count: int = 1) -> list[int]:
        """Return the steps of the best evaluations, the best first; of equal ones the earlier is better."""
        sign = 1 if self.mode == "min" else -1
        numbered = [(sign * value, step) for step, value in self.values(model_dir) if not math.isnan(value)]
        return [step for _, step in sorted(numbered)[:count]]


@dataclasses.dataclass(frozen=True)
class KeepBest(Criterion):
    """Which checkpoints are kept beside the newest, for `RunConfig.keep_best`.

    Args:
        metric: As for `Criterion`, like `mode` and `name`.
        count: How many of the best.

    Raises:
        InvalidArgumentError: As for `Criterion`; the count is below 1.

    >>> KeepBest("auc", count=3)
    KeepBest(metric='auc', mode='max', name=None, count=3)
    """

    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "count", checked_count("count", self.count))

    def steps(self, model_dir: str) -> list[int]:
        """Return the steps whose checkpoints are to be kept."""
        return self.best_steps(model_dir, self.count)


@dataclasses.dataclass(frozen=True)
class EarlyStopping(Criterion):
    """When `train_and_evaluate` stops because a metric no longer becomes better.

    It stops after an evaluation if none of the newest `patience` ones, and none within the newest
    `patience_steps` steps, was better than the best before. What evaluations gave is read from the disk,
    so a run that was killed and started again decides as one that was not.

    Args:
        metric: As for `Criterion`, like `mode` and `name`.
        patience: So many evaluations without a better one.
        patience_steps: So many steps without a better evaluation; both may be given, the first that is
            reached counts. Default `patience` of 3.
        min_delta: What is better by less does not count.
        min_steps: Evaluations of earlier steps do not stop training.
        restore_best: Whether training ends with the weights of the best evaluation (also where it is not
            stopped early); else with the last.

    Raises:
        InvalidArgumentError: As for `Criterion`; a number is out of range.

    >>> EarlyStopping("auc", patience=5).mode
    'max'
    """

    patience: int | None = None
    patience_steps: int | None = None
    min_delta: float = 0.0
    min_steps: int = 0
    restore_best: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patience is None and self.patience_steps is None:
            object.__setattr__(self, "patience", 3)
        for key in ("patience", "patience_steps"):
            value = getattr(self, key)
            if value is not None:
                object.__setattr__(self, key, checked_count(key, value))
        for key in ("min_delta", "min_steps"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise InvalidArgumentError(f"{key} must be a number of at least 0, not {value!r}")

    def why_stop(self, model_dir: str) -> str | None:
        """Return why training should stop after the evaluations that are kept; None if it should not."""
        values = self.values(model_dir)
        best, best_step, behind = math.nan, 0, 0
        for step, value in values:
            shifted = value + self.min_delta if self.mode == "min" else value - self.min_delta
            if self.is_better(shifted, best):
                best, best_step, behind = value, step, 0
            else:
                behind += 1
            if step < self.min_steps:
                continue
            steps = step - best_step
            if self.patience is not None and behind >= self.patience:
                return f"{self.metric} was best, {best:g}, at step {best_step}, {behind} evaluations ago"
            if self.patience_steps is not None and steps >= self.patience_steps:
                return f"{self.metric} was best, {best:g}, at step {best_step}, {steps} steps ago"
        return None


def checked_count(name: str, value: object) -> int:
    """Return an integer of at least 1 as Python's, or raise `InvalidArgumentError`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise InvalidArgumentError(f"{name} must be an integer of at least 1, not {value!r}")
    return int(value)
