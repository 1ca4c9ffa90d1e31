"""Known values as categories: `categorical_column_with_vocabulary_list` and `..._file`."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import DataLossError, InvalidArgumentError, NotFoundError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import as_dtype, dtype_name, is_text
from dataflow.storage import files
from estimators.feature_column.base import KeyedColumn, check_count, check_key, text_or_not
from estimators.graph.primitives.vocabulary import Vocabulary, vocabulary_ids

_vocabulary_of = functools.lru_cache(maxsize=64)(Vocabulary)


class _VocabularyColumn(KeyedColumn):
    """The position of each value in a vocabulary."""

    default_value: int
    num_oov_buckets: int

    @property
    def vocabulary(self) -> Vocabulary:
        """The values, ready to be looked up."""
        raise NotImplementedError

    @property
    def num_buckets(self) -> int:
        """The length of the vocabulary, and the buckets for unknown values."""
        return len(self.vocabulary) + self.num_oov_buckets

    def lookup(self, raw: Tensor) -> Tensor:
        """Look the values up; '' and null, and -1 in integer features, are missing and give -1."""
        vocabulary = self.vocabulary
        if is_text(raw.dtype) != vocabulary.is_text or (
            not vocabulary.is_text and raw.dtype.kind not in "iu"
        ):
            raise SpecError(
                f"the vocabulary of {self.key!r} holds {'text' if vocabulary.is_text else 'integers'}, "
                f"and the feature is {raw.spec}",
                hint="give the vocabulary in the feature's type, or decode the feature in the vocabulary's",
            )
        result: Tensor = vocabulary_ids(
            raw, vocabulary=vocabulary, default=self.default_value, num_oov=self.num_oov_buckets
        )
        return result


@dataclasses.dataclass(frozen=True)
class VocabularyListColumn(_VocabularyColumn):
    """The position of each value in a list."""

    key: str
    vocabulary_list: tuple[Any, ...]
    default_value: int = -1
    num_oov_buckets: int = 0

    @property
    def vocabulary(self) -> Vocabulary:
        """The values, ready to be looked up."""
        return _vocabulary_of(self.vocabulary_list)


def categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Sequence[Any],
    dtype: npt.DTypeLike | None = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> VocabularyListColumn:
    """Use a feature of known values: text or integers. '' and null, and the integer -1, are missing.

    Args:
        key: The feature.
        vocabulary_list: The values, all different; the id of a value is its position.
        dtype: Text or integer; default that of the list.
        default_value: Id of other values; negative (default): they count as missing.
        num_oov_buckets: Put other values into so many ids behind the list, by Fingerprint64 (of integers in
            decimal).

    Raises:
        InvalidArgumentError: The list is empty, repeats a value, or mixes text with numbers; or there is both
            a default and buckets.

    >>> categorical_column_with_vocabulary_list("type", ["house", "apt"]).num_buckets
    2
    """
    values = tuple(v.item() if isinstance(v, np.generic) else v for v in vocabulary_list)
    values = tuple(v.decode() if isinstance(v, bytes) else v for v in values)
    if not values:
        raise InvalidArgumentError(f"the vocabulary of {key!r} is empty")
    if len(set(values)) < len(values):
        seen: set[Any] = set()
        twice = sorted({str(v) for v in values if v in seen or seen.add(v)})  # type: ignore[func-returns-value]
        raise InvalidArgumentError(f"the vocabulary of {key!r} holds values twice: {twice[:10]}")
    kinds = {
        str if isinstance(v, str) else int if isinstance(v, int) and not isinstance(v, bool) else None
        for v in values
    }
    if len(kinds) > 1 or None in kinds:
        raise InvalidArgumentError(
            f"the vocabulary of {key!r} must be all text or all integers: {values[:5]}"
        )
    if dtype is not None:
        wanted = as_dtype(dtype)
        if is_text(wanted) != (kinds == {str}) or (not is_text(wanted) and wanted.kind not in "iu"):
            raise InvalidArgumentError(f"dtype {dtype_name(wanted)} does not fit the vocabulary of {key!r}")
    default, oov = _unknown(key, default_value, num_oov_buckets, len(values))
    return VocabularyListColumn(check_key(key), values, default, oov)


def _unknown(key: str, default_value: int | None, num_oov_buckets: int, size: int) -> tuple[int, int]:
    """Return (default, buckets) for unknown values."""
    default = -1 if default_value is None or default_value < 0 else int(default_value)
    if num_oov_buckets:
        check_count("num_oov_buckets", num_oov_buckets)
        if default >= 0:
            raise InvalidArgumentError(
                f"the vocabulary of {key!r} has a default_value and num_oov_buckets", hint="give one of them"
            )
    if default >= size:
        raise InvalidArgumentError(f"default_value must be -1 or an id below {size}, not {default_value}")
    return default, int(num_oov_buckets)


@dataclasses.dataclass(frozen=True)
class VocabularyFileColumn(_VocabularyColumn):
    """The number of the line of a file that holds each value."""

    key: str
    vocabulary_file: str
    lines: Vocabulary
    default_value: int = -1
    num_oov_buckets: int = 0

    @property
    def vocabulary(self) -> Vocabulary:
        """The values, ready to be looked up."""
        return self.lines


def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: str | os.PathLike[str],
    vocabulary_size: int | None = None,
    *,
    dtype: npt.DTypeLike = str,
    default_value: int | None = None,
    num_oov_buckets: int = 0,
) -> VocabularyFileColumn:
    r"""Use a feature of known values, one on each line of a file. It is read here, and once.

    Args:
        key: The feature.
        vocabulary_file: A path or fsspec URL of UTF-8 text; the id of a value is the number of its line,
            from 0. Line ends are LF or CRLF. Compressed by its suffix, such as ``.gz``.
        vocabulary_size: Use so many lines; default all.
        dtype: Text or integer.
        default_value: Id of other values; default: they count as missing.
        num_oov_buckets: Put other values into so many ids behind the vocabulary, by Fingerprint64.

    Raises:
        NotFoundError: There is no such file.
        InvalidArgumentError: It has fewer lines, a value twice, or values that are no integers; or there is
            both a default and buckets.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "types.txt")
    >>> _ = path.write_text("house\napt\n")
    >>> categorical_column_with_vocabulary_file("type", path, num_oov_buckets=3).num_buckets
    5
    """
    path = os.fspath(vocabulary_file)
    column = f"categorical_column_with_vocabulary_file({key!r})"
    lines: list[Any] = vocabulary_lines(path, f"the vocabulary_file of {column}")
    if vocabulary_size is not None:
        if check_count("vocabulary_size", vocabulary_size) > len(lines):
            raise InvalidArgumentError(
                f"{path} has {len(lines)} lines, and vocabulary_size is {vocabulary_size}",
                hint="leave vocabulary_size out to use all lines",
            )
        lines = lines[:vocabulary_size]
    if not text_or_not(dtype, column):
        lines = [_integer(line, number, path) for number, line in enumerate(lines)]
    try:
        vocabulary = Vocabulary(pa.array(lines))
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{path}: {error}") from None
    default, oov = _unknown(key, default_value, num_oov_buckets, len(vocabulary))
    return VocabularyFileColumn(check_key(key), path, vocabulary, default, oov)


def vocabulary_lines(path: str, what: str) -> list[str]:
    """Return the lines of a file of words, called `what` in errors.

    Raises:
        NotFoundError: There is no such file.
        DataLossError: It is not UTF-8.
    """
    try:
        stream = files.ByteStream(path, files.compression_of(path))
        try:
            data = b"".join(iter(lambda: stream.read(1 << 22), b""))
        finally:
            stream.close()
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{what} does not exist: {path}", hint="give the path of a text file with a word on each line"
        ) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataLossError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _integer(line: str, number: int, path: str) -> int:
    try:
        return int(line)
    except ValueError:
        raise InvalidArgumentError(
            f"line {number + 1} of {path} is {line!r}, and no integer", hint="leave out dtype for text"
        ) from None
