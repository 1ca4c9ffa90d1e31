"""Primitives that put text together and take it apart: join, split, substr, replace, patterns, printing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.block import Ragged
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.text import broadcast_text, require_utf8
from dataflow.expr.tensor import METHODS, Primitive, Tensor, broadcast_shapes
from dataflow.spec import BINARY, STRING, TensorSpec, is_text
from dataflow.strings import Coded, Dictionary, Strings, by_value


def each_entry(x: Strings, function: Callable[[pa.Array], pa.Array]) -> Strings:
    """Return text made of each text by itself; of coded text, once per entry."""
    if isinstance(x, Coded):
        return Coded(x.codes, Dictionary(function(x.dictionary.values)))
    return Strings(function(x.decoded().values), x.shape)


def _same_shape(name: str, dtype: np.dtype[Any]) -> Callable[..., TensorSpec]:
    def infer(x: Tensor, **_: Any) -> TensorSpec:
        require_utf8(name, x)
        return TensorSpec(x.shape, dtype)

    return infer


def _row_of(position: int, x: Any, lead: int) -> int | None:
    """Return the element of a block that the value at a flat position belongs to."""
    return position // max(1, math.prod(x.shape) // max(1, x.shape[0])) if lead else None


# Joining ---------------------------------------------------------------------------------------------


def _join_infer(*inputs: Tensor, separator: str) -> TensorSpec:
    require_utf8("text.join", *inputs)
    return TensorSpec(broadcast_shapes(*(t.shape for t in inputs)), STRING)


def _join(_: int, *values: Strings, separator: str) -> Strings:
    shape = np.broadcast_shapes(*(v.shape for v in values))
    parts = [broadcast_text(v, shape).decoded().values.cast(pa.string()) for v in values]
    joined = pc.binary_join_element_wise(*parts, separator, null_handling="replace")
    return Strings(joined, shape)


join = Primitive(
    "string_join",
    _join_infer,
    _join,
    lambda: [((np.array(["a", "b"], object), "x"), {"separator": "-"})],
    elementwise=True,
    total=True,
)
"""Texts behind each other; null counts as empty."""


# Splitting -------------------------------------------------------------------------------------------


def _split_infer(x: Tensor, *, sep: str | None, maxsplit: int) -> TensorSpec:
    require_utf8("text.split", x)
    return TensorSpec((*x.shape, None), STRING)


def _pieces(values: pa.Array, sep: str | None, maxsplit: int) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Return how many pieces each text has, and all pieces."""
    values = pc.fill_null(values, "")
    if sep is not None and maxsplit:
        limit = {} if maxsplit < 0 else {"max_splits": maxsplit}
        lists = pc.split_pattern(values, pattern=sep, **limit)
        return np.diff(np.asarray(lists.offsets)).astype(np.int64), lists.flatten()
    rows = [value.split(sep, maxsplit) for value in values.to_pylist()]
    flat = [piece for row in rows for piece in row]
    return np.array([len(row) for row in rows], np.int64), pa.array(flat, pa.string())


def _split(lead: int, x: Strings, *, sep: str | None, maxsplit: int) -> Strings | Ragged:
    counts, pieces = _pieces(x.decoded().values, sep, maxsplit)
    size = int(counts[0]) if len(counts) else 0
    if (counts == size).all():
        return Strings(pieces, (*x.shape, size))
    counts = counts.reshape((x.shape[0] if lead else 1, -1))
    uneven = (counts != counts[:, :1]).any(axis=1)
    if uneven.any():
        row = int(uneven.argmax())
        other = counts[row][counts[row] != counts[row, 0]][0]
        error = InvalidArgumentError(
            f"text.split gave different numbers of pieces: {counts[row, 0]} and {other}",
            hint="split each text by itself, in Dataset.map, and use ragged_batch or padded_batch then",
        )
        error.row = row if lead else None
        raise error
    inner = np.broadcast_to(np.array(x.shape[1:], np.int64), (len(counts), len(x.shape) - 1))
    return Ragged(Strings(pieces), np.concatenate((inner, counts[:, :1]), axis=1))


split = Primitive(
    "string_split",
    _split_infer,
    _split,
    lambda: [
        ((np.array("a b  c", object),), {"sep": None, "maxsplit": -1}),
        ((np.array(["a,b", "c,"], object),), {"sep": ",", "maxsplit": -1}),
    ],
)
"""Pieces along a new last axis; all texts of one element must have the same number."""


# Parts of text ---------------------------------------------------------------------------------------


def _substr(lead: int, x: Strings, *, pos: int, len: int) -> Strings:
    sizes = by_value(x, "characters", lambda v: np.asarray(pc.fill_null(pc.utf8_length(v), 0)), np.int32(0))
    outside = (sizes < pos) | (-sizes > pos)
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        value = x.reshape((-1,)).item(at)
        error = InvalidArgumentError(
            f"text.substr: position {pos} is outside of {value!r}", hint="filter short texts out, or pad them"
        )
        error.row = _row_of(at, x, lead)
        raise error
    end = None if pos < 0 <= pos + len else pos + len
    return each_entry(x, lambda v: pc.utf8_slice_codeunits(v, start=pos, stop=end))


