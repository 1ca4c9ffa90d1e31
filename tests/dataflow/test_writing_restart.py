"""`write_parquet` and `write_csv` that are killed, restarted, or meet another writer."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from dataflow import (
    AlreadyExistsError,
    Dataset,
    FailedPreconditionError,
    Options,
    ParquetDataset,
    TensorSpec,
    read_manifest,
)
from dataflow.storage import files

# A process that stays young: each child of it writes, and is killed before its n-th operation on a file, or
# after some milliseconds. It prints what the directory was like each time.
KILLER = '''
import glob, json, os, random, signal, sys, time
import numpy as np
import pyarrow.parquet as pq
from dataflow import Dataset, Options, read_manifest

PATH, HOW, KIND = sys.argv[1:4]
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir"}

def pipeline():
    rows = Dataset.range(200).map(lambda x: {"id": x, "half": x / 2, "kind": x % 3})
    if KIND == "shuffled":
        rows = rows.shuffle(50)
    return rows.with_options(Options(threads=0, memory_bytes=1600, block_bytes=300))

def write():
    by = ["kind"] if KIND == "partitions" else None
    if KIND == "csv":
        return pipeline().write_csv(PATH, rows_per_file=30)
    return pipeline().write_parquet(PATH, rows_per_file=30, partition=by)

def child(operations, seconds):
    pid = os.fork()
    if pid:
        if seconds is not None:
            time.sleep(seconds)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return os.waitpid(pid, 0)[1]
    left = [operations]
    def count(event, arguments):
        if event in WATCHED and isinstance(arguments[0], str) and arguments[0].startswith(PATH):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    try:
        write()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

def look():
    """Return what is wrong with what other programs see."""
    wrong = []
    for file in glob.glob(PATH + "/**/*.parquet", recursive=True) if KIND != "csv" else ():
        try:
            pq.read_table(file, partitioning=None)
        except Exception as error:
            wrong.append(f"{file}: {error}")
    if os.path.exists(PATH + "/_manifest.json"):
        read_manifest(PATH).verify()
    return wrong

kills = 0
steps = iter(range(1, 10_000))
chances = random.Random(7)
while True:
    if HOW == "operations":  # the n-th of each child, so that each restart goes a bit further
        status = child(next(steps), None)
    elif HOW == "moments":
        status = child(0, chances.uniform(0, 0.2) if kills < 25 else None)
    else:
        status = child(0, None)
    wrong = look()
    if wrong or os.WIFEXITED(status):
        break
    kills += 1
print(json.dumps({"kills": kills, "wrong": wrong, "status": status}))
'''


def run(path, how, kind="plain"):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLER, str(path), str(how), kind],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert result.stderr == ""
    return json.loads(result.stdout)


def digests(path):
    return [(file.path, file.rows, file.sha256) for file in read_manifest(path).files]


def ids(path):
    return [int(row["id"]) for row in ParquetDataset(str(path / "_manifest.json"))]


def files_below(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


@pytest.mark.parametrize("kind", ["plain", "partitions", "csv"])
def test_killed_before_every_operation_the_files_are_the_same(tmp_path, kind):
    never = run(tmp_path / "never", "never", kind)
    often = run(tmp_path / "often", "operations", kind)
    assert (never["kills"], never["status"], often["status"], often["wrong"]) == (0, 0, 0, [])
    assert often["kills"] > 10
    assert digests(tmp_path / "often") == digests(tmp_path / "never")
    assert read_manifest(tmp_path / "often").complete
    assert files_below(tmp_path / "often") == files_below(tmp_path / "never")


@pytest.mark.parametrize("kind", ["plain", "partitions"])
def test_killed_at_any_moment_the_files_are_the_same(tmp_path, kind):
    run(tmp_path / "never", "never", kind)
    often = run(tmp_path / "often", "moments", kind)
    assert (often["status"], often["wrong"]) == (0, [])
    assert digests(tmp_path / "often") == digests(tmp_path / "never")


def test_an_order_without_a_seed_goes_on_after_a_kill(tmp_path):
    often = run(tmp_path / "often", "moments", "shuffled")
    assert (often["status"], often["wrong"]) == (0, [])
    assert sorted(ids(tmp_path / "often")) == list(range(200))


# Errors, and calls that come again -------------------------------------------------------------


def numbers(fails_at=None):
    def some():
        for i in range(10):
            if i == fails_at:
                raise OSError("the network is down")
            yield i

    return Dataset.from_generator(some, output_signature=TensorSpec((), np.int64)).map(lambda x: {"id": x})


@pytest.fixture(params=["local", "memory"])
def path(request, tmp_path):
    return str(tmp_path / "out") if request.param == "local" else f"memory://restart{tmp_path}"


def test_a_call_after_an_error_goes_on(path):
    with pytest.raises(Exception, match="the network is down"):
        numbers(fails_at=7).write_parquet(path, rows_per_file=3)
    names = files.list_directory(path)
    assert names == ["_manifest.json", "part-00000.parquet", "part-00001.parquet"]
    result = numbers().write_parquet(path, rows_per_file=3)
    assert (result.rows, result.rows_before, result.files) == (10, 6, 4)
    assert repr(result).endswith(", 6 of them by an earlier call>")
    found = ParquetDataset(files.join(path, "_manifest.json"))
    assert [int(row["id"]) for row in found] == list(range(10))


def test_a_finished_call_is_not_done_again(path):
    numbers().write_parquet(path, rows_per_file=3)
    result = numbers(fails_at=0).write_parquet(path, rows_per_file=3)
    assert (result.rows, result.rows_before, result.files) == (10, 10, 4)


def test_overwrite_goes_on_where_it_was_killed(path):
    Dataset.range(99).write_parquet(path)
    with pytest.raises(Exception, match="the network is down"):
        numbers(fails_at=7).write_parquet(path, rows_per_file=3, overwrite=True)
    assert read_manifest(path).rows == 6
    assert numbers().write_parquet(path, rows_per_file=3, overwrite=True).rows_before == 6


def test_orphans_are_removed(path):
    with pytest.raises(Exception, match="the network is down"):
        numbers(fails_at=7).write_parquet(path, rows_per_file=3)
    orphans = ["part-00007.parquet", "_part-00002.parquet.tmp", "part-00002.parquet.0a1b2c3d.tmp"]
    others = ["notes.txt", "my-part.parquet"]
    for name in orphans + others:
        with files.atomic_writer(files.join(path, name)) as file:
            file.write(b"?")
    numbers().write_parquet(path, rows_per_file=3)
    parts = [f"part-0000{i}.parquet" for i in range(4)]
    assert files.list_directory(path) == sorted(["_manifest.json", *parts, *others])


def test_a_pipeline_that_wrote_nothing_leaves_the_place_free(path):
    with pytest.raises(Exception, match="the network is down"):
        numbers(fails_at=0).write_parquet(path)
    assert Dataset.range(3).write_parquet(path).rows == 3


# Two writers -----------------------------------------------------------------------------------


def test_a_second_writer_is_refused_and_told_of_the_first(path):
    refused = []

    def some():
        yield 0
        with pytest.raises(AlreadyExistsError) as error:
            Dataset.range(3).write_parquet(path)
        refused.append(str(error.value))
        yield 1

    dataset = Dataset.from_generator(some, output_signature=TensorSpec((), np.int64))
    dataset.with_options(Options(threads=0)).write_parquet(path)
    assert f"is being written to by process {os.getpid()} on " in refused[0]
    assert [int(row["value"]) for row in ParquetDataset(files.join(path, "_manifest.json"))] == [0, 1]
    assert files.list_directory(path) == ["_manifest.json", "part-00000.parquet"]


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    code = (
        "import sys, time\nfrom dataflow import Dataset, TensorSpec\n"
        "def some():\n    yield 0\n    print('writing', flush=True)\n    time.sleep(600)\n"
        "Dataset.from_generator(some, output_signature=TensorSpec((), 'int64')).write_parquet(sys.argv[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as first:
        assert first.stdout.readline() == b"writing\n"
        with pytest.raises(AlreadyExistsError, match=f"by process {first.pid} on "):
            Dataset.range(3).write_parquet(tmp_path, overwrite=True)
        first.kill()
    assert Dataset.range(3).write_parquet(tmp_path).rows == 3


def lease(path, **changes):
    owner = {"host": "elsewhere", "pid": 1, "beat": time.time(), "token": "x"}
    files.make_directory(path)
    with files.atomic_writer(files.join(path, "_writing.lock")) as file:
        file.write(json.dumps({**owner, **changes}).encode())


@pytest.fixture
def remote(tmp_path):
    return f"memory://lease{tmp_path}"


def test_a_lease_of_another_machine_is_kept_until_it_is_stale(remote):
    lease(remote)
    with pytest.raises(AlreadyExistsError, match="by process 1 on elsewhere"):
        Dataset.range(3).write_parquet(remote)
    lease(remote, beat=time.time() - 1000)
    assert Dataset.range(3).write_parquet(remote).rows == 3


def test_a_lease_of_a_process_that_is_gone_is_taken_at_once(remote):
    import socket

    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    lease(remote, host=socket.gethostname(), pid=gone.pid)
    assert Dataset.range(3).write_parquet(remote).rows == 3
    lease(remote, host=socket.gethostname(), pid=os.getpid())  # a container that was started again
    assert Dataset.range(4).write_parquet(remote, overwrite=True).rows == 4


def test_who_lost_the_lease_writes_nothing_more(remote):
    def some():
        yield from range(5)
        lease(remote)
        yield from range(5)

    dataset = Dataset.from_generator(some, output_signature=TensorSpec((), np.int64))
    with pytest.raises(FailedPreconditionError, match="another program took over writing"):
        dataset.with_options(Options(threads=0)).write_parquet(remote, rows_per_file=2)
    manifest = read_manifest(remote)
    assert (manifest.complete, manifest.rows <= 6) == (False, True)
    assert json.loads(files.read_bytes(files.join(remote, "_writing.lock")))["host"] == "elsewhere"


def test_a_writer_renews_its_lease(remote, monkeypatch):
    beats = []

    def some():
        for i in range(4):
            yield i
            beats.append(json.loads(files.read_bytes(files.join(remote, "_writing.lock")))["beat"])

    monkeypatch.setattr("dataflow.storage.lease.BEAT_SECONDS", 0)
    dataset = Dataset.from_generator(some, output_signature=TensorSpec((), np.int64))
    dataset.with_options(Options(threads=0, block_bytes=1)).write_parquet(remote, rows_per_file=1)
    assert len(set(beats)) > 1
