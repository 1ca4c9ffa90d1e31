"""How well the highest scores point at the right classes, where there may be several."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from estimators.metrics.base import Metric, Sums, given, ratio, ratios, spread

Ids = npt.NDArray[np.int64]

NOTHING = -1
"""Fills up rows that have fewer labels than others."""


def precision_at_k(
    labels: Any, predictions: Any, k: int, class_id: int | None = None, weights: Any = None
) -> Metric:
    """Of the k highest scores of each example, the share that belongs to labels.

    Args:
        labels: Integers ``[…]``, or ``[…, labels]`` where examples have several; negative ones fill up rows.
        predictions: Scores ``[…, classes]``; of equal ones that of the lower class is higher.
        k: How many scores are looked at.
        class_id: Look at this class alone: the share of the examples with it among the k highest that have
            the label.
        weights: None, one number, or ``[…]``, one for each example.

    Returns:
        A metric that is 0 (TensorFlow: NaN) over nothing.

    Raises:
        InvalidArgumentError: k is below 1, or above the number of classes.
        SpecError: Shapes do not fit, or labels are no integers.

    >>> precision_at_k([[0, 2], [1, -1]], [[0.5, 0.1, 0.4], [0.5, 0.1, 0.4]], k=2).value()
    0.5
    """
    label, score, weight = _inputs(labels, predictions, weights)
    _check_k(k, score)
    return _precision(label, score, class_id, weight, k, scores=True)


def precision_at_top_k(
    labels: Any, predictions_idx: Any, k: int | None = None, class_id: int | None = None, weights: Any = None
) -> Metric:
    """`precision_at_k`, of classes that are chosen already; other arguments, result and errors as there.

    Args:
        labels: Integers ``[…]`` or ``[…, labels]``.
        predictions_idx: The chosen classes ``[…, n]``, integers.
        k: Look at the first k alone; None: at all.
        class_id: Look at this class alone.
        weights: None, one number, or ``[…]``.

    >>> precision_at_top_k([[0, 2], [1, -1]], [[0, 2], [0, 2]]).value()
    0.5
    """
    label, chosen, weight = _inputs(labels, predictions_idx, weights)
    return _precision(label, _integers("predictions_idx", chosen), class_id, weight, k, scores=False)


def recall_at_k(
    labels: Any, predictions: Any, k: int, class_id: int | None = None, weights: Any = None
) -> Metric:
    """The share of labels whose class has one of the k highest scores; arguments as of `precision_at_k`.

    A label beyond the last class is never found.

    >>> recall_at_k([[0, 2], [1, -1]], [[0.5, 0.1, 0.4], [0.5, 0.1, 0.4]], k=1).value()
    0.3333333333333333
    """
    label, score, weight = _inputs(labels, predictions, weights)
    _check_k(k, score)
    return _recall(label, score, class_id, weight, k, scores=True)


def recall_at_top_k(
    labels: Any, predictions_idx: Any, k: int | None = None, class_id: int | None = None, weights: Any = None
) -> Metric:
    """`recall_at_k`, of classes that are chosen already; arguments as of `precision_at_top_k`.

    >>> recall_at_top_k([[0, 2], [1, -1]], [[0], [0]]).value()
    0.3333333333333333
    """
    label, chosen, weight = _inputs(labels, predictions_idx, weights)
    return _recall(label, _integers("predictions_idx", chosen), class_id, weight, k, scores=False)


def average_precision_at_k(labels: Any, predictions: Any, k: int, weights: Any = None) -> Metric:
    """Mean over examples of their average precision: the mean precision at the places of right classes.

    With P(i) the share of right classes among the i highest scores, the average precision of an example is
    the sum of P(i) over those i up to k where the class is right, over the number of labels or k, whichever
    is less. An example without labels counts as 0 (TensorFlow: NaN). Arguments and errors are as of
    `precision_at_k`; labels beyond the last class do not count.

    Args:
        labels: Integers ``[…]`` or ``[…, labels]``.
        predictions: Scores ``[…, classes]``.
        k: How many scores are looked at.
        weights: None, one number, or ``[…]``.

    >>> average_precision_at_k([[0, 2], [1, -1]], [[0.5, 0.1, 0.4], [0.5, 0.1, 0.4]], k=2).value()
    0.5
    """
    label, score, weight = _inputs(labels, predictions, weights)
    _check_k(k, score)

    def update(real: Any, scores: Any, share: Any = None) -> Sums:
        ids = _rows(real)
        wanted = _as_sets(np.where(ids < np.shape(scores)[-1], ids, NOTHING))
        right = _found(_highest(scores, k), wanted)
        precision = np.cumsum(right, axis=1) / np.arange(1, k + 1)
        relevant = np.minimum((wanted != NOTHING).sum(axis=1), k)
        average = ratios((precision * right).sum(axis=1), relevant.astype(np.float64))
        examples = _weights(share, np.shape(scores)[:-1])
        return np.array([(average * examples).sum(), examples.sum()])

    return Metric(given(label, score, weight), (2,), update, lambda sums: ratio(sums[0], sums[1]))


def _inputs(labels: Any, predictions: Any, weights: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return labels with an axis of labels, predictions, and weights of examples."""
    label, predicted = _integers("labels", as_tensor(labels)), as_tensor(predictions)
    if predicted.ndim and label.ndim + 1 == predicted.ndim:
        label = label[..., None]
    sizes = zip(label.shape[:-1], predicted.shape[:-1], strict=False)
    if label.ndim != predicted.ndim or not label.ndim or any(None not in s and s[0] != s[1] for s in sizes):
        raise SpecError(
            f"labels have shape {label.shape}, and predictions {predicted.shape}",
            hint="all axes but the last must be equal; labels may lack the last",
        )
    return label, predicted, spread(weights, predicted[..., 0])


