"""What a model function is told when something in it is wrong, and what its tensors print as."""

import numpy as np
import pytest

import estimators
from dataflow import Dataset, tensors
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, TraceError
from dataflow.expr.tensor import NUMPY_FUNCTIONS, UFUNCS, as_tensor
from estimators import (
    Estimator,
    EstimatorSpec,
    VariableStore,
    get_global_step,
    layers,
    losses,
    metrics,
)
from estimators.optimizers import SGD, v1
from tests.estimators.helpers import QUIET, ROOT

X = np.arange(12, dtype=np.float32).reshape(6, 2) / 12
Y = np.arange(6, dtype=np.float32)


def data(features=X, labels=Y):
    given = {"x": features}
    return Dataset.from_tensor_slices(given if labels is None else (given, labels)).batch(3)


def estimator(build, **settings):
    """A model of which `build(features, labels, mode)` gives the predictions, trained on squares."""

    def model_fn(features, labels, mode):
        y = build(features, labels, mode)
        loss = losses.mean_squared_error(labels, y)
        return EstimatorSpec(mode, {"y": y}, loss, SGD(0.1).minimize(loss))

    return Estimator(model_fn, config=QUIET, **settings)


def line(features, labels=None, mode=None):
    return layers.dense(features["x"], 1)[:, 0]


def notes(caught):
    return " ".join(getattr(caught.value, "__notes__", ()))


# The text of tensors --------------------------------------------------------------------------------


def test_tensors_can_be_printed_in_a_model_function():
    said = []

    def build(features, labels, mode):
        said.append(f"{features['x']} and {layers.Dense(1)}"[:51])
        return line(features)

    estimator(build).train(data())
    assert said == ["Tensor(parameter, shape=(None, 2), dtype=float32) a"]


def test_text_of_a_tensor_in_map_is_of_its_value():
    def shout(x):
        return f"{x}!"

    with pytest.warns(UserWarning, match="text of a symbolic tensor"):
        assert list(Dataset.range(2).map(shout)) == ["0!", "1!"]


def test_a_dataset_made_in_a_model_function_formats_values():
    with VariableStore(), pytest.warns(UserWarning, match="text of a symbolic tensor"):
        assert list(Dataset.range(1).map(lambda x: str(x))) == ["0"]


def test_text_of_a_tensor_with_digits_asks_for_its_value():
    with VariableStore(), pytest.raises(TraceError, match="is not known yet"):
        f"{as_tensor(np.ones(3)):.2f}"


def test_variables_are_described_everywhere():
    assert f"{get_global_step()}" == "Variable('global_step', shape=(), dtype=int64)"


# Labels that are None -------------------------------------------------------------------------------


def test_loss_of_no_labels():
    with pytest.raises(SpecError, match=r"labels are None\n.*in mode infer return EstimatorSpec"):
        estimator(line).train(data(labels=None))
    with pytest.raises(SpecError, match="labels are None"):
        losses.sparse_softmax_cross_entropy(None, np.ones((2, 2)))


def test_difference_of_no_labels():
    build = estimator(lambda features, labels, mode: line(features) - labels)
    with pytest.raises(TraceError, match=r"None is not a tensor(.|\n)*the input gives features alone"):
        build.train(data(labels=None))
    with pytest.raises(TraceError, match=r"None is not a tensor(.|\n)*\(mode, predictions\) before the loss"):
        next(build.predict(data()))


def test_none_is_no_text():
    with pytest.raises(TraceError, match="None is not a tensor"):
        as_tensor(None)


# Names ----------------------------------------------------------------------------------------------


def test_names_that_are_not_there():
    with pytest.raises(KeyError) as caught:
        estimator(lambda features, labels, mode: line({"x": features["xx"]})).train(data())
    assert notes(caught) == "features has no 'xx': did you mean 'x'? Available: 'x'"
    rows = data(labels={"price": Y})
    with pytest.raises(KeyError) as caught:
        estimator(lambda features, labels, mode: labels["pric"]).train(rows)
    assert notes(caught) == "labels has no 'pric': did you mean 'price'? Available: 'price'"


def test_a_setting_that_is_not_there():
    def model_fn(features, mode, params):
        return EstimatorSpec(mode, layers.dense(features["x"], params["units"]))

    with pytest.raises(KeyError) as caught:
        next(Estimator(model_fn, config=QUIET, params={"unit": 1}).predict(data()))
    assert notes(caught) == "params has no 'units': did you mean 'unit'? Available: 'unit'"


# Shapes and kinds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "way_out"),
    [(Y, r"x\[:, None\]"), (X.astype(str), "to_hash_bucket_fast")],
)
def test_dense_of_other_things(features, way_out):
    with pytest.raises(SpecError, match=way_out):
        estimator(line).train(data(features))


def test_loop_over_a_batch():
    with pytest.raises(TraceError, match=r"length of Tensor\(index, shape=\(None,\), .* is not known"):
        estimator(lambda features, labels, mode: sum(line(features))).train(data())


