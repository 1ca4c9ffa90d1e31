"""What exports a model after evaluations: `LatestExporter`, `FinalExporter`, `BestExporter`."""

from __future__ import annotations

import abc
import inspect
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.storage import files
from dataflow.storage.directories import numbered, remove_oldest
from estimators.export.format import MODEL
from estimators.progress import log

if TYPE_CHECKING:
    from estimators.estimator import Estimator
    from estimators.export.receivers import ReceiverFn

BEST = "best.json"
"""Beside the exports of a `BestExporter`: what the best evaluation gave."""


class Exporter(abc.ABC):
    """What `train_and_evaluate` calls after each evaluation."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name of the directory of its exports, below ``<model_dir>/export``."""

    @abc.abstractmethod
    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        """Export the model, or leave it.

        Args:
            estimator: The model.
            export_path: The directory for exports of this exporter.
            checkpoint_path: The checkpoint that was evaluated.
            eval_result: What `Estimator.evaluate` returned.
            is_the_final_export: Whether training has ended.

        Returns:
            The path of the export, None if there is none.
        """


class _ModelExporter(Exporter):
    """One that calls `Estimator.export_saved_model`."""

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn | None,
        assets_extra: Mapping[str, str] | None,
        as_text: bool,
        exports_to_keep: int | None = None,
    ) -> None:
        if not isinstance(name, str) or not name or name != name.strip("/"):
            raise InvalidArgumentError(f"an exporter needs a name, not {name!r}")
        if not callable(serving_input_receiver_fn):
            raise SpecError(
                f"serving_input_receiver_fn must be a function, not {serving_input_receiver_fn!r}",
                hint="build_raw_serving_input_receiver_fn of estimators.export makes such functions",
            )
        if exports_to_keep is not None and (type(exports_to_keep) is not int or exports_to_keep <= 0):
            raise InvalidArgumentError(
                f"exports_to_keep must be a positive number, or None for all, not {exports_to_keep!r}"
            )
        self._name = name
        self._receiver_fn = serving_input_receiver_fn
        self._assets_extra = assets_extra
        self._as_text = as_text
        self._exports_to_keep = exports_to_keep

    @property
    def name(self) -> str:
        """The name of the directory of its exports, below ``<model_dir>/export``."""
        return self._name

    def _write(self, estimator: Estimator, export_path: str, checkpoint_path: str) -> str:
        """Export, and remove what is too much."""
        path = estimator.export_saved_model(
            export_path,
            self._receiver_fn,
            assets_extra=self._assets_extra,
            as_text=self._as_text,
            checkpoint_path=checkpoint_path,
        )
        if self._exports_to_keep is not None:
            remove_oldest(export_path, MODEL, self._exports_to_keep)
        return path


class LatestExporter(_ModelExporter):
    """Exports after every evaluation.

    Args:
        name: Of the directory of its exports, below ``<model_dir>/export``.
        serving_input_receiver_fn: As of `Estimator.export_saved_model`.
        assets_extra: As of `Estimator.export_saved_model`.
        as_text: As of `Estimator.export_saved_model`.
        exports_to_keep: So many stay, the newest; None: all.

    Raises:
        InvalidArgumentError: There is no name, or exports_to_keep is not positive.
        SpecError: serving_input_receiver_fn is no function.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        """See `Exporter`."""
        return self._write(estimator, export_path, checkpoint_path)


class FinalExporter(_ModelExporter):
    """Exports once, when training has ended.

    Args:
        name: As of `LatestExporter`.
        serving_input_receiver_fn: As of `Estimator.export_saved_model`.
        assets_extra: As of `Estimator.export_saved_model`.
        as_text: As of `Estimator.export_saved_model`.

    Raises:
        InvalidArgumentError, SpecError: As of `LatestExporter`.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        """See `Exporter`."""
        if not is_the_final_export:
            return None
        log.info("Performing the final export in the end of training.")
        return self._write(estimator, export_path, checkpoint_path)


