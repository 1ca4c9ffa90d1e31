"""Models written as users write them: a convolutional network on drawn images, and a plain network."""

import gzip
import runpy

import numpy as np
import pytest

from dataflow import Dataset
from dataflow.random import stateless_normal
from estimators import Estimator, EstimatorSpec, ModeKeys, SessionRunHook, layers, losses, metrics, nn
from estimators.optimizers import Adagrad, Adam
from tests.estimators.helpers import QUIET, ROOT, assert_same_bits, variables

KINDS = 3


def patterns(count, seed=0, size=10):
    """Horizontal, vertical and diagonal stripes, with random phase and width."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, KINDS, count)
    row, column = np.mgrid[:size, :size]
    along = np.stack([row, column, (row + column) / np.sqrt(2)])[kinds]
    phase, width = rng.uniform(0, 6, (count, 1, 1)), rng.uniform(1, 1.6, (count, 1, 1))
    return ((np.sin(along * width + phase) + 1) * 127).astype(np.uint8), kinds


def cnn(features, labels, mode):
    x = features["image"]
    for filters in (8, 12):
        x = layers.conv2d(x, filters, 3, padding="same", use_bias=False)
        x = layers.batch_normalization(x, training=mode == ModeKeys.TRAIN, momentum=0.9)
        x = layers.max_pooling2d(nn.relu(x), 3, 2)
    logits = layers.dense(x.mean(axis=(1, 2)), KINDS)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, {"kind": logits.argmax(axis=1), "share": nn.softmax(logits)})
    loss = losses.sparse_softmax_cross_entropy(labels, logits)
    found = {"accuracy": metrics.accuracy(labels, logits.argmax(axis=1))}
    return EstimatorSpec(mode, loss=loss, train_op=Adam(0.01).minimize(loss), eval_metric_ops=found)


def scaled(image):
    return image[..., None].astype(np.float32) / 255


def noisy(seed=1):
    """Return training batches; the last is smaller."""

    def decode(i, pattern):
        image = scaled(pattern[0])
        return {"image": image + stateless_normal(image.shape, [seed, i], stddev=0.05)}, pattern[1]

    data = Dataset.from_tensor_slices(patterns(500)).shuffle(500, seed=seed).repeat()
    return data.enumerate().take(1500).map(decode).batch(64)


def clean():
    return Dataset.from_tensor_slices(patterns(200, seed=9)).map(lambda i, k: ({"image": scaled(i)}, k))


class Losses(SessionRunHook):
    """Keeps losses, and breaks off after some."""

    def __init__(self, most=None):
        self.most, self.seen = most, []

    def before_run(self, run_context):
        return run_context.original_args

    def after_run(self, run_context, run_values):
        self.seen.append(float(run_values.results["loss"]))
        if len(self.seen) == self.most:
            raise InterruptedError


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Estimator(cnn, tmp_path_factory.mktemp("cnn"), QUIET).train(noisy())


def test_cnn_learns(trained):
    result = trained.evaluate(clean().batch(64))
    assert result["accuracy"] > 0.97
    assert result["loss"] < 0.5


def test_cnn_predicts_batches_of_other_sizes(trained):
    found = list(trained.predict(clean().batch(77)))
    right = np.mean([example["kind"] for example in found] == patterns(200, seed=9)[1])
    assert (len(found), right) == (200, pytest.approx(trained.evaluate(clean().batch(50))["accuracy"]))
    assert sum(found[-1]["share"]) == pytest.approx(1, abs=1e-6)


def test_interrupted_cnn_goes_on_to_the_same_bits(trained, tmp_path):
    config = QUIET.replace(save_checkpoints_steps=5)
    with pytest.raises(InterruptedError):
        Estimator(cnn, tmp_path, config).train(noisy(), hooks=[Losses(most=13)])
    model = Estimator(cnn, tmp_path, config).train(noisy())
    assert_same_bits(variables(model), variables(trained))


def test_plain_form_of_cnn_gives_the_same_losses(tmp_path):
    seen = []
    for reference in (False, True):
        hook = Losses()
        config = QUIET.replace(reference=reference)
        Estimator(cnn, tmp_path / str(reference), config).train(noisy(), steps=6, hooks=[hook])
        seen.append(hook.seen)
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-4)


def given(array):
    return lambda shape, dtype, rng: array.reshape(shape).astype(dtype)


def first_weights(*shapes):
    rng = np.random.default_rng(3)
    return [rng.normal(scale=(2 / np.prod(s[:-1])) ** 0.5, size=s).astype(np.float32) for s in shapes]


def test_cnn_trains_like_torch(tmp_path):
    torch = pytest.importorskip("torch")
    kernel, weight = first_weights((3, 3, 1, 8), (8, KINDS))
    images, kinds = patterns(320)
    x = scaled(images)

    def model_fn(features, labels, mode):
        x = layers.conv2d(
            features["x"], 8, 3, padding="same", use_bias=False, kernel_initializer=given(kernel)
        )
        x = layers.max_pooling2d(nn.relu(layers.batch_normalization(x, training=True)), 3, 2)
        logits = layers.dense(x.mean(axis=(1, 2)), KINDS, kernel_initializer=given(weight))
        loss = losses.sparse_softmax_cross_entropy(labels, logits)
        return EstimatorSpec(mode, loss=loss, train_op=Adam(0.01).minimize(loss))

    hook = Losses()
    data = Dataset.from_tensor_slices(({"x": x}, kinds)).batch(32)
    model = Estimator(model_fn, tmp_path, QUIET).train(data, hooks=[hook])

    norm = torch.nn.BatchNorm2d(8, eps=1e-3, momentum=0.01)
    parts = [torch.nn.Conv2d(1, 8, 3, padding="same", bias=False), norm, torch.nn.ReLU()]
    parts += [
        torch.nn.MaxPool2d(3, 2),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, KINDS),
    ]
    network = torch.nn.Sequential(*parts)
    with torch.no_grad():
        parts[0].weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1)))
        parts[-1].weight.copy_(torch.tensor(weight.T))
        parts[-1].bias.zero_()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    seen = []
    for start in range(0, 320, 32):
        optimizer.zero_grad()
        logits = network(torch.tensor(x[start : start + 32].transpose(0, 3, 1, 2)))
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(kinds[start : start + 32]))
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    np.testing.assert_allclose(hook.seen, seen, rtol=1e-4)
    for name, expected in (("mean", norm.running_mean), ("variance", norm.running_var)):
        moved = model.get_variable_value(f"batch_normalization/moving_{name}")
        np.testing.assert_allclose(moved, expected.numpy(), rtol=1e-4, atol=1e-5)


def mlp(features, labels, mode, params):
    x = layers.dense(features["x"], 16, "relu", kernel_initializer=given(params["first"]))
    y = layers.dense(x, 1, kernel_initializer=given(params["second"]))
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, {"y": y})
    loss = losses.mean_squared_error(labels, y)
    found = {"rmse": metrics.root_mean_squared_error(labels, y)}
    train_op = Adagrad(params["rate"]).minimize(loss)
    return EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=found)


def waves(count=256):
    x = np.random.default_rng(5).uniform(-2, 2, (count, 2)).astype(np.float32)
    return x, np.sin(x.sum(axis=1, keepdims=True))


def test_mlp_trains_like_numpy(tmp_path):
    first, second = first_weights((2, 16), (16, 1))
    x, y = waves()
    hook = Losses()
    params = {"first": first, "second": second, "rate": 0.1}
    data = Dataset.from_tensor_slices(({"x": x}, y)).batch(32)
    model = Estimator(mlp, tmp_path, QUIET, params).train(data, hooks=[hook])
    weights = [first, np.zeros(16), second, np.zeros(1)]
    sums, seen = [np.full_like(w, 0.1) for w in weights], []
    for start in range(0, 256, 32):
        batch = x[start : start + 32]
        hidden = np.maximum(batch @ weights[0] + weights[1], 0)
        error = hidden @ weights[2] + weights[3] - y[start : start + 32]
        seen.append(np.mean(error**2))
        back = error @ weights[2].T * (hidden > 0)
        slopes = [batch.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
        slopes = [slope * 2 / 32 for slope in slopes]
        sums = [n + g**2 for n, g in zip(sums, slopes, strict=True)]
        weights = [w - 0.1 * g / (n**0.5 + 1e-7) for w, g, n in zip(weights, slopes, sums, strict=True)]
    np.testing.assert_allclose(hook.seen, seen, rtol=1e-5)
    np.testing.assert_allclose(model.get_variable_value("dense/kernel"), weights[0], rtol=1e-4, atol=1e-6)


def test_mlp_fits_what_a_line_cannot(tmp_path):
    first, second = first_weights((2, 16), (16, 1))
    x, y = waves()
    data = Dataset.from_tensor_slices(({"x": x}, y)).shuffle(256, seed=1)
    model = Estimator(mlp, tmp_path, QUIET, {"first": first, "second": second, "rate": 0.1})
    model.train(data.repeat(60).batch(32))
    line = np.linalg.lstsq(np.c_[x, np.ones(256)], y, rcond=None)[1][0] / 256
    assert model.evaluate(data.batch(100))["rmse"] < 0.3 * line**0.5


def test_mnist_example(tmp_path):
    example = runpy.run_path(str(ROOT / "examples" / "mnist_cnn.py"))
    (images, labels), (tests, _) = example["load"](None)
    assert (images.shape, tests.shape, labels.dtype) == ((8000, 28, 28), (2000, 28, 28), np.int64)
    few = (images[:300], labels[:300])
    model = Estimator(example["model_fn"], tmp_path, QUIET)
    results = list(example["train_and_test"](model, few, few, epochs=2, seed=0))
    assert [(epoch, int(found["global_step"])) for epoch, found in results] == [(1, 3), (2, 6)]
    more = list(example["train_and_test"](model, few, few, epochs=3, seed=0))
    assert [(epoch, int(found["global_step"])) for epoch, found in more] == [(3, 9)]
    assert sorted(more[0][1]) == ["accuracy", "global_step", "loss"]


def test_mnist_example_has_new_noise_in_each_epoch():
    example = runpy.run_path(str(ROOT / "examples" / "mnist_cnn.py"))
    digits = (np.zeros((4, 28, 28), np.uint8), np.arange(4))
    batches = [next(iter(example["training_data"](digits, 0, epoch)))[0]["image"] for epoch in (0, 0, 1)]
    np.testing.assert_array_equal(batches[0], batches[1])
    assert abs(batches[0] - batches[2]).max() > 0.01
    assert batches[0].std() == pytest.approx(0.05, rel=0.05)


def test_mnist_example_reads_idx(tmp_path):
    example = runpy.run_path(str(ROOT / "examples" / "mnist_cnn.py"))
    for name, dims in (("images", [3000, 2, 2]), ("labels", [3000])):
        head = bytes([0, 0, 8, len(dims)]) + np.array(dims, ">u4").tobytes()
        data = (np.arange(np.prod(dims)) // (4 if name == "images" else 1) % 10).astype(np.uint8)
        (tmp_path / f"t10k-{name}-idx{len(dims)}-ubyte.gz").write_bytes(gzip.compress(head + data.tobytes()))
    (images, labels), (tests, test_labels) = example["load"](tmp_path)
    assert (images.shape, tests.shape) == ((1000, 2, 2), (2000, 2, 2))
    np.testing.assert_array_equal(images, np.broadcast_to(labels[:, None, None], images.shape))
    assert np.bincount(np.r_[labels, test_labels]).tolist() == [300] * 10
