"""Functions on text, named as in ``tf.strings``.

They work on tensors, in `Dataset.map` and in models, and on plain values. Text is counted in characters
where TensorFlow's default is bytes. Patterns are those of RE2, as in TensorFlow. Bytes, such as the records
of a `TFRecordDataset`, become text with `decode`.

>>> lower(["Ab", "C"]).tolist()
['ab', 'c']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import InvalidArgumentError
from dataflow.expr.checked import checked
from dataflow.expr.primitives import hashing, text_parts
from dataflow.expr.primitives.text import UNARY
from dataflow.expr.primitives.text import to_number as to_number_primitive
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import as_dtype, is_text

__all__ = [
    "as_string", "decode", "fingerprint64", "fingerprint_cat64", "join", "length", "lower",
    "regex_full_match", "regex_replace", "split", "strip", "substr", "to_hash_bucket_fast",
    "to_hash_bucket_strong", "to_number", "upper",
]  # fmt: skip


def lower(x: Any) -> Any:
    """Return text in lower case, by the rules of Unicode; a method of tensors too.

    >>> lower("ÄB")
    'äb'
    """
    return checked(UNARY["string_lower"], x)


def upper(x: Any) -> Any:
    """Return text in upper case, by the rules of Unicode; a method of tensors too.

    >>> upper("äb")
    'ÄB'
    """
    return checked(UNARY["string_upper"], x)


def strip(x: Any) -> Any:
    """Return text without the whitespace at its ends; a method of tensors too.

    >>> strip("  a b ")
    'a b'
    """
    return checked(UNARY["string_strip"], x)


def length(x: Any, unit: str = "CHAR") -> Any:
    """Return the lengths of texts, int32.

    Args:
        x: Text of any shape; bytes too with ``unit="BYTE"``.
        unit: "CHAR" counts characters (code points), "BYTE" the bytes in UTF-8.

    Raises:
        InvalidArgumentError: Another unit.

    >>> int(length("äb")), int(length("äb", unit="BYTE"))
    (2, 3)
    """
    records = {"CHAR": UNARY["string_length"], "BYTE": UNARY["bytes_length"]}
    if unit not in records:
        raise InvalidArgumentError(f'unit must be "CHAR" or "BYTE", not {unit!r}')
    return checked(records[unit], x)


def join(inputs: Sequence[Any], separator: str = "") -> Any:
    """Return texts joined element by element; shapes broadcast.

    Args:
        inputs: Texts, one of them for each part.
        separator: What stands between the parts.

    >>> join([["a", "b"], "x"], separator="-").tolist()
    ['a-x', 'b-x']
    """
    if isinstance(inputs, str | bytes | Tensor) or not len(inputs):
        raise InvalidArgumentError(
            f"text.join takes a list of texts, and got {inputs!r}", hint="write join([a, b])"
        )
    return checked(text_parts.join, *inputs, separator=separator)


def split(x: Any, sep: str | None = None, maxsplit: int = -1) -> Any:
    """Return the pieces of texts along a new last axis, by the rules of ``str.split``.

    In `Dataset.map`, elements may have different numbers of pieces; `ragged_batch` and `padded_batch` make
    batches of them. Within an array of texts, as in a batch, all must have the same number.

    Args:
        x: Text of any shape.
        sep: What lies between pieces; None (or "") is any run of whitespace.
        maxsplit: Split so many times at most; -1 is without limit.

    Raises:
        InvalidArgumentError: Texts of one array have different numbers of pieces.

    >>> split("a b  c").tolist(), split(["a,b", "c,"], ",").tolist()
    (['a', 'b', 'c'], [['a', 'b'], ['c', '']])
    >>> from dataflow import Dataset
    >>> words = Dataset.from_tensor_slices(["a b", "c"]).map(split).ragged_batch(2)
    >>> next(iter(words))
    <RaggedTensor [['a', 'b'], ['c']]>
    """
    return checked(text_parts.split, x, sep=sep or None, maxsplit=max(int(maxsplit), -1))


def substr(x: Any, pos: int, len: int) -> Any:
    """Return `len` characters of texts, or fewer where they end, from position `pos`.

    Args:
        x: Text of any shape.
        pos: First character; negative counts from the end.
        len: How many characters.

    Raises:
        InvalidArgumentError: The position is outside of a text, or the length below 0.

    >>> substr("hello", 1, 3), substr("hello", -3, 2)
    ('ell', 'll')
    """
    if len < 0:
        raise InvalidArgumentError(f"the length must not be negative, and is {len}")
    return checked(text_parts.substr, x, pos=int(pos), len=int(len))


def regex_replace(x: Any, pattern: str, rewrite: str, replace_global: bool = True) -> Any:
    r"""Return texts with what matches a pattern replaced.

    Args:
        x: Text of any shape.
        pattern: A regular expression of RE2.
        rewrite: What takes the place; ``\1`` to ``\9`` are what groups matched, ``\0`` all of it.
        replace_global: Whether all matches are replaced, or the first.

    Raises:
        InvalidArgumentError: The pattern or the rewrite is wrong.

    >>> regex_replace("room 12b", r"(\d+)", r"<\1>")
    'room <12>b'
    """
    attributes = {"pattern": pattern, "rewrite": rewrite, "count": None if replace_global else 1}
    _try(text_parts.regex_replace, attributes)
    return checked(text_parts.regex_replace, x, **attributes)


def regex_full_match(x: Any, pattern: str) -> Any:
    r"""Tell where a pattern matches all of a text.

    Args:
        x: Text of any shape.
        pattern: A regular expression of RE2.

    Raises:
        InvalidArgumentError: The pattern is wrong.

    >>> regex_full_match(["12", "12b"], r"\d+").tolist()
    [True, False]
    """
    _try(text_parts.MATCHES["regex_full_match"], {"pattern": pattern})
    return checked(text_parts.MATCHES["regex_full_match"], x, pattern=pattern)


def _try(primitive: Primitive, attributes: dict[str, Any]) -> None:
    """Run once, so that a wrong pattern is an error of the line that has it."""
    try:
        primitive("", **attributes)
    except (pa.ArrowInvalid, ValueError) as error:
        raise InvalidArgumentError(
            f"the pattern {attributes['pattern']!r} cannot be used: {error}",
            hint="patterns are those of RE2 (github.com/google/re2/wiki/Syntax), without look-around",
        ) from None


def to_number(x: Any, dtype: npt.DTypeLike = np.float32) -> Any:
    """Return texts as numbers.

    Args:
        x: Text of any shape.
        dtype: Of the numbers.

    Raises:
        InvalidArgumentError: A text is no such number; in a pipeline, with its file and line.

    >>> to_number(["1.5", "-2"])
    array([ 1.5, -2. ], dtype=float32)
    """
    kind = as_dtype(dtype)
    if is_text(kind) or kind.kind not in "iuf":
        raise InvalidArgumentError(f"text.to_number makes numbers, not {kind}")
    return checked(to_number_primitive, x, dtype=kind.name)


def as_string(x: Any, precision: int = -1, scientific: bool = False, shortest: bool = False) -> Any:
    """Return numbers as text, as ``tf.strings.as_string`` prints them.

    Args:
        x: Integers, floats or bools of any shape.
        precision: Digits of floats after the point; -1 is 6.
        scientific: Print floats with an exponent.
        shortest: Print floats in the shorter form of both.

    Raises:
        SpecError: Not numbers, or one of the settings of floats for others.

    >>> as_string([3, -12]).tolist(), as_string(1.5), as_string(0.00001, shortest=True)
    (['3', '-12'], '1.500000', '1e-05')
    """
    if scientific and shortest:
        raise InvalidArgumentError("scientific and shortest exclude each other")
    form = None
    if precision >= 0 or scientific or shortest:
        digits = f".{precision}" if precision >= 0 else ""
        form = f"%{digits}{'e' if scientific else 'g' if shortest else 'f'}"
    return checked(text_parts.as_string, x, form=form)


def decode(x: Any) -> Any:
    """Return bytes in UTF-8 as text.

    Raises:
        InvalidArgumentError: They are not UTF-8.

    >>> decode([b"a", b"b"]).tolist()
    ['a', 'b']
    """
    return checked(text_parts.decode, x)


def fingerprint64(x: Any) -> Any:
    """Return FarmHash's Fingerprint64 of the bytes of texts, uint64: the same on all machines, for ever.

    >>> int(fingerprint64("abc"))
    2640714258260161385
    """
    return checked(hashing.fingerprint64, x)


def fingerprint_cat64(a: Any, b: Any) -> Any:
    """Return one fingerprint of two, uint64, as tf's crossed columns join them.

    Args:
        a: int64 or uint64; shapes broadcast.
        b: int64 or uint64.

    >>> int(fingerprint_cat64(np.uint64(1), np.uint64(2)))
    14454907135238785252
    """
    return checked(hashing.fingerprint_cat64, a, b)


def to_hash_bucket_fast(x: Any, num_buckets: int) -> Any:
    """Return the bucket of each text, int64: its `fingerprint64` modulo the number of buckets.

    Args:
        x: Text or bytes of any shape. Integers are refused, as in tf; print them with `as_string`.
        num_buckets: At least 1.

    Raises:
        SpecError: The values are no text.
        InvalidArgumentError: Too few buckets.

    >>> to_hash_bucket_fast(["abc", "house"], 10)
    array([5, 5])
    """
    return checked(hashing.hash_bucket, x, num_buckets=_buckets(num_buckets), key=None)


def to_hash_bucket_strong(x: Any, num_buckets: int, key: Sequence[int]) -> Any:
    """Return the bucket of each text by SipHash with a secret key, int64.

    Who does not know the key cannot make texts that fall into one bucket.

    Args:
        x: Text or bytes of any shape.
        num_buckets: At least 1.
        key: Two integers of 64 bits.

    Raises:
        SpecError: The values are no text.
        InvalidArgumentError: Too few buckets, or no such key.

    >>> to_hash_bucket_strong(["abc", "house"], 1000, key=[1, 2])
    array([917, 833])
    """
    if len(key) != 2:
        raise InvalidArgumentError(f"the key must be two integers, and is {key!r}")
    first, second = (int(part) % (1 << 64) for part in key)
    return checked(hashing.hash_bucket, x, num_buckets=_buckets(num_buckets), key=(first, second))


def _buckets(num_buckets: int) -> int:
    if num_buckets < 1:
        raise InvalidArgumentError(f"num_buckets must be at least 1, not {num_buckets}")
    return int(num_buckets)
