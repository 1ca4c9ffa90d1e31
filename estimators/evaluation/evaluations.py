"""What evaluations have given: a line of JSON for each step, in ``<eval_dir>/evaluations.jsonl``.

Early stopping, the best checkpoints, exporters and pictures read them there; no TensorBoard is needed.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.errors import DataLossError
from dataflow.storage import files
from estimators.progress import log

FILE = "evaluations.jsonl"
EVAL = "eval"
GLOBAL_STEP = "global_step"


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The results of one evaluation.

    Args:
        step: The global step of the values that were evaluated.
        metrics: Results by name, `loss` included; NaN stands for infinity too.
    """

    step: int
    metrics: Mapping[str, float]


def directory_of(model_dir: str, name: str | None = None) -> str:
    """Return where evaluations of a name are kept.

    >>> directory_of("model"), directory_of("model", "test")
    ('model/eval', 'model/eval_test')
    """
    return files.join(model_dir, f"{EVAL}_{name}" if name else EVAL)


def directories(model_dir: str) -> dict[str, str]:
    """Return the directories of evaluations by name; "" is the one without a name."""
    names = [n for n in files.list_directory(model_dir) if n == EVAL or n.startswith(f"{EVAL}_")]
    return {name[len(EVAL) + 1 :]: files.join(model_dir, name) for name in names}


def read(directory: str) -> list[Evaluation]:
    """Return the evaluations that are kept in a directory, by step; none if it is not there.

    Raises:
        DataLossError: The file is something else.

    >>> import tempfile
    >>> directory = tempfile.mkdtemp()
    >>> append(directory, 20, {"loss": 0.5})
    >>> append(directory, 10, {"loss": 2, "auc": float("nan")})
    >>> [evaluation.step for evaluation in read(directory)], read(directory)[0].metrics
    ([10, 20], {'auc': nan, 'loss': 2.0})
    """
    path = files.join(directory, FILE)
    if not files.exists(path):
        return []
    try:
        return [_evaluation(line) for line in files.read_bytes(path).splitlines()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataLossError(f"{path} does not hold evaluations: {error}", hint="delete it") from error


def _evaluation(line: bytes) -> Evaluation:
    entry = json.loads(line)
    metrics = {name: math.nan if v is None else float(v) for name, v in entry["metrics"].items()}
    return Evaluation(int(entry["step"]), metrics)


def append(directory: str, step: int, results: Mapping[str, Any]) -> None:
    """Keep the results of an evaluation, in place of earlier ones of the step.

    The file is replaced as a whole, so a reader never sees half a line. A directory that may only be read
    is left as it is, with a warning in the log.

    Args:
        directory: See `directory_of`.
        step: The global step.
        results: Numbers by name, as `Estimator.evaluate` gives them; `global_step` is left out.
    """
    metrics = {name: float(value) for name, value in results.items() if name != GLOBAL_STEP}
    try:
        others = [other for other in read(directory) if other.step != step]
        _write(directory, sorted([*others, Evaluation(step, metrics)], key=lambda item: item.step))
    except OSError as error:
        log.warning("The evaluation is not kept: %s", error)


def forget_after(model_dir: str, step: int) -> None:
    """Remove the evaluations of later steps, whatever their name: training goes on from this one."""
    for directory in directories(model_dir).values():
        for name in files.list_directory(directory):
            if name.startswith(f"{FILE}.") and name.endswith(".tmp"):
                files.remove(files.join(directory, name))  # of a process that was killed while it wrote
        found = read(directory)
        kept = [evaluation for evaluation in found if evaluation.step <= step]
        if len(kept) < len(found):
            _write(directory, kept)


def _write(directory: str, evaluations: Sequence[Evaluation]) -> None:
    files.make_directory(directory)
    entries = [
        {
            "step": evaluation.step,
            "metrics": {k: v if math.isfinite(v) else None for k, v in sorted(evaluation.metrics.items())},
        }
        for evaluation in evaluations
    ]
    with files.atomic_writer(files.join(directory, FILE)) as file:
        file.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())
