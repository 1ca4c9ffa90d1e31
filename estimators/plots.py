"""Pictures of training and of classifiers, with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, OptionalDependencyError, did_you_mean
from estimators.evaluation import evaluations as kept
from estimators.running import history

Array = npt.NDArray[np.float64]
COLUMNS = 3
LEFT_OUT = ("loss", history.STEP, "label/mean", "prediction/mean", "accuracy_baseline")
"""What `plot_training` does not show unless it is told to; the loss always has a picture."""


def plot_roc(labels: Any, probabilities: Any, ax: Any = None) -> Any:
    """Draw the receiver operating characteristic of a binary classifier, with the area below.

    Args:
        labels: 0 or 1 of each example, ``[n]`` or ``[n, 1]``.
        probabilities: Of class 1, ``[n]`` or ``[n, 1]``, or of both classes ``[n, 2]``.
        ax: Where to draw; default a new figure.

    Returns:
        The matplotlib axes.

    Raises:
        InvalidArgumentError: Sizes differ, a label is not 0 or 1, there is only one class, or a
            probability is not between 0 and 1.
        OptionalDependencyError: matplotlib is not installed.

    >>> axes = plot_roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> axes.get_title()
    'ROC, area 0.7500'
    """
    truth, scores = _checked(labels, probabilities)
    if truth.min() == truth.max():
        raise InvalidArgumentError(f"all labels are {int(truth[0])}", hint="give examples of both classes")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of those with one score
    true = np.append(0, np.cumsum(truth[order])[last]) / truth.sum()
    false = np.append(0, np.cumsum(1 - truth[order])[last]) / (1 - truth).sum()
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))
    ax = _axes(ax)
    ax.plot([0, 1], [0, 1], ":", color="grey")
    ax.plot(false, true)
    ax.set(xlabel="false positive rate", ylabel="true positive rate", title=f"ROC, area {area:.4f}")
    return ax


def plot_calibration(labels: Any, probabilities: Any, bins: int = 10, ax: Any = None) -> Any:
    """Draw how often class 1 comes, where it was predicted with a certain probability.

    Args:
        labels: As for `plot_roc`, like `probabilities`.
        probabilities: They are divided into `bins` ranges of one width.
        bins: At least 1.
        ax: Where to draw; default a new figure.

    Returns:
        The matplotlib axes.

    Raises:
        InvalidArgumentError: As for `plot_roc`, but one class may do; `bins` is below 1.
        OptionalDependencyError: matplotlib is not installed.

    >>> axes = plot_calibration([0, 0, 1, 1], [0.1, 0.1, 0.2, 0.9], bins=2)
    >>> axes.lines[1].get_ydata().round(3).tolist()
    [0.333, 1.0]
    """
    if bins < 1:
        raise InvalidArgumentError(f"bins must be at least 1, not {bins}")
    truth, scores = _checked(labels, probabilities)
    place = np.minimum((scores * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    used = counts > 0
    predicted = np.bincount(place, scores, bins)[used] / counts[used]
    found = np.bincount(place, truth, bins)[used] / counts[used]
    ax = _axes(ax)
    ax.plot([0, 1], [0, 1], ":", color="grey")
    ax.plot(predicted, found, "o-")
    ax.set(xlabel="predicted probability", ylabel="part of class 1", title="Calibration")
    return ax


def plot_training(model_dir: str, metrics: Sequence[str] | None = None) -> Any:
    """Draw losses and metrics over steps; see `Estimator.plot_training`."""
    losses = history.read(model_dir)
    found = {
        name: [{**e.metrics, history.STEP: e.step} for e in kept.read(directory)]
        for name, directory in kept.directories(model_dir).items()
    }
    evaluations = {name: entries for name, entries in found.items() if entries}
    if not losses and not evaluations:
        raise InvalidArgumentError(
            f"there is no history in {model_dir}",
            hint="train first; losses are kept every log_step_count_steps of RunConfig",
        )
    known = list(dict.fromkeys(key for entries in evaluations.values() for e in entries for key in sorted(e)))
    for name in metrics or ():
        if name not in known:
            raise InvalidArgumentError(f"no evaluation gave {name!r}", hint=did_you_mean(name, known))
    shown = ["loss", *([k for k in known if k not in LEFT_OUT] if metrics is None else metrics)]
    wide = min(len(shown), COLUMNS)
    high = math.ceil(len(shown) / wide)
    figure, grid = _pyplot().subplots(high, wide, squeeze=False, figsize=(4.5 * wide, 3.2 * high))
    for ax, metric in zip(grid.flat, shown, strict=False):
        if metric == "loss" and losses:
            _line(ax, losses, metric, "train", "-")
        for name, entries in evaluations.items():
            _line(ax, entries, metric, name or "evaluation", "o-")
        ax.set(title=metric, xlabel="step")
    for ax in grid.flat[len(shown) :]:
        ax.set_axis_off()
    if grid[0, 0].get_legend_handles_labels()[0]:
        grid[0, 0].legend()
    figure.tight_layout()
    return figure


def _line(ax: Any, entries: Sequence[history.Entry], metric: str, label: str, style: str) -> None:
    points = [(e[history.STEP], e[metric]) for e in entries if e.get(metric) is not None]
    if points:
        ax.plot(*zip(*points, strict=True), style, label=label, markersize=3)


def _checked(labels: Any, probabilities: Any) -> tuple[Array, Array]:
    truth, scores = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    scores = scores[:, 1] if scores.ndim == 2 and scores.shape[1] == 2 else scores
    truth, scores = truth.reshape(-1), scores.reshape(-1)
    if len(truth) != len(scores) or not len(truth):
        raise InvalidArgumentError(f"there are {len(truth)} labels and {len(scores)} probabilities")
    if not np.isin(truth, (0, 1)).all():
        raise InvalidArgumentError("labels must be 0 or 1", hint="give labels == 'yes', for example")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InvalidArgumentError(
            "probabilities must be between 0 and 1", hint="give 'logistic', not 'logits'"
        )
    return truth, scores


def _axes(ax: Any) -> Any:
    return _pyplot().subplots()[1] if ax is None else ax


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise OptionalDependencyError(
            "pictures need matplotlib", hint="pip install 'dataflow-estimators[plot]'"
        ) from error
    return plt
