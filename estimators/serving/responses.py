"""Outputs of models as TensorFlow Serving writes them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimators.graph.variable import Array
from estimators.serving import json_text
from estimators.serving.columns import B64
from estimators.serving.errors import RequestError
from estimators.serving.requests import COLUMN, ROW


def response(outputs: Mapping[str, Array], form: str) -> bytes:
    """Return the body of an answer.

    Args:
        outputs: Arrays by name.
        form: Of the request.

    Raises:
        RequestError: The outputs have no rows, as the form needs them.
    """
    if form == COLUMN:
        named = {name: _value(array) for name, array in outputs.items()}
        return json_text.dumps({COLUMN: named if len(named) > 1 else next(iter(named.values()))})
    if form == ROW:
        return json_text.dumps({ROW: _rows(outputs)})
    return json_text.dumps({"results": _classes(outputs) if form == "classify" else _numbers(outputs)})


def _value(array: Array) -> Any:
    """Return what `json_text.dumps` takes."""
    if array.dtype.kind in "biuf" and array.dtype != np.float16:
        return np.ascontiguousarray(array)
    return _lists(array)


def _lists(array: Array) -> Any:
    return json_text.lists(array) if array.dtype.kind in "biuf" else _texts(array.tolist())


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return {B64: base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _rows(outputs: Mapping[str, Array]) -> Any:
    sizes = {name: array.shape[0] if array.shape else None for name, array in outputs.items()}
    if None in sizes.values() or len(set(sizes.values())) > 1:
        raise RequestError(
            400, f"outputs have no common rows ({sizes}): use 'inputs' in place of 'instances'"
        )
    if len(outputs) == 1:
        return _value(next(iter(outputs.values())))
    rows = zip(*[_lists(array) for array in outputs.values()], strict=True)
    return [dict(zip(outputs, row, strict=True)) for row in rows]


def _numbers(outputs: Mapping[str, Array]) -> Any:
    [array] = outputs.values()
    return _value(array.reshape(len(array)) if array.shape[1:] == (1,) else array)


def _classes(outputs: Mapping[str, Array]) -> Any:
    """Return pairs of label and score; a label that is not there is empty, such a score 0."""
    given = {name: _lists(array) for name, array in outputs.items()}
    like = next(iter(given.values()))
    labels = given.get("classes") or [[""] * len(row) for row in like]
    scores = given.get("scores") or [[0.0] * len(row) for row in like]
    return [
        [list(pair) for pair in zip(names, numbers, strict=True)]
        for names, numbers in zip(labels, scores, strict=True)
    ]
