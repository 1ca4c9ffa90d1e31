"""estimators: ready-made models trained batch by batch, in the words of tf.estimator."""

from dataflow import __version__
from estimators import feature_column
from estimators.estimator import Estimator
from estimators.loop import NanLossDuringTrainingError
from estimators.models.linear import LinearClassifier, LinearRegressor
from estimators.optimizers import Ftrl
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec, ModeKeys

__all__ = [
    "Estimator",
    "EstimatorSpec",
    "Ftrl",
    "LinearClassifier",
    "LinearRegressor",
    "ModeKeys",
    "NanLossDuringTrainingError",
    "RunConfig",
    "__version__",
    "feature_column",
]
