"""`dataflow.image`: decoding files and resizing."""

import ast
import io
import struct
import sys
import zlib

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, OptionalDependencyError, SpecError, TensorSpec, image
from dataflow.expr.function import evaluate
from dataflow.expr.primitives.image import MAX_PIXELS
from dataflow.expr.tensor import parameter
from tests.golden_values import golden

Image = pytest.importorskip("PIL.Image")
RESIZED = {name: value for name, value in golden("functions")["resize"].items() if name != "about"}


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def file(array, kind="PNG", mode=None):
    """Return an image file of the array, in another mode if wanted."""
    made = Image.fromarray(array)
    (made.convert(mode) if mode else made).save(out := io.BytesIO(), kind)
    return out.getvalue()


SIZES = [(4, 6), (4, 6), (3, 5), (8, 2), (4, 6), (1, 1)]
FILES = [file(picture(*size, seed)) for seed, size in enumerate(SIZES)]


def test_png_is_decoded_as_it_was():
    found = image.decode_png(file(picture(4, 6)))
    assert found.dtype == np.uint8
    assert np.array_equal(found, picture(4, 6))


@pytest.mark.parametrize(
    ("mode", "stored"), [("L", 1), ("RGB", 3), ("RGBA", 4), ("LA", 2), ("P", 3), ("1", 1), ("I;16", 1)]
)
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_channels(mode, stored, channels):
    array = np.full((2, 3), 4097, np.uint16) if mode == "I;16" else np.full((2, 3, 3), 255, np.uint8)
    found = image.decode_png(file(array, mode=None if mode == "I;16" else mode), channels=channels)
    assert found.shape == (2, 3, channels or stored)
    assert found.max() == (255 if channels == 4 or mode != "I;16" else 16)


def test_jpeg_is_near_to_what_it_was():
    smooth = np.add.outer(np.arange(16) * 8, np.arange(16) * 8).astype(np.uint8)[..., None].repeat(3, -1)
    data = file(smooth, "JPEG")
    assert np.abs(image.decode_jpeg(data).astype(int) - smooth).max() < 12
    gray = image.decode_jpeg(data, channels=1)
    assert gray.shape == (16, 16, 1)
    assert np.abs(gray.astype(int) - smooth[..., :1]).max() < 12
    assert image.decode_jpeg(file(smooth[..., 0], "JPEG"), channels=3).shape == (16, 16, 3)


def test_16_bits():
    deep = np.array([[0, 1, 65535]], np.uint16)
    assert image.decode_png(file(deep), dtype=np.uint16)[..., 0].tolist() == [[0, 1, 65535]]
    assert image.decode_png(file(deep), channels=4, dtype=np.uint16)[0, 1].tolist() == [1, 1, 1, 65535]
    wide = image.decode_png(file(np.array([[0, 1, 255]], np.uint8)), dtype=np.uint16)
    assert wide[..., 0].tolist() == [[0, 257, 65535]]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG"])
def test_decode_image_takes_what_it_is(kind):
    assert image.decode_image(file(picture(2, 5), kind), channels=3).shape == (2, 5, 3)


# In pipelines and models -----------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [None, 2])
def test_images_of_elements_may_differ_in_size(threads):
    dataset = Dataset.from_tensor_slices(FILES).map(
        lambda data: image.decode_png(data, channels=3), num_parallel_calls=threads
    )
    assert "traced" in dataset.explain()
    assert dataset.element_spec == TensorSpec((None, None, 3), np.uint8)
    for seed, (found, size) in enumerate(zip(dataset, SIZES, strict=True)):
        assert np.array_equal(found, picture(*size, seed))


def test_decoded_and_resized_in_one_map():
    dataset = Dataset.from_tensor_slices(FILES).map(
        lambda data: image.resize(image.decode_png(data, channels=3), (4, 6)) / 255.0
    )
    batch = next(iter(dataset.batch(6)))
    assert (batch.shape, batch.dtype) == ((6, 4, 6, 3), np.float32)
    np.testing.assert_allclose(batch[1], picture(4, 6, 1) / 255.0, atol=1e-6)


def test_a_batch_of_files_in_a_model():
    files = parameter(TensorSpec((None,), bytes))
    images = image.decode_png(files, channels=3)
    assert images.shape == (None, None, None, 3)
    found = evaluate(images, [files], [np.array(FILES[:2], object)])
    assert np.array_equal(found, [picture(4, 6, 0), picture(4, 6, 1)])


