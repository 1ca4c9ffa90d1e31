"""How the input of a model is read: what needs no variable is computed early, once, on large blocks."""

import numpy as np
import pytest
import threadpoolctl

from dataflow import Dataset, Options
from dataflow.expr.function import postorder
from estimators import (
    DNNLinearCombinedClassifier,
    Estimator,
    EstimatorSpec,
    LinearClassifier,
    RunConfig,
    SessionRunHook,
    feature_column,
    layers,
    optimizers,
)
from estimators.model import build
from estimators.running.session import Session
from estimators.values.first_values import first_values

CONFIG = RunConfig(tf_random_seed=3, save_checkpoints_secs=None, progress=False)
ROWS = 50
X = np.arange(ROWS, dtype=np.int64)
WORDS = np.array([f"word {x % 7}" for x in X])


def rows():
    return Dataset.from_tensor_slices(({"x": X, "word": WORDS}, (X % 2).astype(np.float32)))


def columns():
    word = feature_column.categorical_column_with_hash_bucket("word", 10)
    return word, feature_column.numeric_column("x")


def session_of(estimator, data):
    model = build(estimator._model_fn, data, "train", None, CONFIG)
    return Session(model, first_values(model, 0, None))


def trained(data):
    model = LinearClassifier(list(columns()), config=CONFIG)
    model.train(data)
    return {name: model.get_variable_value(name) for name in model.get_variable_names()}


@pytest.mark.parametrize("shuffled", [
    lambda d: d.shuffle(20, seed=1).batch(8),
    lambda d: d.shuffle(20, seed=1).repeat(2).batch(8).prefetch(1),
    lambda d: d.batch(8, drop_remainder=True).repeat(2),
])  # fmt: skip
def test_text_is_looked_up_before_rows_are_shuffled_and_batched(shuffled):
    data = shuffled(rows())
    plan = session_of(LinearClassifier(list(columns())), data).dataset.explain("rewritten").splitlines()
    maps = [number for number, line in enumerate(plan) if "_model_inputs" in line]
    assert maps[-1] > max(n for n, line in enumerate(plan) if "Batch" in line or "Shuffle" in line)
    plain = trained(shuffled(rows()).with_options(Options(rewrites=False)))
    for name, value in trained(shuffled(rows())).items():
        np.testing.assert_array_equal(value, plain[name], err_msg=name)


def test_what_looks_at_a_whole_batch_stays_behind_it():
    def model_fn(features, labels, mode):
        centred = features["x"].astype(np.float32) - features["x"].astype(np.float32).mean()
        loss = np.mean((layers.dense(centred[:, None], 1)[:, 0] - labels) ** 2)
        return EstimatorSpec(mode, loss=loss, train_op=optimizers.SGD(0.001).minimize(loss))

    weights = []
    for rewrites in (True, False):
        model = Estimator(model_fn, config=CONFIG)
        model.train(rows().batch(8).with_options(Options(rewrites=rewrites)))
        weights.append(model.get_variable_value("dense/kernel"))
    np.testing.assert_array_equal(*weights)


def test_a_column_that_both_parts_of_a_model_use_is_hashed_once():
    word, x = columns()
    model = DNNLinearCombinedClassifier(
        linear_feature_columns=[word, x],
        dnn_feature_columns=[feature_column.embedding_column(word, 2), x],
        dnn_hidden_units=[3],
    )
    outputs = session_of(model, rows().batch(8)).dataset.node.input.function.graph.outputs
    assert [call.primitive.name for call in postorder(outputs)].count("hash_ids") == 1


class BlasThreads(SessionRunHook):
    def after_run(self, run_context, run_values):
        self.seen = most_threads()


def most_threads():
    return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")


@pytest.mark.parametrize(("units", "expected"), [(4, 1), (300_000, 2)])
def test_small_products_get_one_blas_thread(units, expected):
    def model_fn(features, labels, mode):
        hidden = layers.dense(features["x"].astype(np.float32)[:, None] + np.zeros((1, 2), np.float32), units)
        loss = np.mean(hidden)
        return EstimatorSpec(mode, loss=loss, train_op=optimizers.SGD(0.1).minimize(loss))

    hook = BlasThreads()
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        Estimator(model_fn, config=CONFIG).train(rows().batch(50), hooks=[hook], steps=1)
        assert hook.seen == expected
        assert most_threads() == 2
