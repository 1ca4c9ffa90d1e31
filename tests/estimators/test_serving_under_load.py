"""The server of exported models: joined requests, limits, and versions that come and go."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dataflow.errors import DataflowError
from dataflow.parsing import parse_json
from dataflow.spec import TensorSpec
from estimators.serving import app
from estimators.serving.__main__ import main
from estimators.serving.batching import Batcher
from estimators.serving.transport import JoiningTransport
from tests.estimators.helpers import ROOT
from tests.estimators.serving_helpers import PREDICT, Asking, exported, serving, until


@contextlib.contextmanager
def held(monkeypatch):
    """Let the model wait until the event that this yields is set."""
    event, run = threading.Event(), Batcher.run

    def waits(self, requests):
        assert event.wait(20)
        return run(self, requests)

    monkeypatch.setattr(Batcher, "run", waits)
    monkeypatch.setattr("estimators.serving.batching.FAST_SECONDS", 0.0)
    try:
        yield event
    finally:
        event.set()


def together(ask, bodies, event=None):
    """Send requests at once; the first is under way before the others come."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        first = pool.submit(ask, bodies[0])
        until(lambda: ask.application.under_way == 1)
        others = [pool.submit(ask, body) for body in bodies[1:]]
        until(lambda: ask.application.under_way == len(bodies))
        if event is not None:
            event.set()
        return [future.result() for future in (first, *others)]


def batches(ask):
    """Return how many batches the model ran, and how many requests there were in them."""
    lines = ask.whole("GET", "/metrics")[2].decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line.startswith("serving_batch_requests_"))
    return [int(values[f'serving_batch_requests_{part}{{model="m"}}']) for part in ("count", "sum")]


class Written:
    """A transport that keeps what is done with it."""

    def __init__(self):
        self.done = []

    def write(self, data):
        self.done.append(data)

    def close(self):
        self.done.append("closed")


def test_head_and_body_are_written_at_once():
    async def answers():
        below = Written()
        transport = JoiningTransport(below, asyncio.get_running_loop())
        for part in (b"head 1;", b"body 1;", b"alone;"):
            transport.write(part)
        await asyncio.sleep(0)
        transport.write(b"last;")
        transport.close()
        await asyncio.sleep(0)
        return below.done

    assert asyncio.run(answers()) == [b"head 1;body 1;", b"alone;", b"last;", "closed"]


def test_requests_that_wait_run_as_one_batch(tmp_path, monkeypatch):
    with serving(exported(tmp_path)) as ask, held(monkeypatch) as event:
        answers = together(ask, [{"instances": list(range(i + 1))} for i in range(9)], event)
        assert answers == [(200, {"predictions": [2.0 * j for j in range(i + 1)]}) for i in range(9)]
        assert batches(ask) == [2, 9]


def test_batches_are_no_larger_than_is_said(tmp_path, monkeypatch):
    with serving(exported(tmp_path), max_batch_size=4) as ask, held(monkeypatch) as event:
        answers = together(ask, [{"instances": [i]} for i in range(10)], event)
        assert answers == [(200, {"predictions": [2.0 * i]}) for i in range(10)]
        assert batches(ask) == [4, 10]  # 1, 4, 4 and 1
        assert ask({"instances": [1] * 9}) == (200, {"predictions": [2.0] * 9})


def test_a_request_that_the_model_refuses_spoils_no_other(tmp_path, monkeypatch):
    path = exported(
        tmp_path,
        lambda features, version: parse_json(features["x"], {"v": np.float32})["v"] + version,
        spec={"x": TensorSpec([None], str)},
    )
    with serving(path) as ask, held(monkeypatch) as event:
        texts = ['{"v": 1}', '{"v": 2}', "none", '{"v": 4}']
        answers = together(ask, [{"instances": [text]} for text in texts], event)
        assert [status for status, _ in answers] == [200, 200, 400, 200]
        assert answers[3][1] == {"predictions": [4.0]}
        assert "the text is no JSON" in answers[2][1]["error"]


def test_rows_that_look_at_each_other_are_not_joined(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "estimators.serving")
    with serving(
        exported(tmp_path, lambda features, version: features["x"] - features["x"].mean() + version)
    ) as ask:
        assert "mixes the rows of a batch: requests are not joined" in caplog.text
        with held(monkeypatch) as event:
            answers = together(ask, [{"instances": [i, i + 2]} for i in range(4)], event)
        assert answers == [(200, {"predictions": [-1.0, 1.0]})] * 4


def test_rows_of_other_lengths_are_joined_with_their_like(tmp_path, monkeypatch):
    spec = {"x": TensorSpec([None, None], np.float32)}
    path = exported(tmp_path, lambda features, version: features["x"].sum(axis=1) + version, spec=spec)
    with serving(path) as ask, held(monkeypatch) as event:
        answers = together(ask, [{"instances": [[1] * (1 + i % 2)]} for i in range(7)], event)
        assert answers == [(200, {"predictions": [1.0 + i % 2]}) for i in range(7)]


