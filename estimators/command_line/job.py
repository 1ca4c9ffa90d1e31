"""What a job began with: kept in the manifest of its output, so that the same command goes on with it."""

from __future__ import annotations

import dataclasses
from typing import Any

from dataflow.storage import files
from dataflow.storage.manifest import Manifest
from estimators.command_line.arguments import Arguments, option, settings
from estimators.command_line.errors import UsageError
from estimators.export.format import MODEL

_JOB = "predict"


@dataclasses.dataclass(frozen=True)
class Job:
    """What to predict.

    Args:
        settings: The options of the command.
        model: The directory of the model, of one version.
        files: To read.
        dtypes: Of columns of CSV files.
    """

    settings: dict[str, Any]
    model: str
    files: list[str]
    dtypes: dict[str, str] = dataclasses.field(default_factory=dict)

    def notes(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        return {_JOB: dataclasses.asdict(self)}


def job_to_continue(arguments: Arguments, found: Manifest | None) -> Job | None:
    """Return the job that wrote the output if it is this one, None to begin anew.

    Raises:
        UsageError: There is something else, and it is not to be replaced.
    """
    if found is None:
        return None
    noted, wanted = found.notes.get(_JOB), settings(arguments)
    job = Job(**noted) if noted is not None else None
    differ = [name for name in wanted if job and job.settings.get(name) != wanted[name]]
    gone = job is not None and not found.complete and not files.exists(files.join(job.model, MODEL))
    if job is not None and not differ and not gone and not (found.complete and arguments.overwrite):
        return job
    if arguments.overwrite or not (found.files or found.complete):
        return None
    if job is None:
        raise UsageError(
            f"{arguments.output} holds what no such command wrote",
            hint="give another --output, or replace it with --overwrite",
        )
    if not differ:
        raise UsageError(
            f"{arguments.output} was begun with {job.model}, which is gone",
            hint="put the model back, or begin anew with --overwrite",
        )
    name = differ[0]
    raise UsageError(
        f"{arguments.output} is the output of another command: {option(name)} was "
        f"{_shown(job.settings.get(name))}, and is {_shown(wanted[name])}",
        hint="repeat the command as it was, give another --output, or replace it with --overwrite",
    )


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)
