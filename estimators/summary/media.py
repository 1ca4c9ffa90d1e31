"""Numbers as PNG images and WAV sounds."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError

_COLORS = {1: 0, 3: 2, 4: 6}
"""PNG's color types by channels: gray, RGB, RGBA."""


def as_pixels(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return an image as bytes, by TensorFlow's rule.

    Bytes are as they are. Other numbers are scaled: without negative ones the largest becomes 255; else 0
    becomes 128, and the largest in size 1 or 255. NaN and infinity become red, or in gray images white.

    Args:
        image: ``[height, width, channels]``.
    """
    if image.dtype == np.uint8:
        return image
    numbers = image.astype(np.float64)
    good = np.isfinite(numbers)
    finite = numbers[good]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if low < 0:
        size = max(abs(low), abs(high))
        scale, offset = (127.0 / size if size >= 1e-38 else 0.0), 128.0
    else:
        scale, offset = (255.0 / high if high >= 1e-38 else 0.0), 0.0
    with np.errstate(invalid="ignore"):
        pixels = np.where(good, numbers * scale + offset, 0).astype(np.uint8)
    pixels[~good.all(axis=-1)] = _bad(image.shape[-1])
    return pixels


def _bad(channels: int) -> list[int]:
    return [255] if channels == 1 else [255, 0, 0, 255][:channels]


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG file of ``[height, width, channels]`` with 1, 3 or 4 channels.

    Source: https://www.w3.org/TR/png/
    """
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, _COLORS[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # no filter: 0 in front of each row
    rows[:, 1:] = pixels.reshape(height, -1)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def wav(sound: npt.NDArray[Any], rate: float) -> bytes:
    """Return a WAV file with 16 bits of ``[frames, channels]`` between -1 and 1.

    Raises:
        InvalidArgumentError: A number is NaN.
    """
    if np.isnan(sound).any():
        raise InvalidArgumentError("a sound holds NaN", hint="keep it between -1 and 1")
    frames = np.round(np.clip(sound, -1, 1) * 32767).astype("<i2")
    with wave.open(file := io.BytesIO(), "wb") as writer:
        writer.setnchannels(frames.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(round(rate))
        writer.writeframes(frames.tobytes())
    return file.getvalue()