def test_limits(tmp_path, monkeypatch):
    with serving(exported(tmp_path), max_waiting=2, max_body_bytes=100, timeout_seconds=0.5) as ask:
        assert ask({"instances": [1] * 99})[0] == 413
        chunks = [b"x" * 60, b"x" * 60]
        assert ask.whole("POST", PREDICT, iter(chunks))[0] == 413
        with socket.create_connection(("127.0.0.1", ask.port)) as slow:
            slow.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{{".encode())
            answer = slow.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408")
        with held(monkeypatch):
            assert [status for status, _ in together(ask, [{"instances": [1]}] * 2)] == [504, 504]
        until(lambda: ask({"instances": [1]}) == (200, {"predictions": [2.0]}))


def test_too_many_requests_are_told_when_to_come_again(tmp_path, monkeypatch):
    with (
        serving(exported(tmp_path), max_waiting=1) as ask,
        held(monkeypatch) as event,
        ThreadPoolExecutor(1) as pool,
    ):
        waits = pool.submit(ask, {"instances": [1]})
        until(lambda: ask.application.under_way == 1)
        status, headers, _ = ask.whole("POST", PREDICT, b'{"instances": [1]}')
        assert (status, headers["retry-after"]) == (503, "1")
        assert ask(path="/healthz")[0] == 200
        event.set()
        assert waits.result() == (200, {"predictions": [2.0]})


def test_errors_of_our_own_are_500_and_logged(tmp_path, monkeypatch, caplog):
    with serving(exported(tmp_path)) as ask:
        monkeypatch.setattr(Batcher, "run", lambda self, requests: 1 // 0)
        status, answer = ask({"instances": [1]})
        assert (status, answer) == (500, {"error": "internal error; the server's log says more"})
        assert "ZeroDivisionError" in caplog.text


def test_a_new_version_takes_over_and_a_broken_one_does_not(tmp_path, caplog):
    exported(tmp_path, version=1)
    with serving(tmp_path, poll_seconds=0.05) as ask:
        assert ask({"instances": [1]}) == (200, {"predictions": [3.0]})
        second = exported(tmp_path, version=2)
        until(lambda: ask({"instances": [1]}) == (200, {"predictions": [4.0]}))
        broken = tmp_path / str(int(os.path.basename(second)) + 5)
        shutil.copytree(second, tmp_path / "temp")
        (tmp_path / "temp" / "variables" / "variables.safetensors").write_bytes(b"none")
        (tmp_path / "temp").rename(broken)
        until(lambda: len(ask(path="/v1/models/m")[1]["model_version_status"]) == 2)
        state = ask(path="/v1/models/m")[1]["model_version_status"][0]
        assert (state["version"], state["state"]) == (broken.name, "END")
        assert "variables.safetensors" in state["status"]["error_message"]
        assert ask({"instances": [1]}) == (200, {"predictions": [4.0]})
        assert caplog.text.count("cannot be loaded, and is left aside") == 1
        shutil.rmtree(second)
        until(lambda: len(ask(path="/v1/models/m")[1]["model_version_status"]) == 2)
        assert ask({"instances": [1]}) == (200, {"predictions": [4.0]})


def test_versions_and_labels_side_by_side(tmp_path):
    paths = [exported(tmp_path, version=i) for i in range(3)]
    first, second, third = (int(os.path.basename(path)) for path in paths)
    with serving(tmp_path, versions=1, labels={"old": first}, poll_seconds=0) as ask:
        assert ask({"instances": [0]}, "/v1/models/m/labels/old:predict") == (200, {"predictions": [0.0]})
        assert ask({"instances": [0]}, f"/v1/models/m/versions/{third}:predict") == (
            200,
            {"predictions": [2.0]},
        )
        assert ask({"instances": [0]}, f"/v1/models/m/versions/{second}:predict")[0] == 404
        assert ask.whole("POST", PREDICT, b'{"inputs": [0]}')[1]["model-version"] == str(third)


def test_a_request_that_began_ends_on_its_version(tmp_path, monkeypatch):
    exported(tmp_path, version=1)
    with serving(tmp_path, poll_seconds=0) as ask, ThreadPoolExecutor(1) as pool, held(monkeypatch) as event:
        waits = pool.submit(ask, {"instances": [0]})
        until(lambda: ask.application.under_way == 1)
        with monkeypatch.context() as unheld:
            unheld.undo()
            exported(tmp_path, version=2)
        until(lambda: not ask.application.versions.newest().batchers["serving_default"].waiting)
        event.set()
        ask.application.versions.refresh()
        assert waits.result() == (200, {"predictions": [1.0]})
        assert ask({"instances": [0]}) == (200, {"predictions": [2.0]})


def test_a_directory_of_broken_versions(tmp_path):
    path = exported(tmp_path)
    os.truncate(os.path.join(path, "saved_model.json"), 10)
    with pytest.raises(DataflowError, match="no version can be loaded"):
        app(tmp_path)
    assert main([str(tmp_path)]) == 1


def test_the_command_serves_and_ends_what_is_under_way(tmp_path):
    exported(tmp_path / "export")
    command = [
        sys.executable,
        "-m",
        "estimators.serving",
        str(tmp_path / "export"),
        "--port",
        "0",
        "--name",
        "a b",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        line = next(line for line in server.stderr if "Serving at" in line)
        port = int(line.rsplit(":", 1)[1].strip("/\n"))
        with socket.create_connection(("127.0.0.1", port)) as connection:
            body = b'{"instances": [4]}'
            head = f"POST /v1/models/a%20b:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode())
            until(lambda: b'under_way{model="a b"} 1' in Asking(port).whole("GET", "/metrics")[2])
            server.send_signal(signal.SIGTERM)
            next(line for line in server.stderr if "Shutting down" in line)
            connection.sendall(body)
            answer = connection.recv(4096)
            answer += connection.recv(4096) if b"predictions" not in answer else b""
        server.communicate(timeout=30)
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"predictions": [8.0]}
