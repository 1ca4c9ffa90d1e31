"""Layers: names, shapes, values, sharing, and statistics that follow training."""

import numpy as np
import pytest

from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators import layers
from estimators.graph.program import Program, initial_values
from estimators.graph.scope import AUTO_REUSE, VariableStore, get_variable, variable_scope
from estimators.graph.updates import group
from estimators.optimizers import SGD

BOTH_FORMS = True


def leaf(*shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


def value_of(output, inputs, arrays, values=None):
    program = Program(inputs, {"y": output})
    return program.run(arrays, initial_values(program.variables, 0) if values is None else values)["y"]


X = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)


def test_layers_are_numbered_in_their_scope_and_named_ones_are_not():
    with VariableStore() as store:
        x = leaf(None, 4)
        layers.dense(layers.dense(x, 3), 2, name="logits")
        with variable_scope("tower"):
            layers.dense(layers.dense(x, 3), 2)
    kernels = [name for name in store.variables if name.endswith("kernel")]
    assert kernels == ["dense/kernel", "logits/kernel", "tower/dense/kernel", "tower/dense_1/kernel"]


def test_dense_is_a_matrix_product_a_bias_and_an_activation():
    with VariableStore() as store:
        x = leaf(None, 4)
        y = layers.dense(x, 3, activation="relu", bias_initializer="ones")
    values = initial_values(list(store.variables.values()), 0)
    wanted = np.maximum(X @ values["dense/kernel"] + 1, 0)
    np.testing.assert_allclose(value_of(y, [x], [X], values), wanted, rtol=1e-6)


def test_dense_keeps_the_axes_before_the_last():
    with VariableStore():
        assert layers.dense(leaf(None, 7, 4), 3).shape == (None, 7, 3)


def test_a_layer_applied_twice_shares_its_variables():
    with VariableStore() as store:
        layer = layers.Dense(3)
        layer(leaf(None, 4))
        layer(leaf(None, 4))
    assert list(store.variables) == ["dense/kernel", "dense/bias"]


def test_a_scope_is_shared_only_if_it_says_so():
    with VariableStore() as store:
        for reuse in (False, True, AUTO_REUSE):
            with variable_scope("critic", reuse=reuse):
                layers.dense(leaf(None, 4), 3)
        exists = r"'critic/dense/kernel' exists already, made at .*test_layers"
        with pytest.raises(ValueError, match=exists), variable_scope("critic"):
            layers.dense(leaf(None, 4), 3)
    assert len(store.variables) == 2


def test_sharing_what_is_not_there_or_has_another_shape_is_refused():
    with VariableStore():
        with variable_scope("a", reuse=True), pytest.raises(ValueError, match="no variable 'a/b' to share"):
            get_variable("b", (2,))
        get_variable("b", (2,))
        with variable_scope("c", reuse=AUTO_REUSE):
            get_variable("d", (2,))
        with variable_scope("c", reuse=True), pytest.raises(TypeError, match=r"cannot be shared as .*\(3,\)"):
            get_variable("d", (3,))


def test_variables_outside_of_a_model_function_are_refused():
    with pytest.raises(ValueError, match="inside of a model function"):
        layers.dense(leaf(None, 4), 3)


def test_dense_needs_a_known_number_of_features():
    with VariableStore(), pytest.raises(TypeError, match="known number of features"):
        layers.dense(leaf(None, None), 3)


def test_flatten_keeps_the_batch():
    assert layers.flatten(leaf(None, 2, 3)).shape == (None, 6)


def test_dropout_is_the_identity_unless_in_training():
    x = leaf(None, 4)
    assert layers.dropout(x, 0.5) is x
    with VariableStore(seed=1):
        y = layers.dropout(x, 0.5, training=True)
    program = Program([x], {"y": y})
    first, again, other = (program.run([X], {}, number)["y"] for number in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first[first != 0], 2 * X[first != 0])


def test_dropout_differs_between_calls_in_a_shared_scope():
    x, found = leaf(None, 4), []
    with VariableStore(seed=1):
        for _ in range(2):
            with variable_scope("critic", reuse=AUTO_REUSE):
                found.append(layers.dropout(x, 0.5, training=True))
    results = Program([x], {"a": found[0], "b": found[1]}).run([X], {})
    assert not np.array_equal(results["a"], results["b"])


