"""Tell handwritten digits apart with a convolutional network: a custom model, in the words of tf.estimator.

    python examples/mnist_cnn.py [--data DIR] [--epochs N] [--seed N] [--model-dir DIR]

DIR holds t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz of MNIST. They are put into an order drawn
from a fixed seed; the last 2,000 digits are for testing, the 8,000 before for training. Without --data,
digits are drawn like those of a pocket calculator, so that the program runs everywhere.

Run it again with the same --model-dir after killing it, and it goes on where it was, to the same weights.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import tempfile
from pathlib import Path

import numpy as np

from dataflow import Dataset
from dataflow.random import stateless_normal
from estimators import Estimator, EstimatorSpec, ModeKeys, RunConfig, layers, losses, metrics, nn
from estimators.optimizers import Adam

TEST = 2000
BATCH = 128
NOISE = 0.05
SEGMENTS = {
    "top": (slice(4, 7), slice(9, 19)),
    "middle": (slice(13, 16), slice(9, 19)),
    "bottom": (slice(22, 25), slice(9, 19)),
    "upper left": (slice(4, 15), slice(8, 11)),
    "upper right": (slice(4, 15), slice(17, 20)),
    "lower left": (slice(14, 25), slice(8, 11)),
    "lower right": (slice(14, 25), slice(17, 20)),
}
DARK = (  # the segments that are off, by digit
    ["middle"],
    ["top", "middle", "bottom", "upper left", "lower left"],
    ["upper left", "lower right"],
    ["upper left", "lower left"],
    ["top", "bottom", "lower left"],
    ["upper right", "lower left"],
    ["upper right"],
    ["middle", "bottom", "upper left", "lower left"],
    [],
    ["lower left"],
)


def read_idx(path):
    """Return the array of a gzip file in the IDX format of MNIST: bytes, behind their dimensions."""
    content = gzip.decompress(Path(path).read_bytes())
    ndim = content[3]
    shape = np.frombuffer(content, ">u4", ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape)


def draw_digits(count, seed):
    """Return images [count, 28, 28] and labels [count]: seven segments, shifted, of different brightness."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    images = np.zeros((count, 28, 28), np.float32)
    for image, label in zip(images, labels, strict=True):
        for name, cells in SEGMENTS.items():
            if name not in DARK[label]:
                image[cells] = np.maximum(image[cells], rng.uniform(0.6, 1))
    shifts = rng.integers(-2, 3, (count, 2))
    images = np.stack([np.roll(image, shift, (0, 1)) for image, shift in zip(images, shifts, strict=True)])
    images += rng.normal(scale=0.05, size=images.shape)
    return (np.clip(images, 0, 1) * 255).astype(np.uint8), labels


def load(directory):
    """Return the digits for training and those for testing: pairs of images and labels."""
    if directory is None:
        images, labels = draw_digits(10_000, seed=0)
    else:
        images = read_idx(Path(directory, "t10k-images-idx3-ubyte.gz"))
        labels = read_idx(Path(directory, "t10k-labels-idx1-ubyte.gz"))
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order].astype(np.int64)
    return (images[:-TEST], labels[:-TEST]), (images[-TEST:], labels[-TEST:])


def scaled(image):
    """Return an image [28, 28] of bytes as numbers from 0 to 1, with an axis for its one channel."""
    return image[..., None].astype(np.float32) / 255


def training_data(digits, seed, epoch):
    """Return one epoch in an order of its own; each image has new noise, which its number there decides."""

    def decode(i, digit):
        image, label = scaled(digit[0]), digit[1]
        return {"image": image + stateless_normal(image.shape, [seed, i], stddev=NOISE)}, label

    count = len(digits[1])
    shuffled = Dataset.from_tensor_slices(digits).shuffle(count, seed=seed + 1000 * epoch)
    return shuffled.enumerate(start=epoch * count).map(decode).batch(BATCH)


def test_data(digits):
    """Return images without noise."""
    return Dataset.from_tensor_slices(digits).map(lambda i, label: ({"image": scaled(i)}, label)).batch(500)


def network(x, training):
    """Two convolutions, each normalized, rectified and pooled; the mean over space; one dense layer.

    An epoch has only 63 steps, so the moving averages must be quick to follow: the default, 0.99, is for
    longer training.
    """
    for filters in (32, 64):
        x = layers.conv2d(x, filters, 3, padding="same", use_bias=False)
        x = layers.batch_normalization(x, training=training, momentum=0.9)
        x = layers.max_pooling2d(nn.relu(x), 3, 2)
    return layers.dense(x.mean(axis=(1, 2)), 10)


def model_fn(features, labels, mode):
    """Tell digits apart."""
    logits = network(features["image"], training=mode == ModeKeys.TRAIN)
    classes = logits.argmax(axis=1)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, {"class": classes, "probabilities": nn.softmax(logits)})
    loss = losses.sparse_softmax_cross_entropy(labels, logits)
    return EstimatorSpec(
        mode,
        loss=loss,
        train_op=Adam(1e-3).minimize(loss),
        eval_metric_ops={"accuracy": metrics.accuracy(labels, classes)},
    )


def train_and_test(model, train, test, epochs, seed):
    """Train epoch by epoch, and yield the number and the metrics of each; those done before are left out."""
    steps = -(-len(train[1]) // BATCH)
    done = int(model.get_variable_value("global_step")) if model.latest_checkpoint() else 0
    for epoch in range(done // steps, epochs):
        model.train(training_data(train, seed, epoch), max_steps=(epoch + 1) * steps)
        yield epoch + 1, model.evaluate(test_data(test))


def main():
    """Train, and evaluate after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="folder of MNIST's t10k files; default: drawn digits")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model-dir", default=None, help="default: a new temporary directory")
    arguments = parser.parse_args()
    logging.getLogger("estimators").setLevel(logging.WARNING)
    train, test = load(arguments.data)
    model = Estimator(
        model_fn,
        arguments.model_dir or tempfile.mkdtemp(prefix="mnist-cnn-"),
        RunConfig(tf_random_seed=arguments.seed, save_checkpoints_steps=20),
    )
    print(training_data(train, arguments.seed, 0).explain(), "\n")
    found = train_and_test(model, train, test, arguments.epochs, arguments.seed)
    for epoch, result in found:
        print(f"Epoch {epoch}: accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}")
    print(f"Checkpoint: {model.latest_checkpoint()}")


if __name__ == "__main__":
    main()
