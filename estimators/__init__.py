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
    summary,
)
from estimators.clipping import clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from estimators.estimator import Estimator
from estimators.evaluation.best import EarlyStopping, KeepBest
from estimators.export.exporters import BestExporter, Exporter, FinalExporter, LatestExporter
from estimators.export.loaded_model import LoadedModel, load_model
from estimators.export.receivers import placeholder
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
    CheckpointSaverHook,
    CheckpointSaverListener,
    FinalOpsHook,
    GlobalStepWaiterHook,
    LoggingTensorHook,
    NanTensorHook,
    ProfilerHook,
    RunOptions,
    SecondOrStepTimer,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    StepCounterHook,
    StopAtStepHook,
    SummarySaverHook,
)
from estimators.inputs.in_memory import numpy_input_fn, pandas_input_fn
from estimators.models.baseline import BaselineClassifier, BaselineEstimator, BaselineRegressor
from estimators.models.combined import (
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
)
from estimators.models.dnn import DNNClassifier, DNNEstimator, DNNRegressor
from estimators.models.linear import LinearClassifier, LinearEstimator, LinearRegressor
from estimators.moving_average import ExponentialMovingAverage
from estimators.optimizers import Ftrl
from estimators.run_config import RunConfig
from estimators.running.numerics import NanLossDuringTrainingError
from estimators.sklearn_adapter import as_sklearn
from estimators.specs import EstimatorSpec, ModeKeys, Scaffold
from estimators.training.specs import EvalSpec, TrainSpec
from estimators.training.train_and_evaluate import train_and_evaluate
from estimators.values.vocab_info import VocabInfo
from estimators.values.warm_start import WarmStartSettings

__all__ = [
    "AUTO_REUSE",
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "BestExporter",
    "BinaryClassHead",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "EarlyStopping",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "ExponentialMovingAverage",
    "Exporter",
    "FinalExporter",
    "FinalOpsHook",
    "Ftrl",
    "GlobalStepWaiterHook",
    "Head",
    "KeepBest",
    "LatestExporter",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "LoadedModel",
    "LoggingTensorHook",
    "LogisticRegressionHead",
    "ModeKeys",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "PoissonRegressionHead",
    "ProfilerHook",
    "RegressionHead",
    "RunConfig",
    "RunOptions",
    "Scaffold",
    "SecondOrStepTimer",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "TrainSpec",
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
    "load_model",
    "losses",
    "metrics",
    "nn",
    "numpy_input_fn",
    "optimizers",
    "pandas_input_fn",
    "placeholder",
    "plots",
    "regularizers",
    "schedules",
    "stop_gradient",
    "summary",
    "train_and_evaluate",
    "trainable_variables",
    "variable_scope",
]
