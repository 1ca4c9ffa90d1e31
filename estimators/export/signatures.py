"""From what a model function returned to the signatures of an exported model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import PARAMETER, Tensor
from dataflow.spec import is_text
from estimators.export.outputs import ClassificationOutput, ExportOutput, PredictOutput, RegressionOutput
from estimators.export.receivers import Receiver
from estimators.inputs.hoisting import replaced
from estimators.specs import EstimatorSpec, ModeKeys

PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
_SUPERVISED = {
    ModeKeys.TRAIN: ("train", "tensorflow/supervised/training"),
    ModeKeys.EVAL: ("eval", "tensorflow/supervised/eval"),
}
INPUTS = "inputs"
"""The input of classify and regress signatures where one tensor of text holds whole examples."""


@dataclasses.dataclass(frozen=True, eq=False)
class SignatureTensors:
    """One way to ask a model.

    Args:
        method_name: What kind it is, as TensorFlow Serving calls it.
        inputs: Placeholders by name.
        outputs: What is computed from them, by name.
    """

    method_name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


def signatures_of(spec: EstimatorSpec, receiver: Receiver) -> dict[str, SignatureTensors]:
    """Return the signatures of a model in a mode, by name.

    Raises:
        InvalidArgumentError: An alternative does not say all that an output needs.
    """
    receivers = receiver.receiver_tensors
    if spec.mode != ModeKeys.PREDICT:
        name, method = _SUPERVISED[spec.mode]
        return {name: SignatureTensors(method, receivers, _supervised_outputs(spec))}
    found = {}
    for name, output in (spec.export_outputs or {}).items():
        method, outputs = _outputs(output)
        found[name] = SignatureTensors(method, _inputs(method, receivers), outputs)
        for alternative, tensors in (receiver.receiver_tensors_alternatives or {}).items():
            full = f"{alternative}:{name}"
            found[full] = SignatureTensors(method, *_from_alternative(full, method, tensors, outputs))
    return found


def _inputs(method: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the inputs of a signature by name: whole examples are called as tf calls them."""
    only = next(iter(tensors.values()))
    if method == PREDICT_METHOD or len(tensors) > 1 or not is_text(only.dtype) or "examples" not in tensors:
        return tensors
    return {INPUTS: only}


def _outputs(output: ExportOutput) -> tuple[str, dict[str, Tensor]]:
    if isinstance(output, RegressionOutput):
        return REGRESS_METHOD, {"outputs": output.value}
    if isinstance(output, ClassificationOutput):
        both = {"scores": output.scores, "classes": output.classes}
        return CLASSIFY_METHOD, {name: tensor for name, tensor in both.items() if tensor is not None}
    assert isinstance(output, PredictOutput)
    return PREDICT_METHOD, dict(output.outputs)


def _from_alternative(
    name: str, method: str, tensors: Mapping[str, Tensor], outputs: Mapping[str, Tensor]
) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """Return inputs and outputs of a signature whose requests give tensors that else are computed."""
    leaves, ends = replaced(list(outputs.values()), list(tensors.values()))
    own = {id(leaf.call) for leaf in leaves}
    missing = [c for c in postorder(ends) if c.primitive is PARAMETER and id(c) not in own]
    if missing:
        raise InvalidArgumentError(
            f"signature {name!r} needs a placeholder {missing[0].attributes['spec']} too, which its "
            f"alternative receiver tensors {sorted(tensors)} do not give",
        )
    inputs = dict(zip(tensors, leaves, strict=True))
    return _inputs(method, inputs), dict(zip(outputs, ends, strict=True))


def _supervised_outputs(spec: EstimatorSpec) -> dict[str, Tensor]:
    assert spec.loss is not None
    predictions: Any = spec.predictions
    if isinstance(predictions, Tensor):
        predictions = {"output": predictions}
    named = {"/".join(n) if isinstance(n, tuple) else n: t for n, t in (predictions or {}).items()}
    return {"loss": spec.loss, **{f"predictions/{name}": tensor for name, tensor in named.items()}}
