"""Estimators as scikit-learn's regressors and classifiers."""

import copy
import sys

import numpy as np
import pytest

from estimators import DNNClassifier, LinearClassifier, LinearRegressor, as_sklearn

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

X = np.random.default_rng(0).normal(size=(200, 3))
Y = X @ [1.0, -2.0, 0.5] + 3


def regressor(**settings):
    return as_sklearn(LinearRegressor, steps=200, random_state=0, **settings)


def classifier(**settings):
    return as_sklearn(LinearClassifier, steps=200, random_state=0, **settings)


@pytest.mark.parametrize("make", [LinearRegressor, LinearClassifier])
def test_the_checks_of_scikit_learn_pass(make):
    results = check_estimator(as_sklearn(make, steps=100), on_fail=None, on_skip=None)
    failed = [(result["check_name"], str(result["exception"])) for result in results]
    assert [f for f, r in zip(failed, results, strict=True) if r["status"] == "failed"] == []
    assert len(results) > 40


def test_a_regressor_scores_as_least_squares_does():
    assert regressor().fit(X, Y).score(X, Y) > 0.999


def test_several_targets():
    found = regressor().fit(X, np.stack([Y, -Y], axis=1)).predict(X)
    assert found.shape == (200, 2)
    np.testing.assert_allclose(found[:, 0], -found[:, 1], atol=1e-3)


def test_a_classifier_of_three_classes():
    labels = np.digitize(X[:, 0], [-0.5, 0.5]).astype(str)
    model = classifier().fit(X, labels)
    assert model.classes_.tolist() == ["0", "1", "2"]
    assert model.score(X, labels) > 0.85
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.decision_function(X).argmax(axis=1).tolist() == model.predict(X).astype(int).tolist()


def test_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler(), classifier())
    assert cross_val_score(pipeline, X, Y > 3, cv=3).min() > 0.9
    search = GridSearchCV(regressor(), {"optimizer": ["Ftrl", "SGD"], "steps": [1, 100]}, cv=2).fit(X, Y)
    assert search.best_params_["steps"] == 100


def test_settings_are_parameters():
    model = regressor(optimizer="SGD")
    assert model.get_params()["optimizer"] == "SGD"
    assert clone(model.set_params(loss_reduction="sum")).get_params()["loss_reduction"] == "sum"
    with pytest.raises(ValueError, match=r"Invalid parameter 'optimiser'(?s:.*)did you mean 'optimizer'"):
        model.set_params(optimiser="Ftrl")


def test_what_is_fitted_can_be_copied_and_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = regressor().fit(X, Y)
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(copy.deepcopy(model).predict(X), model.predict(X))


def test_the_seed_makes_fits_equal():
    np.testing.assert_array_equal(regressor().fit(X, Y).predict(X), regressor().fit(X, Y).predict(X))


def test_other_estimators_and_their_settings():
    model = as_sklearn(DNNClassifier, hidden_units=[8], random_state=0, steps=200).fit(X, X[:, 0] ** 2 > 0.5)
    assert model.score(X, X[:, 0] ** 2 > 0.5) > 0.8
    assert repr(model).startswith("Classifier(hidden_units=[8], make=<class")


def test_one_class_is_too_few():
    with pytest.raises(ValueError, match="at least 2 classes"):
        classifier().fit(X, np.zeros(200))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be 'regressor' or 'classifier', not 'ranker'"):
        as_sklearn(LinearRegressor, "ranker")


def test_the_extra_is_named_where_scikit_learn_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "estimators.sklearn_models", raising=False)
    monkeypatch.delattr("estimators.sklearn_models", raising=False)
    with pytest.raises(ImportError, match=r"needs scikit-learn(?s:.*)dataflow-estimators\[sklearn\]"):
        as_sklearn(LinearRegressor)
