"""Primitives on images: decoding files, resizing arrays."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import InvalidArgumentError, OptionalDependencyError, SpecError
from dataflow.expr.tensor import Primitive, Tensor, require_numeric
from dataflow.spec import TensorSpec, is_text
from dataflow.strings import Strings

MAX_PIXELS = 89_478_485
"""Larger images are refused: a file of a few bytes may claim any size (this is pillow's limit)."""

_MAX_DECODED = 1 << 26  # bytes of a block; larger blocks are cut, as the files in them are much smaller
_FORMATS = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "BMP": b"BM"}
_STORED = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})

Image = npt.NDArray[Any]


class _BadImageError(Exception):
    """Why a file cannot be decoded."""


def header(data: bytes) -> tuple[str, int, int]:
    """Return format, height and width of an image file, without decoding it."""
    name = next((name for name, magic in _FORMATS.items() if data.startswith(magic)), None)
    if name == "PNG" and len(data) >= 24:
        return name, int.from_bytes(data[20:24]), int.from_bytes(data[16:20])
    if name == "BMP" and len(data) >= 26:
        sizes = [abs(int.from_bytes(data[at : at + 4], "little", signed=True)) for at in (22, 18)]
        return name, sizes[0], sizes[1]
    at = 2
    while name == "JPEG" and at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in _JPEG_FRAMES:
            return name, int.from_bytes(data[at + 5 : at + 7]), int.from_bytes(data[at + 7 : at + 9])
        fill = data[at + 1] == 0xFF
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4])
    if name is None:
        raise _BadImageError(f"it begins with {data[:8]!r}, and no JPEG, PNG or BMP file does")
    raise _BadImageError(f"the {name} file has no complete header")


def _checked_header(data: bytes, wanted: str | None) -> tuple[str, int, int]:
    found, height, width = header(data)
    if wanted not in (None, found):
        raise _BadImageError(f"it is a {found} file and no {wanted} file; decode_image takes both")
    if height * width > MAX_PIXELS:
        raise _BadImageError(f"it claims {width} × {height} pixels, and more than {MAX_PIXELS:,} are refused")
    if not height * width:
        raise _BadImageError(f"it has {width} × {height} pixels")
    return found, height, width


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise OptionalDependencyError(
            "decoding images needs pillow", hint="pip install 'dataflow-estimators[image]'"
        ) from None
    return Image


def _decoded(data: bytes, wanted: str | None, channels: int, dtype: np.dtype[Any]) -> Image:
    """Return one image ``[height, width, channels]``."""
    library = _pillow()
    found, height, width = _checked_header(data, wanted)
    try:
        with library.open(io.BytesIO(data), formats=(found,)) as image:
            if found == "JPEG" and channels == 1:
                image.draft("L", None)  # the brightness as it is stored
            deep = any("16B" in str(tile[3]) for tile in image.tile)
            image.load()
            array = _array(image, channels, dtype, deep=deep)
    except _BadImageError:
        raise
    except Exception as error:  # whatever broken bytes lead to
        raise _BadImageError(f"{type(error).__name__}: {error}") from error
    if array.shape[:2] != (height, width):
        raise _BadImageError("its header names another size than it has")
    return array


def _array(image: Any, channels: int, dtype: np.dtype[Any], *, deep: bool) -> Image:
    """Convert a loaded image to the channels and the dtype wanted."""
    if image.mode.startswith("I"):  # 16 bits of gray
        gray = np.asarray(image).astype(np.uint16)[..., None]
        gray = gray if dtype == np.uint16 else (gray >> 8).astype(np.uint8)
        parts = [gray] * min(channels or 1, 3)
        return np.concatenate(parts + [np.full_like(gray, np.iinfo(dtype).max)] * (channels == 4), axis=-1)
    if deep and dtype == np.uint16:
        raise _BadImageError("of images with 16 bits, only gray ones can be read as uint16")
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    stored = image.mode if image.mode in _STORED else "L" if image.mode == "1" else "RGB"
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels, stored)
    array = np.asarray(image if image.mode == mode else image.convert(mode))
    array = array.reshape((*array.shape[:2], -1))
    return array if dtype == np.uint8 else array.astype(np.uint16) * np.uint16(257)


def _decode_infer(contents: Tensor, *, format: str | None, channels: int, dtype: str) -> TensorSpec:
    if not is_text(contents.dtype) or contents.dtype.kind != "S":
        raise SpecError(f"images are decoded from bytes, and the tensor is {contents.spec}")
    return TensorSpec((*contents.shape, None, None, channels or None), dtype)


