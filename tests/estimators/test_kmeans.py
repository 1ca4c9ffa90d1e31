"""Clusters by k-means; the values are those of tf.estimator."""

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


@pytest.mark.parametrize(
    ("batch", "times", "centers", "counts"),
    [
        (5, 1, [[1.1, 0.7], [4.375, 4.125], [8.125, 0.625]], [5, 4, 4]),
        (5, 3, [[1.1153846, 0.6538461], [4.45, 4.35], [8.35, 0.55]], [13, 10, 10]),
        (3, 2, [[1.1111112, 0.6666667], [4.4285717, 4.2857141], [8.2857141, 0.5714285]], [9, 7, 7]),
    ],
)
def test_mini_batches_as_in_tf(tmp_path, batch, times, centers, counts):
    # of tf's ops run one after the other: in a graph it reads counts before or after it adds to them
    model = KMeans(3, tmp_path, START, config=QUIET).train(data(batch).repeat(times))
    np.testing.assert_allclose(model.cluster_centers(), centers, atol=1e-5)
    assert model.get_variable_value("counts").tolist() == counts


def test_a_center_far_from_all_points_stays(tmp_path):
    for mini_batch in (True, False):
        start = [[1, 1], [4, 3], [90, 90]]
        model = KMeans(3, tmp_path / str(mini_batch), start, use_mini_batch=mini_batch, config=QUIET)
        assert model.train(data()).cluster_centers()[2].tolist() == [90, 90]


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


@pytest.mark.parametrize(
    ("mini_batch", "batch", "times", "centers", "score"),
    [
        (True, 4, 1, [[0.9935063, 0.0690755], [0.0701335, 0.9934929]], 0.0081682),
        (True, 2, 3, [[0.9971994, 0.0327782], [0.0341384, 0.9971821]], 0.0015605),
        (False, 4, 1, [[0.9999846, 0.0055553], [0.0071423, 0.9999745]], 8.18e-5),
    ],
)
def test_cosine_looks_at_directions_as_in_tf(tmp_path, mini_batch, batch, times, centers, score):
    rays = Dataset.from_tensor_slices(np.float32([[1, 0], [9, 0.1], [0, 2], [0.1, 7]]))
    model = KMeans(2, tmp_path, [[5, 1], [1, 5]], "cosine", use_mini_batch=mini_batch, config=QUIET)
    model.train(rays.batch(batch).repeat(times))
    assert list(model.predict_cluster_index(rays.batch(4))) == [0, 0, 1, 1]
    np.testing.assert_allclose(model.cluster_centers(), centers, atol=2e-6)
    assert model.score(rays.batch(4)) == pytest.approx(score, abs=1e-6)


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
