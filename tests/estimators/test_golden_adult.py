"""Whole runs on census data, compared with those of TensorFlow."""

import json

import numpy as np
import pytest

from dataflow import ParquetDataset
from estimators import DNNLinearCombinedClassifier, LinearClassifier, RunConfig, feature_column
from estimators.models.settings import V1
from estimators.optimizers import Ftrl
from tests.estimators.helpers import GOLDEN_FILES, QUIET

GOLDEN = json.loads((GOLDEN_FILES / "models.json").read_text())["adult"]
REDUCTIONS = {"v1": "sum", "v2": "sum_over_batch_size"}
VOCABULARIES = {
    "education": ["Bachelors", "HS-grad", "11th", "Masters", "9th", "Some-college", "Assoc-acdm", "Assoc-voc",
                  "7th-8th", "Doctorate", "Prof-school", "5th-6th", "10th", "1st-4th", "Preschool", "12th"],
    "marital_status": ["Married-civ-spouse", "Divorced", "Married-spouse-absent", "Never-married",
                       "Separated", "Married-AF-spouse", "Widowed"],
    "relationship": ["Husband", "Not-in-family", "Wife", "Own-child", "Unmarried", "Other-relative"],
    "workclass": ["Self-emp-not-inc", "Private", "State-gov", "Federal-gov", "Local-gov", "?", "Self-emp-inc",
                  "Without-pay", "Never-worked"],
}  # fmt: skip
NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]


def columns():
    """Return those of the wide part and of the deep part."""
    known = [
        feature_column.categorical_column_with_vocabulary_list(k, words) for k, words in VOCABULARIES.items()
    ]
    occupation = feature_column.categorical_column_with_hash_bucket("occupation", 1000)
    numbers = [feature_column.numeric_column(key) for key in NUMBERS]
    ages = feature_column.bucketized_column(numbers[0], [18, 25, 30, 35, 40, 45, 50, 55, 60, 65])
    crosses = [
        feature_column.crossed_column(keys, 1000)
        for keys in (["education", "occupation"], [ages, "education", "occupation"])
    ]
    indicators = [feature_column.indicator_column(column) for column in known]
    deep = [*numbers, *indicators, feature_column.embedding_column(occupation, 8)]
    return [*known, occupation, ages, *crosses], deep


def census(part):
    rows = ParquetDataset(str(GOLDEN_FILES / f"adult-{part}.parquet"))
    return rows.map(lambda row: ({key: row[key] for key in row if key != "label"}, row["label"]))


def training():
    return census("train").shuffle(32561, seed=7).repeat(2).batch(40)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_linear_classifier(tmp_path, version):
    golden = GOLDEN[f"{version} LinearClassifier"]
    optimizer = Ftrl(0.1, l1_regularization_strength=1.0, l2_regularization_strength=1.0)
    reduction = REDUCTIONS[version]
    model = LinearClassifier(
        columns()[0], tmp_path, optimizer=optimizer, config=QUIET, loss_reduction=reduction
    )
    results = model.train(training).evaluate(census("test").batch(40))
    assert results == {key: pytest.approx(value, abs=1e-3) for key, value in golden["eval_on_test"].items()}
    for name, (norm, count) in golden["weights_l2_and_nonzero"].items():
        weights = model.get_variable_value(name)
        assert (np.linalg.norm(weights), np.count_nonzero(weights)) == (pytest.approx(norm, rel=1e-5), count)


def test_wide_and_deep_classifier_is_as_good_as_tf(tmp_path):
    """The mean of three seeds is in the range of TensorFlow's three, or better."""
    wide, deep = columns()
    found = []
    for seed in (1, 2, 3):
        model = DNNLinearCombinedClassifier(
            tmp_path / str(seed),
            linear_feature_columns=wide,
            dnn_feature_columns=deep,
            dnn_hidden_units=[100, 75, 50, 25],
            config=RunConfig(tf_random_seed=seed, progress=False),
            loss_reduction="sum",
            _defaults=V1,
        )
        found.append(model.train(training).evaluate(census("test").batch(40)))
    golden = GOLDEN["v1 DNNLinearCombinedClassifier"]
    for metric in ("accuracy", "auc", "auc_precision_recall"):
        assert np.mean([r[metric] for r in found]) >= min(r[metric] for r in golden), metric
    assert np.mean([r["average_loss"] for r in found]) <= max(r["average_loss"] for r in golden)