def test_a_layer_makes_its_variables_anew_in_another_model():
    layer = layers.Dense(3)
    for _ in range(2):
        with VariableStore() as store:
            layers.dense(layer(leaf(None, 4)), 2)
        assert [n for n in store.variables if n.endswith("kernel")] == ["dense/kernel", "dense_1/kernel"]


def test_embedding_gives_rows():
    with VariableStore() as store:
        ids = leaf(None, 2, dtype=np.int64)
        y = layers.embedding(ids, 5, 3)
    values = initial_values(list(store.variables.values()), 0)
    found = value_of(y, [ids], [np.array([[4, 0]])], values)
    np.testing.assert_array_equal(found[0], values["embedding/embeddings"][[4, 0]])


def normalized(training, shape=(None, 4)):
    with VariableStore() as store:
        x = leaf(*shape)
        y = layers.batch_normalization(x, training=training)
        loss = np.mean(np.square(y - 1.0))
    return x, y, loss, initial_values(list(store.variables.values()), 0)


def test_batch_normalization_uses_the_batch_in_training_and_averages_otherwise():
    x, y, _, values = normalized(True)
    wanted = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-3)
    np.testing.assert_allclose(value_of(y, [x], [X], values), wanted, rtol=1e-4, atol=1e-5)
    x, y, _, values = normalized(False)
    np.testing.assert_allclose(value_of(y, [x], [X], values), X / np.sqrt(1.001), rtol=1e-5)


@pytest.mark.parametrize(("shape", "correction"), [((6, 4), 1.0), ((2, 1, 3, 4), 6 / 5)])
def test_minimize_moves_the_averages_of_batch_normalization(shape, correction):
    x, _, loss, values = normalized(True, (None, *shape[1:]))
    program = Program([x], {"loss": loss}, SGD(0.1).minimize(loss).all_updates())
    values = initial_values(program.variables, 0)
    program.run([X.reshape(shape)], values)
    name = "batch_normalization/moving_"
    np.testing.assert_allclose(values[f"{name}mean"], 0.01 * X.mean(axis=0), rtol=1e-4, atol=1e-7)
    wanted = 0.99 + 0.01 * X.var(axis=0) * correction
    np.testing.assert_allclose(values[f"{name}variance"], wanted, rtol=1e-5)


def test_a_normalization_applied_twice_moves_its_averages_twice():
    with VariableStore():
        a, b = leaf(None, 4), leaf(None, 4)
        layer = layers.BatchNormalization(momentum=0.5)
        first, second = (np.mean(np.square(layer(x, training=True))) for x in (a, b))
        ops = [
            SGD(0.1).minimize(first, var_list=[layer.gamma]),
            SGD(0.1).minimize(second, var_list=[layer.beta]),
        ]
    program = Program([a, b], {}, group(*ops).all_updates())
    values = initial_values(program.variables, 0)
    program.run([X, X + 8], values)
    wanted = 0.5 * (0.5 * X.mean(axis=0)) + 0.5 * (X + 8).mean(axis=0)
    np.testing.assert_allclose(values["batch_normalization/moving_mean"], wanted, rtol=1e-5)


def test_layer_norm_normalizes_each_example():
    with VariableStore():
        x = leaf(None, 4)
        y = layers.layer_norm(x)
    found = value_of(y, [x], [X])
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=1), 1, atol=1e-2)


def test_convolution_and_pooling_have_tf_shapes():
    with VariableStore():
        x = leaf(None, 28, 28, 1)
        assert layers.conv2d(x, 8, 3).shape == (None, 26, 26, 8)
        same = layers.conv2d(x, 8, (5, 3), strides=2, padding="SAME")
        assert same.shape == (None, 14, 14, 8)
        assert layers.max_pooling2d(same, 3, 2).shape == (None, 6, 6, 8)
        assert layers.average_pooling2d(same, 2, 2, "same").shape == (None, 7, 7, 8)


def test_convolution_without_channels_says_what_to_do():
    with VariableStore(), pytest.raises(TypeError, match=r"x\[\.\.\., None\]"):
        layers.conv2d(leaf(None, 28, 28), 8, 3)


def test_unknown_activation_is_named():
    with pytest.raises(ValueError, match=r"(?s)no activation 'rellu'.*did you mean 'relu'"):
        layers.Dense(3, activation="rellu")
