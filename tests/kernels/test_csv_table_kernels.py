"""The kernels of `read_csv`; with DATAFLOW_JIT=0 as plain Python."""

import random

import numpy as np
import pytest

from dataflow.csv.dialect import Dialect
from dataflow.kernels import csv_fields, csv_table
from tests.fuzz.csv_fuzz import DIALECTS, mangled
from tests.reference import csv_table_reference as reference

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")  # un-jitted, integers wrap on purpose


def as_bytes(data):
    return np.frombuffer(data + bytes(max(0, 64 - len(data))), np.uint8)


def settings(rules, width):
    dialect = Dialect(
        rules.delimiter,
        rules.quote,
        rules.doublequote,
        rules.escape,
        rules.comment,
        rules.skip_blank_lines,
        max_record_bytes=rules.max_record_bytes,
    )
    return dialect.rules(width), dialect.comment_bytes


@pytest.mark.parametrize("number", range(len(DIALECTS)))
def test_frame_is_its_twin(number):
    rng, rules = random.Random(number), DIALECTS[number]
    for _ in range(30):
        data = mangled(rng, b'1,2,x\n"a",b,c\n' * 3, 6)
        table = np.zeros((100, 6), np.int64)
        found, _, _, _ = csv_table.frame(as_bytes(data), 0, len(data), True, 0, *settings(rules, 3), table)
        wanted = reference.records(data, rules, 3)
        assert [(int(r[5]), data[r[0] : r[1]]) for r in table[:found]] == [(r.line, r.raw) for r in wanted]
        kinds = [int(r[3]) < csv_table.COUNT for r in table[:found]]
        assert kinds == [r.fields is not None and len(r.fields) == 3 for r in wanted]


def test_rewrite_quotes_every_field_of_what_is_odd():
    data = b"1,'x''y'\n\\,a,\"\n2,z"
    rules = Dialect(quote="'", escape="\\").rules(2)
    table = np.zeros((9, 6), np.int64)
    found, _, _, _ = csv_table.frame(
        as_bytes(data), 0, len(data), True, 0, rules, np.zeros(0, np.uint8), table
    )
    out, bounds = np.zeros(100, np.uint8), np.zeros((found, 2), np.int64)
    csv_table.rewrite(as_bytes(data), table[:found], rules, out, bounds)
    texts = [out[a:b].tobytes() for a, b in bounds]
    assert texts == [b'"1","x\'y"', b'",a",""""', b"2,z"]


def test_classify_counts_what_fields_are():
    fields = [b"", b"7", b"-12345678901234567", b"99999999999999999999", b"1e5", b"True", b"2024-01-31", b"x"]
    data = b"".join(fields)
    ends = np.cumsum([len(field) for field in fields])
    bounds = np.stack([ends - [len(field) for field in fields], ends], axis=1)
    counts = np.zeros((1, csv_fields.CLASSES), np.int64)
    csv_fields.classify(
        as_bytes(data), bounds, np.int64(44), np.zeros(0, np.uint8), np.zeros(2, np.int64), counts
    )
    names = "MISSING", "INTEGER", "WIDE", "HUGE", "FLOAT", "BOOL", "DATE", "TEXT"
    assert counts[0].nonzero()[0].tolist() == [getattr(csv_fields, name) for name in names]


def test_settle_fills_what_is_missing_and_reads_a_plus():
    data = as_bytes(b"NA+7 x")
    aside = np.array([[0, 0, 2], [0, 1, 2 << 32 | 5], [0, 2, 5 << 32 | 6]], np.int64)
    out = np.zeros(24, np.uint8)
    left = csv_fields.settle(
        data, aside, np.array([63]), np.array([True]), np.array([-1]), np.frombuffer(b"NA", np.uint8),
        np.array([0, 2]), np.array([0]), out.view(np.float32), out.view(np.float64), out.view(np.int64),
    )  # fmt: skip
    assert (left, aside[0].tolist()) == (1, [0, 2, 5 << 32 | 6])
    assert out.view(np.int64).tolist() == [-1, 7, 0]
