"""Rows in memory as an input: DataFrames, Arrow tables, arrays; `numpy_input_fn` and `pandas_input_fn`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.dataset import Dataset
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, did_you_mean
from estimators.run_config import RunConfig
from estimators.specs import ModeKeys

BATCH_SIZE = 128
"""Rows in a batch where nobody says how many; the default of tf's input functions."""


def as_batches(data: Any, mode: str, seed: int | None, *, endless: bool = False) -> Dataset | None:
    """Return the batches of rows in memory, None if it is something else.

    To train, rows come in an order drawn anew for each epoch; else in their own.

    Args:
        data: A pandas or polars DataFrame, an Arrow table, an array, a dict of arrays; or a tuple of such
            features and labels: an array, a Series, a dict or frame of them, or the name of a column.
        mode: One of `ModeKeys`.
        seed: Of the order.
        endless: Whether rows are repeated, as long as training wants them.

    Raises:
        InvalidArgumentError: There are no rows, or not as many labels; indexes differ.
        SpecError: A column has values of several types.
    """
    if isinstance(data, tuple) and len(data) == 2 and _holds_rows(data[0]):
        rows = _pairs(*data)
    elif _holds_rows(data):
        rows = _rows(data)
    else:
        return None
    size = _size(rows)
    if mode == ModeKeys.TRAIN:
        rows = rows.shuffle(size, seed)
    return (rows.repeat() if endless else rows).batch(BATCH_SIZE)


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = BATCH_SIZE,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int | None = 1000,
    num_threads: int = 1,
) -> Callable[..., Dataset]:
    """Return an input function over arrays.

    Args:
        x: A dict of arrays by feature name, or one array.
        y: An array of labels, a dict of them, or None.
        batch_size: Rows in a batch. Batches run across epochs, so only the very last may be short.
        num_epochs: How often rows come; None: without end.
        shuffle: Must be given: whether each epoch has an order of its own, drawn from all rows. It is the
            same in each run if the estimator's config has a seed.
        queue_capacity: Accepted for compatibility: there is no queue.
        num_threads: Accepted for compatibility: order never depends on threads.

    Raises:
        InvalidArgumentError: `shuffle` is not True or False; sizes differ; there is nothing; a name is
            in both `x` and `y`.
        SpecError: `x` is neither a dict nor an array, or an array has values of several types.

    >>> input_fn = numpy_input_fn({"x": np.arange(3)}, np.arange(3) * 2, 2, num_epochs=2, shuffle=False)
    >>> [labels.tolist() for _, labels in input_fn()]
    [[0, 2], [4, 0], [2, 4]]
    """
    _check_settings(num_epochs, shuffle)
    if not isinstance(x, Mapping | np.ndarray):
        raise SpecError(f"x must be a dict of arrays or an array, not {type(x).__name__}")
    for name, value in (("x", x), ("y", y)):
        if isinstance(value, Mapping) and not value:
            raise InvalidArgumentError(
                f"{name} is an empty dict", hint="give y=None" if name == "y" else None
            )
    if isinstance(x, Mapping) and isinstance(y, Mapping) and (twice := sorted(set(x) & set(y))):
        raise InvalidArgumentError(f"x and y have the same names: {twice}", hint="rename the labels")
    rows = _rows(x) if y is None else _pairs(x, y)
    return _input_fn(rows, batch_size, num_epochs, shuffle)


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = BATCH_SIZE,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int | None = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[..., Dataset]:
    """Return an input function over a `pandas.DataFrame`.

    Args:
        x: The features.
        y: A Series of labels; a DataFrame for a dict of labels; or None. Its index must be that of `x`.
        batch_size: As of `numpy_input_fn`, like the next four.
        num_epochs: How often rows come; None: without end.
        shuffle: Must be given.
        queue_capacity: Accepted for compatibility.
        num_threads: Accepted for compatibility.
        target_column: A name that no column of `x` may have, where there is a `y`.

    Raises:
        InvalidArgumentError: `shuffle` is not True or False; the indexes differ; `x` has a column with the
            name `target_column`; there are no rows.
        SpecError: `x` is no DataFrame, or a column has values of several types.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": [1, 2]})
    >>> list(pandas_input_fn(frame, pd.Series([3, 4]), shuffle=False)())
    [({'x': array([1, 2])}, array([3, 4]))]
    """
    _check_settings(num_epochs, shuffle)
    if not _is_pandas(x):
        raise SpecError(f"x must be a pandas.DataFrame, not {type(x).__name__}")
    if not isinstance(target_column, str):
        raise SpecError(f"target_column must be a name, not {target_column!r}")
    if y is None:
        return _input_fn(_rows(x), batch_size, num_epochs, shuffle)
    if target_column in x.columns:
        raise InvalidArgumentError(
            f"x has a column {target_column!r}, the name of the target", hint="give another target_column"
        )
    if not hasattr(y, "reset_index"):
        raise SpecError(f"y must be a pandas Series or DataFrame, not {type(y).__name__}")
    labels = _rows(y) if _is_pandas(y) else _labels(y)
    _check_index(x, y)
    return _input_fn(_joined(_rows(x), labels), batch_size, num_epochs, shuffle)


