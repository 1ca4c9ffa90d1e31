"""What an item of `record_defaults` stands for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.csv.records import DTYPES
from dataflow.errors import InvalidArgumentError
from dataflow.spec import BINARY, STRING, as_dtype, dtype_name


def dtype_and_default(item: Any, name: str, allow_dtypes: bool) -> tuple[np.dtype[Any], Any]:
    """Return the dtype and the default (None if required) that an item of record_defaults stands for."""
    kinds: dict[Any, Any] = {int: np.int32, float: np.float32, str: str, bytes: bytes}
    if isinstance(item, type | np.dtype):
        if not allow_dtypes:
            raise InvalidArgumentError(
                f"record_defaults has {item!r} for column {name}, not a default value",
                hint="np.array([], dtype) makes a field required",
            )
        return _checked(kinds.get(item, item), name), None
    if isinstance(item, list | tuple):
        if len(item) == 1 and not isinstance(item[0], list | tuple | np.ndarray):
            return dtype_and_default(item[0], name, False)
        item = np.array(item, np.float32 if len(item) == 0 else None)
    if type(item) in kinds:
        array = np.asarray(item, object)
        dtype = _checked(kinds[type(item)], name)
    else:
        array = np.asarray(item)
        dtype = _checked(array.dtype, name) if array.dtype.kind != "O" else STRING
    if array.ndim > 1 or array.size > 1:
        raise InvalidArgumentError(
            f"record_defaults has {array.size} values in {array.ndim} dimensions for column {name}; "
            "there can be one default, or none"
        )
    if array.size == 0:
        return dtype, None
    value = array.item()
    if dtype.kind == "i":
        if not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            raise InvalidArgumentError(f"the default {value} of column {name} is out of range for {dtype}")
        return dtype, int(value)
    if dtype.kind == "f":
        value = float(np.asarray(value, dtype))
        return dtype, math.nan if math.isnan(value) else value
    if not isinstance(value, bytes if dtype == BINARY else str):
        raise InvalidArgumentError(f"the default {value!r} of column {name} is not {dtype_name(dtype)}")
    return dtype, value


def _checked(kind: npt.DTypeLike, name: str) -> np.dtype[Any]:
    dtype = as_dtype(kind)
    if dtype not in DTYPES:
        raise InvalidArgumentError(
            f"column {name} of CSV data cannot be {dtype_name(dtype)}",
            hint="use float32, float64, int32, int64, str or bytes, and cast later",
        )
    return dtype
