"""Tables of vectors: combiners, gradients, sharing, first values."""

import numpy as np
import pytest

from dataflow import Dataset, TensorSpec
from dataflow.expr.tensor import as_tensor, parameter
from estimators import VariableStore, feature_column
from estimators import feature_column as fc
from estimators.feature_column.lookup import combined_rows
from estimators.graph.gradients import gradients
from estimators.graph.primitives.tables import gather_sum, gather_weighted
from estimators.graph.program import Program, initial_values
from estimators.graph.variable import Variable, constant
from estimators.inputs.hoisting import hoist
from estimators.inputs.input_fn import symbolic_input
from estimators.optimizers import SGD
from tests.estimators.twins import arrays, assert_kernel, run_kernel
from tests.golden_values import golden

BOTH_FORMS = True

GOLDEN = golden("columns")
COMBINERS = GOLDEN["embedding_combiners"]
SLOPES = GOLDEN["embedding_gradients"]


def table(rows=3, units=2):
    return Variable("table", (rows, units))


def run(fetches, values, feeds=()):
    return Program([], fetches).run(list(feeds), {name: np.float32(v) for name, v in values.items()})


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("form", ["", "_weighted", "_max_norm3"])
def test_combiners(combiner, form):
    ids = as_tensor(np.array([[0, 2], [-1, -1], [-1, -1]]))
    weights = as_tensor(np.float32([[2.0, 0.5], [1.0, 1.0], [1.0, 1.0]])) if form == "_weighted" else None
    found = combined_rows(table(), ids, weights, combiner, 3.0 if form == "_max_norm3" else None)
    values = run({"y": found}, {"table": COMBINERS["table"]})["y"]
    np.testing.assert_allclose(values, COMBINERS[combiner + form], rtol=1e-6)


@pytest.mark.parametrize(
    "case", SLOPES["cases"], ids=lambda c: f"{c['combiner']}-{c['weighted']}-{c['max_norm']}"
)
def test_values_and_gradients(case):
    variable, ids = table(), as_tensor(np.array(SLOPES["ids"]))
    weights = as_tensor(np.float32(SLOPES["weights"])) if case["weighted"] else None
    found = combined_rows(variable, ids, weights, case["combiner"], case["max_norm"])
    (slope,) = gradients((found * np.float32(SLOPES["factors"])).sum(), [variable])
    result = run({"y": found, "slope": slope.dense()}, {"table": SLOPES["table"]})
    np.testing.assert_allclose(result["y"], case["out"], rtol=1e-6)
    np.testing.assert_allclose(result["slope"], case["gradient"], rtol=1e-4, atol=1e-6)


def test_only_rows_of_present_ids_have_a_gradient():
    variable = table(100, 1)
    found = combined_rows(variable, as_tensor(np.array([[7, -1], [-1, -1], [9, 7]])))
    (slope,) = gradients(found.sum(), [variable])
    rows, sums = slope.summed()
    result = run({"rows": rows, "sums": sums}, {"table": np.ones((100, 1))})
    assert dict(zip(result["rows"].tolist(), result["sums"].ravel().tolist(), strict=True)) == {
        7: 1.5,
        9: 0.5,
    }


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3), (0, 3), (2, 0)])
def test_kernels_of_look_ups_agree_with_their_references(shape):
    ids = np.random.default_rng(0).integers(-1, 5, shape)
    values, weights = arrays((5, 4), shape)
    assert_kernel(gather_sum, values, ids)
    assert_kernel(gather_weighted, values, ids, weights)
    with pytest.raises(ValueError, match="id 5 is beyond the last of the 5 rows"):
        run_kernel(gather_weighted, values, np.array([[5]]), np.float32([[1]]))


def test_steps_and_values_of_unknown_number():
    ids = parameter(TensorSpec((None, None, None), np.int64))
    variable = table(3, 1)
    found = combined_rows(variable, ids, None, "mean")
    (slope,) = gradients((found * found).sum(), [variable])
    program = Program([ids], {"y": found, "slope": slope.dense()})
    for batch in (np.array([[[0, 1], [2, -1]]]), np.array([[[0]], [[-1]]])):
        result = program.run([batch], {"table": np.float32([[1], [2], [4]])})
        assert result["y"].shape == (*batch.shape[:2], 1)
        assert result["slope"].ravel().tolist() == ([1.5, 1.5, 8.0] if batch.size > 2 else [2.0, 0.0, 0.0])


def test_only_ids_and_weights_come_from_the_dataset():
    data = Dataset.from_tensor_slices({"words": np.array([[0, 1]] * 4), "w": np.ones((4, 2))}).batch(2)
    column = fc.embedding_column(fc.weighted_categorical_column(words(), "w"), 2)
    source = symbolic_input(data, labels=True)
    with VariableStore():
        found = fc.input_layer(source.features, [column])
    dataset, _ = hoist(data, source, [found])
    assert [str(spec.dtype) for spec in dataset.element_spec] == ["int64", "float32"]
    assert next(iter(dataset))[1].tolist() == [[0.5, 0.5], [0.5, 0.5]]


def words(buckets=5, key="words"):
    return fc.categorical_column_with_identity(key, buckets)


def layer(columns, **features):
    with VariableStore() as store:
        found = fc.input_layer({key: as_tensor(np.array(v)) for key, v in features.items()}, columns)
    return found, store.variables


