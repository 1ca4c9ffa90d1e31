"""The server of exported models: TensorFlow Serving's REST interface."""

import base64
import json
import subprocess
import sys

import numpy as np
import pytest

from dataflow.errors import InvalidArgumentError, NotFoundError
from dataflow.spec import TensorSpec
from estimators import DNNClassifier, LinearClassifier, export, feature_column, load_model
from estimators.serving import app, serve
from tests.estimators.helpers import QUIET, ROOT, classes
from tests.estimators.serving_helpers import NAME, PREDICT, X, exported, serving
from tests.estimators.test_export import RAW, decoded, jpegs, network, serving_input_receiver_fn

MODEL = f"/v1/models/{NAME}"


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    with serving(exported(tmp_path_factory.mktemp("one"))) as asking:
        yield asking


@pytest.fixture(scope="module")
def ask_two(tmp_path_factory):
    """A model of several inputs and outputs."""
    spec = {
        "x": TensorSpec([None, 2], np.float32), "n": TensorSpec([None], np.int8),
        "text": TensorSpec([None], str), "raw": TensorSpec([None], bytes), "yes": TensorSpec([None], bool),
    }  # fmt: skip

    def outputs(features, version):
        return {"sum": features["x"].sum(axis=1) + version, **{k: features[k] for k in spec if k != "x"}}

    with serving(exported(tmp_path_factory.mktemp("two"), outputs, spec=spec)) as asking:
        yield asking


ROW = {"x": [1, 0.5], "n": 3, "text": "é", "raw": {"b64": "/wA="}, "yes": True}
OUT = {"sum": 1.5, "n": 3, "text": "é", "raw": {"b64": "/wA="}, "yes": True}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"instances": [1, 2.5]}, {"predictions": [2.0, 5.0]}),
        ({"instances": [{"x": 1}]}, {"predictions": [2.0]}),
        ({"inputs": [1, 2.5]}, {"outputs": [2.0, 5.0]}),
        ({"inputs": {"x": [0.1]}}, {"outputs": [0.2]}),
        ({"instances": [3], "signature_name": "serving_default"}, {"predictions": [6.0]}),
        ({"instances": [3], "signature_name": "", "more": 1}, {"predictions": [6.0]}),
    ],
)
def test_rows_and_columns_of_one_input(ask, body, answer):
    assert ask(body) == (200, answer)


def test_rows_and_columns_of_several_inputs(ask_two):
    other = {**ROW, "n": -128, "text": {"b64": base64.b64encode("ü".encode()).decode()}, "raw": "plain"}
    expected = {**OUT, "n": -128, "text": "ü", "raw": {"b64": "cGxhaW4="}}
    assert ask_two({"instances": [ROW, other]}) == (200, {"predictions": [OUT, expected]})
    columns = {name: [ROW[name], other[name]] for name in ROW}
    assert ask_two({"inputs": columns}) == (
        200,
        {"outputs": {name: [OUT[name], expected[name]] for name in OUT}},
    )