def _check_settings(num_epochs: int | None, shuffle: bool | None) -> None:
    if not isinstance(shuffle, bool):
        raise InvalidArgumentError(
            f"shuffle must be True or False, not {shuffle!r}",
            hint="give shuffle=True to train, shuffle=False to evaluate and to predict",
        )
    if num_epochs is not None and num_epochs < 1:
        raise InvalidArgumentError(f"num_epochs must be None or at least 1, not {num_epochs}")


def _input_fn(
    rows: Dataset, batch_size: int, num_epochs: int | None, shuffle: bool | None
) -> Callable[..., Dataset]:
    size = _size(rows)

    def input_fn(config: RunConfig | None = None) -> Dataset:
        seed = config.tf_random_seed if config is not None else None
        ordered = rows.shuffle(size, seed) if shuffle else rows
        return ordered.repeat(num_epochs).batch(batch_size)

    return input_fn


# Rows ------------------------------------------------------------------------------------------------


def _holds_rows(data: Any) -> bool:
    return isinstance(data, Mapping | np.ndarray) or _is_table(data)


def _is_pandas(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns")


def _is_table(data: Any) -> bool:
    arrays = isinstance(data, pa.Array | pa.ChunkedArray | Dataset)
    streams = hasattr(data, "__arrow_c_stream__") and not hasattr(data, "to_frame")  # a Series has it too
    frame = _is_pandas(data) or hasattr(data, "collect_schema") or hasattr(data, "__arrow_c_array__")
    return not arrays and (frame or streams)


def _rows(data: Any) -> Dataset:
    """Return the rows of a table, a dict of arrays, or an array."""
    if _is_table(data):
        plain = _is_pandas(data) or hasattr(data, "collect_schema") or isinstance(data, pa.Table)
        return Dataset.from_arrow(data if plain else pa.table(data))
    if not isinstance(data, Mapping):
        return Dataset.from_tensor_slices(_array("the array", data))
    columns = {name: _array(f"{name!r}", value) for name, value in sorted(data.items())}
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise InvalidArgumentError(f"the arrays have different numbers of rows: {sizes}")
    if not columns:
        raise InvalidArgumentError("there are no arrays in the dict", hint="give at least one feature")
    return Dataset.from_tensor_slices(columns)


def _array(name: str, value: Any) -> Any:
    """Return an array of rows, of one type."""
    if isinstance(value, pa.Array | pa.ChunkedArray):
        kind = value.type
        if value.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
            raise InvalidArgumentError(
                f"{name} has nulls, and is {kind}", hint="give them a value with fill_null"
            )
        value = value.to_pylist() if pa.types.is_nested(kind) else value.to_numpy(zero_copy_only=False)
    if isinstance(value, list):  # NumPy would make text of numbers among text
        value = np.array(value, object) if any(isinstance(item, str) for item in value) else value
    try:
        (column,) = Dataset.from_tensors(value).node.leaves  # type: ignore[attr-defined]
    except DataflowError as error:
        if isinstance(value, list | tuple) and any(item is None for item in value):
            raise SpecError(
                f"{name} has None among its values",
                hint="give np.nan for a missing number, '' for missing text",
            ) from error
        raise SpecError(
            f"{name} does not fit into an array of one type: {error.message}",
            hint="give each array one type, for example with astype, and rows of one shape",
        ) from error
    if not column.shape:
        raise InvalidArgumentError(
            f"{name} is a single value", hint="give a list or array with a value a row"
        )
    return column if isinstance(column, np.ndarray) else value


def _labels(labels: Any) -> Dataset:
    """Return the rows of labels; those of a table with one column are its values."""
    if hasattr(labels, "to_frame"):
        labels = labels.to_frame("label")
    if not _is_table(labels):
        return _rows(labels)
    rows = _rows(labels)
    names = list(rows.element_spec)
    return rows.map(lambda row: row[names[0]]) if len(names) == 1 else rows


def _pairs(features: Any, labels: Any) -> Dataset:
    """Return pairs of a row's features and label."""
    if isinstance(labels, str):
        return _rows(features).map(_splitting(features, labels))
    _check_index(features, labels)
    return _joined(_rows(features), _labels(labels))


def _splitting(features: Any, label: str) -> Callable[[Any], Any]:
    names = list(_rows(features).element_spec) if not isinstance(features, np.ndarray) else []
    if label not in names:
        raise InvalidArgumentError(f"there is no column {label!r}", hint=did_you_mean(label, names))
    return lambda row: ({name: row[name] for name in names if name != label}, row[label])


def _check_index(x: Any, y: Any) -> None:
    """Refuse pandas objects whose rows do not belong together."""
    if _is_pandas(x) and hasattr(y, "reset_index"):
        if len(x) != len(y):
            raise InvalidArgumentError(f"there are {len(x)} rows of features, and {len(y)} labels")
        if not np.array_equal(x.index, y.index):
            raise InvalidArgumentError(
                "the index of the labels is not that of the features",
                hint="give labels.loc[features.index]; or, if rows are in one order, reset_index(drop=True)",
            )


def _joined(features: Dataset, labels: Dataset) -> Dataset:
    if (rows := _size(features)) != (given := _size(labels)):
        raise InvalidArgumentError(f"there are {rows} rows of features, and {given} labels")
    return Dataset.zip(features, labels)


def _size(rows: Dataset) -> int:
    size = rows.cardinality()
    if size == 0:
        raise InvalidArgumentError("the input has no rows")
    return size
