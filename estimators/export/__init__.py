"""Export: what a model gives when it serves, and when it is written for others."""

from __future__ import annotations

from typing import Any

from estimators.export.exporters import BestExporter, Exporter, FinalExporter, LatestExporter
from estimators.export.format import SavedModelError
from estimators.export.outputs import ClassificationOutput, ExportOutput, PredictOutput, RegressionOutput
from estimators.export.receivers import (
    ServingInputReceiver,
    SupervisedInputReceiver,
    TensorServingInputReceiver,
    build_parsing_serving_input_receiver_fn,
    build_raw_serving_input_receiver_fn,
)

__all__ = [
    "BestExporter",
    "ClassificationOutput",
    "ExportOutput",
    "Exporter",
    "FinalExporter",
    "LatestExporter",
    "PredictOutput",
    "RegressionOutput",
    "SavedModelError",
    "ServingInputReceiver",
    "SupervisedInputReceiver",
    "TensorServingInputReceiver",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
    "to_onnx",
]


def to_onnx(model: Any, path: Any, signature: str = "serving_default") -> None:
    """Write a signature of a loaded model as an ONNX model; needs the extra `onnx`.

    Args:
        model: What `load_model` returned.
        path: The file to write.
        signature: Which one.

    Raises:
        InvalidArgumentError: There is no such signature.
        SpecError: A primitive has no form in ONNX; the message names it.
        OptionalDependencyError: onnx is not installed.
    """
    model.to_onnx(path, signature)
