import logging

import numpy as np
import pytest

from dataflow import DataLossError, Dataset, TextLineDataset
from dataflow.sources.range import Range, RangeOperator

NUMBERS = Dataset.from_tensor_slices(["1", "x", "3", "y"]).map(lambda text: text.astype(np.int64))


def test_elements_that_fail_are_left_out():
    assert [int(x) for x in NUMBERS.ignore_errors()] == [1, 3]


def test_their_number_is_logged(caplog):
    list(NUMBERS.ignore_errors())
    assert [message[:47] for message in caplog.messages] == [
        "ignore_errors dropped elements: 2 (IgnoreErrors"
    ]


def test_each_one_is_logged_on_request(caplog):
    caplog.set_level(logging.WARNING, "dataflow")
    list(NUMBERS.ignore_errors(log_warning=True))
    assert [r.getMessage().startswith("ignore_errors dropped an element: ") for r in caplog.records] == [
        True,
        True,
        False,
    ]


def test_without_errors_nothing_is_logged(caplog):
    assert [int(x) for x in Dataset.range(2).ignore_errors()] == [0, 1]
    assert caplog.records == []


def test_a_missing_file_is_passed_over(tmp_path):
    (tmp_path / "b").write_text("x\n")
    assert list(TextLineDataset([str(tmp_path / "a"), str(tmp_path / "b")]).ignore_errors()) == ["x"]


class NeverReady(RangeOperator):
    def produce(self):
        raise DataLossError("not ready")


class Broken(Range):
    def operator(self, *inputs):
        return NeverReady(self)


def test_an_error_that_the_input_does_not_get_past_is_raised():
    with pytest.raises(DataLossError, match="not ready"):
        list(Dataset(Broken(0, 3)).ignore_errors())