class BestExporter(_ModelExporter):
    """Exports when an evaluation is better than all before, also those of earlier runs.

    The best values are in ``best.json`` beside the exports. A first evaluation is the best.

    Args:
        name: As of `LatestExporter`.
        serving_input_receiver_fn: As of `Estimator.export_saved_model`.
        event_file_pattern: Accepted for compatibility: events are not read.
        compare_fn: ``compare_fn(best_eval_result, current_eval_result)`` tells whether the current one is
            better; None: by `metric` and `direction`.
        assets_extra: As of `Estimator.export_saved_model`.
        as_text: As of `Estimator.export_saved_model`.
        exports_to_keep: As of `LatestExporter`; the newest are the best.
        metric: What is compared.
        direction: "min" or "max": what is better. NaN is worse than all numbers.

    Raises:
        InvalidArgumentError, SpecError: As of `LatestExporter`; compare_fn has other arguments; the
            direction is another word.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: ReceiverFn | None = None,
        event_file_pattern: str | None = "eval/*.tfevents.*",
        compare_fn: Callable[..., Any] | None = None,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
        *,
        metric: str = "loss",
        direction: str = "min",
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)
        if direction not in ("min", "max"):
            raise InvalidArgumentError(f"direction must be 'min' or 'max', not {direction!r}")
        if compare_fn is not None:
            _check_compare_fn(compare_fn)
            if (metric, direction) != ("loss", "min"):
                raise InvalidArgumentError("give compare_fn, or metric and direction, not both")
        self._compare_fn = compare_fn
        self._rule = {"metric": metric, "direction": direction} if compare_fn is None else {}

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> str | None:
        """See `Exporter`.

        Raises:
            InvalidArgumentError: The evaluation has no such metric.
        """
        metric = self._rule.get("metric")
        if metric is not None and metric not in eval_result:
            raise InvalidArgumentError(
                f"the evaluation has no metric {metric!r}", hint=did_you_mean(metric, sorted(eval_result))
            )
        best = self._best(export_path)
        if best is not None and not self._better(best, eval_result):
            return None
        log.info("Performing best model export.")
        path = self._write(estimator, export_path, checkpoint_path)
        values = {name: _number(value) for name, value in eval_result.items()}
        known = {name: value for name, value in values.items() if value is not None}
        text = json.dumps(
            {**self._rule, "export": path.replace("\\", "/").rpartition("/")[2], "values": known}
        )
        with files.atomic_writer(files.join(export_path, BEST)) as file:
            file.write(text.encode())
        return path

    def _better(self, best: Mapping[str, float], current: Mapping[str, Any]) -> bool:
        if self._compare_fn is not None:
            return bool(self._compare_fn(best_eval_result=best, current_eval_result=current))
        old, new = best[self._rule["metric"]], float(current[self._rule["metric"]])
        if math.isnan(old) or math.isnan(new):
            return not math.isnan(new)
        return new < old if self._rule["direction"] == "min" else new > old

    def _best(self, export_path: str) -> dict[str, float] | None:
        """Return what the best evaluation gave; None if nothing is exported, or by another rule."""
        place = files.join(export_path, BEST)
        if not files.exists(place) or not numbered(export_path, MODEL):
            return None
        try:
            content = json.loads(files.read_bytes(place))
            values = {str(name): float(value) for name, value in content["values"].items()}
            rule = {name: content[name] for name in ("metric", "direction") if name in content}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read (%s): the next evaluation counts as the best.", place, error)
            return None
        if rule != self._rule:
            log.warning("%s is of another rule: the next evaluation counts as the best.", place)
            return None
        return values if self._compare_fn is not None or self._rule["metric"] in values else None


def _number(value: Any) -> float | str | None:
    """Return a metric as JSON; None if it is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else repr(number)


def _check_compare_fn(compare_fn: Any) -> None:
    if not callable(compare_fn):
        raise SpecError(f"compare_fn must be a function, not {compare_fn!r}")
    names = set(inspect.signature(compare_fn).parameters)
    wanted = {"best_eval_result", "current_eval_result"}
    if names != wanted:
        raise InvalidArgumentError(
            f"compare_fn has the arguments {sorted(names)}",
            hint="it is called with best_eval_result and current_eval_result, two dicts of metrics",
        )
