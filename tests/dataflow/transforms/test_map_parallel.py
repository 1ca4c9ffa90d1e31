"""`map` with parallel calls of functions that are called per element: in threads, and in processes."""

import collections
import functools
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dataflow import (
    AUTOTUNE,
    DataflowError,
    Dataset,
    FailedPreconditionError,
    InvalidArgumentError,
    Options,
    TensorSpec,
    TextLineDataset,
    UserFunctionError,
)
from dataflow.runtime import processes
from dataflow.testing import check

pytestmark = pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")

THREADS = Options(python_workers="threads", threads=2)
PROCESSES = Options(python_workers="processes", threads=2)
BOTH = pytest.mark.parametrize("options", [THREADS, PROCESSES], ids=["threads", "processes"])
SHARED = Path("/dev/shm")

Pair = collections.namedtuple("Pair", "x y")


# Worker processes import these.


def word(x):
    return f"<{int(x)}>"


def slow_if_odd(x):
    time.sleep(0.002 * (int(x) % 2))
    return word(x)


def mixed(row):
    text, blob, numbers = row["text"], row["blob"], row["numbers"]
    size = int(row["size"])
    return (
        Pair(None if text is None else text.upper(), blob + b"!"),
        {"short": numbers[:size], "whole": numbers, "when": np.datetime64("2020-01-01") + size},
        (np.array([text or "", "é"]), size % 2 == 0, np.float16(size / 2)),
    )


def long(x):
    return str(int(x)) * 100_000


def process_id(x):
    time.sleep(0.002)
    return str(os.getpid()), word(x)