def test_a_batch_of_files_must_be_of_one_size():
    message = r"one size, and these are \(4, 6\) and \(3, 5\)\n.*resize before batch"
    with pytest.raises(InvalidArgumentError, match=message):
        image.decode_png(FILES[:3])
    batches = iter(Dataset.from_tensor_slices(FILES).batch(2).map(image.decode_png))
    assert next(batches).shape == (2, 4, 6, 3)
    with pytest.raises(InvalidArgumentError, match="one size"):
        next(batches)


def test_large_images_come_in_several_blocks():
    data = file(np.zeros((2000, 2000), np.uint8))
    dataset = Dataset.from_tensor_slices([data] * 8).map(lambda d: image.decode_png(d, channels=3))
    assert [found.shape for found in dataset] == [(2000, 2000, 3)] * 8


# Errors ----------------------------------------------------------------------------------------------


def claiming(height, width):
    """Return a small PNG file that claims a size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize(
    ("function", "data", "message"),
    [
        (image.decode_image, b"", "begins with b''"),
        (image.decode_image, b"GIF89a", "no JPEG, PNG or BMP"),
        (image.decode_jpeg, FILES[0], "PNG file and no JPEG"),
        (image.decode_png, FILES[0][:20], "no complete header"),
        (image.decode_png, FILES[0][:60], "cannot be decoded"),
        (image.decode_jpeg, file(picture(64, 64), "JPEG")[:1500], "truncated"),
        (image.decode_jpeg, b"\xff\xd8\xff\xe0\0", "no complete header"),
        (image.decode_png, claiming(MAX_PIXELS, 2), "89,478,485 are refused"),
        (image.decode_png, claiming(0, 5), "0 pixels"),
    ],
)
def test_files_that_cannot_be_decoded(function, data, message):
    with pytest.raises(InvalidArgumentError, match=message):
        function(data)


def test_only_the_element_that_is_broken_is_an_error():
    files = [*FILES[:3], FILES[0][:60], *FILES[4:]]
    elements = iter(Dataset.from_tensor_slices(files).map(image.decode_png))
    assert [next(elements).shape for _ in range(3)] == [(4, 6, 3), (4, 6, 3), (3, 5, 3)]
    with pytest.raises(InvalidArgumentError, match="cannot be decoded"):
        next(elements)
    assert [found.shape for found in elements] == [(4, 6, 3), (1, 1, 3)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: image.decode_jpeg(b"", channels=4), InvalidArgumentError, "channels must be one of"),
        (lambda: image.decode_png(b"", dtype=np.float32), InvalidArgumentError, "uint8 or uint16"),
        (lambda: image.decode_png("text"), SpecError, "decoded from bytes"),
        (lambda: image.resize(np.zeros((2, 2)), (1, 1)), SpecError, "height, width, channels"),
        (lambda: image.resize(np.zeros((2, 2, 1)), (0, 1)), InvalidArgumentError, "at least 1"),
        (lambda: image.resize(np.zeros((2, 2, 1)), (1, 1), "cubic"), InvalidArgumentError, "bilinear"),
    ],
)
def test_arguments_that_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_16_bits_of_colour_are_refused():
    rows = zlib.compress(b"\0" + bytes(6))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    ]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    assert image.decode_png(data).tolist() == [[[0, 0, 0]]]
    with pytest.raises(InvalidArgumentError, match="only gray ones"):
        image.decode_png(data, dtype=np.uint16)


def test_without_pillow_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(OptionalDependencyError, match=r"pip install 'dataflow-estimators\[image\]'"):
        image.decode_png(FILES[0])


# Resizing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", RESIZED)
def test_resize_is_that_of_tensorflow(case):
    method, size = case.split("(")
    images = (np.arange(60).reshape(2, 3, 5, 2) % 17).astype(np.float32)
    found = image.resize(images, ast.literal_eval("(" + size), method)
    np.testing.assert_allclose(found, RESIZED[case], rtol=1e-6)


def test_dtypes_of_resize():
    images = np.zeros((2, 2, 1), np.uint8)
    assert image.resize(images, (4, 4)).dtype == np.float32
    assert image.resize(images, (4, 4), "nearest").dtype == np.uint8