def _decode(lead: int, contents: Strings, *, format: str | None, channels: int, dtype: str) -> Image:
    kind = np.dtype(dtype)
    files = contents.decoded().values
    in_row = max(1, math.prod(contents.shape[1:])) if lead else 0
    sizes = _uniform(files, lambda data: _checked_header(data, format)[1:], lambda size: size, in_row)
    if len(files) > in_row > 0 and len(files) * math.prod(sizes[0]) * (channels or 3) > _MAX_DECODED:
        raise InvalidArgumentError("the images of this block are too large together")  # the block is cut
    images = _uniform(
        files, lambda data: _decoded(data, format, channels, kind), lambda image: image.shape, in_row
    )
    if not images:
        return np.empty((*contents.shape, 0, 0, channels), kind)
    return np.stack(images).reshape((*contents.shape, *images[0].shape))


def _uniform(
    files: pa.Array, make: Callable[[bytes], Any], size_of: Callable[[Any], Any], in_row: int
) -> list[Any]:
    """Return what is made of each file; all must have one size.

    Raises:
        InvalidArgumentError: A file is broken, with its row; or sizes differ, without a row if each row by
            itself may be right: then the block is cut.
    """
    made: list[Any] = []
    for number, file in enumerate(files):
        try:
            made.append(make(file.as_py() or b""))
        except _BadImageError as cause:
            which = "the image" if len(files) == 1 or in_row else f"image {number}"
            error = InvalidArgumentError(
                f"{which} cannot be decoded: {cause}", hint="filter such files out, or use ignore_errors()"
            )
            error.row = number // in_row if in_row else None
            raise error from None
        if size_of(made[-1]) != size_of(made[0]):
            error = InvalidArgumentError(
                f"images of one array must have one size, and these are {size_of(made[0])} and "
                f"{size_of(made[-1])}",
                hint="decode them one by one in Dataset.map, and resize before batch",
            )
            error.row = 0 if number < in_row else None
            raise error
    return made


def _file_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    gray = b"BM:\0\0\0\0\0\0\x006\0\0\0(\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18" + b"\0" * 25 + b"\1\2\3\0"
    return [((np.array(gray, object),), {"format": None, "channels": 3, "dtype": "uint8"})]


decode_image = Primitive("decode_image", _decode_infer, _decode, _file_samples)
"""Images ``[height, width, channels]`` of files; all of a block, and all of an element, of one size."""


# Resizing --------------------------------------------------------------------------------------------


def _resize_infer(images: Tensor, *, size: tuple[int, int], method: str) -> TensorSpec:
    require_numeric("image.resize", images)
    if images.ndim < 3:
        raise SpecError(f"image.resize takes [..., height, width, channels], and got {images.spec}")
    dtype = images.dtype if method == "nearest" else np.float32
    return TensorSpec((*images.shape[:-3], *size, images.shape[-1]), dtype)


def _nearest(size: int, wanted: int) -> npt.NDArray[np.int64]:
    """Return the position that each new one takes its value from: that of its center."""
    centers = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * np.float32(size / wanted)
    positions: npt.NDArray[np.int64] = np.minimum(np.floor(centers).astype(np.int64), size - 1)
    return positions


def _linear(size: int, wanted: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the positions left and right of each new center, and how far it is between them."""
    centers = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * np.float32(size / wanted)
    centers -= np.float32(0.5)
    below = np.floor(centers)
    left = np.maximum(below.astype(np.int64), 0)
    right = np.minimum(np.ceil(centers).astype(np.int64), size - 1)
    return left, right, centers - below


def _resize(_: int, images: Any, *, size: tuple[int, int], method: str) -> Image:
    array = np.asarray(images)
    height, width = array.shape[-3:-1]
    if method == "nearest":
        return np.take(np.take(array, _nearest(height, size[0]), -3), _nearest(width, size[1]), -2)
    array = array.astype(np.float32, copy=False)
    left, right, part = _linear(width, size[1])
    start = np.take(array, left, -2)
    rows = start + (np.take(array, right, -2) - start) * part[:, None]
    top, bottom, part = _linear(height, size[0])
    start = np.take(rows, top, -3)
    resized: Image = start + (np.take(rows, bottom, -3) - start) * part[:, None, None]
    return resized


resize = Primitive(
    "resize_image",
    _resize_infer,
    _resize,
    lambda: [
        ((np.arange(12.0).reshape(2, 3, 2),), {"size": (4, 2), "method": method})
        for method in ("bilinear", "nearest")
    ],
    total=True,
)
"""Images ``[..., height, width, channels]`` in another size."""
