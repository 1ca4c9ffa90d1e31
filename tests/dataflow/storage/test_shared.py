"""What processes of one user make once: counts of records for shards of equal length."""

import os
import subprocess
import sys
import tempfile
import threading

import pytest

from dataflow.storage import record_index
from dataflow.storage.shared import made_once


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"dataflow-{os.getuid()}"


def test_a_result_is_made_once_and_belongs_to_its_key(directory):
    made = []

    def make():
        made.append(1)
        return [len(made)]

    assert [made_once("a", make), made_once("a", make), made_once("b", make)] == [[1], [1], [2]]
    assert directory.stat().st_mode & 0o777 == 0o700


def test_those_who_ask_meanwhile_wait_for_it(directory):
    started, go_on, results = threading.Event(), threading.Event(), []

    def slow():
        started.set()
        go_on.wait(20)
        return "slow"

    first = threading.Thread(target=lambda: results.append(made_once("a", slow)))
    first.start()
    started.wait(20)
    second = threading.Thread(target=lambda: results.append(made_once("a", lambda: "second")))
    second.start()
    go_on.set()
    first.join(20)
    second.join(20)
    assert results == ["slow", "slow"]


def test_a_torn_result_is_made_again(directory):
    made_once("a", lambda: 1)
    next(directory.glob("*.json")).write_text("[1,")
    assert [made_once("a", lambda: 2), made_once("a", lambda: 3)] == [2, 2]


def test_a_directory_that_others_can_enter_is_not_used(directory):
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    assert [made_once("a", lambda: 1), made_once("a", lambda: 2)] == [1, 2]
    assert list(directory.iterdir()) == []


@pytest.mark.usefixtures("directory")
def test_processes_that_want_equal_shards_of_a_file_count_it_once(tmp_path, monkeypatch):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{i}\n" for i in range(1000)))
    program = f"""
import tempfile
from dataflow import TextLineDataset
from dataflow.storage import record_index
tempfile.tempdir, record_index.SHARED_BYTES = {str(tmp_path)!r}, 0
print(len(list(TextLineDataset({str(path)!r}).shard(3, 1, contiguous=True, even=True))))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    monkeypatch.setattr(record_index, "SHARED_BYTES", 0)
    monkeypatch.setattr(record_index.TextIndex, "scan", lambda *_: pytest.fail("it was counted again"))
    assert int(found.stdout) == 333
    assert record_index.text_index(str(path), 0, None, record_index.TextRules()).count() == 1000
