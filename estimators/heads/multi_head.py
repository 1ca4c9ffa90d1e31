"""`MultiHead`: several heads over one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators.export.outputs import SERVING_DEFAULT, ExportOutput, PredictOutput
from estimators.heads.base import Head, Judgement
from estimators.heads.inputs import checked_logits
from estimators.metrics import Metric, mean


class MultiHead(Head):
    """Joins heads, each with logits and labels of its own; the losses are added.

    Logits are a dict by head name, or one tensor, which is divided in the order of the heads. Labels are
    a dict by head name. Predictions are called ``(head name, prediction)``. Metrics: those of the heads,
    and ``loss/<head>``. An exported model has the signatures ``<head>``, ``<head>/<signature>`` and
    predict, and by default that of the first head.

    Args:
        heads: With different names, and one loss_reduction.
        head_weights: What the loss of each head is multiplied with; default 1.

    Raises:
        InvalidArgumentError: There are no heads, one has no name, names are the same, loss reductions
            differ, or there is another number of weights.
        SpecError: Something else is given.

    >>> from estimators.heads import BinaryClassHead, RegressionHead
    >>> head = MultiHead([RegressionHead(name="price"), BinaryClassHead(name="sold")])
    >>> labels = {"price": [3.0], "sold": [1]}
    >>> metrics = head.metrics(labels, np.float32([[1.0, 0.0]]))
    >>> metrics["loss/price"].value(), metrics["label/mean/sold"].value()
    (4.0, 1.0)
    """

    def __init__(self, heads: Sequence[Head], head_weights: Sequence[float] | None = None) -> None:
        if not isinstance(heads, list | tuple) or not all(isinstance(head, Head) for head in heads):
            raise SpecError(f"heads must be a list of heads, not {heads!r}")
        names = [str(head.name) for head in heads]
        if not heads or any(head.name is None for head in heads) or len(set(names)) < len(names):
            raise InvalidArgumentError(
                f"heads must have different names, and are {[head.name for head in heads]}",
                hint="MultiHead([RegressionHead(name='price'), BinaryClassHead(name='sold')])",
            )
        if len({head.loss_reduction for head in heads}) > 1:
            given = {head.name: str(head.loss_reduction) for head in heads}
            raise InvalidArgumentError(f"heads must have one loss_reduction, and have {given}")
        if head_weights and len(head_weights) != len(heads):
            raise InvalidArgumentError(f"there are {len(heads)} heads, and {len(head_weights)} head_weights")
        self.heads = dict(zip(names, heads, strict=True))
        self.head_weights = tuple(map(float, head_weights or [1.0] * len(heads)))
        self.name = "_".join(names)
        self.logits_dimension = sum(head.logits_dimension for head in heads)
        self.loss_reduction = heads[0].loss_reduction

    def predictions(self, logits: Any, keys: Sequence[Any] | None = None) -> dict[Any, Tensor]:
        """See `Head`."""
        parts = self._logits(logits)
        found = {
            (name, key): value
            for name, head in self.heads.items()
            for key, value in head.predictions(parts[name]).items()
        }
        for key in keys or ():
            if key not in found:
                raise InvalidArgumentError(
                    f"there is no prediction {key!r}", hint=did_you_mean(str(key), found)
                )
        return {key: value for key, value in found.items() if not keys or key in keys}

    def judge(self, labels: Any, logits: Any, features: Any) -> Judgement:
        """See `Head`."""
        if labels is None:
            raise InvalidArgumentError(
                "there are no labels",
                hint="the input_fn must give pairs (features, labels) to train and evaluate",
            )
        if not isinstance(labels, Mapping):
            raise SpecError(
                f"labels of a MultiHead must be a dict by head, not {labels!r}",
                hint=f"give labels for {list(self.heads)}",
            )
        parts = self._logits(logits)
        targets = self._by_head("labels", labels)
        judgements = {
            name: head.judge(targets[name], parts[name], features) for name, head in self.heads.items()
        }
        losses = [judgement.loss for judgement in judgements.values()]
        weighted = [
            loss if weight == 1 else loss * weight
            for loss, weight in zip(losses, self.head_weights, strict=True)
        ]
        total = weighted[0]
        for loss in weighted[1:]:
            total = total + loss

        def metrics() -> dict[str, Metric]:
            found: dict[str, Metric] = {}
            for name, judgement in judgements.items():
                found[f"loss/{name}"] = mean(judgement.loss)
                found.update(judgement.metrics())
            return found

        return Judgement(total, metrics)

    def export_outputs(self, predictions: Mapping[Any, Tensor]) -> dict[str, ExportOutput]:
        """See `Head`."""
        found: dict[str, ExportOutput] = {}
        merged = {}
        for name, head in self.heads.items():
            own = {key: value for (of, key), value in predictions.items() if of == name}
            outputs = head.export_outputs(own)
            found.setdefault(SERVING_DEFAULT, outputs[SERVING_DEFAULT])
            for signature, output in outputs.items():
                found[name if signature == SERVING_DEFAULT else f"{name}/{signature}"] = output
                if signature == "predict" and isinstance(output, PredictOutput):
                    merged.update({f"{name}/{key}": value for key, value in output.outputs.items()})
        return {**found, "predict": PredictOutput(merged)}

    def _logits(self, logits: Any) -> Mapping[str, Any]:
        """Return the logits of each head."""
        if isinstance(logits, Mapping):
            return self._by_head("logits", logits)
        whole = checked_logits(logits, self.logits_dimension)
        ends = np.cumsum([head.logits_dimension for head in self.heads.values()]).tolist()
        sizes = [head.logits_dimension for head in self.heads.values()]
        return {
            name: whole[..., end - size : end]
            for name, end, size in zip(self.heads, ends, sizes, strict=True)
        }

    def _by_head(self, what: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in self.heads:
            if name not in given:
                raise InvalidArgumentError(
                    f"there are no {what} for the head {name!r}", hint=did_you_mean(name, given)
                )
        return given
