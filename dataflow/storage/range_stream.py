"""The bytes of a part of a file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataflow.errors import DataLossError
from dataflow.storage.files import ByteStream


class RangeStream(ByteStream):
    """Reads the bytes of a file from an offset on, as if it ended at `stop`.

    Attributes:
        cut: Whether it ends before the file does.
    """

    def __init__(self, path: str, compression: str | None, offset: int, stop: int | None) -> None:
        self.cut = stop is not None
        self._left = 1 << 62 if stop is None else max(stop - offset, 0)
        super().__init__(path, compression, offset)
        self.ended = self.ended or not self._left

    def read_after(self, head: bytes, size: int) -> npt.NDArray[np.uint8]:
        """As `ByteStream.read_after`.

        Raises:
            DataLossError: The file ends before `stop`.
        """
        data = super().read_after(head, min(size, self._left))
        self._left -= len(data) - len(head)
        if self.cut and self.ended and self._left:
            raise DataLossError(
                f"{self._path} has become shorter since the dataset was built",
                hint="build the dataset anew when its files have changed",
            )
        self.ended = self.ended or not self._left
        return data
