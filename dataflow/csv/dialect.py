"""How the records of CSV files are written: what `read_csv` is told of them."""

from __future__ import annotations

import codecs
import dataclasses
import functools
from typing import TypeAlias

import numpy as np

from dataflow.csv.records import Bytes, Ints
from dataflow.errors import InvalidArgumentError
from dataflow.storage.files import check_compression

Header: TypeAlias = bool | tuple[str, ...]

MAX_RECORD_BYTES = 64 << 20
_DIRECT = ("utf-8", "utf-8-sig")


@dataclasses.dataclass(frozen=True, repr=False)
class Dialect:
    """What separates fields and records.

    Args:
        delimiter: One ASCII character.
        quote: One ASCII character, or None if there are no quotes.
        doublequote: Whether a quote inside of quotes is doubled.
        escape: One ASCII character that makes the next one stand for itself, or None.
        comment: Lines that begin with this are left out.
        skip_blank_lines: Whether lines without a character are left out; with more than one column also
            those of blanks.
        encoding: Of the files.
        compression: As in `TextLineDataset`.
        header: Whether the first record has the names of the columns; or these names.
        max_record_bytes: A longer record is refused.
    """

    delimiter: str = ","
    quote: str | None = '"'
    doublequote: bool = True
    escape: str | None = None
    comment: str | None = None
    skip_blank_lines: bool = True
    encoding: str = "utf-8"
    compression: str | None = None
    header: Header = True
    max_record_bytes: int = MAX_RECORD_BYTES

    def __repr__(self) -> str:
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"Dialect({', '.join(changed)})"

    def check(self) -> None:
        """Raise `InvalidArgumentError` for what cannot be."""
        for name in ("delimiter", "quote", "escape"):
            value = getattr(self, name)
            if value is None and name != "delimiter":
                continue
            if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in "\r\n":
                raise InvalidArgumentError(
                    f"{name} must be one ASCII character that is no line end, not {value!r}",
                    hint="replace longer delimiters first: TextLineDataset(...).map(...)"
                    if name == "delimiter"
                    else None,
                )
        used = [c for c in (self.delimiter, self.quote or '"', self.escape) if c is not None]
        if len(set(used)) < len(used):
            raise InvalidArgumentError(
                f"delimiter {self.delimiter!r}, quote {self.quote!r} and escape {self.escape!r} must differ"
            )
        if self.delimiter == '"':
            raise InvalidArgumentError("the delimiter cannot be a quotation mark")
        if self.comment is not None and (not self.comment or any(c in "\r\n" for c in self.comment)):
            raise InvalidArgumentError(f"comment must be text without line ends, not {self.comment!r}")
        if not 0 < self.max_record_bytes <= 1 << 30:
            raise InvalidArgumentError(
                f"max_record_bytes must be between 1 and {1 << 30}, not {self.max_record_bytes}"
            )
        check_compression(self.compression)
        self.codec  # noqa: B018  (raises if there is none)

    @functools.cached_property
    def codec(self) -> str | None:
        """The name of the encoding in Python, or None for UTF-8."""
        try:
            info = codecs.lookup(self.encoding)
        except LookupError as error:
            raise InvalidArgumentError(
                f"{self.encoding!r} is not a known encoding", hint="such as 'utf-8', 'latin-1' or 'cp1252'"
            ) from error
        if not getattr(info, "_is_text_encoding", True):
            raise InvalidArgumentError(f"{self.encoding!r} is not an encoding of text")
        return None if info.name in _DIRECT else info.name

    def rules(self, width: int) -> Ints:
        """Return the settings as the kernels want them; `width` is the number of fields, -1 for any."""
        settings = [
            ord(self.delimiter),
            -1 if self.quote is None else ord(self.quote),
            -1 if self.escape is None else ord(self.escape),
            self.doublequote,
            self.skip_blank_lines,
            width,
            self.max_record_bytes,
        ]
        return np.array(settings, np.int64)

    @functools.cached_property
    def comment_bytes(self) -> Bytes:
        """The beginning of comments in UTF-8, read-only."""
        return np.frombuffer((self.comment or "").encode(), np.uint8)
