"""`RunConfig`: how a run is saved, logged and shown."""

from __future__ import annotations

import dataclasses
import numbers
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

from dataflow.errors import InvalidArgumentError, did_you_mean
from estimators.evaluation.best import KeepBest
from estimators.tf_config import Task, read_task

DEFAULT: Any = object()
"""Stands for an argument that was not given."""
NEVER_KEPT = 10_000
"""So many hours between checkpoints to keep mean that none is."""

LOWEST = {
    "tf_random_seed": 0,
    "save_summary_steps": 0,
    "save_checkpoints_steps": 1,
    "save_checkpoints_secs": 0,
    "keep_checkpoint_max": 0,
    "log_step_count_steps": 1,
}
MEANINGLESS = {
    "session_config": "there is no session to configure: `dataflow.Options` says how many threads read",
    "train_distribute": "training runs in one process",
    "eval_distribute": "evaluation runs in one process",
    "experimental_distribute": "training runs in one process",
    "device_fn": "everything runs on the CPU",
    "protocol": "there is no network between workers",
    "experimental_max_worker_delay_secs": "there are no workers to wait for",
    "session_creation_timeout_secs": "there is no session to wait for",
}
"""Settings of tf.estimator that must have their defaults, and why."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Settings of training runs, with tf.estimator's names, order and defaults.

    What the environment variable ``TF_CONFIG`` says of a cluster is in properties, read when the settings
    are made.

    Args:
        model_dir: Where checkpoints are; an estimator's own argument must agree with it.
        tf_random_seed: Seed of first values, and of what an `input_fn` shuffles or draws without a seed;
            None: from the operating system.
        save_summary_steps: Write summaries after so many steps; None or 0: never.
        save_checkpoints_steps: Save after so many steps. Giving it turns `save_checkpoints_secs` off.
        save_checkpoints_secs: Save after so many seconds. Default 600, unless steps are given.
            With both None only the first and the last state are saved.
        session_config: Must be None, as `train_distribute`, `device_fn`, `protocol`, `eval_distribute`,
            `experimental_distribute` and `experimental_max_worker_delay_secs` must.
        keep_checkpoint_max: How many of the newest checkpoints to keep; None or 0: all.
        keep_checkpoint_every_n_hours: Keep one beside them after so many hours.
        log_step_count_steps: Log loss and speed after so many steps; None: never.
        session_creation_timeout_secs: Must be 7200.
        checkpoint_save_graph_def: Whether the graph is written, once a run, beside its summaries.
        keep_best: How many checkpoints to keep beside the newest, those of the smallest `loss` in
            evaluations; or a `KeepBest`, which names the metric.
        progress: Whether to show a progress bar; None: in terminals and notebooks.
        reference: Run the graph by plain NumPy, primitive by primitive, to check results or to find out
            where NaN comes from. Slow.

    Raises:
        InvalidArgumentError: A setting is out of range, or means nothing here and has not its default; both
            save_checkpoints are given; ``TF_CONFIG`` is wrong, or has another `model_dir`.

    >>> RunConfig(save_checkpoints_steps=100).save_checkpoints_secs is None
    True
    """

    model_dir: str | None = None
    tf_random_seed: int | None = None
    save_summary_steps: int | None = 100
    save_checkpoints_steps: int | None = DEFAULT
    save_checkpoints_secs: float | None = DEFAULT
    session_config: None = dataclasses.field(default=None, repr=False)
    keep_checkpoint_max: int | None = 5
    keep_checkpoint_every_n_hours: float = NEVER_KEPT
    log_step_count_steps: int | None = 100
    train_distribute: None = dataclasses.field(default=None, repr=False)
    device_fn: None = dataclasses.field(default=None, repr=False)
    protocol: None = dataclasses.field(default=None, repr=False)
    eval_distribute: None = dataclasses.field(default=None, repr=False)
    experimental_distribute: None = dataclasses.field(default=None, repr=False)
    experimental_max_worker_delay_secs: None = dataclasses.field(default=None, repr=False)
    session_creation_timeout_secs: int = dataclasses.field(default=7200, repr=False)
    checkpoint_save_graph_def: bool = dataclasses.field(default=True, repr=False)
    keep_best: KeepBest | int | None = None
    progress: bool | None = None
    reference: bool = False
    _task: Task = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        steps, secs = self.save_checkpoints_steps, self.save_checkpoints_secs
        if steps is DEFAULT:
            object.__setattr__(self, "save_checkpoints_steps", None)
        if secs is DEFAULT:
            object.__setattr__(self, "save_checkpoints_secs", 600 if steps is DEFAULT else None)
        if self.save_checkpoints_steps is not None and self.save_checkpoints_secs is not None:
            raise InvalidArgumentError("give save_checkpoints_steps or save_checkpoints_secs, not both")
        if self.model_dir is not None:
            object.__setattr__(self, "model_dir", os.fspath(self.model_dir))
        if self.model_dir == "":
            raise InvalidArgumentError("model_dir must not be empty")
        self._read_environment()
        self._check_rest()
        if isinstance(self.keep_best, int) and not isinstance(self.keep_best, bool):
            object.__setattr__(self, "keep_best", KeepBest(count=self.keep_best))
        if not isinstance(self.keep_best, KeepBest | None):
            raise InvalidArgumentError(
                f"keep_best must be None, a number or a KeepBest, not {self.keep_best!r}"
            )
        if not isinstance(self.reference, bool):
            raise InvalidArgumentError(f"reference must be True or False, not {self.reference!r}")
        for name, low in LOWEST.items():
            value = getattr(self, name)
            integer = not name.endswith("secs")
            kind: Any = numbers.Integral if integer else numbers.Real
            good = isinstance(value, kind) and not isinstance(value, bool) and value >= low
            if value is not None and not good:
                what = "an integer" if integer else "a number"
                raise InvalidArgumentError(f"{name} must be None or {what} of at least {low}, not {value!r}")

    def _read_environment(self) -> None:
        task = read_task()
        object.__setattr__(self, "_task", task)
        if self.model_dir is None:
            object.__setattr__(self, "model_dir", task.model_dir)
        elif task.model_dir not in (None, self.model_dir):
            raise InvalidArgumentError(
                f"model_dir is {self.model_dir!r}, and {task.model_dir!r} in TF_CONFIG"
            )

    def _check_rest(self) -> None:
        hours: Any = self.keep_checkpoint_every_n_hours
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not hours > 0:
            raise InvalidArgumentError(
                f"keep_checkpoint_every_n_hours must be a number greater than 0, not {hours!r}"
            )
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name, why in MEANINGLESS.items():
            value = getattr(self, name)
            if value != defaults[name]:
                raise InvalidArgumentError(
                    f"{name} must be {defaults[name]!r} here, not {value!r}: {why}", hint="leave it out"
                )

    @property
    def cluster_spec(self) -> Mapping[str, Sequence[str]]:
        """Addresses by type of task; empty without a cluster, and for an evaluator."""
        return self._task.cluster_spec

    @property
    def task_type(self) -> str:
        """The type of this task of the cluster: "chief", "worker", "ps", "evaluator"."""
        return self._task.task_type

    @property
    def task_id(self) -> int:
        """The number of this task among those of its type."""
        return self._task.task_id

    @property
    def is_chief(self) -> bool:
        """Whether this task writes checkpoints."""
        return self._task.is_chief

    @property
    def master(self) -> str:
        """The address of this task; "" where there is one machine."""
        return self._task.master

    @property
    def evaluation_master(self) -> str:
        """The address of who evaluates; "" is this process."""
        return self._task.evaluation_master

    @property
    def num_ps_replicas(self) -> int:
        """The number of parameter servers."""
        return self._task.num_ps_replicas

    @property
    def num_worker_replicas(self) -> int:
        """The number of tasks that train, the chief included."""
        return self._task.num_worker_replicas

    @property
    def global_id_in_cluster(self) -> int | None:
        """The number of this task among all; None for an evaluator."""
        return self._task.global_id_in_cluster

    @property
    def service(self) -> Mapping[str, Any] | None:
        """What the platform says of itself."""
        return self._task.service

    def check_trains(self) -> None:
        """Raise `InvalidArgumentError` if this is a task of a cluster that cannot train here."""
        if self.task_type in ("evaluator", "ps"):
            raise InvalidArgumentError(
                f"a task of type {self.task_type!r} in TF_CONFIG does not train",
                hint="call train_and_evaluate, or unset TF_CONFIG",
            )
        if self.num_worker_replicas > 1 or self.num_ps_replicas:
            raise InvalidArgumentError(
                f"TF_CONFIG has a cluster of {self.num_worker_replicas} workers and {self.num_ps_replicas} "
                "parameter servers, and training runs in one process",
                hint="unset TF_CONFIG, or leave only the chief in its cluster",
            )

    def replace(self, **changes: Any) -> Self:
        """Return the settings with changes; a value for one save_checkpoints clears the other.

        Raises:
            InvalidArgumentError: There is no such setting, or its value is out of range.

        >>> RunConfig().replace(save_checkpoints_steps=5).save_checkpoints_secs is None
        True
        """
        names = [field.name for field in dataclasses.fields(self) if field.init]
        for name in changes:
            if name not in names:
                raise InvalidArgumentError(f"RunConfig has no {name!r}", hint=did_you_mean(name, names))
        for name, other in (
            ("save_checkpoints_steps", "save_checkpoints_secs"),
            ("save_checkpoints_secs", "save_checkpoints_steps"),
        ):
            if changes.get(name) is not None and other not in changes:
                changes[other] = None
        return dataclasses.replace(self, **changes)
