"""Estimators, heads and optimizers tell what they were made with."""

import copy

import pytest

from estimators import (
    Estimator,
    EstimatorSpec,
    Ftrl,
    LinearRegressor,
    MultiHead,
    PoissonRegressionHead,
    RegressionHead,
    feature_column,
    optimizers,
)

COLUMNS = [feature_column.numeric_column(name) for name in "abcdef"]


def model_fn(features):
    return EstimatorSpec("infer", features)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: Ftrl(0.2), "Ftrl(learning_rate=0.2)"),
        (lambda: Ftrl(), "Ftrl()"),
        (lambda: optimizers.Adam(0.1, clipnorm=1.0), "Adam(learning_rate=0.1, clipnorm=1.0)"),
        (lambda: RegressionHead(name="b"), "RegressionHead(name='b')"),
        (
            lambda: MultiHead([PoissonRegressionHead(name="a"), RegressionHead(2, name="b")]),
            "MultiHead(heads=[PoissonRegressionHead(name='a'), RegressionHead(label_dimension=2, name='b')])",
        ),
        (lambda: Estimator(model_fn, "here"), "Estimator(model_fn=model_fn, model_dir='here')"),
        (lambda: copy.deepcopy(Ftrl(0.2)), "Ftrl(learning_rate=0.2)"),
    ],
)
def test_a_repr_shows_what_is_not_as_by_default(made, text):
    assert repr(made()) == text


def test_a_repr_shows_the_first_of_many_columns(tmp_path):
    text = repr(LinearRegressor(COLUMNS, tmp_path))
    assert text.startswith("LinearRegressor(feature_columns=[NumericColumn(key='a'")
    assert text.count("NumericColumn") == 4
    assert "… 6 in all]" in text


def test_get_params_gives_all_arguments_and_those_of_optimizers(tmp_path):
    params = LinearRegressor(COLUMNS, tmp_path, optimizer=Ftrl(0.1)).get_params()
    assert params["feature_columns"] is COLUMNS
    assert (params["label_dimension"], params["optimizer__learning_rate"]) == (1, 0.1)
    assert "optimizer__beta" not in LinearRegressor(COLUMNS, optimizer=Ftrl()).get_params(deep=False)


def test_get_params_give_an_equal_one(tmp_path):
    model = LinearRegressor(COLUMNS, tmp_path, optimizer=Ftrl(0.1))
    assert repr(LinearRegressor(**model.get_params(deep=False))) == repr(model)


def test_wrong_arguments_are_refused_as_ever():
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        Ftrl(rate=0.1)
