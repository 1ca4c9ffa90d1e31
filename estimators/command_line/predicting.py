"""``python -m estimators predict``: the rows of files through a model, into files, each row once."""

from __future__ import annotations

import dataclasses

from dataflow import Dataset
from dataflow.errors import InvalidArgumentError
from dataflow.export import arrow_schema
from dataflow.storage.manifest import Manifest, find_manifest
from dataflow.storage.part_files import csv_file_format, parquet_format
from dataflow.writing import Layout, write
from estimators.command_line.arguments import Arguments, settings
from estimators.command_line.errors import UsageError, usage
from estimators.command_line.job import Job, job_to_continue
from estimators.command_line.logs import log
from estimators.command_line.models import find_model
from estimators.command_line.progress import Progress, counted, quantity
from estimators.command_line.reading import Rows, files_of
from estimators.command_line.shaping import chosen, table_of
from estimators.command_line.stopping import Stop, Stopped
from estimators.export.loaded_model import load_model


def predict(arguments: Arguments, stop: Stop) -> None:
    """Predict, or go on with it; leave a complete output alone.

    Raises:
        UsageError: The command is wrong, or the output holds something else.
        DataflowError: The data are wrong, or cannot be reached.
        Stopped: A signal came.
    """
    with usage():
        found = find_manifest(arguments.output)
        job = job_to_continue(arguments, found)
        if job is not None and found is not None and found.complete:
            _tell_complete(found)
            return
        prepared = _prepared(arguments, job)
        if job is not None and found is not None and prepared.dataset.node.fingerprint != found.pipeline:
            if not arguments.overwrite:
                raise UsageError(
                    f"{arguments.output} was begun with other values of {job.model}, or another version of "
                    "this package",
                    hint="put it back, or begin anew with --overwrite",
                )
            job, prepared = None, _prepared(arguments, None)
    _run(arguments, stop, prepared, found if job is not None else None)


def _tell_complete(found: Manifest) -> None:
    fields = {"rows": found.rows, "rows_per_s": 0.0, "files": len(found.files)}
    text = (
        f"{found.directory} is complete, with {counted(found.rows, len(found.files))}: nothing is to be done"
    )
    log.info("%s", text, extra={"event": "complete", "fields": fields})


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """All that a job needs.

    Args:
        job: What it is.
        dataset: The rows to write.
        total: How many, None if nobody knows.
        layout: How they are written.
    """

    job: Job
    dataset: Dataset
    total: int | None
    layout: Layout


def _prepared(arguments: Arguments, job: Job | None) -> _Prepared:
    """Load the model and look at the files; None is a new job."""
    model = load_model(find_model(arguments.model) if job is None else job.model)
    signature = model.signature(arguments.signature)
    outputs = chosen(signature.outputs, arguments.predict_keys)
    keep = list(dict.fromkeys(arguments.keep))
    for name in keep:
        if name in signature.outputs:
            raise InvalidArgumentError(
                f"--keep {name}: an output has this name too", hint=f"--rename other={name} --keep other"
            )
    found = files_of(arguments.input) if job is None else job.files
    rows = Rows(arguments, found, signature.inputs)
    if job is None:
        job = Job(settings(arguments), model.path, found, rows.dtypes())
    dataset = rows.dataset(job.dtypes)
    total = dataset.cardinality()
    batches = model.predictions(dataset.batch(arguments.batch_size), keep, arguments.signature)
    table = table_of(batches, [*keep, *outputs], flat=arguments.format == "csv")
    layout = _layout(arguments)
    layout.check(arrow_schema(table.element_spec))
    return _Prepared(job, table, total if total >= 0 else None, layout)


def _layout(arguments: Arguments) -> Layout:
    if arguments.format == "csv":
        return Layout(csv_file_format(arguments.compression, True, ","), arguments.rows_per_file)
    return Layout(parquet_format(arguments.compression or "zstd"), arguments.rows_per_file)


def _run(arguments: Arguments, stop: Stop, prepared: _Prepared, found: Manifest | None) -> None:
    """Write the rows that are not in the manifest."""
    job, output = prepared.job, arguments.output
    rows, count = _size(found)
    progress = Progress(stop, rows, prepared.total, arguments.log_every)
    text = f"continuing behind {quantity(rows, 'row')}" if rows else "predicting"
    text += f": {quantity(len(job.files), 'file')} with {job.model} to {output}"
    progress.tell("start", rows, count, text, model=job.model, output=output)
    try:
        with progress.bar(shown=arguments.log == "text"):
            result = write(
                prepared.dataset,
                output,
                prepared.layout,
                overwrite=arguments.overwrite,
                progress=progress,
                notes=job.notes(),
            )
    except Stopped as stopped:
        rows, count = _size(find_manifest(output))
        text = f"{stopped}: {counted(rows, count)} are kept; repeat the command to go on"
        progress.tell("stopped", rows, count, text, signal=str(stopped))
        raise
    text = f"done: {counted(result.rows, result.files)}, {result.seconds:.1f} s"
    more = {"bytes": result.bytes, "seconds": round(result.seconds, 3), "output": output}
    progress.tell("done", result.rows, result.files, text, **more)


def _size(found: Manifest | None) -> tuple[int, int]:
    return (0, 0) if found is None else (found.rows, len(found.files))
