"""What every optimizer and every estimator keeps to. The suite finds them by itself."""

import inspect

import numpy as np
import pytest

import estimators
from dataflow import Dataset
from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators import Estimator, RunConfig, feature_column
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.program import Program
from estimators.graph.variable import Variable, constant
from estimators.heads import RegressionHead
from estimators.optimizers import OPTIMIZERS
from estimators.values.checkpoint import load
from tests.estimators.helpers import assert_same_bits, variables

BOTH_FORMS = True

# Optimizers ----------------------------------------------------------------------------------------


def leaf(*shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


def first_values(program):
    rng = np.random.default_rng(0)
    return {v.name: np.array(v.initializer(v.shape, v.dtype, rng)) for v in program.variables}


def train(program, columns, values):
    """Do a step, and count it as the training loop does."""
    fetched = program.run(columns, values)
    if "global_step" in values:
        values["global_step"] += 1
    return fetched


@pytest.fixture(params=sorted(OPTIMIZERS))
def optimizer(request):
    return OPTIMIZERS[request.param](0.1)


def test_optimizer_is_called_as_it_is_registered(optimizer):
    assert OPTIMIZERS[optimizer.name] is type(optimizer)


def test_optimizer_makes_a_loss_smaller(optimizer):
    weight = Variable("w", (2,))
    loss = ((weight - np.float32([1.0, -2.0])) ** 2).sum()
    program = Program([], {"loss": loss}, optimizer.minimize(loss).updates)
    values = first_values(program)
    losses = [float(train(program, [], values)["loss"]) for _ in range(30)]
    steps_grow = optimizer.name == "Adadelta"  # from almost nothing
    assert losses[-1] < (1 - 1e-4 if steps_grow else 0.9) * losses[0]


def test_optimizer_names_slots_and_settings_after_itself(optimizer):
    loss = (Variable("scope/w", (2,)) ** 2).sum()
    op = optimizer.minimize(loss)
    slots = [update.variable.name for update in op.updates if update.variable.name != "scope/w"]
    prefix = f"training/{optimizer.name}/"
    assert all(name.startswith(f"{prefix}scope/w/") for name in slots)
    assert op.hyperparameters[f"{prefix}learning_rate"] == 0.1
    assert all(np.isfinite(value) for value in op.hyperparameters.values())


def test_optimizer_keeps_shapes_and_dtypes(optimizer):
    for shape, dtype in (((), np.float32), ((0, 3), np.float32), ((2, 3), np.float64)):
        weight = Variable("w", shape, np.dtype(dtype))
        loss = (weight**2).sum()
        program = Program([], {}, optimizer.minimize(loss).updates)
        values = first_values(program)
        train(program, [], values)
        assert values.pop("global_step", np.ones((), np.int64)) == 1
        assert all(isinstance(value, np.ndarray) for value in values.values())
        assert {(value.shape, value.dtype) for value in values.values()} == {(shape, np.dtype(dtype))}


def test_optimizer_treats_rows_like_whole_variables(optimizer):
    """With a gradient for each row, once: the same as a dense gradient."""
    dense, gradient = Variable("w", (3, 2)), leaf(3, 2)
    sparse, ids = Variable("w", (3, 2)), leaf(3, 1, dtype=np.int64)
    dense_loss = (dense * gradient).sum()
    sparse_loss = (gather_sum(sparse, ids) * gradient).sum()
    whole = Program([gradient], {}, optimizer.minimize(dense_loss).updates)
    rows = Program([ids, gradient], {}, optimizer.minimize(sparse_loss).updates)
    a, b = first_values(whole), first_values(rows)
    for step in range(3):
        given = np.random.default_rng(step).normal(size=(3, 2)).astype(np.float32)
        train(whole, [given], a)
        train(rows, [np.array([[2], [0], [1]]), given[[2, 0, 1]]], b)
    assert all(np.allclose(a[name], b[name], rtol=1e-6) for name in a)


def test_optimizer_without_a_gradient_stays_finite(optimizer):
    weight, gradient = Variable("w", (2,), initializer=constant(0.0)), leaf(2)
    program = Program([gradient], {}, optimizer.minimize((weight * gradient).sum()).updates)
    values = first_values(program)
    for _ in range(3):
        train(program, [np.zeros(2, np.float32)], values)
    assert values["w"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("rate", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizer_refuses_learning_rates_out_of_range(name, rate):
    with pytest.raises(ValueError, match="learning_rate"):
        OPTIMIZERS[name](rate)


# Estimators ----------------------------------------------------------------------------------------

ESTIMATORS = {
    name: item
    for name, item in vars(estimators).items()
    if inspect.isclass(item) and issubclass(item, Estimator) and item is not Estimator
}
COLUMNS = [
    feature_column.numeric_column("x"),
    feature_column.bucketized_column(feature_column.numeric_column("z"), [-0.5, 0.5]),
    feature_column.categorical_column_with_vocabulary_list("k", ["a", "b", "c"]),
]


DENSE = [*COLUMNS[:2], feature_column.embedding_column(COLUMNS[2], 2)]


def arguments_of(kind):
    """Return arguments for the parameters that an estimator needs, by what they are called."""
    known = {
        "feature_columns": DENSE if "hidden_units" in inspect.signature(kind).parameters else COLUMNS,
        "linear_feature_columns": COLUMNS,
        "linear_optimizer": OPTIMIZERS["Ftrl"](0.2),
        "dnn_feature_columns": DENSE,
        "dnn_optimizer": OPTIMIZERS["Adagrad"](0.05),
        "hidden_units": [6, 4],
        "dnn_hidden_units": [6, 4],
        "dropout": 0.1,
        "batch_norm": True,
        "head": RegressionHead(),
    }
    return {name: known[name] for name in inspect.signature(kind).parameters if name in known}


def test_estimators_are_found():
    kinds = [f"{family}{head}" for family in ("Linear", "DNN", "DNNLinearCombined", "Baseline")
             for head in ("Classifier", "Regressor", "Estimator")]  # fmt: skip
    assert set(kinds) <= ESTIMATORS.keys()


@pytest.fixture(params=sorted(ESTIMATORS))
def make(request, tmp_path):
    """Return a function that makes an estimator in a folder."""
    kind = ESTIMATORS[request.param]

    def build(folder="model", **config):
        settings = RunConfig(tf_random_seed=3, progress=False, **config)
        return kind(**arguments_of(kind), model_dir=tmp_path / folder, config=settings)

    return build


class Rows:
    """Rows that depend on their position alone; reading fails once, at row `broken`."""

    def __init__(self, kind, broken=None):
        self.classes, self.broken = "Classifier" in kind, broken

    def features(self, i):
        return np.float32(np.sin(i)), np.float32(np.cos(3 * i)), "abcd"[i * i % 4]

    def rows(self):
        for i in range(90):
            if i == self.broken:
                self.broken = None
                raise OSError("broken")
            x, z, k = self.features(i)
            yield x, z, k, np.int64(x + z > -0.6) if self.classes else np.float32(2 * x - z + 1)

    def dataset(self):
        label = np.int64 if self.classes else np.float32
        data = Dataset.from_generator(self.rows, (np.float32, np.float32, str, label), ((), (), (), ()))
        return data.map(lambda x, z, k, y: ({"x": x, "z": z, "k": k}, y))

    def training(self):
        return self.dataset().shuffle(25, seed=9).repeat(2).batch(8)


def rows_for(model, broken=None):
    return Rows(type(model).__name__, broken)


def test_estimator_learns(make):
    model = make()
    data = rows_for(model).dataset().batch(30)
    before = model.evaluate(data)
    model.train(data.repeat(), steps=60)
    after = model.evaluate(data)
    assert after["loss"] < 0.95 * before["loss"]
    assert after["global_step"] == 60
    assert before.keys() == after.keys() >= {"loss", "average_loss", "global_step"}


def test_estimator_predicts_each_example(make):
    model = make()
    data = rows_for(model).dataset()
    model.train(data.batch(30))
    one, other = (list(model.predict(data.batch(size))) for size in (7, 90))
    assert len(one) == len(other) == 90
    assert all(a.keys() == b.keys() for a, b in zip(one, other, strict=True))
    numbers = [name for name in one[0] if one[0][name].dtype.kind in "fi"]
    assert all(np.allclose(a[n], b[n], atol=1e-5) for a, b in zip(one, other, strict=True) for n in numbers)


def test_estimator_is_its_directory(make):
    model = make()
    data = rows_for(model).dataset().batch(30)
    model.train(data)
    assert make().evaluate(data) == model.evaluate(data)


def test_estimator_with_a_seed_trains_to_the_same_bits(make):
    one, other = make("one"), make("other")
    for model in (one, other):
        model.train(rows_for(model).training())
    assert_same_bits(variables(one), variables(other))


@pytest.mark.parametrize("broken", [0, 40, 89])
def test_estimator_resumes_to_the_same_bits(make, broken):
    whole, cut = make("whole", save_checkpoints_steps=3), make("cut", save_checkpoints_steps=3)
    whole.train(rows_for(whole).training())
    rows = rows_for(cut, broken)
    with pytest.raises(RuntimeError, match="broken"):
        cut.train(rows.training())
    again = make("cut", save_checkpoints_steps=3).train(rows.training())
    assert_same_bits(variables(again), variables(whole))


def test_estimator_in_two_halves_is_that_in_one(make):
    whole, halves = make("whole"), make("halves")
    data = rows_for(whole).dataset().batch(9)
    whole.train(data.repeat(2))
    halves.train(data).train(data)
    assert_same_bits(variables(whole), variables(halves))


def test_estimator_steps(make):
    model = make()
    data = rows_for(model).dataset().batch(9).repeat()
    model.train(data, steps=2).train(data, max_steps=5).train(data, max_steps=4)
    assert model.get_variable_value("global_step") == 5


def test_estimator_saves_step_0_with_the_position_of_the_input(make):
    model = make()
    model.train(rows_for(model).training(), steps=1)
    first = load(f"{model.model_dir}/model.ckpt-0")
    assert first.input_state is not None
    assert set(first.arrays) == set(variables(model))


def test_estimator_needs_labels_to_train(make):
    model = make()
    with pytest.raises(ValueError, match="no labels"):
        model.train(rows_for(model).dataset().map(lambda features, label: features).batch(9))


def test_estimator_names_a_missing_feature(make):
    model = make()
    if isinstance(model, estimators.BaselineEstimator):
        pytest.skip("it uses no feature")
    data = rows_for(model).dataset().map(lambda f, y: ({"xx": f["x"], "z": f["z"], "k": f["k"]}, y))
    with pytest.raises(ValueError, match=r"no 'x'(?s:.*)Available: .*'xx'"):
        model.train(data.batch(9))
