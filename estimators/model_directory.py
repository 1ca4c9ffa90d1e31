"""`ModelDirectory`: what a directory of checkpoints tells about a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError, NotFoundError, did_you_mean
from estimators import plots
from estimators.evaluation import evaluations
from estimators.graph.variable import Array
from estimators.progress import log
from estimators.run_config import RunConfig
from estimators.values import checkpoint as checkpoints
from estimators.values.checkpoint import Checkpoint


class ModelDirectory:
    """The part of an estimator that only reads its directory."""

    _config: RunConfig

    @property
    def model_dir(self) -> str:
        """Where checkpoints are."""
        assert self._config.model_dir is not None
        return self._config.model_dir

    def eval_dir(self, name: str | None = None) -> str:
        """Return where the results of evaluations with that name are kept."""
        return evaluations.directory_of(self.model_dir, name)

    def latest_checkpoint(self) -> str | None:
        """Return the path of the newest checkpoint, without its suffix; None if there is none."""
        return checkpoints.latest(self.model_dir)

    def get_variable_names(self) -> list[str]:
        """Return the names in the newest checkpoint.

        Raises:
            InvalidArgumentError: There is no checkpoint.
        """
        return sorted(self._require().arrays)

    def get_variable_value(self, name: str) -> Array:
        """Return a variable of the newest checkpoint.

        Raises:
            InvalidArgumentError: There is no checkpoint.
            NotFoundError: It has no such variable.
        """
        found = self._require()
        if name not in found.arrays:
            raise NotFoundError(
                f"the checkpoint {found.path} has no variable {name!r}",
                hint=did_you_mean(name, sorted(found.arrays)),
            )
        return found.arrays[name]

    def plot_training(self, metrics: Sequence[str] | None = None) -> Any:
        """Draw the loss of training, and what evaluations gave, over steps.

        Losses are those of every 100th step, as `RunConfig` says in ``log_step_count_steps``.

        Args:
            metrics: Names of metrics to show beside the loss; default all but trivial ones.

        Returns:
            The matplotlib figure.

        Raises:
            InvalidArgumentError: Nothing was trained, or no evaluation gave such a metric.
            OptionalDependencyError: matplotlib is not installed.
        """
        return plots.plot_training(self.model_dir, metrics)

    def _warn_if_untrained(self, found: Checkpoint | None) -> None:
        if found is None:
            log.warning(
                "Could not find trained model in model_dir: %s; the model has its first values.",
                self.model_dir,
            )

    def _require(self, path: str | None = None) -> Checkpoint:
        found = self._load(path)
        if found is None:
            raise InvalidArgumentError(f"there is no checkpoint in {self.model_dir}", hint="train first")
        return found

    def _load(self, path: str | None) -> Checkpoint | None:
        path = path or self.latest_checkpoint()
        return None if path is None else checkpoints.load(path)
