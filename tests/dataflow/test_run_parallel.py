import os
import threading

import numpy as np
import pytest

from dataflow.runtime import threads
from dataflow.runtime.threads import run_parallel


@pytest.fixture(params=[1, 2, 5])
def on_cores(request, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: request.param)
    return request.param


@pytest.mark.parametrize("count", [0, 1, 7])
def test_each_call_is_made_once(on_cores, count):
    made = [0] * count

    def call(number):
        made[number] += 1

    run_parallel(call, count)
    assert made == [1] * count


def test_calls_run_at_the_same_time(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 3)
    barrier = threading.Barrier(3, timeout=30)
    run_parallel(lambda _: barrier.wait(), 3)


def test_an_error_comes_up_after_all_calls_ended(on_cores):
    ended = []

    def call(number):
        if number == 1:
            raise ValueError("bad part")
        ended.append(number)

    with pytest.raises(ValueError, match="bad part"):
        run_parallel(call, 4)
    before = list(ended)
    run_parallel(lambda _: None, 4)
    assert ended == before


def test_calls_may_run_in_parallel_themselves(on_cores):
    sums = np.zeros((4, 5))

    def inner(i, j):
        sums[i, j] += 10 * i + j

    run_parallel(lambda i: run_parallel(lambda j: inner(i, j), 5), 4)
    assert sums.tolist() == [[10 * i + j for j in range(5)] for i in range(4)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)
    run_parallel(lambda _: None, 2)
    child = os.fork()
    if child == 0:
        barrier = threading.Barrier(2, timeout=30)
        try:
            run_parallel(lambda _: barrier.wait(), 2)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
