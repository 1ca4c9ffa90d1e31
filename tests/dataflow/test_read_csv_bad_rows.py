import base64
import json
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow import FailedPreconditionError, InvalidArgumentError, Options, csv_row_counts, read_csv

SCHEMA = {"id": "int64", "name": "string"}
ROOT = Path(__file__).parents[2]


def shards(folder, files=20, rows=500):
    """Write files in which every hundredth row is broken in one of five ways; return pattern and good ids."""
    good, number = [], 0
    for file in range(files):
        lines = ["id,name"]
        for _ in range(rows):
            broken = [f"x{number},n", f"{number}", f"{number},n,n", f'{number},"n"n', f",n{number}"]
            if number % 100 == 50:
                lines.append(broken[number // 100 % 5])
            else:
                lines.append(f"{number},n{number}")
                good.append(number)
            number += 1
        (folder / f"{file:02}.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "*.csv"), good


def rows_before_an_error(iterator):
    rows = 0
    try:
        for _ in iterator:
            rows += 1
    except InvalidArgumentError:
        return rows
    raise AssertionError("no error came")


def quarantined(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def ids(dataset):
    return [int(row["id"]) for row in dataset]


def test_an_error_comes_at_the_row_and_iteration_goes_on(tmp_path):
    pattern, good = shards(tmp_path, 2, 200)
    iterator, found, errors = iter(read_csv(pattern, schema=SCHEMA)), [], []
    while True:
        try:
            found.append(int(next(iterator)["id"]))
        except StopIteration:
            break
        except InvalidArgumentError as error:
            errors.append((len(found), error.location.record))
    assert found == good
    assert errors == [(50, 52), (149, 152), (248, 52), (347, 152)]
    assert csv_row_counts(iterator) == (396, 4)


def test_skip_leaves_them_out_counts_them_and_says_so(tmp_path, caplog):
    pattern, good = shards(tmp_path)
    iterator = iter(read_csv(pattern, schema=SCHEMA, on_bad_rows="skip"))
    assert ids(iterator) == good
    assert csv_row_counts(iterator) == (9900, 100)
    assert [m.split(" (")[0] for m in caplog.messages] == [
        "read_csv: 100 of 10000 rows were bad and left out"
    ]


def test_the_quarantine_keeps_file_line_reason_and_text(tmp_path):
    pattern, good = shards(tmp_path)
    dataset = read_csv(pattern, schema=SCHEMA, on_bad_rows="quarantine", quarantine=str(tmp_path / "bad"))
    assert ids(dataset) == good
    lines = quarantined(tmp_path / "bad")
    assert len(lines) == 100
    assert lines[0] == {
        "file": str(tmp_path / "00.csv"),
        "line": 52,
        "column": "id",
        "value": "x50",
        "reason": "'x50' is not an int64",
        "text": "x50,n",
    }
    assert [(line["line"], line["column"], line["reason"], line["text"]) for line in lines[1:5]] == [
        (152, None, "expected 2 fields, found 1", "150"),
        (252, None, "expected 2 fields, found 3", "250,n,n"),
        (352, None, "text after the closing quote", '350,"n"n'),
        (452, "id", "the value is missing", ",n450"),
    ]


def test_epochs_and_further_runs_leave_the_same_file(tmp_path):
    pattern, _ = shards(tmp_path)
    path = tmp_path / "bad"
    dataset = read_csv(pattern, schema=SCHEMA, on_bad_rows="quarantine", quarantine=str(path))
    ids(dataset)
    once = path.read_bytes()
    ids(dataset.repeat(3))
    list(zip(dataset, dataset, strict=True))
    assert path.read_bytes() == once


def test_a_run_over_other_data_replaces_it(tmp_path):
    pattern, _ = shards(tmp_path, 2)
    path = tmp_path / "bad"
    settings = {"schema": SCHEMA, "on_bad_rows": "quarantine", "quarantine": str(path)}
    ids(read_csv(pattern, **settings))
    (tmp_path / "00.csv").write_text("id,name\nq,1\n")
    (tmp_path / "01.csv").write_text("id,name\n1,1\n")
    ids(read_csv(pattern, **settings))
    assert [line["text"] for line in quarantined(path)] == ["q,1"]


def test_what_differs_from_an_earlier_run_is_cut_off_at_once(tmp_path):
    path = tmp_path / "bad"
    path.write_text("a long line of an earlier run\n" * 100)
    (tmp_path / "a.csv").write_text("id,name\nq,1\n1,1\n2,2\n")
    dataset = read_csv(tmp_path / "a.csv", schema=SCHEMA, on_bad_rows="quarantine", quarantine=str(path))
    next(iter(dataset))
    assert [line["text"] for line in quarantined(path)] == ["q,1"]


def test_the_first_column_that_is_wrong_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,c\n1,y,z\n")
    with pytest.raises(InvalidArgumentError, match="column b"):
        list(read_csv(tmp_path / "a.csv", schema=dict.fromkeys("abc", "int64")))


def test_another_encoding_resumes_between_errors(tmp_path):
    lines = [f"{'x' * (i % 10 == 5)}{i},é" for i in range(3000)]
    (tmp_path / "a.csv").write_bytes("\n".join(["id,name", *lines]).encode("utf-16"))
    dataset = read_csv(tmp_path / "a.csv", schema=SCHEMA, encoding="utf-16")
    dataset = dataset.with_options(Options(block_bytes=5000, threads=0))
    iterator, rows = iter(dataset), 0
    while rows < 2000:
        rows += rows_before_an_error(iterator)
        state = iterator.state()
        if rows % 30 == 5:
            iterator = iter(dataset)
            iterator.restore(state)
    assert next(iterator)["id"] == 10 * (rows // 9) + 6


def test_resumed_between_errors_their_lines_are_the_same(tmp_path):
    (tmp_path / "a.csv").write_text("id,name\n1,x\nq,x\n\n\n2,x\nr,x\n3,x\n")
    dataset = read_csv(tmp_path / "a.csv", schema=SCHEMA)
    iterator = iter(dataset)
    next(iterator)
    with pytest.raises(InvalidArgumentError, match="line 3"):
        next(iterator)
    resumed = iter(dataset)
    resumed.restore(iterator.state())
    assert next(resumed)["id"] == 2
    with pytest.raises(InvalidArgumentError, match="line 7"):
        next(resumed)


def test_resumed_it_has_each_row_once_from_any_position(tmp_path):
    pattern, good = shards(tmp_path, 4)
    path = tmp_path / "bad"
    dataset = read_csv(pattern, schema=SCHEMA, on_bad_rows="quarantine", quarantine=str(path))
    ids(dataset)
    once = path.read_bytes()
    for cut in (0, 1, 49, 50, 777, len(good)):
        path.unlink()
        iterator = iter(dataset.with_options(Options(block_bytes=cut + 1)))
        for _ in range(cut):
            next(iterator)
        resumed = iter(dataset)
        resumed.restore(iterator.state())
        iterator.close()
        assert ids(resumed) == good[cut:]
        assert path.read_bytes() == once


def test_a_line_that_was_cut_by_a_kill_is_completed(tmp_path):
    pattern, _ = shards(tmp_path)
    path = tmp_path / "bad"
    dataset = read_csv(pattern, schema=SCHEMA, on_bad_rows="quarantine", quarantine=str(path))
    ids(dataset)
    once = path.read_bytes()
    path.write_bytes(once[: len(once) // 2])
    ids(dataset)
    assert path.read_bytes() == once


PROGRAM = """
import json, os, sys, pathlib
import dataflow
pattern, bad, position = sys.argv[1:]
dataset = dataflow.read_csv(pattern, schema={"id": "int64", "name": "string"}, on_bad_rows="quarantine",
    quarantine=bad).with_options(dataflow.Options(block_bytes=512))
iterator = iter(dataset)
done = []
if os.path.exists(position):
    saved = json.loads(pathlib.Path(position).read_text())
    iterator.restore(saved["state"])
    done = saved["done"]
for row in iterator:
    done.append(int(row["id"]))
    if len(done) % 50 == 0:
        pathlib.Path(position + ".new").write_text(json.dumps({"state": iterator.state(), "done": done}))
        os.replace(position + ".new", position)
pathlib.Path(position + ".end").write_text(json.dumps(done))
"""


def test_killed_again_and_again_each_row_is_delivered_or_set_aside_once(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    pattern, good = shards(data)
    bad, position = tmp_path / "bad", tmp_path / "position"
    command = [sys.executable, "-c", PROGRAM, pattern, str(bad), str(position)]
    for saves in (1, 4, 9):
        run = subprocess.Popen(command, cwd=ROOT)
        while not _saved(position, 50 * saves) and run.poll() is None:
            time.sleep(0.001)
        run.send_signal(signal.SIGKILL)
        run.wait()
    subprocess.run(command, cwd=ROOT, check=True)
    assert json.loads((tmp_path / "position.end").read_text()) == good
    assert len(quarantined(bad)) == len({(line["file"], line["line"]) for line in quarantined(bad)}) == 100


def _saved(position, rows):
    return position.exists() and len(json.loads(position.read_text())["done"]) >= rows


def test_a_quarantine_that_is_gone_is_not_begun_in_the_middle(tmp_path):
    pattern, _ = shards(tmp_path)
    path = tmp_path / "bad"
    dataset = read_csv(pattern, schema=SCHEMA, on_bad_rows="quarantine", quarantine=str(path))
    iterator = iter(dataset)
    for _ in range(5000):
        next(iterator)
    state = iterator.state()
    iterator.close()
    path.unlink()
    resumed = iter(dataset)
    resumed.restore(state)
    with pytest.raises(FailedPreconditionError, match="put the file back"):
        list(resumed)


def test_the_text_of_bytes_that_cannot_be_decoded_is_kept(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id,name\n1,\xe9\xff\n")
    path = str(tmp_path / "bad")
    ids(read_csv(tmp_path / "a.csv", schema=SCHEMA, on_bad_rows="quarantine", quarantine=path))
    row = quarantined(path)[0]
    assert (row["text"], base64.b64decode(row["base64"])) == ("1,\\xe9\\xff", b"1,\xe9\xff")


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_beyond_the_limit_an_error_says_how_many_and_shows_the_first(tmp_path, block):
    pattern, good = shards(tmp_path)
    dataset = read_csv(pattern, schema=SCHEMA, on_bad_rows="skip", bad_rows_limit=7)
    iterator, found = iter(dataset.with_options(Options(block_bytes=block))), []
    with pytest.raises(InvalidArgumentError) as caught:
        found += (int(row["id"]) for row in iterator)
    text = str(caught.value)
    assert text.startswith("8 rows are bad, and bad_rows_limit is 7; the first of this run:\n")
    assert "00.csv, line 52, column id: 'x50' is not an int64" in text
    assert text.count(", line ") == 6  # five rows, and where it stopped
    with pytest.raises(InvalidArgumentError, match="bad_rows_limit"):  # there is no way past it
        next(iterator)
    state = iterator.state()
    assert csv_row_counts(state) == (743, 7)
    resumed = iter(read_csv(pattern, schema=SCHEMA, on_bad_rows="skip", bad_rows_limit=100))
    resumed.restore(state)
    assert ids(resumed) == good[743:]


def test_a_broken_quote_costs_its_line_only(tmp_path):
    lines = ["id,name", '1,"open', *(f"{i},n" for i in range(2, 3000)), '3000,"ok"', "3001,n"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    iterator = iter(read_csv(tmp_path / "a.csv", schema=SCHEMA, on_bad_rows="skip"))
    assert ids(iterator) == list(range(2, 3002))


def test_nothing_is_logged_without_bad_rows(tmp_path, caplog):
    caplog.set_level(logging.INFO, "dataflow")
    (tmp_path / "a.csv").write_text("id,name\n1,x\n")
    ids(read_csv(tmp_path / "a.csv", schema=SCHEMA, on_bad_rows="skip"))
    assert caplog.records == []


def test_counts_are_found_in_the_state_of_any_pipeline(tmp_path):
    pattern, _ = shards(tmp_path, 2)
    dataset = read_csv(pattern, schema=SCHEMA, on_bad_rows="skip").shuffle(10, seed=1).batch(7).prefetch(2)
    iterator = iter(dataset)
    list(iterator)
    assert csv_row_counts(iterator) == (990, 10)


def test_the_quarantine_must_be_local(tmp_path):
    (tmp_path / "a.csv").write_text("id,name\n1,x\n")
    dataset = read_csv(tmp_path / "a.csv", schema=SCHEMA, on_bad_rows="quarantine", quarantine="memory://bad")
    with pytest.raises(InvalidArgumentError, match="must be a local path"):
        list(dataset)


def test_counts_of_a_dataset_are_sent_to_its_iterator(tmp_path):
    (tmp_path / "a.csv").write_text("id\n7\n")
    with pytest.raises(TypeError, match="takes an iterator or a saved state, not a Dataset"):
        csv_row_counts(read_csv(tmp_path / "a.csv"))
