"""Some thousand mangled files through `read_csv` and a slow reader; `csv_fuzz.py` runs a million lines."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.csv_fuzz import DIALECTS, Totals, check, run

TEXT = st.lists(
    st.sampled_from(
        [b"a", b"7", b".", b"-", b",", b";", b"\t", b'"', b"'", b"\\", b"\n", b"\r", b"#", b" ", b"\xff"]
    ),
    max_size=40,
).map(b"".join)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=700, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(TEXT, st.sampled_from(DIALECTS), st.integers(1, 3), st.integers(0, 99))
def test_any_bytes(tmp_path_factory, data, rules, width, seed):
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        check(data, random.Random(seed), tmp_path_factory.getbasetemp(), Totals(), width, rules)


@pytest.mark.parametrize("seed", range(4))
def test_short_files(seed):
    totals = run(1500, seed, 5)
    assert totals.files > 300
    assert totals.rejected > 300
    assert totals.rows > 300


def test_long_files():
    totals = run(20_000, 11)
    assert totals.lines >= 20_000
    assert totals.rows > 5000
