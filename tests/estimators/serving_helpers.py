"""A server of a small model, in a thread, and ways to ask it."""

import contextlib
import http.client
import json
import threading
import time

import numpy as np
import uvicorn

from dataflow.spec import TensorSpec
from estimators import Estimator, EstimatorSpec, ModeKeys, export, get_variable
from estimators.initializers import constant
from estimators.optimizers import SGD
from estimators.serving import app
from estimators.serving.transport import Protocol
from tests.estimators.helpers import QUIET, line

NAME = "m"
PREDICT = f"/v1/models/{NAME}:predict"
X = {"x": TensorSpec([None], np.float32)}


def model_of(outputs):
    """Return a model function of what is given for the features and the number of the version."""

    def model_fn(features, mode, params):
        version = get_variable("version", (), initializer=constant(params["version"]))
        if mode == ModeKeys.TRAIN:
            loss = np.mean(features["x"]) * 0.0 * version
            return EstimatorSpec(mode, loss=loss, train_op=SGD(1.0).minimize(loss))
        return EstimatorSpec(mode, outputs(features, version))

    return model_fn


def exported(directory, outputs=lambda features, version: features["x"] * 2.0 + version, version=0, spec=X):
    """Export a model; by default its output is 2 x and the number of the version."""
    model = Estimator(model_of(outputs), None, QUIET, {"version": float(version)}).train(
        line().map(lambda x, y: x), steps=1
    )
    receiver = spec if callable(spec) else export.build_raw_serving_input_receiver_fn(spec)
    return model.export_saved_model(directory, receiver)


@contextlib.contextmanager
def serving(path, **settings):
    """Run a server in a thread, and yield a function that asks it."""
    application = app(path, name=NAME, **settings)
    server = uvicorn.Server(
        uvicorn.Config(
            application, port=0, log_config=None, ws="none", http=Protocol, timeout_graceful_shutdown=5
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Asking(port, application)
    finally:
        server.should_exit = True
        thread.join()


class Asking:
    """Asks a server; each call returns status and JSON."""

    def __init__(self, port, application=None):
        self.port = port
        self.application = application

    def __call__(self, document=None, path=PREDICT, *, body=None, method=None):
        body = body if document is None else json.dumps(document).encode()
        status, _, text = self.whole(method or ("GET" if body is None else "POST"), path, body)
        return status, json.loads(text)

    def whole(self, method, path, body=None, headers=()):
        """Return status, headers and the text of an answer."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()


def until(true, seconds=20.0):
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.01)
