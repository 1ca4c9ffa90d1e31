"""The environment variable ``TF_CONFIG``: which of several machines this is, as tf.estimator reads it."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError

VARIABLE = "TF_CONFIG"
CHIEF, MASTER, WORKER, SERVER, EVALUATOR = "chief", "master", "worker", "ps", "evaluator"


@dataclasses.dataclass(frozen=True)
class Task:
    """One machine of a cluster, or the only one.

    Attributes:
        cluster_spec: Addresses by type of task; empty without a cluster, and on an evaluator.
        task_type: "worker" without a cluster.
        task_id: Its number among the tasks of its type.
        is_chief: Whether it writes checkpoints.
        master: Its own address as tf gives it: "" where there is one machine.
        evaluation_master: Address of who evaluates; "" is this process.
        num_ps_replicas: Number of parameter servers.
        num_worker_replicas: Number of those that train, the chief included.
        global_id_in_cluster: Its number among all: chief, the other types by name, servers; None for an
            evaluator.
        service: What a platform says of itself.
        model_dir: Where checkpoints are, if it is said there.
    """

    cluster_spec: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    task_type: str = WORKER
    task_id: int = 0
    is_chief: bool = True
    master: str = ""
    evaluation_master: str = ""
    num_ps_replicas: int = 0
    num_worker_replicas: int = 1
    global_id_in_cluster: int | None = 0
    service: Mapping[str, Any] | None = None
    model_dir: str | None = None


def read_task() -> Task:
    """Return what the environment says of this machine.

    Raises:
        InvalidArgumentError: The variable is no JSON, or its cluster and task do not fit.
        SpecError: Something in it has the wrong type.
    """
    text = os.environ.get(VARIABLE) or "{}"
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{VARIABLE} is not JSON: {error}; it is {text!r}") from error
    _check("", content)
    cluster, task = content.get("cluster", {}), content.get("task", {})
    _check("cluster", cluster)
    _check("task", task)
    service = content.get("service")
    if service is not None:
        _check("service", service)
    model_dir = content.get("model_dir")
    if model_dir == "":
        raise InvalidArgumentError(f"model_dir in {VARIABLE} must not be empty")
    common = {"service": service, "model_dir": model_dir}
    if not cluster:
        return _alone(content, task, common)
    spec = {kind: _addresses(kind, cluster[kind]) for kind in sorted(cluster)}
    return _member(content, spec, task, common)


def _check(key: str, value: Any) -> None:
    if not isinstance(value, dict):
        where = f"{key!r} in {VARIABLE}" if key else VARIABLE
        raise SpecError(f"{where} must be a JSON object, not {value!r}")


def _addresses(kind: str, given: Any) -> tuple[str, ...]:
    """Return the addresses of a type of task; tf takes a list, or a dict by number."""
    if isinstance(given, dict):
        given = [given[key] for key in sorted(given, key=int)]
    if not isinstance(given, list) or not all(isinstance(address, str) for address in given):
        raise SpecError(f"cluster[{kind!r}] in {VARIABLE} must be a list of addresses, not {given!r}")
    return tuple(given)


def _alone(content: Mapping[str, Any], task: Mapping[str, Any], common: Mapping[str, Any]) -> Task:
    kind, number = task.get("type", WORKER), _number(task.get("index", 0))
    if kind != WORKER or number != 0:
        raise InvalidArgumentError(
            f"without a cluster the task in {VARIABLE} must be worker 0, and is {kind} {number}"
        )
    master, evaluation = content.get("session_master", ""), content.get("eval_session_master", "")
    return Task(master=master, evaluation_master=evaluation, **common)


def _member(
    content: Mapping[str, Any],
    spec: Mapping[str, Sequence[str]],
    task: Mapping[str, Any],
    common: Mapping[str, Any],
) -> Task:
    chief = MASTER if MASTER in spec else CHIEF
    if chief == MASTER and CHIEF in spec:
        raise InvalidArgumentError(f"the cluster in {VARIABLE} has a master, and so must have no chief")
    if len(spec.get(chief, ())) != 1:
        raise InvalidArgumentError(f"the cluster in {VARIABLE} must have just one chief, and is {dict(spec)}")
    kind, index = task.get("type"), task.get("index")
    if not kind or index is None:
        raise InvalidArgumentError(f"with a cluster, {VARIABLE} must have the type and the index of the task")
    number = _number(index)
    if kind == EVALUATOR:
        if chief == MASTER:
            raise InvalidArgumentError(f"the cluster in {VARIABLE} has a master, and so no evaluator")
        return Task({}, kind, number, False, "", content.get("eval_session_master", ""), 0, 0, None, **common)
    if not 0 <= number < len(spec.get(kind, ())):
        raise InvalidArgumentError(
            f"there is no task {kind!r} {number} in the cluster {dict(spec)} of {VARIABLE}"
        )
    others = [other for other in sorted(spec) if other not in (chief, SERVER)]
    order = [chief, *others, *([SERVER] if SERVER in spec else [])]
    before = sum(len(spec[other]) for other in order[: order.index(kind)])
    alone = sum(len(addresses) for addresses in spec.values()) == 1
    own = "" if alone else f"grpc://{spec[kind][number]}"
    workers = len(spec.get(WORKER, ())) + 1
    return Task(
        spec,
        kind,
        number,
        kind == chief,
        content.get("session_master", own),
        "",
        len(spec.get(SERVER, ())),
        workers,
        before + number,
        **common,
    )


def _number(index: Any) -> int:
    """Return the index of a task."""
    try:
        number = int(index)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the index of the task in {VARIABLE} is no number: {index!r}") from error
    if number < 0:
        raise InvalidArgumentError(f"the index of the task in {VARIABLE} must not be negative: {number}")
    return number