@pytest.mark.parametrize("text", [b'{"instances": [NaN, Infinity, 1]}', b'{"inputs": [NaN, -Infinity, 1]}'])
def test_what_is_no_finite_number_is_taken_as_a_token_and_given_as_null(ask, text):
    status, answer = ask(body=text)
    assert (status, *answer.values()) == (200, [None, None, 2.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [1]}, r"input 'x' has size 1 at axis 1, and must have the shape \[-1, 2\]"),
        ({"x": 1}, "1 is found where a list must be"),
        ({"x": [[1, 2]]}, r"input 'x' has size 1 at axis 1"),
        ({"x": [[1], [2]]}, r"input 'x' is nested too deeply"),
        ({"x": [True, 1]}, "JSON Value: true Type: Bool is not of expected type: float32"),
        ({"x": [None, 1]}, "JSON Value: null Type: Null is not of expected type: float32"),
        ({"x": [1e39, 1]}, "1e\\+39 is out of the range of float32"),
        ({"x": [16777217, 1]}, "cannot convert 16777217 to float32 without loss of precision"),
        ({"n": 1.0}, "JSON Value: 1.0 Type: Number is not of expected type: int8"),
        ({"n": 128}, "128 is out of the range of int8"),
        ({"text": 1}, "JSON Value: 1 Type: Number is not of expected type: string"),
        ({"text": {"b64": "/w=="}}, "holds text that is no Unicode"),
        ({"raw": {"b64": "?"}}, "unable to base64 decode"),
        ({"raw": {"b64": "AA==", "c": 1}}, "not formatted correctly for base64 data"),
        ({"yes": 1}, "JSON Value: 1 Type: Number is not of expected type: bool"),
        ({"more": 1}, "keys must be equal to"),
    ],
)
def test_values_that_do_not_fit_are_refused(ask_two, change, message):
    status, answer = ask_two({"instances": [{**ROW, **change}]})
    assert status == 400
    with pytest.raises(ValueError, match=message):
        raise ValueError(answer["error"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"{", "JSON Parse error"),
        (b"[" * 100_000, "JSON Parse error"),
        (b"\xff", "JSON Parse error"),
        (b"[]", "the body must be a JSON object"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        (b'{"instances": [1], "inputs": [1]}', "expecting only one of"),
        (b'{"instances": []}', "with at least one value"),
        (b'{"inputs": []}', "size 0"),
        (b'{"instances": [1], "signature_name": 2}', "must be a string value"),
        (b'{"instances": [1], "signature_name": "q"}', 'Serving signature name: "q" not found'),
        (b'{"instances": [1, [2]]}', "nested too deeply"),
        (b'{"instances": [1, {"x": 1}]}', "Type: Object is not of expected type"),
    ],
)
def test_bodies_that_make_no_sense_are_refused(ask, body, message):
    status, answer = ask(body=body, method="POST")
    assert status == 400
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("POST", f"{MODEL}/versions/7:predict", 404, "Servable not found for request: Specific(m, 7)"),
        ("POST", f"{MODEL}/labels/a:predict", 400, "Unrecognized servable version label: a"),
        ("POST", f"{MODEL}/versions/{'9' * 30}:predict", 400, "Failed to convert version"),
        ("POST", f"{MODEL}:classify", 400, "tensorflow/serving/classify is asked for"),
        ("POST", f"{MODEL}:train", 400, "Malformed request: POST"),
        ("GET", PREDICT, 405, "use POST"),
        ("POST", MODEL, 405, "use GET"),
        ("DELETE", "/healthz", 405, "use GET"),
        ("GET", "/nothing", 404, "there is nothing at /nothing"),
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("GET", f"{MODEL}/versions/7", 404, "Could not find version 7 of model m"),
    ],
)
def test_other_places_are_refused(ask, method, path, status, message):
    found, answer = ask({"instances": [1]}, path, method=method)
    assert found == status
    assert message in answer["error"]


def test_status_and_metadata(ask):
    number = ask.application.versions.newest().number
    good = {"error_code": "OK", "error_message": ""}
    state = {"version": str(number), "state": "AVAILABLE", "status": good}
    assert ask(path=MODEL) == (200, {"model_version_status": [state]})
    assert ask(path=f"{MODEL}/versions/{number}") == (200, {"model_version_status": [state]})
    status, found = ask(path=f"{MODEL}/metadata")
    assert (status, found["model_spec"]) == (200, {"name": "m", "signature_name": "", "version": str(number)})
    assert found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "x",
    }
    assert ask({"instances": [1]}, f"/V1/models/{NAME}/versions/{number}:predict")[0] == 200


