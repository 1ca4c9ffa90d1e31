"""What stands for a missing value in CSV files."""

from __future__ import annotations

import dataclasses
import functools
import re

import numpy as np
import pyarrow as pa

from dataflow.csv.records import Bytes, Ints

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Missing:
    """The texts that mean that there is no value.

    Args:
        words: These texts, without repetition.
    """

    words: tuple[str, ...] = ("",)

    @property
    def empty(self) -> bool:
        """Whether an empty field is missing."""
        return "" in self.words

    @functools.cached_property
    def table(self) -> tuple[Bytes, Ints]:
        """The words one behind the other, and where each begins; for the kernels."""
        encoded = [word.encode() for word in self.words]
        bounds = np.cumsum([0, *(len(word) for word in encoded)], dtype=np.int64)
        return np.frombuffer(b"".join(encoded), np.uint8), bounds

    @functools.cached_property
    def numbers(self) -> tuple[float, ...]:
        """The words that are numbers; any spelling of these is missing in columns of numbers."""
        return tuple(float(word) for word in self.words if _NUMBER.fullmatch(word))

    @functools.cached_property
    def texts(self) -> pa.Array:
        """The words for Arrow."""
        return pa.array([word.encode() for word in self.words], pa.binary())

    def __contains__(self, text: str) -> bool:
        return text in self.words
