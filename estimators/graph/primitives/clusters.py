"""First centers of clusters, chosen among the points of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Primitive
from estimators.graph.primitives.helpers import per_element


def _first_centers(points: Any, centers: Any, step: Any, *, method: str, seed: int, retries: int) -> Any:
    if step > 0:
        return centers
    count = len(centers)
    if len(points) < count:
        raise InvalidArgumentError(
            f"{count} first centers are chosen among the {len(points)} examples of the first batch",
            hint=f"make batches of at least {count}, or give initial_clusters",
        )
    rng = np.random.default_rng(seed)
    far = method == "kmeans_plus_plus"
    chosen = _far_apart(points, count, rng, retries) if far else rng.permutation(len(points))[:count].tolist()
    return points[chosen].astype(centers.dtype)


def _far_apart(points: Any, count: int, rng: np.random.Generator, retries: int) -> list[int]:
    """Return positions drawn by greedy k-means++: far ones are likely, the best of some draws is kept."""
    x = points.astype(np.float64)
    chosen = [int(rng.integers(len(x)))]
    nearest = np.sum((x - x[chosen[0]]) ** 2, axis=1)
    while len(chosen) < count:
        total = nearest.sum()
        share = nearest / total if total else np.full(len(x), 1 / len(x))
        draws = rng.choice(len(x), size=1 + retries, p=share)
        left = [np.minimum(nearest, np.sum((x - x[draw]) ** 2, axis=1)) for draw in draws]
        best = int(np.argmin([distances.sum() for distances in left]))
        chosen.append(int(draws[best]))
        nearest = left[best]
    return chosen


first_centers = Primitive(
    "first_centers",
    lambda points, centers, step, *, method, seed, retries: centers.spec,
    per_element(_first_centers),
    lambda: [
        ((np.arange(8.0).reshape(4, 2), np.zeros((2, 2)), np.int64(step)),
         {"method": method, "seed": 1, "retries": 2})
        for step, method in ((0, "random"), (0, "kmeans_plus_plus"), (3, "random"))
    ],
)  # fmt: skip
"""In step 0 points of the batch ``[n, size]``, later the centers ``[k, size]`` as they are.

Source of "kmeans_plus_plus": Arthur and Vassilvitskii, 2007.
"""