@pytest.mark.parametrize("returned", [None, {"y": "x" * 99}])
def test_model_function_that_returns_no_spec(returned):
    with pytest.raises(SpecError, match=r"returned (None|a dict)\n.*return EstimatorSpec\(mode, "):
        Estimator(lambda features, mode: returned, config=QUIET).evaluate(data(labels=None))


def test_metrics_of_tf():
    loss = as_tensor(np.float32(1))
    with pytest.raises(SpecError, match=r"use metrics.mean\(x\)"):
        EstimatorSpec("eval", loss=loss, eval_metric_ops={"m": (loss, loss)})
    assert EstimatorSpec("eval", loss=loss, eval_metric_ops={"m": metrics.mean(loss)}).loss is loss


def test_tensor_of_another_call():
    kept = []

    def build(features, labels, mode):
        kept.append(features["x"])
        return line({"x": kept[0] * 2})

    model = estimator(build).train(data())
    with pytest.raises(InvalidArgumentError, match=r"multiply at .*messages.py:.* earlier call of model_fn"):
        model.evaluate(data())


@pytest.mark.parametrize("name", ["fft.fft", "linalg.svd"])
def test_functions_that_are_not_there(name):
    function = getattr(getattr(np, name.split(".")[0]), name.split(".")[1])
    with pytest.raises(TraceError) as caught:
        function(as_tensor(np.ones((2, 2))))
    assert "did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_functions_like_others():
    with pytest.raises(TraceError, match=r"did you mean np.mean\?"):
        np.nanmean(as_tensor(np.ones(2)))


def test_porting_lists_all_functions():
    text = (ROOT / "docs" / "porting.md").read_text()
    names = [*UFUNCS, *(function.__name__ for function in NUMPY_FUNCTIONS)]
    assert [name for name in names if f"`{name}`" not in text and f".{name}`" not in text] == []


def test_names_at_the_top():
    assert estimators.optimizers.v1 is v1
    assert estimators.ExponentialMovingAverage(0.9).decay == 0.9


# Runs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [False, True])
def test_errors_of_a_run_name_the_line(reference):
    ids = Dataset.from_tensor_slices(({"x": np.array([0, 3])}, Y[:2])).batch(2)
    model = estimator(lambda f, labels, mode: layers.embedding(f["x"], 3, 1)[:, 0])
    model._config = QUIET.replace(reference=reference, model_dir=model.model_dir)
    with pytest.raises(InvalidArgumentError) as caught:
        model.train(ids)
    before, _, where = caught.value.message.partition(", used at ")
    assert before == "id 3 is out of range for size 3: gather of variable 'embedding/embeddings'"
    assert where.startswith(__file__)


def test_errors_of_the_hoisted_part_name_the_line():
    pick = estimator(lambda f, labels, mode: line(f) + tensors.gather(np.ones(2), f["i"]))
    rows = Dataset.from_tensor_slices(({"x": X, "i": np.arange(6)}, Y)).batch(3)
    with pytest.raises(DataflowError, match=r"used at .*test_model_fn_messages.py"):
        pick.train(rows)


def test_label_out_of_range_outside_of_heads():
    def model_fn(features, labels, mode):
        logits = layers.dense(features["x"], 2)
        return EstimatorSpec(mode, loss=losses.sparse_softmax_cross_entropy(labels, logits))

    with pytest.raises(InvalidArgumentError, match=r"and one is 2: .* used at .*\n.*last size of the logits"):
        Estimator(model_fn, config=QUIET).evaluate(data(labels=np.arange(6)))


def test_nan_of_first_values():
    def build(features, labels, mode):
        return np.log(np.abs(line(features)) * 0) * 0

    with pytest.raises(RuntimeError, match=r"NaN at step 0\n.*first values: look for"):
        estimator(build).train(data())  # and NumPy does not warn


def test_predictions_may_overflow_without_warnings():
    def model_fn(features, mode):
        return EstimatorSpec(mode, np.exp(layers.dense(features["x"], 1, kernel_initializer="ones") + 1e3))

    assert next(Estimator(model_fn, config=QUIET).predict(data())) == [np.inf]
    with pytest.warns(RuntimeWarning, match="overflow"):
        np.exp(np.float32(1e3))  # a run changes nothing for others


def test_float64_features_over_a_float32_checkpoint():
    model = estimator(line).train(data())
    with pytest.raises(InvalidArgumentError, match=r"probably float64.*astype\(np.float32\) in map"):
        model.evaluate(data(X.tolist()))


def test_another_optimizer_over_an_old_folder():
    model = estimator(line).train(data())

    def model_fn(features, labels, mode):
        loss = losses.mean_squared_error(labels, line(features))
        return EstimatorSpec(mode, loss=loss, train_op=v1.AdamOptimizer().minimize(loss))

    with pytest.raises(InvalidArgumentError, match="another model_dir with warm_start_from="):
        Estimator(model_fn, model.model_dir, QUIET).train(data())
