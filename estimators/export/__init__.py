"""Export: what a model gives when it serves."""

from estimators.export.outputs import ClassificationOutput, ExportOutput, PredictOutput, RegressionOutput

__all__ = ["ClassificationOutput", "ExportOutput", "PredictOutput", "RegressionOutput"]
