"""`Predictor`: a model ready to predict a few rows at once, as a server does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.block import as_column
from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import spec_of_value
from dataflow.runtime.threads import Lock
from dataflow.spec import TensorSpec
from dataflow.strings import Strings
from estimators.graph.variable import Array
from estimators.model import Model
from estimators.prediction.split_program import SplitProgram
from estimators.running.loop import examples_of, plain
from estimators.values.checkpoint import Checkpoint
from estimators.values.first_values import restored_values

SPECS = 32
"""Most sets of dtypes and shapes whose programs are kept."""
_SCALARS = (str, bytes, float, int, bool, np.generic)
_Key = tuple[Any, ...]


class Predictor:
    """A model with the values of a checkpoint, which predicts rows that are given one by one, or a few.

    The first call with features of certain dtypes and shapes builds a program; later calls run it. Calls
    may come from several threads; they take turns. Hooks of the model are not called.

    Args:
        build: Makes the model over a dataset.
        checkpoint: The values.

    >>> from estimators import LinearRegressor, feature_column
    >>> model = LinearRegressor([feature_column.numeric_column("x")])
    >>> predict = model.train(({"x": [1.0, 2.0]}, [2.0, 4.0])).predictor()
    >>> predict({"x": 3.0})["predictions"].shape
    (1,)
    >>> predict({"x": [1.0, 3.0]})["predictions"].shape
    (2, 1)
    """

    def __init__(self, build: Callable[[Dataset], Model], checkpoint: Checkpoint) -> None:
        self._build = build
        self._checkpoint = checkpoint
        self._lock = Lock()
        self._programs: dict[_Key, tuple[SplitProgram, dict[str, Array], bool]] = {}

    @property
    def checkpoint_path(self) -> str:
        """Where the values were read."""
        return self._checkpoint.path

    def __repr__(self) -> str:
        return f"<Predictor of {self.checkpoint_path}>"

    def __call__(self, features: Any) -> Any:
        """Return the predictions for one row, or for several.

        Args:
            features: A dict by feature name, or a single feature. With values that are all arrays or lists,
                their first axis is that of rows. With a scalar among the values it is one row.

        Returns:
            As `Estimator.predict`: a dict of arrays by name, or an array; those of one row are without the
            axis of rows.

        Raises:
            InvalidArgumentError: Features differ in their number of rows, or the model refuses them.
            SpecError: A feature is no array of one type.
        """
        named = features if isinstance(features, Mapping) else {"": features}
        single = any(isinstance(value, _SCALARS) or value is None for value in named.values())
        names = sorted(named)
        columns = [_column(named[name], single, name) for name in names]
        sizes = {len(column) for column in columns}
        if len(sizes) != 1:
            counts = {name: len(column) for name, column in zip(names, columns, strict=True)}
            raise InvalidArgumentError(f"features have different numbers of rows: {counts}")
        key = tuple([(n, _kind(c), c.shape[1:]) for n, c in zip(names, columns, strict=True)])
        with self._lock:
            program, values, one_tensor = self._programs.get(key) or self._make(key, features, columns)
            with np.errstate(all="ignore"):  # as in training
                fetched = program.rest(program.first(columns), values)
        found = {name: plain(value) for name, value in fetched.items()}
        if single and examples_of(found) == 1:
            found = {name: value[0] for name, value in found.items()}
        return found["predictions"] if one_tensor else found

    def _make(
        self, key: _Key, features: Any, columns: Sequence[Any]
    ) -> tuple[SplitProgram, dict[str, Array], bool]:
        """Build the program for features of these dtypes and shapes."""
        specs = {
            entry[0]: TensorSpec((None, *column.shape[1:]), column.dtype)
            for entry, column in zip(key, columns, strict=True)
        }
        signature: Any = specs if isinstance(features, Mapping) else specs[""]
        model = self._build(Dataset.from_generator(_nothing, output_signature=signature))
        program = SplitProgram(model.source.leaves, model.fetches)
        if len(self._programs) >= SPECS:
            del self._programs[next(iter(self._programs))]
        one_tensor = not isinstance(model.spec.predictions, Mapping)
        self._programs[key] = program, restored_values(model, self._checkpoint), one_tensor
        return self._programs[key]


def _nothing() -> Iterator[Any]:
    return iter(())


def _kind(column: Any) -> Any:
    return column.values.type if isinstance(column, Strings) else column.dtype


def _column(value: Any, single: bool, name: str) -> Any:
    """Return a feature as a column of rows."""
    if single:
        if isinstance(value, str) or value is None:
            return Strings(pa.array([value], pa.string()))
        value = np.asarray(value)[None]
    if isinstance(value, Strings):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.ndim:
        return np.asarray(value, order="C")
    try:
        array = np.asarray(value)
        column = as_column(array, spec_of_value(array))
    except (ValueError, TypeError) as error:
        raise SpecError(f"feature {name!r} is no array of one type: {error}") from error
    if not column.shape:
        raise SpecError(f"feature {name!r} is {value!r}, which is no array of rows")
    return column
