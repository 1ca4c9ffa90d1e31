"""`as_sklearn`: estimators in scikit-learn's pipelines, searches and cross validations."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dataflow.errors import InvalidArgumentError, OptionalDependencyError


def as_sklearn(
    make: Callable[..., Any],
    kind: str | None = None,
    *,
    steps: int | None = None,
    batch_size: int = 128,
    random_state: Any = None,
    **settings: Any,
) -> Any:
    """Return a scikit-learn regressor or classifier, not yet fitted.

    Its `fit(X, y)` takes numbers ``[n, d]``, standardizes them, and trains the model that `make` returns,
    on one numeric column of d numbers. It has `predict`, `score`, `get_params` and `set_params`; as a
    classifier also `predict_proba`, `decision_function` and `classes_`, with labels of any kind. What is
    fitted is in memory: it can be cloned and pickled (as far as `make` and the settings can be), and
    leaves no files behind.

    Args:
        make: ``make(feature_columns=…, model_dir=…, config=…, **settings)`` returns an `Estimator`, such
            as `LinearRegressor`; for a classifier with a further argument `n_classes`.
        kind: "regressor" or "classifier"; default by whether `make` has an argument `n_classes`.
        steps: Batches to train with; None: three times all rows, and at least 500 batches.
        batch_size: Rows in a batch.
        random_state: Seed of first values and of the order of rows; as in scikit-learn.
        settings: For `make`. They are parameters of the result, for `set_params` and searches.

    Raises:
        InvalidArgumentError: There is no such kind.
        OptionalDependencyError: scikit-learn is not installed.

    >>> from estimators import LinearClassifier
    >>> model = as_sklearn(LinearClassifier, steps=100, random_state=1)
    >>> model.fit([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]).predict([[5.0]])
    array(['high'], dtype='<U4')
    """
    if kind is None:
        kind = "classifier" if "n_classes" in inspect.signature(make).parameters else "regressor"
    if kind not in ("regressor", "classifier"):
        raise InvalidArgumentError(f"kind must be 'regressor' or 'classifier', not {kind!r}")
    try:
        from estimators import sklearn_models
    except ImportError as error:
        raise OptionalDependencyError(
            "as_sklearn needs scikit-learn", hint="pip install 'dataflow-estimators[sklearn]'"
        ) from error
    adapter = sklearn_models.Regressor if kind == "regressor" else sklearn_models.Classifier
    return adapter(make, steps=steps, batch_size=batch_size, random_state=random_state, **settings)
