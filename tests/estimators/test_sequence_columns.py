"""Columns over sequences: steps, lengths, padding."""

import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.tensor import as_tensor
from estimators import VariableStore
from estimators import feature_column as fc
from estimators.graph.program import Program, initial_values
from estimators.graph.variable import constant
from estimators.inputs.hoisting import hoist, replaced
from estimators.inputs.input_fn import symbolic_input

BOTH_FORMS = True

NAN = float("nan")
WORDS = fc.sequence_categorical_column_with_vocabulary_list("words", ["a", "b"])
TABLE = constant([[1.0, 2.0], [3.0, 4.0]])


def run(columns, **settings):
    features = settings.pop("features")
    tensors = {k: as_tensor(np.array(v, object if k == "words" else None)) for k, v in features.items()}
    with VariableStore() as store:
        found, lengths = fc.sequence_input_layer(tensors, columns, **settings)
    values = initial_values(store.variables.values(), 1)
    result = Program([], {"y": found, "n": lengths}).run([], values)
    return result["y"].tolist(), result["n"].tolist()


def test_an_embedding_at_each_step():
    features = {"words": [["a", "b", ""], ["", "", ""], ["zz", "a", "zz"]]}
    found, lengths = run([fc.embedding_column(WORDS, 2, initializer=TABLE)], features=features)
    zero = [0.0, 0.0]
    assert found == [[[1.0, 2.0], [3.0, 4.0], zero], [zero] * 3, [zero, [1.0, 2.0], zero]]
    assert lengths == [2, 0, 3]


def test_several_values_at_a_step_are_combined():
    features = {"words": [[["a", "b"], ["b", ""]], [["", ""], ["", ""]]]}
    found, lengths = run([fc.embedding_column(WORDS, 2, initializer=TABLE)], features=features)
    assert found[0] == [[2.0, 3.0], [3.0, 4.0]]
    assert lengths == [2, 0]


def test_an_indicator_at_each_step():
    clicks = fc.sequence_categorical_column_with_identity("clicks", 3)
    found, lengths = run([fc.indicator_column(clicks)], features={"clicks": [[2, 0], [1, -1]]})
    assert found == [[[0, 0, 1], [1, 0, 0]], [[0, 1, 0], [0, 0, 0]]]
    assert lengths == [2, 1]


def test_hash_buckets_at_each_step():
    hashed = fc.sequence_categorical_column_with_hash_bucket("words", 10)
    found, _ = run([fc.indicator_column(hashed)], features={"words": [["omar", "marlo"]]})
    assert np.argmax(found, axis=-1).tolist() == [[6, 1]]


def test_a_vocabulary_file_at_each_step(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n", encoding="utf-8")
    column = fc.sequence_categorical_column_with_vocabulary_file("words", tmp_path / "words.txt")
    assert run([fc.indicator_column(column)], features={"words": [["b", ""]]}) == ([[[0, 1], [0, 0]]], [1])


def test_numbers_end_where_nan_begins():
    column = fc.sequence_numeric_column("x", normalizer_fn=lambda x: x * 2)
    found, lengths = run([column], features={"x": [[1.0, NAN, 2.0, NAN], [NAN] * 4]})
    assert found == [[[2.0], [0.0], [4.0], [0.0]], [[0.0]] * 4]
    assert lengths == [3, 0]


def test_the_padding_of_numbers_can_be_chosen():
    column = fc.sequence_numeric_column("x", shape=(2,), default_value=-9)
    found, lengths = run([column], features={"x": [[[1.0, 2.0], [NAN, NAN]]]})
    assert (found, lengths) == ([[[1.0, 2.0], [-9.0, -9.0]]], [1])


def test_columns_stand_beside_each_other_at_each_step():
    columns = [fc.sequence_numeric_column("x"), fc.embedding_column(WORDS, 2, initializer=TABLE)]
    features = {"x": [[5.0, NAN], [6.0, 7.0]], "words": [["a", ""], ["b", "a"]]}
    found, lengths = run(columns, features=features)
    assert found == [[[1, 2, 5], [0, 0, 0]], [[3, 4, 6], [1, 2, 7]]]
    assert lengths == [1, 2]


def test_columns_of_different_lengths_are_refused():
    columns = [fc.sequence_numeric_column("x"), fc.indicator_column(WORDS)]
    features = {"x": [[5.0, 0.0]], "words": [["a", ""]]}
    with pytest.raises(ValueError, match=r"'words_indicator' has 1 steps, 'x' has 2"):
        run(columns, features=features)
    assert run(columns, features=features, sequence_length=np.array([1]))[1] == [1]


def test_batches_of_different_lengths_run_through_one_program():
    data = Dataset.from_list([["a"], ["b"], ["a", "b", "b"]]).map(lambda w: {"words": w}).padded_batch(2)
    source = symbolic_input(data, labels=True)
    with VariableStore() as store:
        found, lengths = fc.sequence_input_layer(
            source.features, [fc.embedding_column(WORDS, 2, initializer=TABLE)]
        )
    values = initial_values(store.variables.values(), 1)
    assert list(values) == ["sequence_input_layer/words_embedding/embedding_weights"]
    dataset, columns = hoist(data, source, [found, lengths])
    leaves, ends = replaced([found, lengths], columns)
    program = Program(leaves, dict(zip("yn", ends, strict=True)))
    results = [program.run(batch, values) for batch in dataset]
    assert [r["n"].tolist() for r in results] == [[1, 1], [3]]
    assert results[1]["y"].tolist() == [[[1.0, 2.0], [3.0, 4.0], [3.0, 4.0]]]


@pytest.mark.parametrize(
    ("column", "features", "words"),
    [
        (fc.numeric_column("x"), {"x": [[1.0]]}, "not over sequences"),
        (
            fc.indicator_column(fc.categorical_column_with_identity("x", 2)),
            {"x": [[1]]},
            "not over sequences",
        ),
        (fc.sequence_numeric_column("x"), {"x": [1.0]}, "no time axis"),
        (fc.indicator_column(WORDS), {"words": ["a"]}, "no time axis"),
        (fc.sequence_numeric_column("x", 3), {"x": [[[1.0, 2.0]]]}, "shape=\\(2,\\)"),
        (WORDS, {"words": [["a"]]}, "wrap it"),
    ],
)
def test_what_a_sequence_layer_refuses(column, features, words):
    with pytest.raises((ValueError, TypeError), match=words):
        run([column], features=features)
