"""`prefetch` and `with_options`."""

import subprocess
import sys
import threading
import time

import pytest

from dataflow import Dataset, FailedPreconditionError, InvalidArgumentError, Options
from dataflow.runtime import threads


def test_prefetch_changes_nothing():
    assert [int(x) for x in Dataset.range(100).prefetch(3).prefetch(None)] == list(range(100))


def test_what_is_nearer_to_the_end_wins():
    dataset = Dataset.range(3).with_options(Options(threads=1, rewrites=False)).map(lambda x: x)
    options = dataset.with_options(Options(threads=2)).options()
    assert (options.threads, options.rewrites, options.block_bytes) == (2, False, None)


@pytest.mark.parametrize("wrong", [{"block_bytes": 0}, {"threads": -1}, {"memory_bytes": 0}])
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidArgumentError, match="block_bytes must be at least 1 and threads at least 0"):
        Options(**wrong)


def test_options_cannot_be_changed():
    with pytest.raises(AttributeError):
        Options().threads = 2


def test_close_wakes_a_reader_in_another_thread(monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE_SECONDS", 0.3)
    free, began = threading.Event(), threading.Event()
    background = threads.Background(lambda: (free.wait(20), True), 2)
    raised = []

    def read():
        began.set()
        try:
            background.get()
        except FailedPreconditionError as error:
            raised.append(error.message)

    reader = threading.Thread(target=read)
    reader.start()
    began.wait()
    with pytest.warns(RuntimeWarning, match="is left behind"):
        assert not background.stop()
    reader.join(5)
    free.set()
    assert raised == ["the iterator was closed while an element was waited for"]
    for _ in range(500):
        if not background.stop():
            time.sleep(0.01)
    assert background.stop()


ENDLESS = """
import threading, dataflow as df
from dataflow.runtime import threads
threads.PATIENCE_SECONDS = 0.3
def generate():
    yield 1
    threading.Event().wait()
dataset = df.Dataset.from_generator(generate, output_signature=df.TensorSpec((), int))
iterator = iter(dataset.prefetch(1).with_options(df.Options(threads=2)))
print(int(next(iterator)))
"""


def test_a_generator_that_waits_for_ever_does_not_keep_the_program_from_ending():
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert done.stderr.count("is left behind") == 1