def test_health_metrics_and_description(ask):
    ask({"instances": [1]})
    assert ask(path="/healthz")[1]["status"] == "ok"
    status, headers, text = ask.whole("GET", "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'serving_requests_total{model="m",method="predict",code="200"}' in text
    assert b'serving_request_seconds_bucket{model="m",method="predict",le="+Inf"}' in text
    status, found = ask(path="/openapi.json")
    body = found["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    rows = body["oneOf"][0]["properties"]["instances"]["items"]
    assert rows == {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}


def test_the_page_shows_nothing_from_elsewhere(ask):
    status, headers, text = ask.whole("GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert b'"inputs": {"x": {"dtype": "float32", "kind": "f", "shape": [null]}}' in text
    assert [ask.whole("GET", f"/page.{kind}")[0] for kind in ("js", "css")] == [200, 200]


def test_regress_and_classify(tmp_path):
    column = feature_column.numeric_column("x")
    model = LinearClassifier([column], tmp_path / "model", config=QUIET, label_vocabulary=["no", "yes"])
    data = classes(["no", "yes", "yes", "no"])
    path = model.train(data, steps=3).export_saved_model(tmp_path / "export", RAW({"x": np.float32([0])}))
    (wanted,) = model.predict({"x": np.float32([2])})
    scores = [
        [name, pytest.approx(p)] for name, p in zip(["no", "yes"], wanted["probabilities"], strict=True)
    ]
    with serving(path) as ask:
        named = {"signature_name": "regression"}
        found = ask(
            {"examples": [{}], "context": {"x": [2]}, "signature_name": "classification"}, f"{MODEL}:classify"
        )
        assert found == (200, {"results": [scores]})
        assert ask({"examples": [{"x": 2}], **named}, f"{MODEL}:regress") == (
            200,
            {"results": [pytest.approx(wanted["logistic"][0])]},
        )
        assert ask({"examples": [{"x": 2}], "context": {"x": 1}, **named}, f"{MODEL}:regress")[0] == 400


def test_examples_of_a_model_that_parses_them(tmp_path):
    receiver = export.build_parsing_serving_input_receiver_fn({"x": (np.float32, 4.0)})
    column = feature_column.numeric_column("x")
    model = DNNClassifier([2], [column], tmp_path / "model", config=QUIET).train(classes(), steps=1)
    path = model.export_saved_model(tmp_path / "export", receiver)
    (wanted,) = model.predict({"x": np.float32([4])})
    expected = [
        ["0", pytest.approx(wanted["probabilities"][0])],
        ["1", pytest.approx(wanted["probabilities"][1])],
    ]
    with serving(path) as ask:
        found = ask({"examples": [{"x": 4}, {}]}, f"{MODEL}:classify")
        assert found == (200, {"results": [expected, expected]})
        assert ask({"examples": [{"x": "a"}]}, f"{MODEL}:classify")[0] == 400
        rows = {"instances": ['{"x": 4}'], "signature_name": "predict"}
        assert ask(rows)[1]["predictions"][0]["class_ids"] == wanted["class_ids"].tolist()


def test_images_in_base64_give_the_numbers_of_predict(tmp_path):
    from dataflow import Dataset
    from estimators import Estimator

    files = jpegs([8, 12, 7])
    data = Dataset.from_tensor_slices(({"image": decoded(jpegs()[:1])}, [1])).batch(1)
    model = Estimator(network, tmp_path / "model", QUIET).train(data)
    path = model.export_saved_model(tmp_path / "export", serving_input_receiver_fn)
    images = np.concatenate([decoded([file]) for file in files])
    expected = [found["p"].tolist() for found in model.predict({"image": images})]
    with serving(path) as ask:
        rows = [{"image_bytes": {"b64": base64.b64encode(file).decode()}} for file in files]
        status, answer = ask({"instances": rows})
        np.testing.assert_allclose([row["p"] for row in answer["predictions"]], expected, rtol=1e-5)
        status, answer = ask({"instances": [*rows, {"image_bytes": {"b64": "AAAA"}}]})
        assert status == 400
        assert "the image cannot be decoded" in answer["error"]


def test_signatures_without_rows_are_asked_by_columns(tmp_path):
    spec = {"x": TensorSpec([None], np.float32), "by": TensorSpec([], np.float32)}

    def receiver():
        from estimators import placeholder

        tensors = {name: placeholder(part.dtype, part.shape) for name, part in spec.items()}
        return export.ServingInputReceiver(dict(tensors), tensors)

    path = exported(
        tmp_path, lambda features, version: features["x"] * features["by"] + version, spec=receiver
    )
    with serving(path) as ask:
        assert ask({"inputs": {"x": [1, 2], "by": 3}}) == (200, {"outputs": [3.0, 6.0]})
        status, answer = ask({"instances": [{"x": 1, "by": 3}]})
        assert (status, answer["error"]) == (
            400,
            "input 'by' has no axis of rows: use 'inputs' in place of 'instances'",
        )


def test_answers_without_orjson_are_the_same(ask_two, monkeypatch):
    monkeypatch.setattr("estimators.serving.json_text.orjson", None)
    row = {**ROW, "x": [0.1, 0.2]}
    assert ask_two({"instances": [row]}) == (200, {"predictions": [{**OUT, "sum": 0.3}]})
    _, answer = ask_two({"inputs": {name: [value] for name, value in row.items()}})
    assert json.dumps(answer["outputs"]["sum"]) == "[0.3]"
    assert ask_two(body=b"{")[1]["error"].startswith("JSON Parse error")


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_the_extra_is_named_where_it_is_missing(tmp_path, package):
    code = f"""
import sys
sys.modules[{package!r}] = None
from dataflow.errors import OptionalDependencyError
from estimators.serving import serve
try:
    serve("nowhere")
except OptionalDependencyError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert "pip install 'dataflow-estimators[serving]'" in found.stdout


def test_settings_and_directories_that_are_wrong(tmp_path):
    with pytest.raises(NotFoundError, match="holds no exported model"):
        app(tmp_path)
    path = exported(tmp_path)
    with pytest.raises(InvalidArgumentError, match="max_waiting must be at least 1, not 0"):
        app(path, max_waiting=0)
    with pytest.raises(InvalidArgumentError, match="has a slash or a colon"):
        app(path, name="a/b")
    assert load_model(path).signatures["serving_default"].inputs == X


def test_a_port_that_is_none_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="port must be from 0 to 65535, not 99999"):
        serve(tmp_path, port=99999)