def test_embedding_column():
    column = fc.embedding_column(words(), 2, initializer=constant([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]))
    found, variables = layer([column], words=[[1, 3], [-1, -1]])
    assert (column.name, column.width) == ("words_embedding", 2)
    assert list(variables) == ["input_layer/words_embedding/embedding_weights"]
    values = initial_values(variables.values(), 1)
    assert Program([], {"y": found}).run([], values)["y"].tolist() == [[4.0, 5.0], [0.0, 0.0]]


def test_an_embedding_of_weighted_categories():
    column = fc.embedding_column(
        fc.weighted_categorical_column(words(3), "w"), 1, "sum", initializer=constant([[1], [10], [100]])
    )
    found, variables = layer([column], words=[[0, 1, 2]], w=[[2.0, -1.0, 0.5]])
    assert Program([], {"y": found}).run([], initial_values(variables.values(), 1))["y"].tolist() == [[42.0]]


def test_first_values_are_those_of_a_cut_normal_distribution():
    golden_values = GOLDEN["embedding_dim16"]
    _, variables = layer([fc.embedding_column(words(4000), 16)], words=[1])
    (first,) = initial_values(variables.values(), 3).values()
    assert first.std() == pytest.approx(golden_values["observed_std"], rel=0.01)
    assert np.abs(first).max() == pytest.approx(golden_values["observed_abs_max"], rel=1e-3)


@pytest.mark.parametrize("frozen", ["column", "layer"])
def test_embeddings_that_are_not_trained(frozen):
    column = fc.embedding_column(words(), 2, trainable=frozen != "column")
    with VariableStore() as store:
        fc.input_layer({"words": as_tensor(np.array([1]))}, [column], trainable=frozen != "layer")
    assert [variable.trainable for variable in store.variables.values()] == [False]


def test_shared_embeddings_have_one_table():
    columns = fc.shared_embeddings([words(key="b"), words(key="a")], 2, "sum")
    assert [column.name for column in columns] == ["b_shared_embedding", "a_shared_embedding"]
    features = {"a": as_tensor(np.array([0, 1])), "b": as_tensor(np.array([1, 1]))}
    with VariableStore() as store:
        found = fc.input_layer(features, columns)
        fc.input_layer(features, columns[:1])
    assert list(store.variables) == ["a_b_shared_embedding"]
    values = {"a_b_shared_embedding": np.float32([[1, 2], [3, 4], [0, 0], [0, 0], [0, 0]])}
    assert Program([], {"y": found}).run([], values)["y"].tolist() == [[1, 2, 3, 4], [3, 4, 3, 4]]


def test_shared_embeddings_sum_their_gradients():
    columns = fc.shared_embeddings([words(key="b"), words(key="a")], 1)
    with VariableStore() as store:
        features = {"a": as_tensor(np.array([0, 1])), "b": as_tensor(np.array([1, 1]))}
        loss = fc.input_layer(features, columns).sum()
        train = SGD(1.0).minimize(loss)
    values = {"a_b_shared_embedding": np.zeros((5, 1), np.float32), "global_step": np.int64(0)}
    Program([], {}, train.all_updates()).run([], values)
    assert values["a_b_shared_embedding"].ravel().tolist() == [-1.0, -3.0, 0.0, 0.0, 0.0]
    assert list(store.variables) == ["a_b_shared_embedding"]


def test_the_name_of_a_shared_table_can_be_given():
    columns = fc.shared_embeddings([words(key="a")], 2, shared_embedding_collection_name="articles")
    _, variables = layer(columns, a=[1])
    assert list(variables) == ["articles"]


def test_first_values_from_a_checkpoint(tmp_path):
    from tests.estimators.helpers import classes, classifier

    column = fc.embedding_column(words(), 1, initializer=constant(2.5))
    data = classes(words=np.array([0, 1, 2, 3]))
    model = classifier(tmp_path / "first", [column]).train(data, steps=1)
    name = "linear/linear_model/words_embedding/embedding_weights"
    second = fc.embedding_column(words(), 1, ckpt_to_load_from=tmp_path / "first", tensor_name_in_ckpt=name)
    _, variables = layer([second], words=[1])
    (first,) = initial_values(variables.values(), 1).values()
    assert first.tolist() == model.get_variable_value(name).tolist()
    assert first[4].tolist() == [2.5]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: fc.embedding_column(words(), 0), "dimension must be"),
        (lambda: fc.embedding_column(words(), 2, "max"), "combiner must be one of"),
        (lambda: fc.embedding_column(words(), 2, max_norm=0.0), "max_norm must be above 0"),
        (lambda: fc.embedding_column(words(), 2, initializer=3), "initializer must be a function"),
        (lambda: fc.embedding_column(words(), 2, ckpt_to_load_from="x"), "given together"),
        (lambda: fc.embedding_column(fc.numeric_column("x"), 2), "categorical columns"),
        (lambda: fc.shared_embeddings([words(3), words(4, "b")], 2), "equal numbers of categories"),
        (
            lambda: fc.shared_embeddings([words(3), fc.categorical_column_with_hash_bucket("b", 3)], 2),
            "are of one kind",
        ),
        (lambda: fc.shared_embeddings([], 2), "at least one column"),
    ],
)
def test_bad_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_columns_are_values():
    assert fc.embedding_column(words(), 2) == feature_column.embedding_column(words(), 2)
