"""From values to ids: vocabularies and buckets. Missing text gives -1, which means "no id"."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import SpecError
from dataflow.expr.tensor import Primitive, Tensor, require_numeric
from dataflow.spec import TensorSpec, is_text
from dataflow.strings import Strings, by_value


@functools.lru_cache(maxsize=256)
def _value_set(vocabulary: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    return pa.array(vocabulary).cast(kind)


def _vocabulary_infer(x: Tensor, *, vocabulary: tuple[Any, ...], default: int) -> TensorSpec:
    if is_text(x.dtype) != isinstance(vocabulary[0], str):
        raise SpecError(f"a vocabulary of {type(vocabulary[0]).__name__} values cannot look up {x.spec}")
    if not is_text(x.dtype) and x.dtype.kind not in "iu":
        raise SpecError(f"a vocabulary looks up text or integers, not {x.spec}")
    return TensorSpec(x.shape, np.int64)


def _ids(values: pa.Array, vocabulary: tuple[Any, ...], default: int) -> Any:
    ids = pc.index_in(values, value_set=_value_set(vocabulary, values.type))
    return np.asarray(pc.fill_null(ids, default)).astype(np.int64)


def _vocabulary(_: int, x: Any, *, vocabulary: tuple[Any, ...], default: int) -> Any:
    if not isinstance(x, Strings):
        ids = _ids(pa.array(np.ravel(x).astype(np.int64)), vocabulary, default).reshape(np.shape(x))
        return np.where(np.equal(x, -1), np.int64(-1), ids)

    def entry_ids(values: pa.Array) -> npt.NDArray[np.int64]:
        missing = np.asarray(pc.fill_null(pc.equal(pc.binary_length(values), 0), True))
        return np.where(missing, np.int64(-1), _ids(values, vocabulary, default))

    return by_value(x, ("vocabulary", vocabulary, default), entry_ids, np.int64(-1))


vocabulary_lookup = Primitive(
    "vocabulary_lookup",
    _vocabulary_infer,
    _vocabulary,
    lambda: [
        ((np.array(["b", "x", ""], object),), {"vocabulary": ("a", "b"), "default": 7}),
        ((np.array([3, 9, -1]),), {"vocabulary": (9, 3), "default": -1}),
    ],
    elementwise=True,
    total=True,
)
"""Position in `vocabulary`; `default` where unknown; -1 where missing ('' or null text, integer -1)."""


def _bucketize_infer(x: Tensor, *, boundaries: tuple[float, ...]) -> TensorSpec:
    require_numeric("bucketize", x)
    return TensorSpec(x.shape, np.int64)


def _bucketize(_: int, x: Any, *, boundaries: tuple[float, ...]) -> Any:
    edges = np.asarray(boundaries, np.float32)
    return np.searchsorted(edges, np.asarray(x, np.float32), side="right").astype(np.int64)


bucketize = Primitive(
    "bucketize",
    _bucketize_infer,
    _bucketize,
    lambda: [((np.array([-1.0, 0.0, 5.0, np.nan]),), {"boundaries": (0.0, 10.0)})],
    elementwise=True,
    total=True,
)
"""The number of boundaries <= x, compared in float32; NaN goes to the last bucket."""
