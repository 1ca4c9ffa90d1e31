"""estimators: models trained batch by batch, in the words of tf.estimator."""

from dataflow import __version__
from dataflow.tensors import stop_gradient
from estimators import (
    experimental,
    export,
    feature_column,
    heads,
    initializers,
    layers,
    losses,
    metrics,
    nn,
    optimizers,
    plots,
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
from estimators.in_memory import numpy_input_fn, pandas_input_fn
from estimators.models.baseline import BaselineClassifier, BaselineEstimator, BaselineRegressor
from estimators.models.combined import (
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
)
from estimators.models.dnn import DNNClassifier, DNNEstimator, DNNRegressor
from estimators.models.linear import LinearClassifier, LinearEstimator, LinearRegressor
from estimators.moving_average import ExponentialMovingAverage
from estimators.numerics import NanLossDuringTrainingError
from estimators.optimizers import Ftrl
from estimators.run_config import RunConfig
from estimators.sklearn_adapter import as_sklearn
from estimators.specs import EstimatorSpec, ModeKeys, Scaffold
from estimators.vocab_info import VocabInfo
from estimators.warm_start import WarmStartSettings

__all__ = [
    "AUTO_REUSE",
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "BinaryClassHead",
    "CheckpointSaverListener",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "Estimator",
    "EstimatorSpec",
    "ExponentialMovingAverage",
    "Ftrl",
    "Head",
    "LinearClassifier",
    "LinearEstimator",
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
    "VocabInfo",
    "WarmStartSettings",
    "__version__",
    "as_sklearn",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "experimental",
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
    "numpy_input_fn",
    "optimizers",
    "pandas_input_fn",
    "plots",
    "regularizers",
    "schedules",
    "stop_gradient",
    "trainable_variables",
    "variable_scope",
]
