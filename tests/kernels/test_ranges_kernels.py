"""The kernels that find where records begin: jitted, un-jitted and the slow twin give the same."""

import numpy as np
import pytest

from dataflow.kernels import ranges
from tests.kernels.forms import every_form
from tests.reference import ranges_reference as reference

LONG = b"0123456789,abc\n" * 40
TEXTS = [
    b"", b"\n", b"a", b"a\nb", b"a\r\nb\rc\n\nd\r", b'1,"x\ny",2\r\n3,"",""""\n4,"a""\nb"\n', LONG,
    LONG + b'"' + LONG + b'",x\r\n' + LONG, LONG.replace(b"\n", b"\r\n") + b"\r" + LONG + b"x" * 300,
]  # fmt: skip


def as_arrays(text):
    data = np.array(bytearray(text), np.uint8)
    return data, data[: len(data) & ~7].view(np.uint64)


@every_form(ranges.count_starts)
@pytest.mark.parametrize("rules", [(44, False, False), (44, True, True), (44, False, True)])
@pytest.mark.parametrize("text", TEXTS)
def test_count_starts_is_its_twin(kernel, text, rules):
    wanted = reference.starts(text, *rules[1:])
    assert kernel(*as_arrays(text), ranges.RECORD, *rules)[0] == len(wanted)


@every_form(ranges.count_starts)
@pytest.mark.parametrize("text", TEXTS)
def test_count_starts_goes_on_in_pieces(kernel, text):
    for cut in range(0, len(text), 7):
        first, state = kernel(*as_arrays(text[:cut]), ranges.RECORD, 44, True, True)
        second, _ = kernel(*as_arrays(text[cut:]), state, 44, True, True)
        assert first + second == len(reference.starts(text, True, True))


@every_form(ranges.find_start)
@pytest.mark.parametrize("text", TEXTS)
def test_find_start_finds_each(kernel, text):
    data, _ = as_arrays(text)
    wanted = reference.starts(text, True, True)
    found = [kernel(data, ranges.RECORD, i, 44, True, True) for i in range(len(wanted) + 1)]
    assert found == [*wanted, -1]


@every_form(ranges.find_sure_start)
def test_find_sure_start_waits_for_a_quote_that_tells(kernel):
    text = b'a\n1,2\n3,"x\ny"\n4,5\n'
    states = np.arange(ranges.STATES)
    assert kernel(*as_arrays(text), states, 0, 44, True, True) == text.index(b"4")
    states = np.arange(ranges.STATES)
    assert kernel(*as_arrays(LONG), states, 0, 44, True, True) == -1
    assert sorted(states[states >= 0].tolist()) == [ranges.RECORD, ranges.QUOTED]


@every_form(ranges.find_sure_start)
@pytest.mark.parametrize("text", TEXTS)
def test_find_sure_start_is_never_wrong(kernel, text):
    wanted = reference.starts(text, True, True)
    for cut in range(1, len(text), 5):
        found = kernel(*as_arrays(text[cut - 1 :]), np.arange(ranges.STATES), 1, 44, True, True)
        assert found == -1 or cut - 1 + found in wanted
        state = kernel(*as_arrays(text), np.array([ranges.RECORD]), cut, 44, True, True)
        assert state == next((i for i in wanted if i >= cut), -1)


def test_bad_quotes_do_not_count():
    text = b'5" nail,x\n"a"b"\n,c\nd'
    assert ranges.count_starts(*as_arrays(text), ranges.RECORD, 44, True, True)[0] == 4
