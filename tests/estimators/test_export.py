"""Exported models: what they hold, and that they predict as the estimators they were made of."""

import io

import numpy as np
import pytest
from PIL import Image

import estimators
from dataflow import Dataset, image
from estimators import (
    Estimator,
    EstimatorSpec,
    ModeKeys,
    experimental,
    export,
    feature_column,
    layers,
    load_model,
    placeholder,
)
from estimators.heads import (
    BinaryClassHead,
    LogisticRegressionHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
)
from tests.estimators.helpers import QUIET
from tests.estimators.test_conformance import ESTIMATORS, arguments_of, rows_for

RAW = export.build_raw_serving_input_receiver_fn


def receiver_of(dataset):
    """Return the receiver function for the features of a dataset as they are."""
    spec = dataset.element_spec
    return RAW(spec[0] if isinstance(spec, tuple) else spec)


def exported(model, data, tmp_path, **arguments):
    return load_model(model.export_saved_model(tmp_path / "export", receiver_of(data), **arguments))


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        array = found[name]
        assert (array.dtype, array.shape) == (value.dtype, value.shape), name
        same = (
            array.tolist() == value.tolist() if value.dtype == object else array.tobytes() == value.tobytes()
        )
        assert same, name


def named(name):
    return "/".join(name) if isinstance(name, tuple) else name


def assert_predicts_alike(model, data, tmp_path):
    """Compare a model with its export, batch by batch, by call and as a dataset."""
    loaded = exported(model, data, tmp_path)
    features = data.map(lambda *parts: parts[0])
    expected = [
        {named(name): value for name, value in batch.items()}
        for batch in model.predict(data, yield_single_examples=False)
    ]
    called = [loaded(batch, "predict") for batch in features]
    for found in (called, list(loaded.predict(data, "predict"))):
        assert len(found) == len(expected) > 0
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    return loaded


# Models --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_every_estimator_predicts_alike(name, tmp_path):
    kind = ESTIMATORS[name]
    model = kind(**arguments_of(kind), model_dir=tmp_path / "model", config=QUIET)
    data = rows_for(model).dataset().batch(40)
    model.train(data, steps=3)
    assert_predicts_alike(model, data, tmp_path)


HEADS = {
    "regression": (RegressionHead(2), np.float32([[1, 2], [3, 4], [5, 6]])),
    "poisson": (PoissonRegressionHead(), np.float32([[1], [2], [0]])),
    "logistic": (LogisticRegressionHead(), np.float32([[0.5], [0], [1]])),
    "binary": (BinaryClassHead(label_vocabulary=["no", "yes"]), np.array([["no"], ["yes"], ["no"]])),
    "classes": (MultiClassHead(3), np.array([[0], [2], [1]])),
    "names": (MultiClassHead(3, label_vocabulary=["é", "b", "a b"]), np.array([["b"], ["é"], ["a b"]])),
    "labels": (MultiLabelHead(2), np.array([[0, 1], [1, 1], [0, 0]])),
}


def head_model(head, tmp_path, labels):
    columns = [feature_column.numeric_column("x", 2)]
    model = estimators.DNNEstimator(head, [4], columns, tmp_path / "model", config=QUIET)
    x = np.float32([[1, 2], [-1, 0.5], [0, 3]])
    data = Dataset.from_tensor_slices(({"x": x}, labels)).batch(2)
    return model.train(data, steps=2), data


@pytest.mark.parametrize("name", sorted(HEADS))
def test_every_head_predicts_alike(name, tmp_path):
    head, labels = HEADS[name]
    assert_predicts_alike(*head_model(head, tmp_path, labels), tmp_path)


def test_heads_have_the_signatures_of_tf(tmp_path):
    model, data = head_model(BinaryClassHead(), tmp_path, np.array([[0], [1], [0]]))
    loaded = exported(model, data, tmp_path)
    methods = {name: signature.method_name for name, signature in loaded.signatures.items()}
    assert methods == {
        "serving_default": "tensorflow/serving/classify",
        "classification": "tensorflow/serving/classify",
        "regression": "tensorflow/serving/regress",
        "predict": "tensorflow/serving/predict",
    }
    assert sorted(loaded({"x": [[1, 2]]})) == ["classes", "scores"]
    assert loaded({"x": [[1, 2]]})["classes"].tolist() == [["0", "1"]]


