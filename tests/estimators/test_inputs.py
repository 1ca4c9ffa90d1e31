"""What a model computes without its variables runs in the dataset."""

import numpy as np
import pytest

from dataflow import Dataset
from estimators import feature_column
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.program import Program
from estimators.graph.variable import Variable
from estimators.inputs.hoisting import hoist, replaced
from estimators.inputs.input_fn import symbolic_input


def pets():
    return Dataset.from_tensor_slices(({"pet": ["cat", "dog", "cow"], "kg": [4, 20, 600]}, [1, 2, 3])).batch(
        2
    )


def build(dataset):
    source = symbolic_input(dataset, labels=True)
    pet = feature_column.categorical_column_with_vocabulary_list("pet", ["cat", "dog"])
    kg = feature_column.numeric_column("kg", normalizer_fn=lambda x: x / 10)
    table, weight = Variable("table", (2, 1)), Variable("weight", (1, 1))
    logits = gather_sum(table, pet.ids(source.features))
    logits = logits + np.matmul(kg.dense(source.features), weight)
    return source, logits


def test_a_program_is_fed_with_ids_and_floats():
    source, logits = build(pets())
    dataset, _ = hoist(pets(), source, [logits])
    assert [str(spec.dtype) for spec in dataset.element_spec] == ["int64", "float32"]
    ids, kilograms = next(iter(dataset))
    assert ids.tolist() == [[0], [1]]
    np.testing.assert_allclose(kilograms, [[0.4], [2.0]])


def test_explain_shows_the_hoisted_part_as_a_map():
    source, logits = build(pets())
    dataset, _ = hoist(pets(), source, [logits])
    assert "Map(function=_model_inputs [traced]" in dataset.explain()


def test_a_program_over_hoisted_columns_computes_what_the_model_says():
    source, logits = build(pets())
    dataset, columns = hoist(pets(), source, [logits])
    leaves, (cut,) = replaced([logits], columns)
    values = {"table": np.float32([[1], [2]]), "weight": np.float32([[10]])}
    found = [Program(leaves, {"y": cut}).run(batch, values)["y"].ravel().tolist() for batch in dataset]
    assert found == [[pytest.approx(5.0), pytest.approx(22.0)], [pytest.approx(600.0)]]


def test_a_column_used_twice_is_fed_once():
    source = symbolic_input(pets(), labels=True)
    x = feature_column.numeric_column("kg").dense(source.features)
    one, other = Variable("one", (1, 1)), Variable("other", (1, 1))
    _, columns = hoist(pets(), source, [np.matmul(x, one), np.matmul(x, other)])
    assert len(columns) == 1


def test_a_model_that_uses_no_feature_still_sees_each_batch():
    source = symbolic_input(pets(), labels=True)
    dataset, columns = hoist(pets(), source, [Variable("bias", ())])
    assert len(columns) == 1
    assert len(list(dataset)) == 2


def test_what_needs_no_variable_at_all_is_fed_as_it_is():
    source = symbolic_input(pets(), labels=True)
    doubled = source.features["kg"] * 2
    dataset, columns = hoist(pets(), source, [doubled])
    leaves, (cut,) = replaced([doubled], columns)
    batch = next(iter(dataset))
    assert Program(leaves, {"y": cut}).run(batch, {})["y"].tolist() == [8, 40]


def test_features_alone_have_no_labels():
    source = symbolic_input(Dataset.from_tensor_slices({"x": [1.0]}).batch(1), labels=True)
    assert list(source.features) == ["x"]
    assert source.labels is None
