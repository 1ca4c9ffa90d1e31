"""The classes behind `as_sklearn`; importing this needs scikit-learn."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from dataflow.errors import InvalidArgumentError, did_you_mean
from estimators.feature_column import numeric_column
from estimators.inputs.in_memory import numpy_input_fn
from estimators.models.linear import LinearClassifier, LinearRegressor
from estimators.prediction.predictor import Predictor
from estimators.run_config import RunConfig
from estimators.values import checkpoint as checkpoints
from estimators.values.checkpoint import Checkpoint

Array = npt.NDArray[Any]
FEATURE = "x"
ROWS_PER_CALL = 4096
EPOCHS = 3


class _Adapter(BaseEstimator):  # type: ignore[misc]
    """What a regressor and a classifier share.

    Args:
        make: Returns an `Estimator`; see `as_sklearn`. None: a linear model.
        steps: Batches to train with; None: three times all rows, and at least 500 batches.
        batch_size: Rows in a batch.
        random_state: Seed of first values and of the order of rows.
        settings: For `make`.
    """

    _default: ClassVar[Callable[..., Any]]
    _own = ("make", "steps", "batch_size", "random_state")

    def __init__(
        self,
        make: Callable[..., Any] | None = None,
        steps: int | None = None,
        batch_size: int = 128,
        random_state: Any = None,
        **settings: Any,
    ) -> None:
        self.make = make
        self.steps = steps
        self.batch_size = batch_size
        self.random_state = random_state
        self._settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, those for `make` too."""
        return {**super().get_params(deep=deep), **self._settings}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those for `make` too.

        Raises:
            InvalidArgumentError: There is no such parameter.
        """
        for name, value in params.items():
            if name in self._own:
                setattr(self, name, value)
            elif name in self._settings or self._takes(name):
                self._settings[name] = value
            else:
                known = sorted(self.get_params())
                raise InvalidArgumentError(
                    f"Invalid parameter {name!r} for estimator {self}", hint=did_you_mean(name, known)
                )
        return self

    def _takes(self, name: str) -> bool:
        return name in inspect.signature(self._make).parameters

    @property
    def _make(self) -> Callable[..., Any]:
        return type(self)._default if self.make is None else self.make

    def _arguments(self) -> dict[str, Any]:
        """Return what `make` gets beside the settings."""
        return {}

    def _fit(self, x: Array, y: Array) -> None:
        seed = None
        if self.random_state is not None:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        scale = x.std(axis=0)
        self.mean_, self.scale_ = x.mean(axis=0), np.where(scale > 0, scale, 1.0)
        enough = EPOCHS * len(x) // self.batch_size
        with tempfile.TemporaryDirectory(prefix="estimator-") as directory:
            model = self._model(directory, seed)
            features = {FEATURE: self._standardized(x)}
            input_fn = numpy_input_fn(features, y, self.batch_size, num_epochs=None, shuffle=True)
            path = model.train(input_fn, steps=self.steps or max(500, enough)).latest_checkpoint()
            found = checkpoints.load(path)
        self.n_steps_ = found.step
        self.values_ = {name: np.asarray(value) for name, value in found.values.items()}
        self._ready: dict[str, Predictor] = {}

    def _standardized(self, x: Array) -> Array:
        return np.asarray((x - self.mean_) / self.scale_, np.float32)

    def _model(self, directory: str, seed: int | None) -> Any:
        columns = [numeric_column(FEATURE, (self.n_features_in_,))]
        config = RunConfig(tf_random_seed=seed, progress=False, save_checkpoints_steps=None)
        return self._make(
            feature_columns=columns, model_dir=directory, config=config, **self._arguments(), **self._settings
        )

    def _predict(self, x: Any, key: str) -> Array:
        """Return a prediction of each row."""
        check_is_fitted(self)
        x = self._standardized(validate_data(self, x, reset=False))
        if key not in self._ready:
            model = self._model("unused", None)
            self._ready[key] = model.predictor_of(Checkpoint(self.n_steps_, self.values_), [key])
        predict, starts = self._ready[key], range(0, len(x), ROWS_PER_CALL)
        parts = [predict({FEATURE: x[start : start + ROWS_PER_CALL]})[key] for start in starts]
        return np.concatenate(parts)

    def __getstate__(self) -> Any:
        """Leave out the compiled model, which is made again when it is needed."""
        state = dict(super().__getstate__())
        return {**state, "_ready": {}}


class Regressor(RegressorMixin, _Adapter):  # type: ignore[misc]
    """A model of numbers as a scikit-learn regressor; arguments as of `_Adapter`."""

    _default = LinearRegressor

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Train on numbers ``[n, d]`` and targets ``[n]`` or ``[n, k]``."""
        x, y = validate_data(self, X, y, y_numeric=True, multi_output=True, dtype=np.float64)
        self._targets = y.shape[1] if y.ndim == 2 else None
        centre, scale = y.mean(axis=0), y.std(axis=0)
        self.target_mean_, self.target_scale_ = centre, np.where(scale > 0, scale, 1.0)
        self._fit(x, ((y - centre) / self.target_scale_).astype(np.float32))
        return self

    def _arguments(self) -> dict[str, Any]:
        return {} if self._targets is None else {"label_dimension": self._targets}

    def predict(self, X: Any) -> Array:
        """Return the targets, float64."""
        found = self._predict(X, "predictions")
        found = found[:, 0] if self._targets is None else found
        return np.asarray(found * self.target_scale_ + self.target_mean_)


class Classifier(ClassifierMixin, _Adapter):  # type: ignore[misc]
    """A model of classes as a scikit-learn classifier; arguments as of `_Adapter`."""

    _default = LinearClassifier

    def fit(self, X: Any, y: Any) -> Self:
        """Train on numbers ``[n, d]`` and labels ``[n]``.

        Raises:
            InvalidArgumentError: There is only one class.
        """
        x, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, ids = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InvalidArgumentError(
                f"at least 2 classes are needed, and the labels have 1 class: {y[0]!r}"
            )
        self._fit(x, ids.astype(np.int64))
        return self

    def _arguments(self) -> dict[str, Any]:
        return {"n_classes": len(self.classes_)}

    def predict(self, X: Any) -> Array:
        """Return the most likely label of each row."""
        found = self._predict(X, "class_ids")[:, 0]
        return np.asarray(self.classes_[found])

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of `classes_`, ``[n, classes]``."""
        found = self._predict(X, "probabilities").astype(np.float64)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def decision_function(self, X: Any) -> Array:
        """Return the logits: of the second class of two ``[n]``, of all classes of more ``[n, classes]``."""
        found = self._predict(X, "logits")
        return found[:, 0] if len(self.classes_) == 2 else found
