"""Models in ONNX, compared with onnxruntime."""

import numpy as np
import pytest

import estimators
from dataflow import Dataset
from dataflow.expr.tensor import as_value
from dataflow.strings import Strings
from estimators import export, feature_column, load_model
from estimators.export.graph_json import PRIMITIVES
from estimators.export.onnx_forms import FORMS
from estimators.export.onnx_model import write_onnx
from estimators.export.signatures import SignatureTensors
from tests.estimators.helpers import QUIET
from tests.estimators.test_export import HEADS, receiver_of
from tests.estimators.test_export_graph import feed

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(path, inputs):
    """Return the outputs by name."""
    onnx.checker.check_model(str(path), full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def assert_close(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        if value.dtype.kind == "f":
            np.testing.assert_allclose(found[name], value, rtol=2e-6, atol=1e-6, err_msg=name)
        else:
            assert found[name].tolist() == value.tolist(), name


ROWS = {
    "x": np.float32([1, -2, 3]),
    "v": np.float32([[1, 2], [3, 4], [5, 6]]),
    "i": np.array([1, 2, -1]),
    "j": np.array([[1, 2], [3, -1], [99, -1]]),
    "k": np.array(["a", "zz", ""], object),
}


def columns():
    fc = feature_column
    i, x = fc.categorical_column_with_identity("i", 10), fc.numeric_column("x")
    j = fc.categorical_column_with_identity("j", 10, default_value=0)
    k = fc.categorical_column_with_vocabulary_list("k", ["a", "b"])
    bucketized = fc.bucketized_column(x, [-1.0, 0.1, 3.0])
    return x, bucketized, i, j, k, fc.numeric_column("v", 2, normalizer_fn=lambda v: (v - 1) / 2)


def models(head, directory):
    x, bucketized, i, j, k, v = columns()
    fc = feature_column
    dense = [x, bucketized, v, fc.embedding_column(i, 3), fc.embedding_column(j, 2), fc.indicator_column(k)]
    yield estimators.LinearEstimator(head, [x, bucketized, i, j, k, v], directory / "linear", config=QUIET)
    yield estimators.DNNEstimator(head, [4, 3], dense, directory / "dnn", config=QUIET, activation_fn=np.tanh)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_linear_and_deep_models(name, tmp_path):
    head, labels = HEADS[name]
    data = Dataset.from_tensor_slices((ROWS, labels)).batch(3)
    for number, model in enumerate(models(head, tmp_path)):
        model.train(data, steps=1)
        loaded = load_model(model.export_saved_model(tmp_path / f"{number}", receiver_of(data)))
        for signature in loaded.signatures:
            export.to_onnx(loaded, tmp_path / "model.onnx", signature)
            assert_close(run(tmp_path / "model.onnx", ROWS), loaded(ROWS, signature))
        one = {name: value[:1] for name, value in ROWS.items()}
        assert_close(run(tmp_path / "model.onnx", one), loaded(one, signature))


NOT_IN_THE_RUNTIME = {"arcsin", "arccos", "arctan", "tan", "erf", "softsign", "elu"}
"""It knows these for float32 only."""


def text_as_objects(value):
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind == "U" else array


@pytest.mark.parametrize("name", sorted(FORMS))
def test_forms_compute_what_primitives_compute(name, tmp_path):
    done = 0
    for inputs, attributes in PRIMITIVES[name].samples():
        if attributes.get("num_oov") or (name in ("argmax", "argmin") and len(attributes["axis"]) > 1):
            continue  # refused
        if name in NOT_IN_THE_RUNTIME:
            inputs = tuple(np.asarray(value, np.float32) for value in inputs)
        values = [as_value(value) for value in inputs]
        tensors = [feed(value) for value in inputs]
        given = {f"in{i}": tensor for i, tensor in enumerate(tensors)}
        result = PRIMITIVES[name](*tensors, **attributes)
        write_onnx(tmp_path / "p.onnx", SignatureTensors("", given, {"out": result}), {})
        expected = PRIMITIVES[name].eager(*inputs, **attributes)
        arrays = {f"in{i}": v.to_numpy() if isinstance(v, Strings) else v for i, v in enumerate(values)}
        assert_close(run(tmp_path / "p.onnx", arrays), {"out": text_as_objects(expected)})
        done += 1
    assert done


def test_what_has_no_form_is_named(tmp_path):
    column = feature_column.categorical_column_with_hash_bucket("k", 5)
    data = Dataset.from_tensor_slices(({"k": ROWS["k"]}, np.float32([1, 2, 3]))).batch(3)
    model = estimators.LinearRegressor([column], tmp_path / "model", config=QUIET).train(data)
    loaded = load_model(model.export_saved_model(tmp_path / "export", receiver_of(data)))
    with pytest.raises(TypeError, match=r"hash_ids, used at .*has no form in ONNX"):
        loaded.to_onnx(tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_buckets_for_unknown_words_have_no_form(tmp_path):
    column = feature_column.categorical_column_with_vocabulary_list("k", ["a"], num_oov_buckets=2)
    data = Dataset.from_tensor_slices(({"k": ROWS["k"]}, np.float32([1, 2, 3]))).batch(3)
    model = estimators.LinearRegressor([column], tmp_path / "model", config=QUIET).train(data)
    loaded = load_model(model.export_saved_model(tmp_path / "export", receiver_of(data)))
    with pytest.raises(TypeError, match="vocabulary_ids with num_oov_buckets has no form"):
        loaded.to_onnx(tmp_path / "model.onnx")
