"""Hooks: what a program wants to do around the steps of a run."""

from estimators.hooks.base import (
    CheckpointSaverListener,
    RunOptions,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from estimators.hooks.checkpoint_saver import CheckpointSaverHook
from estimators.hooks.final_ops import FinalOpsHook
from estimators.hooks.global_step_waiter import GlobalStepWaiterHook
from estimators.hooks.logging_tensor import LoggingTensorHook
from estimators.hooks.nan_tensor import NanTensorHook
from estimators.hooks.profiler import ProfilerHook
from estimators.hooks.step_counter import StepCounterHook
from estimators.hooks.stop_at_step import StopAtStepHook
from estimators.hooks.summary_saver import SummarySaverHook
from estimators.hooks.timer import SecondOrStepTimer

__all__ = [
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
    "LoggingTensorHook",
    "NanTensorHook",
    "ProfilerHook",
    "RunOptions",
    "SecondOrStepTimer",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
]
