"""Clusters by k-means; with full batches the values are those of tf.estimator."""

import numpy as np
import pytest

from dataflow import Dataset
from estimators import feature_column
from estimators.experimental import KMeans
from tests.estimators.helpers import QUIET

BOTH_FORMS = True

POINTS = [[0, 0], [1, 0.5], [4, 4], [5, 4.5], [9, 0], [8, 1], [0.5, 1], [4.5, 5], [8.5, 0.5], [3, 1]]
START = [[1, 1], [4, 3], [7, 1]]


def data(batch=5):
    return Dataset.from_tensor_slices({"x": np.float32(POINTS)}).batch(batch)


def test_full_batches_as_in_tf(tmp_path):
    model = KMeans(3, tmp_path, START, use_mini_batch=False, config=QUIET).train(data().repeat(), steps=4)
    np.testing.assert_allclose(model.cluster_centers(), [[1.75, 1], [4.5, 5], [8.25, 0.75]], atol=1e-5)
    assert list(model.predict_cluster_index(data())) == [0, 0, 1, 1, 2, 2, 0, 1, 2, 0]
    assert model.score(data()) == pytest.approx(7.75)
    assert model.evaluate(data())["loss"] == pytest.approx(5.5625)
    first = next(model.transform(data()))
    np.testing.assert_allclose(first, [2.0155635, 6.7268057, 8.284017], rtol=1e-5)


def test_mini_batches_give_the_mean_of_all_that_came(tmp_path):
    model = KMeans(3, tmp_path, START, config=QUIET).train(data())
    np.testing.assert_allclose(model.cluster_centers(), [[1.125, 0.625], [4.5, 4.5], [8.5, 0.5]], atol=1e-5)
    model.train(data().repeat(3))
    np.testing.assert_allclose(model.cluster_centers(), [[1.125, 0.625], [4.5, 4.5], [8.5, 0.5]], atol=1e-5)


@pytest.mark.parametrize("method", ["random", "kmeans_plus_plus"])
def test_first_centers_are_points(tmp_path, method):
    model = KMeans(10, tmp_path, method, seed=5, config=QUIET).train(data(10), steps=1)
    assert sorted(model.cluster_centers().tolist()) == sorted(POINTS)


def test_first_centers_from_a_function(tmp_path):
    model = KMeans(2, tmp_path, lambda points, k: points[:k], config=QUIET).train(data(2).take(1))
    assert model.cluster_centers().tolist() == POINTS[:2]


def test_few_examples_in_the_first_batch(tmp_path):
    with pytest.raises(ValueError, match=r"6 first centers(?s:.*)5 examples(?s:.*)batches of at least 6"):
        KMeans(6, tmp_path, config=QUIET).train(data())


def test_cosine_looks_at_directions(tmp_path):
    rays = Dataset.from_tensor_slices(np.float32([[1, 0], [9, 0.1], [0, 2], [0.1, 7]])).batch(4)
    model = KMeans(2, tmp_path, [[5, 1], [1, 5]], "cosine", config=QUIET).train(rays)
    assert list(model.predict_cluster_index(rays)) == [0, 0, 1, 1]
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers(), axis=1), 1.0, atol=1e-4)


def test_training_stops_when_the_loss_settles(tmp_path):
    model = KMeans(3, tmp_path, START, use_mini_batch=False, relative_tolerance=0.001, config=QUIET)
    assert model.train(data(10).repeat(), steps=50).get_variable_value("global_step") < 10


def test_columns_and_points_far_from_0(tmp_path):
    degrees = {"lat": [40.70, 40.71, 40.75, 40.76], "lon": [-74.01, -74.0, -73.98, -73.97]}
    rows = Dataset.from_tensor_slices(degrees).batch(4)
    columns = [feature_column.numeric_column(key) for key in degrees]
    model = KMeans(2, tmp_path, "kmeans_plus_plus", seed=1, feature_columns=columns, config=QUIET)
    first, *others = model.train(rows.repeat(), steps=10).predict_cluster_index(rows)
    assert others == [first, 1 - first, 1 - first]
    assert model.score(rows) == pytest.approx(0.0002, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_clusters": 0}, "num_clusters must be"),
        ({"num_clusters": 2, "distance_metric": "manhattan"}, "distance_metric must be one of"),
        ({"num_clusters": 2, "initial_clusters": "first"}, "initial_clusters must be one of"),
        ({"num_clusters": 2, "mini_batch_steps_per_iteration": 3}, "make batches larger"),
        ({"num_clusters": 2, "relative_tolerance": 0}, "above 0"),
    ],
)
def test_settings_of_clusters_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        KMeans(**settings)


def test_first_clusters_of_another_shape(tmp_path):
    with pytest.raises(ValueError, match=r"shape \(2, 1\), and \(2, 2\) is needed"):
        KMeans(2, tmp_path, [[1], [2]], config=QUIET).train(data())