substr = Primitive(
    "string_substr",
    _same_shape("text.substr", STRING),
    _substr,
    lambda: [
        ((np.array(["héllo", "ab"], object),), {"pos": 1, "len": 2}),
        ((np.array(["héllo", "ab"], object),), {"pos": -2, "len": 9}),
    ],
    elementwise=True,
)
"""Characters from `pos`, at most `len`."""


# Patterns --------------------------------------------------------------------------------------------


def _regex_replace(_: int, x: Strings, *, pattern: str, rewrite: str, count: int | None) -> Strings:
    return each_entry(
        x,
        lambda v: pc.replace_substring_regex(v, pattern=pattern, replacement=rewrite, max_replacements=count),
    )


regex_replace = Primitive(
    "regex_replace",
    _same_shape("text.regex_replace", STRING),
    _regex_replace,
    lambda: [((np.array(["aXbX", ""], object),), {"pattern": "(X)", "rewrite": "<\\1>", "count": None})],
    elementwise=True,
    total=True,
)


def _matches(name: str, function: Callable[..., pa.Array]) -> Callable[..., Any]:
    def compute(_: int, x: Strings, *, pattern: str) -> Any:
        return by_value(
            x,
            (name, pattern),
            lambda v: np.asarray(pc.fill_null(function(v, pattern=pattern), False)),
            np.bool_(False),
        )

    return compute


def _full_match(values: pa.Array, *, pattern: str) -> pa.Array:
    return pc.match_substring_regex(values, pattern=f"^(?:{pattern})\\z")


MATCHES: dict[str, Primitive] = {
    name: Primitive(
        name,
        _same_shape(f"text.{name}", np.dtype(bool)),
        _matches(name, function),
        lambda: [((np.array(["aX", "Xa", ""], object),), {"pattern": "a"})],
        elementwise=True,
        total=True,
    )
    for name, function in (
        ("regex_full_match", _full_match),
        ("starts_with", pc.starts_with),
        ("ends_with", pc.ends_with),
    )
}
"""Whether text matches a pattern, or begins or ends with one."""


def _replace(_: int, x: Strings, *, old: str, new: str, count: int) -> Strings:
    limit = None if count < 0 else count
    if limit == 0:
        return x
    return each_entry(
        x, lambda v: pc.replace_substring(v, pattern=old, replacement=new, max_replacements=limit)
    )


replace = Primitive(
    "string_replace",
    _same_shape("replace", STRING),
    _replace,
    lambda: [((np.array(["aXbX", ""], object),), {"old": "X", "new": "-", "count": 1})],
    elementwise=True,
    total=True,
)


def _replace_method(x: Tensor, old: str, new: str, count: int = -1) -> Tensor:
    if not isinstance(old, str) or not old or not isinstance(new, str):
        raise SpecError(f"replace takes two texts, the first not empty, and got {old!r} and {new!r}")
    return replace(x, old=old, new=new, count=count)  # type: ignore[no-any-return]


METHODS["replace"] = _replace_method
METHODS["startswith"] = lambda x, prefix: MATCHES["starts_with"](x, pattern=prefix)
METHODS["endswith"] = lambda x, suffix: MATCHES["ends_with"](x, pattern=suffix)


# Bytes and numbers -----------------------------------------------------------------------------------


def _decode_infer(x: Tensor) -> TensorSpec:
    if x.dtype != BINARY:
        raise SpecError(f"text.decode takes bytes, and got {x.spec}")
    return TensorSpec(x.shape, STRING)


def _decode(lead: int, x: Strings) -> Strings:
    try:
        return each_entry(x, lambda v: v.cast(pa.string()))
    except pa.ArrowInvalid:
        pass
    for position, value in enumerate(x.decoded().values.to_pylist()):
        try:
            (value or b"").decode("utf-8")
        except UnicodeDecodeError as cause:
            error = InvalidArgumentError(f"text.decode: {value[:40]!r} is not UTF-8: {cause.reason}")
            error.row = _row_of(position, x, lead)
            raise error from None
    raise AssertionError("the column is not UTF-8, but all of its values are")


decode = Primitive(
    "string_decode",
    _decode_infer,
    _decode,
    lambda: [((np.array([b"a", "ä".encode()], object),), {})],
    elementwise=True,
)
"""Bytes in UTF-8 as text."""


def _as_string_infer(x: Tensor, *, form: str | None) -> TensorSpec:
    if is_text(x.dtype) or x.dtype.kind not in "biuf":
        raise SpecError(f"text.as_string takes numbers, and got {x.spec}")
    if form is not None and x.dtype.kind != "f":
        raise SpecError(f"precision, scientific and shortest are for floats, and the numbers are {x.spec}")
    return TensorSpec(x.shape, STRING)


def _as_string(_: int, x: Any, *, form: str | None) -> Strings:
    array = np.asarray(x)
    flat = array.ravel()
    if array.dtype.kind != "f":
        return Strings(pa.array(flat).cast(pa.string()), array.shape)
    form = "%f" if form is None else form
    return Strings(pa.array([form % value for value in flat.tolist()], pa.string()), array.shape)


as_string = Primitive(
    "as_string",
    _as_string_infer,
    _as_string,
    lambda: [
        ((np.array([1, -2]),), {"form": None}),
        ((np.array([True]),), {"form": None}),
        ((np.array([1.5, np.inf]),), {"form": "%.2f"}),
    ],
    elementwise=True,
    total=True,
)
"""Numbers in decimal; floats by a format of C."""
