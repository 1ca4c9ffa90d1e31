"""Limits of values and of gradients; those of tf.clip_by_* are in test_nn.py too."""

import json

import numpy as np
import pytest

from estimators import (
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
    nn,
)
from estimators.graph.gradients import RowGradient, gradients
from estimators.graph.variable import Variable
from tests.estimators.both_forms import run
from tests.estimators.helpers import GOLDEN_FILES

X = np.array([[3.0, -4.0], [0.5, 12.0]])


def test_global_norm_of_tf():
    a, b = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([12.0])
    clipped, norm = clip_by_global_norm([a, None, b], 6.5)
    wanted = json.loads((GOLDEN_FILES / "nn.json").read_text())["clip_by_global_norm"]
    assert (float(norm), clipped[1]) == (wanted["norm"], None)
    np.testing.assert_allclose(clipped[0], wanted["clipped"][0], rtol=1e-6)
    np.testing.assert_allclose(clipped[2], wanted["clipped"][2], rtol=1e-6)


def test_what_is_small_enough_is_left_as_it_is():
    clipped, norm = clip_by_global_norm([X], 1e6)
    assert norm == pytest.approx(np.linalg.norm(X))
    assert clipped[0].tolist() == X.tolist()
    assert clip_by_norm(np.zeros(2), 1.0).tolist() == [0.0, 0.0]


def test_an_infinite_norm_makes_all_values_nan():
    clipped, norm = clip_by_global_norm([np.array([1.0]), np.array([np.inf])], 1.0)
    assert norm == np.inf
    assert np.isnan(clipped[0]).all()
    assert np.isnan(clipped[1]).all()


def rows_of_a_table():
    """The gradient of a table, whose row 1 is 3 and row 2 is 4: one id occurs twice."""
    table = Variable("table", (3, 1), np.float64)
    weights = np.array([[1.0], [4.0], [2.0]])
    (slope,) = gradients((nn.embedding_lookup(table, np.array([1, 2, 1])) * weights).sum(), [table])
    return slope


def test_norms_of_rows_are_those_of_their_sums():
    slope = rows_of_a_table()
    both, norm = clip_by_global_norm([slope, np.array([12.0])], 6.5)
    alone = clip_by_norm(slope, 1.0)
    assert isinstance(both[0], RowGradient)
    fetches = {"norm": norm, "half": both[0].dense(), "rest": both[1], "one": alone.dense()}
    found = run({**fetches, "alone": global_norm([slope])}, {}, table=np.zeros((3, 1)))
    assert (found["norm"], found["alone"]) == (13.0, 5.0)
    np.testing.assert_allclose(found["half"], [[0.0], [1.5], [2.0]])
    np.testing.assert_allclose(found["rest"], [6.0])
    np.testing.assert_allclose(found["one"], [[0.0], [0.6], [0.8]])


def test_values_of_rows_are_limited_in_their_sums():
    slope = rows_of_a_table()
    limited, doubled = clip_by_value(slope, -3.5, np.float64(3.5)), 2 * (slope * 4.0 / np.float32(2)) * -1
    assert isinstance(limited, RowGradient)
    found = run({"limited": limited.dense(), "doubled": doubled.dense()}, {}, table=np.zeros((3, 1)))
    assert found["limited"].tolist() == [[0.0], [3.0], [3.5]]
    assert found["doubled"].tolist() == [[0.0], [-12.0], [-16.0]]


@pytest.mark.parametrize(
    "use",
    [
        lambda g: np.clip(g, -1, 1),
        np.square,
        np.asarray,
        lambda g: g + 1,
        lambda g: np.ones(3) * g,
        lambda g: g * np.ones(3),
        lambda g: 1 / g,
        lambda g: clip_by_value(g, 0.5, 1.0),
        lambda g: clip_by_value(g, -np.ones(3), 1.0),
    ],
)
def test_other_functions_of_rows_say_to_make_them_dense(use):
    with pytest.raises(TypeError, match=r"a table's rows\n.*gradient.dense\(\).*clip_by_value"):
        use(rows_of_a_table())


def test_limits_of_norms_are_positive():
    with pytest.raises(ValueError, match="clip_norm must be positive, not 0"):
        clip_by_norm(X, 0)
    with pytest.raises(ValueError, match="no norm of no tensors"):
        global_norm([None])