def test_several_heads(tmp_path):
    def model_fn(features, labels, mode):
        head = MultiHead([RegressionHead(name="cost"), BinaryClassHead(name="won")])
        logits = {"cost": layers.dense(features["x"], 1), "won": layers.dense(features["x"], 1)}
        return head.create_estimator_spec(features, mode, logits, labels, estimators.Ftrl(0.1))

    labels = {"cost": np.float32([[1], [2]]), "won": np.array([[0], [1]])}
    data = Dataset.from_tensor_slices(({"x": np.float32([[1, 2], [3, 4]])}, labels)).batch(2)
    model = Estimator(model_fn, tmp_path / "model", QUIET).train(data)
    loaded = assert_predicts_alike(model, data, tmp_path)
    assert {"cost", "cost/predict", "won", "won/regression", "serving_default"} <= loaded.signatures.keys()


WORDS = ["a", "b\nc", "", "é"]
ROWS = {
    "x": np.float32([0.5, -2, np.nan, 4e30]),
    "v": np.float32([[1, 2], [3, 4], [5, 6], [7, 8]]),
    "k": np.array(["a", "zz", "é", ""]),
    "i": np.array([3, 1, -1, 9]),
    "many": np.array([["a", "b"], ["", "zz"], ["b", "b"], ["a", ""]]),
    "w": np.float32([[1, 2], [0, 1], [0.5, 0.5], [3, 0]]),
}


def columns(tmp_path):
    """Return one column of each kind."""
    (tmp_path / "words.txt").write_text("a\nb\né\n", "utf-8")
    fc = feature_column
    k = fc.categorical_column_with_vocabulary_list("k", ["a", "é"], num_oov_buckets=3)
    k2 = fc.categorical_column_with_vocabulary_list("k2", ["b", "a"], num_oov_buckets=3)
    i = fc.categorical_column_with_identity("i", 10, default_value=0)
    many = fc.categorical_column_with_vocabulary_file("many", tmp_path / "words.txt")
    numbers = fc.categorical_column_with_vocabulary_list("i", [9, 3, 1], default_value=1)
    bucketized = fc.bucketized_column(fc.numeric_column("x"), [-1.0, 0.1, 3e30])
    return [
        fc.numeric_column("v", 2, normalizer_fn=lambda v: np.log(v) / 3),
        bucketized,
        fc.indicator_column(k),
        fc.embedding_column(i, 3),
        fc.embedding_column(many, 2, combiner="sqrtn"),
        fc.embedding_column(fc.weighted_categorical_column(many, "w"), 2, max_norm=0.5),
        fc.indicator_column(numbers),
        fc.embedding_column(fc.categorical_column_with_hash_bucket("k", 7), 2),
        fc.indicator_column(fc.crossed_column([k, bucketized], 11)),
        *fc.shared_embeddings([k, k2], 2),
    ]


def test_every_kind_of_column(tmp_path):
    found = columns(tmp_path)
    rows = {**ROWS, "k2": ROWS["k"]}
    data = Dataset.from_tensor_slices((rows, np.float32([1, 2, 3, 4]))).batch(3)
    model = estimators.DNNRegressor([4], found, tmp_path / "model", config=QUIET)
    model.train(data.take(1), steps=1)
    assert_predicts_alike(model, data, tmp_path)


def test_sequences(tmp_path):
    fc = feature_column
    words = fc.sequence_categorical_column_with_vocabulary_list("w", ["a", "b"])
    model = experimental.RNNClassifier(
        [fc.embedding_column(words, 2), fc.sequence_numeric_column("n")],
        units=[3, 2], cell_type="lstm", model_dir=tmp_path / "model", config=QUIET,
    )  # fmt: skip
    rows = {"w": [["a", "b", ""], ["b", "", ""]], "n": np.float32([[1, 2, np.nan], [3, np.nan, np.nan]])}
    data = Dataset.from_tensor_slices((rows, [0, 1])).batch(2)
    assert_predicts_alike(model.train(data), data, tmp_path)