def _integers(what: str, values: Tensor) -> Tensor:
    if values.dtype.kind not in "iu":
        raise SpecError(f"{what} must be integers, not {values.spec}", hint="use .astype(np.int64)")
    return values


def _check_k(k: int, scores: Tensor) -> None:
    classes = scores.shape[-1]
    if k < 1 or (classes is not None and k > classes):
        raise InvalidArgumentError(f"k must be between 1 and the number of classes, {classes}, not {k}")


def _precision(
    labels: Tensor,
    chosen: Tensor,
    class_id: int | None,
    weights: Tensor | None,
    k: int | None,
    *,
    scores: bool,
) -> Metric:
    def update(real: Any, picked: Any, share: Any = None) -> Sums:
        wanted, top = _sets(real, picked, class_id, k, scores=scores)
        examples = _weights(share, np.shape(picked)[:-1])
        right = _found(top, wanted).sum(axis=1)
        return np.array([(right * examples).sum(), ((top != NOTHING).sum(axis=1) * examples).sum()])

    return Metric(given(labels, chosen, weights), (2,), update, lambda sums: ratio(sums[0], sums[1]))


def _recall(
    labels: Tensor,
    chosen: Tensor,
    class_id: int | None,
    weights: Tensor | None,
    k: int | None,
    *,
    scores: bool,
) -> Metric:
    def update(real: Any, picked: Any, share: Any = None) -> Sums:
        wanted, top = _sets(real, picked, class_id, k, scores=scores)
        examples = _weights(share, np.shape(picked)[:-1])
        right = _found(top, wanted).sum(axis=1)
        return np.array([(right * examples).sum(), ((wanted != NOTHING).sum(axis=1) * examples).sum()])

    return Metric(given(labels, chosen, weights), (2,), update, lambda sums: ratio(sums[0], sums[1]))


def _sets(labels: Any, picked: Any, class_id: int | None, k: int | None, *, scores: bool) -> tuple[Ids, Ids]:
    """Return the labels and the chosen classes of each example, `NOTHING` where there are fewer."""
    top = _highest(picked, k or 1) if scores else _rows(picked)[:, :k]
    sets = (_as_sets(_rows(labels)), _as_sets(top))
    if class_id is None:
        return sets
    wanted, chosen = (np.where(ids == class_id, ids, NOTHING) for ids in sets)
    return wanted, chosen


def _rows(values: Any) -> Ids:
    array = np.asarray(values)
    return array.astype(np.int64).reshape(int(np.prod(array.shape[:-1])), array.shape[-1])


def _highest(scores: Any, k: int) -> Ids:
    """Return the classes of the k highest scores, ``[examples, k]``."""
    array = np.asarray(scores)
    order = np.argsort(-array, axis=-1, kind="stable")[..., :k]
    return order.reshape(-1, order.shape[-1])


def _as_sets(rows: Ids) -> Ids:
    """Return the different ids of each row, sorted, `NOTHING` for negative and repeated ones."""
    ids = np.sort(rows, axis=1)
    again = np.zeros(ids.shape, bool)
    again[:, 1:] = ids[:, 1:] == ids[:, :-1]
    return np.where(again | (ids < 0), NOTHING, ids)


def _found(chosen: Ids, wanted: Ids) -> npt.NDArray[np.bool_]:
    """Tell which of the chosen classes are wanted, ``[examples, k]``."""
    same = chosen[:, :, None] == wanted[:, None, :]
    found: npt.NDArray[np.bool_] = (same & (chosen != NOTHING)[:, :, None]).any(axis=2)
    return found


def _weights(weights: Any, shape: tuple[int, ...]) -> Sums:
    return np.broadcast_to(np.asarray(1.0 if weights is None else weights, np.float64), shape).ravel()