def divides(x):
    return str(10 // (int(x) - 5))


def ends(x):
    if int(x) == 5:
        os._exit(3)
    return word(x)


def killed(x):
    os.kill(os.getpid(), signal.SIGKILL)
    return word(x)


KEPT = []


def keeps(x):
    KEPT.append((int(x[0]), x))
    return str([kept.tolist() == [first, first + 1] for first, kept in KEPT])


def segments():
    """Return the names of the shared memory that iterators which are still in use have."""
    gc.collect()  # a traceback may keep an iterator
    return [file.name for file in SHARED.glob(f"dataflow_{os.getpid()}_*")]


def steps(dataset):
    """Return elements and messages of errors in the order in which they come."""
    iterator, found = iter(dataset), []
    with iterator:
        while True:
            try:
                found.append(next(iterator))
            except StopIteration:
                return found
            except DataflowError as error:
                found.append(error)


@BOTH
@pytest.mark.parametrize("calls", [2, AUTOTUNE])
def test_results_come_in_order(options, calls):
    dataset = Dataset.range(300).map(slow_if_odd, num_parallel_calls=calls).with_options(options)
    assert list(dataset) == [f"<{i}>" for i in range(300)]


@BOTH
def test_elements_of_all_kinds_come_as_they_do_from_one_thread(options):
    rows = {
        "text": np.array(["a", None, "ß", ""], object),
        "blob": np.array([b"", b"\0q", b"x", b"y"]),
        "numbers": np.arange(12.0).reshape(4, 3),
        "size": np.arange(4),
    }
    dataset = Dataset.from_tensor_slices(rows)
    plain = list(dataset.map(mixed))
    found = list(dataset.map(mixed, num_parallel_calls=2).with_options(options))
    assert repr(found) == repr(plain)
    assert found[1][0] == Pair(None, b"\0q!")


@BOTH
def test_elements_of_different_shapes(options):
    ragged = Dataset.from_generator(
        lambda: ([i] * (i % 3) for i in range(20)), output_signature=TensorSpec((None,), np.int32)
    )
    dataset = ragged.map(lengths, num_parallel_calls=2).with_options(options)
    assert [(text, row.tolist()) for text, row in dataset] == [
        (str([i] * (i % 3)), [i] * (i % 3) * 2) for i in range(20)
    ]


def lengths(row):
    return str(row.tolist()), np.concatenate([row, row])


@pytest.mark.parametrize("calls", [2, 6])
def test_so_many_threads_call_at_the_same_time_however_few_cores_there_are(calls):
    everyone, began = threading.Barrier(calls, timeout=30), []

    def meets(x):
        if int(x) < calls and began:
            everyone.wait()
        return word(x)

    dataset = Dataset.range(50).map(meets, num_parallel_calls=calls).with_options(Options(threads=1))
    began.append(True)
    assert list(dataset) == [f"<{i}>" for i in range(50)]


@pytest.mark.parametrize(
    ("calls", "options"),
    [(None, PROCESSES), (1, PROCESSES), (AUTOTUNE, Options(threads=0)), (3, Options(threads=0))],
)
def test_one_thread_in_order_unless_parallel_calls_are_asked_for(calls, options):
    seen = []

    def notes(x):
        seen.append((int(x), threading.current_thread().name))
        return word(x)

    assert len(list(Dataset.range(50).map(notes, num_parallel_calls=calls).with_options(options))) == 50
    assert [x for x, _ in seen[1:]] == list(range(50))
    assert not any(name.startswith("dataflow-map") for _, name in seen)


def test_processes_are_others_and_are_kept_for_the_next_epoch():
    dataset = Dataset.range(200).map(process_id, num_parallel_calls=2).with_options(PROCESSES)
    first, second = [{pid for pid, _ in dataset} for _ in range(2)]
    assert first == second
    assert len(first) == 2
    assert str(os.getpid()) not in first


@BOTH
def test_an_error_comes_at_its_element(options, tmp_path):
    file = tmp_path / "numbers.txt"
    file.write_text("".join(f"{i}\n" for i in range(10)))
    dataset = TextLineDataset(str(file)).map(divides, num_parallel_calls=2).with_options(options)
    found = steps(dataset)
    assert found[:5] + found[6:] == [str(10 // (i - 5)) for i in range(10) if i != 5]
    assert isinstance(found[5], UserFunctionError)
    line = divides.__code__.co_firstlineno + 1
    assert found[5].message.endswith(f"at {__file__}:{line}")
    assert "divides raised ZeroDivisionError" in found[5].message
    assert found[5].location.record == 6
    assert "ZeroDivisionError" in repr(found[5].__cause__)
    assert "Map built at" in found[5].stage


def test_a_result_that_does_not_fit_comes_at_its_element():
    dataset = Dataset.range(6).map(number_at_four, num_parallel_calls=2).with_options(PROCESSES)
    found = steps(dataset)
    assert [i for i, step in enumerate(found) if isinstance(step, DataflowError)] == [4]
    assert "4 does not fit TensorSpec(shape=(), dtype=string)" in found[4].message


def number_at_four(x):
    return int(x) if int(x) == 4 else word(x)


def test_a_worker_that_ends_is_an_error_at_its_element():
    dataset = Dataset.range(8).map(ends, num_parallel_calls=2).with_options(PROCESSES)
    found = steps(dataset)
    assert found[:5] + found[6:] == [f"<{i}>" for i in range(8) if i != 5]
    assert found[5].message == "ends ended its worker process with exit code 3"
    assert "Map built at" in str(found[5])
    assert segments() == []


def test_a_worker_that_is_killed_is_named():
    dataset = Dataset.from_generator(lambda: iter([7]), output_signature=TensorSpec((), np.int64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "kill", lambda *_: None)  # for the call that learns what the function returns
        dataset = dataset.map(killed, num_parallel_calls=2).with_options(PROCESSES)
    with pytest.raises(UserFunctionError, match=r"exit code -9 \(SIGKILL\)(.|\n)*run out of memory"):
        list(dataset)


@pytest.mark.parametrize("kind", ["local", "lambda", "object"])
def test_a_function_that_cannot_be_imported_is_refused(kind):
    def local(x):
        return word(x)

    function = {"local": local, "lambda": lambda x: word(x), "object": functools.partial(word)}[kind]
    dataset = Dataset.range(5).map(function, num_parallel_calls=2).with_options(PROCESSES)
    with pytest.raises(InvalidArgumentError, match="define it at the top level of a module"):
        next(iter(dataset))


def test_a_function_that_only_this_process_has_is_refused(monkeypatch):
    def added_later(x):
        return word(x)

    added_later.__qualname__ = "added_later"
    monkeypatch.setattr(sys.modules[__name__], "added_later", added_later, raising=False)
    dataset = Dataset.range(5).map(added_later, num_parallel_calls=2).with_options(PROCESSES)
    with pytest.raises(InvalidArgumentError, match="cannot import the function: AttributeError"):
        next(iter(dataset))


def test_results_larger_than_the_elements():
    dataset = Dataset.range(6).map(long, num_parallel_calls=2).with_options(PROCESSES)
    assert list(dataset) == [str(i) * 100_000 for i in range(6)]


def test_elements_that_a_function_keeps_do_not_change():
    dataset = Dataset.range(80).batch(2).map(keeps, num_parallel_calls=2).with_options(PROCESSES)
    assert not any("False" in text for text in dataset)


@pytest.mark.parametrize("options", [THREADS, PROCESSES], ids=["threads", "processes"])
def test_conforms(options):
    def make():
        return Dataset.range(9).map(divides, num_parallel_calls=2).with_options(options).node

    check(make)


def map_threads():
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith("dataflow-map")}


def test_close_frees_the_shared_memory_and_ends_the_threads():
    before = map_threads()
    iterator = iter(Dataset.range(500).map(word, num_parallel_calls=2).with_options(PROCESSES))
    next(iterator)
    assert not SHARED.exists() or len(segments()) == 2
    iterator.close()
    assert segments() == []
    assert map_threads() <= before
    assert [next(iterator), next(iterator)] == ["<0>", "<1>"]
    iterator.close()


def test_close_ends_a_process_that_is_busy_for_long(monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.2)
    before = map_threads()
    iterator = iter(
        Dataset.range(9).map(sleeps_after_the_first, num_parallel_calls=2).with_options(PROCESSES)
    )
    next(iterator)
    iterator.close()
    assert segments() == []
    assert map_threads() <= before


def sleeps_after_the_first(x):
    time.sleep(1000 * int(x))
    return word(x)


def test_no_room_in_shared_memory(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FailedPreconditionError, match="no room for 65536 bytes in shared memory"):
        list(Dataset.range(5).map(word, num_parallel_calls=2).with_options(PROCESSES))
    assert segments() == []


def test_workers_that_had_nothing_to_do_end_and_are_replaced():
    processes._end_idle()
    dataset = Dataset.range(100).map(process_id, num_parallel_calls=2).with_options(PROCESSES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "IDLE_SECONDS", 0.2)
        iterator = iter(dataset)
        first = next(iterator)[0]
    with iterator:
        wait_for(lambda: gone(int(first)))
        rest = list(iterator)
    assert [text for _, text in rest] == [f"<{i}>" for i in range(1, 100)]
    assert rest[-1][0] != first


@pytest.mark.parametrize("value", ["forks", ""])
def test_options_are_checked(value):
    with pytest.raises(InvalidArgumentError, match="python_workers must be 'threads' or 'processes'"):
        Options(python_workers=value)
    with pytest.raises(TypeError, match=r"Options.python_workers must be str"):
        Options(python_workers=2)


SCRIPT = """
import multiprocessing, os, signal, time, warnings
from dataflow import Dataset, Options

def sleeps_after_the_first(x):
    time.sleep(1000 * int(x))
    return f"{int(x)} {os.getpid()}"

def main():
    warnings.simplefilter("ignore")
    dataset = Dataset.range(5000).map(sleeps_after_the_first, num_parallel_calls=2)
    iterator = iter(dataset.with_options(Options(python_workers="processes")))
    print(next(iterator))
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(tmp_path, script):
    file = tmp_path / "script.py"
    file.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=120, env=environment, check=False
    )


def wait_for(condition):
    """Return when the condition holds; the test's timeout ends what never does."""
    while not condition():
        time.sleep(0.02)


def gone(pid):
    """Tell whether a process has ended; one that nobody has waited for counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_script_s_own_functions_run_and_nothing_is_left_if_it_is_killed(tmp_path):
    result = run(tmp_path, SCRIPT + 'if __name__ == "__main__":\n    main()\n')
    assert result.returncode == -signal.SIGKILL, result.stderr
    (number, pid), workers = (line.split() for line in result.stdout.splitlines())
    assert number == "0"
    assert pid in workers
    assert len(workers) == 2
    wait_for(lambda: all(gone(int(worker)) for worker in workers))


def test_a_script_that_starts_processes_when_it_is_imported_is_told_what_to_do(tmp_path):
    result = run(tmp_path, SCRIPT + "main()\n")
    assert result.returncode == 1
    assert "ended with exit code 1 before it was ready" in result.stderr
    assert 'runs its work below `if __name__ == "__main__":`' in result.stderr