def test_clusters(tmp_path):
    data = Dataset.from_tensor_slices(np.float32([[1, 2], [9, 8], [1, 1]])).batch(3)
    model = experimental.KMeans(2, tmp_path / "model", config=QUIET, seed=1)
    model.train(data.repeat(), steps=3)
    loaded = exported(model, data, tmp_path)
    (expected,) = model.predict(data, yield_single_examples=False)
    assert_same(next(iter(loaded.predict(data, "serving_default"))), expected)


def network(features, labels, mode):
    """Return a convolutional and recurrent network."""
    x = layers.conv2d(features["image"], 2, 3, activation=np.tanh)
    x = layers.batch_normalization(x, training=mode == ModeKeys.TRAIN)
    x = layers.max_pooling2d(x, 2, 2)
    x = layers.dropout(layers.flatten(x), 0.5, training=mode == ModeKeys.TRAIN)
    logits = layers.dense(x, 3)
    predictions = {"class": np.argmax(logits, axis=-1), "p": estimators.nn.softmax(logits)}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions)
    loss = estimators.losses.sparse_softmax_cross_entropy(labels, logits)
    return EstimatorSpec(mode, predictions, loss, estimators.optimizers.SGD(0.1).minimize(loss))


def jpegs(sizes=(8, 8, 8)):
    files = []
    for i, size in enumerate(sizes):
        pixels = np.random.default_rng(i).integers(0, 255, (size, 9, 3), np.uint8)
        Image.fromarray(pixels).save(file := io.BytesIO(), "JPEG")
        files.append(file.getvalue())
    return files


def decoded(files):
    images = image.decode_jpeg(files, channels=3)
    return image.resize(images, [6, 6]) / np.float32(255)


def serving_input_receiver_fn():
    """Return the serving input of the course: JPEG files in requests."""
    files = placeholder(bytes, [None], "image_bytes")
    return export.ServingInputReceiver({"image": decoded(files)}, {"image_bytes": files})


def test_images_are_decoded_in_the_exported_model(tmp_path):
    files = jpegs()
    features = {"image": decoded(np.array(files, object))}
    data = Dataset.from_tensor_slices((features, [0, 1, 2])).batch(3)
    model = Estimator(network, tmp_path / "model", QUIET).train(data, steps=2)
    loaded = load_model(model.export_saved_model(tmp_path / "export", serving_input_receiver_fn))
    (expected,) = model.predict(data, yield_single_examples=False)
    assert_same(loaded({"image_bytes": files}), expected)


def test_images_of_a_batch_may_differ_in_size(tmp_path):
    files = jpegs([8, 12, 7])
    data = Dataset.from_tensor_slices(({"image": decoded(files[:1])}, [1])).batch(1)
    model = Estimator(network, tmp_path / "model", QUIET).train(data)
    loaded = load_model(model.export_saved_model(tmp_path / "export", serving_input_receiver_fn))
    found = loaded({"image_bytes": files})["p"]
    np.testing.assert_allclose(found, [loaded({"image_bytes": [file]})["p"][0] for file in files], rtol=1e-5)
    with pytest.raises(ValueError, match="the image cannot be decoded"):
        loaded({"image_bytes": [*files, b"no image"]})


def test_a_network_predicts_alike(tmp_path):
    features = {"image": np.random.default_rng(0).normal(size=(5, 6, 6, 3)).astype(np.float32)}
    data = Dataset.from_tensor_slices((features, [0, 1, 2, 0, 1])).batch(2)
    model = Estimator(network, tmp_path / "model", QUIET).train(data)
    loaded = exported(model, data, tmp_path)
    expected = list(model.predict(data, yield_single_examples=False))
    for one, other in zip(loaded.predict(data), expected, strict=True):
        assert_same(one, other)
