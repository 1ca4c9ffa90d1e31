"""The server of exported models under load: beside an echo, with malformed requests, with new versions.

    python benchmarks/serving_load.py [--short]

Servers and the generator of load are processes of their own, on loopback. The echo is the least that uvicorn
can do: it gives back the body. The model is linear, and each request has one row.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dataflow.spec import TensorSpec
from estimators import LinearRegressor, export, feature_column
from report import write_section
from running import parser

CONNECTIONS = (1, 8, 32)
NAME = "fare"
FEATURES = ("distance", "minutes", "passengers", "hour")
ROW = {"distance": 2.5, "minutes": 11.0, "passengers": 2.0, "hour": 17.0}
BODY = json.dumps({"instances": [ROW]}).encode()
PREDICT = f"/v1/models/{NAME}:predict"


def export_model(directory: str, fares: int) -> str:
    """Train a linear model and export it; the more `fares`, the larger its numbers."""
    draws = np.random.default_rng(0)
    features = {name: draws.normal(size=256).astype(np.float32) for name in FEATURES}
    labels = fares * sum(features.values())
    estimator = LinearRegressor([feature_column.numeric_column(name) for name in FEATURES])
    estimator.train((features, labels.astype(np.float32)), steps=50)
    spec = {name: TensorSpec([None], np.float32) for name in FEATURES}
    return estimator.export_saved_model(directory, export.build_raw_serving_input_receiver_fn(spec))


def echo(port_file: str) -> None:
    """Serve an application that gives back the body."""
    import uvicorn

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        application, port=0, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print(
            f"Serving at http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/", file=sys.stderr
        )
        await serving

    asyncio.run(run())


@contextmanager
def started(*command: str) -> Iterator[int]:
    """Run a server in a process, and yield its port."""
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines = []
        for line in server.stderr:
            lines.append(line)
            if found := re.search(r"Serving at http://127\.0\.0\.1:(\d+)/", line):
                break
        else:
            raise RuntimeError("".join(lines))
        try:
            yield int(found[1])
        finally:
            server.terminate()
            server.communicate(timeout=60)


class Client(asyncio.Protocol):
    """Sends the same request again and again, each after the answer to the last.

    Args:
        message: The request.
        answers: Counts status, version and body of answers.
        until: The time to stop at.
    """

    def __init__(self, message: bytes, answers: Counter[tuple[bytes, bytes, bytes]], until: float) -> None:
        self._message = message
        self._answers = answers
        self._until = until
        self._got = b""
        self.seconds: list[float] = []
        self.lost = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        self._got = b""
        now = time.perf_counter()
        self.seconds.append(now - self._sent)
        version = head.partition(b"model-version: ")[2].split(b"\r\n", 1)[0]
        self._answers[head[9:12], version, body] += 1
        if now < self._until:
            self._send()
        else:
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.lost += 1
            self.done.set_result(None)


async def load(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """Send requests over several connections; return their times, and each kind of answer."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    message = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    answers: Counter[tuple[bytes, bytes, bytes]] = Counter()
    loop, started_at = asyncio.get_running_loop(), time.perf_counter()
    clients = [Client(message, answers, started_at + seconds) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    await asyncio.gather(*(client.done for client in clients))
    took = time.perf_counter() - started_at
    times = sorted(second for client in clients for second in client.seconds)
    return {
        "rate": len(times) / took,
        "p50": 1e3 * times[len(times) // 2],
        "p99": 1e3 * times[int(len(times) * 0.99)],
        "lost": sum(client.lost for client in clients),
        "answers": [[*(part.decode() for part in kind), count] for kind, count in answers.items()],
    }


def loader(port: int, connections: int, seconds: float) -> subprocess.Popen[str]:
    """Start the generator of load in a process."""
    command = [sys.executable, __file__, "load", str(port), str(connections), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def loaded(port: int, connections: int, seconds: float) -> dict[str, Any]:
    """Run the generator of load, and return what it measured."""
    with loader(port, connections, seconds) as process:
        found: dict[str, Any] = json.loads(process.communicate()[0])
    bad = [answer for answer in found["answers"] if answer[0] != "200"]
    assert not bad, bad
    assert not found["lost"]
    return found


def compare(ports: dict[str, int], seconds: float, repeats: int) -> str:
    """Return a table of the servers, measured in turn."""
    text = "| connections | server | requests/s | p50 | p99 | of the echo |\n|---|---|---|---|---|---|\n"
    for connections in CONNECTIONS:
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ports}
        for turn in range(repeats + 1):
            for name, port in ports.items():
                run = loaded(port, connections, seconds)
                if turn:
                    runs[name].append(run)
        for name, found in runs.items():
            rate, p50, p99 = (statistics.median(run[key] for run in found) for key in ("rate", "p50", "p99"))
            shares = sorted(a["rate"] / b["rate"] for a, b in zip(found, runs["echo"], strict=True))
            share = f"{statistics.median(shares):.2f} ({shares[0]:.2f} to {shares[-1]:.2f})"
            of = "" if name == "echo" else share
            text += f"| {connections} | {name} | {rate:,.0f} | {p50:.2f} ms | {p99:.2f} ms | {of} |\n"
    return text


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def number(answer: str | bytes) -> float:
    """Return the prediction of an answer."""
    return float(json.loads(answer)["predictions"][0][0])


def sample(schema: dict[str, Any], draws: random.Random) -> Any:
    """Return a value that fits a schema of the description."""
    if "oneOf" in schema:
        return sample(schema["oneOf"][0], draws)
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(part, draws) for name, part in schema["properties"].items()}
    if kind == "array":
        return [sample(schema["items"], draws) for _ in range(max(schema.get("minItems", 0), 1))]
    if kind == "integer":
        return draws.randrange(100)
    return {"number": draws.uniform(-9, 9), "boolean": True, "string": "a"}[kind or "string"]


WRONG = [None, True, "1", "", [], [1.0], {}, {"b64": "AA=="}, {"b64": 1}, 1e39, [[[[0.0]]]], {"x": 1}]


def spoiled(good: dict[str, Any], key: str, draws: random.Random) -> Any:
    """Return a body that fits no signature, made from one that does."""
    body: dict[str, Any] = json.loads(json.dumps(good))
    rows, choice = body[key], draws.randrange(12)
    row = rows[0] if isinstance(rows, list) else rows
    name = draws.choice(list(row))
    if choice == 0:
        value = draws.choice(WRONG)
        row[name] = [value] if key == "inputs" and value != [1.0] else value
        if key == "inputs" and value == [1.0]:
            row[name] = [[1.0]]
    elif choice == 1:
        del row[name]
    elif choice == 2:
        body[key] = draws.choice([None, 7, "x", [], [[]], [None], {}, [{}], [row, 3], [row, {}]])
    elif choice == 3:
        return draws.choice([[], 3, "text", None, [body], {}, {"instances": []}, {key + "s": rows}])
    elif choice == 4:
        body["signature_name"] = draws.choice(["nothing", 5, None, ["predict"], {"a": 1}])
    elif choice == 5:
        body["inputs" if key == "instances" else "instances"] = rows
    elif choice == 6:
        body[key] = [rows, rows]
    elif choice == 7:
        row[name] = [[row[name]] * draws.randrange(2, 9)] * draws.randrange(2, 5)
    elif choice == 8:
        row[name] = [row[name], [row[name]]]
    elif choice == 9:
        deep: Any = 0
        for _ in range(draws.choice([3, 70, 900])):
            deep = [deep]
        row[name] = deep
    elif choice == 10:
        row[name] = draws.choice([10**400, -(10**39), 16_777_217, 2**40 + 1])
        row[name] = [row[name]] if key == "inputs" else row[name]
    else:
        row[name] = {"b64": draws.choice(["?", "AAAAA", "é", "====", "A" * 99 + "!"])}
    return body


def malformed(description: dict[str, Any], count: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield method, path and body of requests that no server may accept, made from its description."""
    draws = random.Random(3)
    schemas = description["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for _ in range(count):
        good = sample({**draws.choice(schemas["oneOf"])}, draws)
        key = "instances" if "instances" in good else "inputs"
        text = json.dumps(good).encode()
        choice = draws.randrange(10)
        if choice == 0:
            yield "POST", PREDICT, text[: draws.randrange(len(text))]
        elif choice == 1:
            place = draws.randrange(1, len(text))
            broken = (
                text[:place] + draws.choice([b"\xff", b"\x00", b"}", b"]", b"\\u", b'"', b"{"]) + text[place:]
            )
            try:
                json.loads(broken)
                yield "POST", PREDICT, b"\xff" + broken
            except ValueError:
                yield "POST", PREDICT, broken
        elif choice == 2:
            paths = ["/v1/models/other:predict", f"/v1/models/{NAME}/versions/3:predict", PREDICT + "s"]
            paths += [f"/v1/models/{NAME}/labels/x:predict", f"/v1/models/{NAME}:classify", "/v2" + PREDICT]
            paths += [f"/v1/models/{NAME}/versions/{'9' * 30}:predict", f"/v1/models/{NAME}:train", "/x%00"]
            yield "POST", draws.choice(paths), text
        elif choice == 3:
            yield draws.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]), PREDICT, text
        else:
            yield "POST", PREDICT, json.dumps(spoiled(good, key, draws)).encode()


def fuzz(port: int, count: int) -> str:
    """Send malformed requests, with good ones beside them, and return what came."""
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    description = json.loads(ask(asking, "GET", "/openapi.json", b"")[1])
    right = ask(asking, "POST", PREDICT, BODY)
    assert right[0] == 200, right
    statuses: Counter[int] = Counter()
    with loader(port, 4, count / 2000) as beside:
        for method, path, body in malformed(description, count):
            status, text = ask(asking, method, path, body)
            statuses[status] += 1
            assert 400 <= status < 500, (status, method, path, body[:300], text[:300])
            assert json.loads(text)["error"], (method, path, body, text)
        found = json.loads(beside.communicate()[0])
    assert not found["lost"]
    assert {status for status, *_ in found["answers"]} == {"200"}, found["answers"]
    for _, _, answer, _ in found["answers"]:
        assert np.isclose(number(answer), number(right[1]), rtol=1e-6), (answer, right)
    good = sum(count for *_, count in found["answers"])
    listed = ", ".join(f"{number:,} with {status}" for status, number in sorted(statuses.items()))
    return f"""{count:,} malformed requests, made from the server's OpenAPI description: {listed}; each with \
a reason. {good:,} good requests beside them all had the right number."""


def swap(port: int, directory: str, seconds: float) -> str:
    """Export versions while requests come, and return what came."""
    with loader(port, 8, seconds) as beside:
        for fares in (2, 3):
            time.sleep(seconds / 3)
            export_model(directory, fares)
        found = json.loads(beside.communicate()[0])
    assert not found["lost"]
    assert {status for status, *_ in found["answers"]} == {"200"}, found["answers"]
    numbers: dict[str, list[float]] = {}
    answers: Counter[str] = Counter()
    for _, version, answer, answered in found["answers"]:
        numbers.setdefault(version, []).append(number(answer))
        answers[version] += answered
    firsts = sorted(several[0] for several in numbers.values())
    assert len(firsts) == 3, found["answers"]
    assert np.diff(firsts).min() > 1, firsts
    assert all(np.allclose(several, several[0], rtol=1e-6) for several in numbers.values()), numbers
    counts = ", ".join(f"{count:,}" for count in answers.values())
    return f"""Two new versions came while eight connections asked: {counts} answers of the three versions,
each the number of the version that its head names; none was lost, none failed."""


def main() -> None:
    """Measure, check, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    seconds, repeats, count = (0.3, 1, 1000) if arguments.short else (3.0, 5, 10_000)
    with tempfile.TemporaryDirectory() as temporary:
        directory = str(Path(temporary, "export"))
        export_model(directory, 1)
        serving = ["-m", "estimators.serving", directory, "--name", NAME, "--port", "0"]
        with started(*serving, "--poll-seconds", "0.2") as port:
            with started(__file__, "echo", "") as other:
                table = compare({"echo": other, "server": port}, seconds, repeats)
            print(table, flush=True)
            refused = fuzz(port, count)
            swapped = swap(port, directory, 6.0)
    text = f"""A linear model of {len(FEATURES)} numbers, one row a request, beside an application that \
gives back the body, both in uvicorn, on loopback; the generator of load is a process of its own.

{table}
{refused}

{swapped}
"""
    print(text)
    if not arguments.short:
        write_section("Serving: load, malformed requests, new versions", text)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    if sys.argv[1:2] in (["load"], ["echo"]):
        roles = argparse.ArgumentParser()
        roles.add_argument("role")
        roles.add_argument("rest", nargs="+")
        given = roles.parse_args()
        if given.role == "echo":
            echo(given.rest[0])
        else:
            place, several, length = given.rest
            print(json.dumps(asyncio.run(load(int(place), int(several), float(length)))))
    else:
        main()
