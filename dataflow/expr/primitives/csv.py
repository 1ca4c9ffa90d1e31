"""`decode_csv`: text records to typed columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.csv_format import CsvError, CsvFormat, csv_format
from dataflow.errors import SpecError
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec, is_text
from dataflow.strings import Lines, Strings


def _infer(records: Tensor, *, format: CsvFormat) -> tuple[TensorSpec, ...]:
    if not is_text(records.dtype):
        raise SpecError(f"decode_csv takes text, and got {records.spec}")
    return tuple(TensorSpec(records.shape, column.dtype) for column in format.columns)


def _decode(lead: int, records: Strings, *, format: CsvFormat) -> tuple[Any, ...]:
    try:
        if isinstance(records, Lines):
            chunk = format.parse_records(records.buffer, records.starts, records.stops)
            if chunk.error is not None:
                raise chunk.error
            return tuple(chunk.columns)
        return tuple(format.parse_lines(records))
    except CsvError as error:
        if lead:
            error.row = error.record // max(1, len(records.values) // max(1, len(records)))
        names = [column.name for column in format.columns]
        error.output = names.index(error.column) if error.column in names else None
        raise


decode_csv_primitive = Primitive(
    "decode_csv",
    _infer,
    _decode,
    lambda: [((np.array(["1,2.5,x", ",,"], object),), {"format": csv_format([[0], [1.5], ["?"]])})],
)


def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
) -> list[Any]:
    """Parse CSV records to one tensor per column, by the rules of ``tf.io.decode_csv``.

    Args:
        records: Text of any shape, each item one record without its line end.
        record_defaults: One item per column. A scalar or a list of one value is the default of missing
            fields and gives the dtype (int is int32, float is float32); an empty array of a dtype makes
            the field required.
        field_delim: One ASCII character.
        use_quote_delim: Whether fields may be quoted.
        na_value: Text that counts as missing, as an empty field does.
        select_cols: Positions of the wanted fields, increasing; default all.

    Returns:
        One tensor for each column, in the shape of `records`.

    Raises:
        InvalidArgumentError: An argument or a record breaks a rule; a record's error names its column
            and value, and in a pipeline its file and line.

    >>> decode_csv(["1,2.5", "3,"], [[0], [-1.0]])
    [array([1, 3], dtype=int32), array([ 2.5, -1. ], dtype=float32)]
    """
    form = csv_format(record_defaults, field_delim, use_quote_delim, na_value, select_cols)
    return list(decode_csv_primitive(records, format=form))
