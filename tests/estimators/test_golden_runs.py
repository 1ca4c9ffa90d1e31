"""Whole runs, compared with those of TensorFlow."""

import numpy as np
import pytest

from dataflow import Dataset, TextLineDataset, decode_csv
from estimators import LinearRegressor, feature_column
from tests.estimators.helpers import (
    GOLDEN,
    GOLDEN_FILES,
    QUIET,
    finish,
    housing_columns,
    housing_input,
    start,
)

BOTH_FORMS = True

SCOPE = "linear/linear_model/"
NAMES = {"bias": "bias_weights", "sq_footage": "sq_footage/weights", "type": "type/weights"}
REDUCTIONS = {"v1": "sum", "v2": "sum_over_batch_size"}


def housing(model_dir, version):
    return LinearRegressor(housing_columns(), model_dir, config=QUIET, loss_reduction=REDUCTIONS[version])


def check_housing(model, golden, steps):
    for key, name in NAMES.items():
        weights = golden[f"weights_after_{steps}"][key] if f"weights_after_{steps}" in golden else None
        if weights is not None:
            np.testing.assert_allclose(
                model.get_variable_value(SCOPE + name).ravel(), np.ravel(weights), rtol=1e-5
            )
        for slot, ours in (("accum", "accumulator"), ("linear", "linear")):
            found = model.get_variable_value(f"training/Ftrl/{SCOPE}{name}/{ours}").ravel()
            np.testing.assert_allclose(found, np.ravel(golden[f"slots_after_{steps}"][key][slot]), rtol=1e-5)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("steps", [1, 100])
def test_housing_weights_and_slots(tmp_path, version, steps):
    model = housing(tmp_path, version).train(housing_input().repeat(), steps=steps)
    check_housing(model, GOLDEN["housing"][version], steps)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_housing_evaluation(tmp_path, version):
    model = housing(tmp_path, version).train(housing_input().repeat(), steps=100)
    golden = GOLDEN["housing"][version]["evaluate"]
    results = model.evaluate(housing_input())
    assert results.keys() == golden.keys()
    assert {name: pytest.approx(value, rel=1e-5) for name, value in golden.items()} == results


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_housing_in_one_process_and_predictions_in_another(tmp_path, version):
    job = start("housing_job", tmp_path, 100, REDUCTIONS[version])
    assert "Loss for final step: " in finish(job)
    features = {"sq_footage": [1500, 1500, 1800], "type": ["house", "apt", "apt"]}
    model = housing(tmp_path, version)
    found = [float(p["predictions"][0]) for p in model.predict(Dataset.from_tensor_slices(features).batch(2))]
    np.testing.assert_allclose(found, [855.930, 859.074, 1030.372], atol=0.005)
    check_housing(model, GOLDEN["housing"][version], 100)
    assert model.evaluate(housing_input())["average_loss"] == pytest.approx(24040.438, rel=1e-5)


def taxi_lines(name):
    lines = TextLineDataset(str(GOLDEN_FILES / f"taxi-{name}.csv.gz"))
    keys = ["pickuplon", "pickuplat", "dropofflon", "dropofflat", "passengers"]

    def decode(text):
        fare, *values = decode_csv(text, [[0.0], [-74.0], [40.0], [-74.0], [40.7], [1.0]])
        return dict(zip(keys, values, strict=True)), fare

    return lines.map(decode)


@pytest.mark.parametrize("run", sorted(key for key in GOLDEN["taxi"]))
def test_taxi(tmp_path, run):
    golden = GOLDEN["taxi"][run]
    names = ["pickuplon", "pickuplat", "dropofflon", "dropofflat", "passengers"]
    columns = [feature_column.numeric_column(name) for name in names]
    model = LinearRegressor(columns, tmp_path, config=QUIET, loss_reduction=REDUCTIONS[run[:2]])
    data = taxi_lines("train").shuffle(5120, seed=42).repeat().batch(512)
    model.train(data, max_steps=int(run.split("=")[1]))
    for name, weights in golden["weights"].items():
        np.testing.assert_allclose(model.get_variable_value(name).ravel(), weights, rtol=1e-5, atol=1e-6)
    results = model.evaluate(taxi_lines("valid").batch(512))
    assert results == {key: pytest.approx(value, rel=1e-4) for key, value in golden["eval_on_valid"].items()}
