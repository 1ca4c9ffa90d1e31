"""`fit`: statistics in one pass, and the columns made of them."""

import json

import numpy as np
import pyarrow as pa
import pytest

from dataflow import Dataset, ParquetDataset
from dataflow.errors import DataLossError
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import as_tensor
from estimators import feature_column as fc
from estimators.feature_column.sketches import Counts, Moments, Quantiles

ROWS = {
    "age": [20.0, 30.0, float("nan"), 40.0, 50.0, 60.0],
    "job": ["cook", "nurse", "cook", "", "cook", "nurse"],
    "zip": [7, 9, 7, -1, 7, 8],
}


def fitted(rows=ROWS, **settings):
    settings = settings or {"numeric": ["age"], "categorical": ["job", "zip"], "buckets": {"age": 4}}
    return fc.fit(Dataset.from_tensor_slices((rows, np.zeros(6))), **settings)


def test_numbers():
    found = fitted().numeric["age"]
    assert (found.count, found.missing, found.min, found.max) == (5, 1, 20.0, 60.0)
    assert (found.mean, found.variance) == (40.0, 200.0)


def test_a_normalized_column():
    column = fitted().numeric_column("age")
    found = evaluate(column.dense({"age": as_tensor([40.0, 60.0, np.nan])}), [], [])
    np.testing.assert_allclose(found, [[0.0], [2**0.5], [0.0]], rtol=1e-6)
    assert fitted().numeric_column("age", default_value=None).default_value is None


def test_a_constant_feature_is_not_divided_by_zero():
    column = fitted({"x": [3.0] * 6}, numeric=["x"]).numeric_column("x")
    assert evaluate(column.dense({"x": as_tensor([3.0, 4.0])}), [], []).tolist() == [[0.0], [1.0]]


def test_vocabularies():
    statistics = fitted()
    assert statistics.vocabularies["job"].values == ("cook", "nurse")
    assert statistics.vocabularies["job"].counts == (3, 2)
    assert (statistics.vocabularies["job"].missing, statistics.vocabularies["job"].error) == (1, 0)
    assert statistics.vocabularies["zip"].values == (7, 8, 9)


def test_vocabulary_columns():
    statistics = fitted()
    assert statistics.vocabulary_column("zip", max_size=2).vocabulary_list == (7, 8)
    assert statistics.vocabulary_column("job", min_count=3).vocabulary_list == ("cook",)
    assert statistics.vocabulary_column("job", num_oov_buckets=2).num_buckets == 4


def test_boundaries_are_quantiles():
    statistics = fitted()
    assert statistics.bucketized_column("age").boundaries == (30.0, 40.0, 50.0)
    assert statistics.boundaries["age"].error == 0.0


def test_boundaries_of_few_values():
    statistics = fitted({"x": [1.0, 1.0, 1.0, 1.0, 1.0, 2.0], "y": [1.0] * 6}, buckets={"x": 12, "y": 4})
    assert statistics.bucketized_column("x").boundaries == (2.0,)
    with pytest.raises(ValueError, match="are all equal"):
        statistics.bucketized_column("y")


def test_statistics_are_saved_as_json(tmp_path):
    statistics = fitted()
    statistics.save(tmp_path / "statistics.json")
    assert fc.Statistics.load(tmp_path / "statistics.json") == statistics
    assert json.loads((tmp_path / "statistics.json").read_text())["numeric"]["age"]["mean"] == 40.0
    (tmp_path / "other.json").write_text('{"version": 9}')
    with pytest.raises(DataLossError, match="version is 9"):
        fc.Statistics.load(tmp_path / "other.json")


@pytest.mark.parametrize("size", [1, 4])
def test_batches_and_files_give_the_same(tmp_path, size):
    rows = {"age": ROWS["age"], "job": ROWS["job"], "unused": ["x"] * 6}
    Dataset.from_tensor_slices(rows).write_parquet(str(tmp_path / "rows"))
    data = ParquetDataset(str(tmp_path / "rows")).batch(size)
    found = fc.fit(data, numeric=["age"], categorical=["job"], buckets={"age": 4})
    assert found.numeric["age"].mean == pytest.approx(40.0)
    assert found.vocabularies == fitted(categorical=["job"]).vocabularies
    assert found.boundaries == fitted(buckets={"age": 4}).boundaries


def test_lists_count_value_by_value():
    data = Dataset.from_list([["a", "b"], [], ["b"]]).map(lambda k: {"k": k})
    for form in (data, data.padded_batch(2)):
        assert fc.fit(form, categorical=["k"]).vocabularies["k"].counts == (2, 1)


def test_moments_of_blocks_are_those_of_all():
    x = np.random.default_rng(0).normal(1e6, 1.0, 10_000)
    moments = Moments()
    for part in np.array_split(x, 7):
        moments.add(part)
    assert moments.mean == pytest.approx(x.mean(), rel=1e-14)
    assert moments.variance == pytest.approx(x.var(), rel=1e-9)


def test_a_summary_of_quantiles_keeps_its_promise():
    x = np.random.default_rng(1).permutation(200_000).astype(np.float64)
    quantiles = Quantiles(512)
    for part in np.array_split(x, 37):
        quantiles.add(part)
    wanted = np.arange(1, 20) / 20
    assert 0 < quantiles.error / len(x) < 0.01
    assert np.abs(quantiles.at(wanted) - wanted * len(x)).max() <= quantiles.error + 1


def test_quantiles_of_few_numbers_are_exact():
    x = np.random.default_rng(2).normal(size=1000)
    quantiles = Quantiles()
    for part in np.array_split(x, 3):
        quantiles.add(part)
    wanted = np.arange(1, 10) / 10
    np.testing.assert_array_equal(quantiles.at(wanted), np.quantile(x, wanted, method="inverted_cdf"))


def test_a_summary_of_counts_keeps_frequent_values_in_bounded_memory():
    rng = np.random.default_rng(3)
    rare, frequent = rng.integers(0, 10**9, 50_000), np.repeat([-5, -6], [3000, 2000])
    values = rng.permutation(np.concatenate([rare, frequent]))
    counts = Counts(100)
    for part in np.array_split(values, 500):
        counts.add(pa.array(part))
    found, numbers = counts.most_frequent()
    assert found[:2] == [-5, -6]
    assert len(found) <= 100
    assert 0 < counts.error <= len(values) / 100
    assert 3000 - counts.error <= numbers[0] <= 3000


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"numeric": ["ages"]}, "did you mean 'age'"),
        ({"numeric": ["job"]}, "cannot be fitted as numeric"),
        ({"categorical": ["age"]}, "cannot be fitted as categorical"),
        ({"categorical": "job"}, r"write \['job'\]"),
        ({"buckets": {"age": 0}}, "at least 1"),
    ],
)
def test_what_fit_refuses(settings, words):
    with pytest.raises((ValueError, TypeError), match=words):
        fitted(**settings)


def test_fit_refuses_endless_and_infinite():
    with pytest.raises(ValueError, match="is infinite"):
        fc.fit(Dataset.from_tensor_slices(ROWS).repeat(), numeric=["age"])
    with pytest.raises(ValueError, match="infinite number"):
        fitted({"x": [1.0, float("inf"), 1.0, 1.0, 1.0, 1.0]}, numeric=["x"])


def test_statistics_that_were_not_fitted_are_refused():
    with pytest.raises(ValueError, match=r"no such statistics of 'job'"):
        fitted().numeric_column("job")
