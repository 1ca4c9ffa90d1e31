"""Warm starts where words have other rows than before; the values are those of TensorFlow."""

import numpy as np
import pytest

from dataflow import Dataset
from estimators import (
    DNNClassifier,
    Estimator,
    EstimatorSpec,
    VocabInfo,
    WarmStartSettings,
    feature_column,
    get_variable,
)
from estimators.optimizers import SGD
from tests.estimators.helpers import QUIET
from tests.estimators.warm_values import with_values

OLD = [[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]]
FILES = {
    "old": "a\nb\nc\nd\n",
    "new": "d\nx\na\nb\n",
    "twice": "d\nd\na\n",
    "dos": "d\r\nx\r\na\r\n",
    "long": "a\nb\nc\nd\ne\nf\n",
    "good": "good\nbad\n",
    "bad": "bad\nnew\ngood\n",
}


@pytest.fixture
def words(tmp_path):
    """Write the files, and return a function that makes a VocabInfo of their names."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, newline="")

    def info(new="new", size=4, oov=1, old="old", **settings):
        return VocabInfo(tmp_path / new, size, oov, tmp_path / old, **settings)

    return info


def warm(tmp_path, shape, info, wanted="w", name="w", words_of=None):
    """Return the first value of a variable of that shape; its initializer gives -1."""
    checkpoint = with_values({"w": OLD, "b": [1, 2, 3, 4]}, tmp_path / "old_model").ckpt_to_initialize_from

    def model_fn(features, labels, mode):
        weights = get_variable(name, shape, initializer=lambda shape, *_: np.full(shape, -1, np.float32))
        loss = np.sum(weights**2)
        return EstimatorSpec(mode, {}, loss, SGD(0.1).minimize(loss))

    settings = WarmStartSettings(checkpoint, wanted, {words_of or name: info})
    model = Estimator(model_fn, tmp_path / "model", QUIET, warm_start_from=settings)
    return model.train(Dataset.range(1).batch(1).take(0)).get_variable_value(name).tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [[4, 40], [0, 0], [1, 10], [2, 20], [0, 0]]),
        ({"backup_initializer": "ones"}, [[4, 40], [1, 1], [1, 10], [2, 20], [1, 1]]),
        ({"old_vocab_size": 2}, [[0, 0], [0, 0], [1, 10], [2, 20], [0, 0]]),
        ({"size": 2}, [[4, 40], [0, 0], [0, 0]]),
        ({"new": "dos", "size": 3}, [[4, 40], [0, 0], [1, 10], [0, 0]]),
        ({"old": "long", "old_vocab_size": 4, "oov": 0}, [[4, 40], [0, 0], [1, 10], [2, 20]]),
    ],
)
def test_rows_of_known_words_are_copied_as_in_tf(tmp_path, words, settings, expected):
    assert warm(tmp_path, (len(expected), 2), words(**settings)) == expected


def test_columns_of_known_classes_are_copied_as_in_tf(tmp_path, words):
    info = words("bad", 3, 0, "good", axis=1)
    assert warm(tmp_path, (5, 3), info) == [[10 * i, 0, i] for i in range(1, 6)]


def test_a_vocabulary_of_a_bias(tmp_path, words):
    assert warm(tmp_path, (5,), words(), wanted=None, name="b") == [4, 0, 1, 2, 0]


def test_without_vars_to_warm_start_those_with_words_are(tmp_path, words):
    assert warm(tmp_path, (5, 2), words(), wanted=None)[0] == [4, 40]


def test_new_rows_are_drawn_for_the_shape_of_the_variable(tmp_path, words):
    _, new, *_ = warm(tmp_path, (5, 2), words(backup_initializer="glorot_uniform"))
    assert 0 < np.abs(new).max() < np.sqrt(6 / 7)


@pytest.mark.parametrize(
    ("shape", "settings", "words_of_error"),
    [
        ((5, 2), {"new": "nowhere"}, "new_vocab of a VocabInfo does not exist: .*nowhere"),
        ((5, 2), {"old": "nowhere"}, "old_vocab of a VocabInfo does not exist: .*nowhere"),
        ((5, 2), {"old_vocab_size": 9}, "old has 4 lines, and old_vocab_size is 9"),
        ((7, 2), {"size": 6}, "new has 4 lines, and new_vocab_size is 6"),
        ((6, 2), {}, r"shape=\(6, 2\).* has not the 5 rows of new_vocab_size=4 and num_oov_buckets=1"),
        ((4, 2), {"new": "twice", "size": 3}, "twice: a vocabulary holds 'd' twice"),
        ((5, 2), {"old": "long"}, r"long has 6 words, and .* for 'w' 5 rows(?s:.*)old_vocab_size"),
        ((5, 3), {}, r"shape=\(5, 3\).*cannot start with rows.*shape \(5, 2\)"),
    ],
)
def test_words_that_do_not_fit_are_refused(tmp_path, words, shape, settings, words_of_error):
    with pytest.raises((ValueError, FileNotFoundError), match=words_of_error):
        warm(tmp_path, shape, words(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "new_vocab_size must be an integer of at least 1"),
        ({"oov": -1}, "num_oov_buckets, if not 0, must be"),
        ({"old_vocab_size": 0}, "old_vocab_size, if not -1, must be"),
        ({"axis": 2}, "axis must be 0 or 1, not 2"),
        ({"backup_initializer": "one"}, "mean 'ones'"),
    ],
)
def test_settings_of_vocabularies_that_are_refused(words, settings, message):
    with pytest.raises(ValueError, match=message):
        words(**settings)


@pytest.mark.parametrize("wanted", ["w", None])
def test_words_of_another_variable_are_refused(tmp_path, words, wanted):
    with pytest.raises(ValueError, match=r"has 'ww', which is not a variable.*did you mean 'w'"):
        warm(tmp_path, (5, 2), words(), wanted, words_of="ww")


def test_words_are_given_as_vocab_info():
    with pytest.raises(TypeError, match="must hold a VocabInfo for 'w', not 3"):
        WarmStartSettings("model", var_name_to_vocab_info={"w": 3})


def test_a_network_keeps_what_it_learned_of_words(tmp_path, words):
    def network(file, folder, warm_start_from=None):
        keys = ("seller", "buyer")
        known = [feature_column.categorical_column_with_vocabulary_file(k, tmp_path / file) for k in keys]
        columns = [feature_column.embedding_column(column, 2) for column in known]
        return DNNClassifier([3], columns, tmp_path / folder, config=QUIET, warm_start_from=warm_start_from)

    rows = Dataset.from_tensor_slices(({"seller": ["a", "b", "d"], "buyer": ["d", "a", "b"]}, [0, 1, 1]))
    old = network("old", "old_model").train(rows.batch(3).repeat(9))
    tables = [
        f"dnn/input_from_feature_columns/input_layer/{k}_embedding/embedding_weights"
        for k in ("seller", "buyer")
    ]
    infos = dict.fromkeys([n for n in old.get_variable_names() if n in tables], words(oov=0))
    new = network("new", "new_model", WarmStartSettings(old.model_dir, var_name_to_vocab_info=infos))
    before, after = ([p["logits"][0] for p in model.predict(rows.batch(3))] for model in (old, new))
    assert len(infos) == 2
    np.testing.assert_allclose(after, before, rtol=1e-6)
