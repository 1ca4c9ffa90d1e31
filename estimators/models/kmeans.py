"""Clusters of examples by k-means, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.tensors import one_hot
from estimators import metrics
from estimators.estimator import Estimator
from estimators.feature_column.base import sorted_columns
from estimators.feature_column.layers import input_layer
from estimators.feature_column.numeric import numeric_column
from estimators.graph.primitives.clusters import first_centers
from estimators.graph.scope import get_global_step, get_variable
from estimators.graph.updates import TrainOp, Update
from estimators.graph.variable import Variable, zeros
from estimators.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from estimators.initializers import ones
from estimators.inputs.input_fn import InputFn
from estimators.models.linear import Columns
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec, ModeKeys

METHODS = ("random", "kmeans_plus_plus")
DISTANCES = ("squared_euclidean", "cosine")
Clusters = str | npt.ArrayLike | Callable[[Tensor, int], Any]


class KMeans(Estimator):
    """Finds clusters: each example belongs to the nearest of `num_clusters` centers.

    Predictions: `cluster_index` int64 ``[batch]`` and `all_distances` float32 ``[batch, num_clusters]``,
    Euclidean or of cosines. The loss, and the metric `score`, is the sum of the distances (squared, if they
    are Euclidean) of a batch to their nearest centers; of several batches the mean. The centers are the
    variable `clusters`. Source of updates by mini-batches: Sculley, "Web-scale k-means clustering", 2010:
    a center x of n examples so far becomes x + (sum of k new ones - k x) / (n + k). Here n starts at 1.

    Args:
        num_clusters: How many.
        model_dir: Where checkpoints are; default a new temporary directory.
        initial_clusters: "random" or "kmeans_plus_plus": examples of the first batch, which must have enough;
            an array ``[num_clusters, size]``; or a function of the points of a batch and the number.
        distance_metric: "squared_euclidean", or "cosine" (1 minus the cosine), which looks at directions
            alone: points are scaled to length 1.
        seed: Of the first centers; default `RunConfig.tf_random_seed`, or 0.
        use_mini_batch: Whether a center is the mean of its first value and of all examples that came to it
            so far; False: of those of the batch, for batches that are the whole data.
        mini_batch_steps_per_iteration: Must be 1.
        kmeans_plus_plus_num_retries: Additional draws for each center.
        relative_tolerance: Training stops when the loss changes by a smaller share; None: never.
        config: A `RunConfig`.
        feature_columns: The inputs; default all features, which must be numbers.

    Raises:
        InvalidArgumentError: An argument has a value that is of no use; in training, the first batch has too
            few examples.

    >>> from dataflow import Dataset
    >>> data = Dataset.from_tensor_slices({"x": [1.0, 1.2, 8.0, 8.4]}).batch(4)
    >>> model = KMeans(2, initial_clusters=[[0.0], [9.0]], use_mini_batch=False).train(data.repeat(3))
    >>> model.cluster_centers().shape
    (2, 1)
    >>> list(model.predict_cluster_index(data))
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        num_clusters: int,
        model_dir: str | os.PathLike[str] | None = None,
        initial_clusters: Clusters = "random",
        distance_metric: str = "squared_euclidean",
        seed: int | None = None,
        use_mini_batch: bool = True,
        mini_batch_steps_per_iteration: int = 1,
        kmeans_plus_plus_num_retries: int = 2,
        relative_tolerance: float | None = None,
        config: RunConfig | None = None,
        feature_columns: Columns | None = None,
    ) -> None:
        if isinstance(num_clusters, bool) or not isinstance(num_clusters, int) or num_clusters < 1:
            raise InvalidArgumentError(f"num_clusters must be an integer of at least 1, not {num_clusters!r}")
        _one_of("distance_metric", distance_metric, DISTANCES)
        if isinstance(initial_clusters, str):
            _one_of("initial_clusters", initial_clusters, METHODS)
        if mini_batch_steps_per_iteration != 1:
            raise InvalidArgumentError(
                "mini_batch_steps_per_iteration must be 1", hint="make batches larger: rebatch(n)"
            )
        if relative_tolerance is not None and not relative_tolerance > 0:
            raise InvalidArgumentError(f"relative_tolerance must be above 0, not {relative_tolerance!r}")
        columns = None if feature_columns is None else sorted_columns(feature_columns)

        def model_fn(features: Any, mode: str, config: RunConfig) -> EstimatorSpec:
            points = _points(features) if columns is None else input_layer(features, columns)
            cosine = distance_metric == "cosine"
            points = _unit(points) if cosine else points
            centers, first = _centers(points, num_clusters, initial_clusters, cosine)
            if mode == ModeKeys.TRAIN:
                draw = config.tf_random_seed if seed is None else seed
                start = _started(points, centers, first, draw or 0, kmeans_plus_plus_num_retries, cosine)
                distances = _distances(points, start, distance_metric)
                loss = _nearest(distances)
                if use_mini_batch:
                    train_op = _mini_batch(points, distances, centers, start)
                else:
                    train_op = _full_batch(points, distances, centers, start, cosine)
                hooks = [] if relative_tolerance is None else [_Settled(loss, relative_tolerance)]
                return EstimatorSpec(mode, loss=loss, train_op=train_op, training_hooks=hooks)
            distances = _distances(points, centers, distance_metric)
            if mode == ModeKeys.EVAL:
                loss = _nearest(distances)
                return EstimatorSpec(mode, loss=loss, eval_metric_ops={"score": metrics.mean(loss)})
            index: Any = np.argmin(distances, axis=1)
            shown: Any = distances if distance_metric == "cosine" else np.sqrt(distances)
            return EstimatorSpec(mode, {"all_distances": shown, "cluster_index": index})

        super().__init__(model_fn, model_dir, config)

    def cluster_centers(self) -> npt.NDArray[np.float32]:
        """Return the centers of the newest checkpoint, ``[num_clusters, size]``."""
        found: npt.NDArray[np.float32] = self.get_variable_value("clusters")
        return found

    def predict_cluster_index(self, input_fn: InputFn) -> Iterator[int]:
        """Yield the cluster of each example."""
        return (int(p["cluster_index"]) for p in self.predict(input_fn, "cluster_index"))

    def transform(self, input_fn: InputFn) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the distances of each example to all centers, ``[num_clusters]``."""
        return (p["all_distances"] for p in self.predict(input_fn, "all_distances"))

    def score(self, input_fn: InputFn) -> float:
        """Return the sum of the distances of the first batch to their nearest centers."""
        return float(self.evaluate(input_fn, steps=1)["score"])


class _Settled(SessionRunHook):
    """Stops training when the loss hardly changes."""

    def __init__(self, loss: Tensor, tolerance: float) -> None:
        self._loss, self._tolerance, self._last = loss, tolerance, float("nan")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        loss = float(run_values.results)
        if abs(self._last - loss) <= self._tolerance * abs(self._last):
            run_context.request_stop()
        self._last = loss


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidArgumentError(f"{name} must be one of {known}, not {value!r}")


def _points(features: Any) -> Tensor:
    """Return all features beside each other, float32 ``[batch, size]``."""
    given = dict(features) if isinstance(features, Mapping) else {"features": features}
    for name, feature in given.items():
        if None in feature.shape[1:]:
            raise SpecError(f"feature {name!r} has an unknown shape: {feature.spec}")
    return input_layer(given, [numeric_column(k, f.shape[1:] or (1,)) for k, f in given.items()])


def _centers(points: Tensor, count: int, initial: Any, cosine: bool) -> tuple[Variable, Any]:
    """Return the variable, and how it starts in the first step, if it does not start with an array."""
    shape = (count, points.shape[-1] or 0)
    if isinstance(initial, str) or callable(initial):
        return get_variable("clusters", shape, initializer=zeros, trainable=False), initial
    array = np.asarray(initial, np.float32)
    if array.shape != shape:
        raise InvalidArgumentError(f"initial_clusters have shape {array.shape}, and {shape} is needed")
    array = _unit(array) if cosine else array
    return get_variable("clusters", shape, initializer=lambda *_: array.copy(), trainable=False), None


def _started(points: Tensor, centers: Variable, first: Any, seed: int, retries: int, cosine: bool) -> Tensor:
    """Return the centers, in the first step those that it starts with."""
    if first is None:
        return centers
    step = get_global_step()
    if isinstance(first, str):
        chosen: Tensor = first_centers(points, centers, step, method=first, seed=seed, retries=retries)
        return chosen
    given: Any = as_tensor(first(points, centers.sizes[0])).astype(np.float32)
    result: Any = np.where(np.equal(step, 0), _unit(given) if cosine else given, centers)
    return result  # type: ignore[no-any-return]


def _distances(points: Any, centers: Any, metric: str) -> Tensor:
    """Return the distances of points to all centers, ``[batch, num_clusters]``."""
    if metric == "cosine":
        return 1.0 - np.matmul(points, _unit(centers).T)  # type: ignore[no-any-return]
    middle = np.mean(centers, axis=0)  # differences stay exact where all points are far from 0
    points, centers = points - middle, centers - middle
    squares = np.sum(points * points, axis=1, keepdims=True) + np.sum(centers * centers, axis=1)
    return np.maximum(squares - 2.0 * np.matmul(points, centers.T), np.float32(0))  # type: ignore[no-any-return]


def _unit(x: Any) -> Any:
    return x / np.sqrt(np.maximum(np.sum(x * x, axis=1, keepdims=True), np.float32(1e-12)))


def _nearest(distances: Any) -> Tensor:
    return np.sum(np.min(distances, axis=1))  # type: ignore[no-any-return]


def _mini_batch(points: Any, distances: Any, centers: Variable, start: Any) -> TrainOp:
    """Return centers that are means of what came so far, and how many: a first center counts as one."""
    counts = get_variable("counts", centers.sizes[:1], np.int64, initializer=ones, trainable=False)
    sums, came = _members(points, distances, centers)
    total: Any = counts + came.astype(np.int64)
    value: Any = start + (sums - came[:, None] * start) / total.astype(np.float32)[:, None]
    return TrainOp((Update(centers, value), Update(counts, total)))


def _full_batch(points: Any, distances: Any, centers: Variable, start: Any, cosine: bool) -> TrainOp:
    """Return centers that are means of the batch; one that no example came to stays where it is."""
    sums, came = _members(points, distances, centers)
    means: Any = start + (sums - came[:, None] * start) / np.maximum(came, np.float32(1))[:, None]
    return TrainOp((Update(centers, _unit(means) if cosine else means),))


def _members(points: Any, distances: Any, centers: Variable) -> tuple[Any, Any]:
    """Return for each center the sum of the examples that are nearest to it, and their number."""
    members: Any = one_hot(np.argmin(distances, axis=1), centers.sizes[0])
    return np.matmul(members.T, points), np.sum(members, axis=0)
