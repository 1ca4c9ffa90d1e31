"""``python -m estimators describe``: what a model takes and gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.spec import TensorSpec, dtype_name
from estimators.command_line.arguments import Arguments
from estimators.command_line.errors import usage
from estimators.command_line.models import find_model
from estimators.command_line.stopping import Stop
from estimators.export.loaded_model import LoadedModel, load_model


def describe(arguments: Arguments, _: Stop) -> None:
    """Print the signatures of a model: as text, or as one JSON object."""
    with usage():
        model = load_model(find_model(arguments.model))
    print(json.dumps(_as_json(model), indent=1) if arguments.json else "\n".join(_lines(model)))


def _as_json(model: LoadedModel) -> dict[str, Any]:
    signatures = {
        name: {
            "method_name": found.method_name,
            "inputs": _specs(found.inputs),
            "outputs": _specs(found.outputs),
        }
        for name, found in model.signatures.items()
    }
    return {"model": model.path, "global_step": model.step, "signatures": signatures}


def _specs(specs: Mapping[str, TensorSpec]) -> dict[str, Any]:
    return {name: {"dtype": dtype_name(s.dtype), "shape": list(s.shape)} for name, s in specs.items()}


def _lines(model: LoadedModel) -> Iterator[str]:
    yield f"{model.path}, exported at step {model.step}"
    for name, found in model.signatures.items():
        yield f"\n{name}  ({found.method_name})"
        width = max(map(len, (*found.inputs, *found.outputs)))
        for title, specs in (("takes", found.inputs), ("gives", found.outputs)):
            yield f"  {title}"
            for key, spec in specs.items():
                yield f"    {key:<{width}}  {dtype_name(spec.dtype)} {list(spec.shape)}"
