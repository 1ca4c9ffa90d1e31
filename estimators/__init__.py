"""estimators: models trained batch by batch, in the words of tf.estimator."""

from dataflow import __version__
from dataflow.tensors import stop_gradient
from estimators import (
    export,
    feature_column,
    heads,
    initializers,
    layers,
    losses,
    metrics,
    nn,
    optimizers,
    regularizers,
    schedules,
)
from estimators.clipping import clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from estimators.estimator import Estimator
from estimators.graph.gradients import gradients
from estimators.graph.scope import (
    AUTO_REUSE,
    VariableStore,
    get_global_step,
    get_variable,
    trainable_variables,
    variable_scope,
)
from estimators.graph.updates import group
from estimators.heads import (
    BinaryClassHead,
    Head,
    LogisticRegressionHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
)
from estimators.hooks import (
    CheckpointSaverListener,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from estimators.models.linear import LinearClassifier, LinearRegressor
from estimators.numerics import NanLossDuringTrainingError
from estimators.optimizers import Ftrl
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec, ModeKeys, Scaffold
from estimators.warm_start import WarmStartSettings

__all__ = [
    "AUTO_REUSE",
    "BinaryClassHead",
    "CheckpointSaverListener",
    "Estimator",
    "EstimatorSpec",
    "Ftrl",
    "Head",
    "LinearClassifier",
    "LinearRegressor",
    "LogisticRegressionHead",
    "ModeKeys",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "PoissonRegressionHead",
    "RegressionHead",
    "RunConfig",
    "Scaffold",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "VariableStore",
    "WarmStartSettings",
    "__version__",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "export",
    "feature_column",
    "get_global_step",
    "get_variable",
    "global_norm",
    "gradients",
    "group",
    "heads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "nn",
    "optimizers",
    "regularizers",
    "schedules",
    "stop_gradient",
    "trainable_variables",
    "variable_scope",
]
