"""The kernels on framed records: jitted, un-jitted and the slow twin give the same."""

import itertools

import numpy as np
import pytest

from dataflow.kernels import records
from tests.kernels.forms import every_form
from tests.reference import records_reference as reference

RECORDS = [b"", b"a", b"1234567", b"12345678", b"123456789", bytes(range(256)) * 3]
FILE = b"".join(map(reference.frame, RECORDS))
HUGE = b"\xff" * 8 + reference.checksum(b"\xff" * 8) + b"abcd"
REASONS = {records.GOOD: "good", records.BAD_LENGTH: "bad length", records.BAD_DATA: "bad data"}


def as_bytes(buffer):
    return np.frombuffer(buffer, np.uint8)


def flipped(at):
    return FILE[:at] + bytes([FILE[at] ^ 16]) + FILE[at + 1 :]


@every_form(records.crc32c)
@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # this one and the next three: RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_crc32c_gives_the_published_values(kernel, data, crc):
    assert kernel(as_bytes(data)) == crc == reference.crc32c(data)


@every_form(records.crc32c)
def test_crc32c_is_its_twin_for_all_lengths_and_strides(kernel):
    data = np.random.default_rng(1).integers(0, 256, 80).astype(np.uint8)
    for size in range(20):
        for part in (data[:size], data[3 : 3 + size], data[1 : 1 + 2 * size : 2]):
            assert kernel(part) == reference.crc32c(part.tobytes())


@every_form(records.frame)
@pytest.mark.parametrize("record", RECORDS)
def test_frame_is_its_twin(kernel, record):
    out = np.empty(len(record) + 16, np.uint8)
    kernel(as_bytes(record), out)
    assert out.tobytes() == reference.frame(record)


@every_form(records.unframe)
@pytest.mark.parametrize(
    "buffer",
    [
        b"",
        FILE,
        HUGE,
        FILE + HUGE,
        *(FILE[:cut] for cut in (1, 11, 12, 15, 16, 17, 60, len(FILE) - 1)),
        *(flipped(at) for at in (0, 8, 12, 16 + 7, 16 + 11, 16 + 12, 16 + 16, len(FILE) - 1)),
    ],
)
def test_unframe_is_its_twin(kernel, buffer):
    data, offsets = np.empty(len(buffer), np.uint8), np.empty(len(buffer) // 16 + 1, np.int64)
    count, consumed, reason = kernel(as_bytes(buffer), data, offsets)
    found = [data[a:b].tobytes() for a, b in itertools.pairwise(offsets[: count + 1])]
    assert (found, consumed, REASONS[reason]) == reference.unframe(buffer)
