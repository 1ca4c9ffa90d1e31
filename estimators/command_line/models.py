"""Which exported model a path means."""

from __future__ import annotations

from dataflow.errors import InvalidArgumentError, NotFoundError
from dataflow.storage import files
from estimators.export.reading import find

_EXPORT = "export"


def find_model(path: str) -> str:
    """Return the directory of a model.

    Args:
        path: That directory; or that of its versions, of which the newest is taken; or the model directory
            of an estimator whose training exported: ``<path>/export/<exporter>/<version>``.

    Raises:
        NotFoundError: There is none.
        InvalidArgumentError: Several exporters wrote there.
    """
    try:
        return find(path)
    except NotFoundError as error:
        base = files.join(path, _EXPORT)
        found = {}
        for name in files.list_directory(base):
            try:
                found[name] = find(files.join(base, name))
            except NotFoundError:
                continue
        if len(found) > 1:
            raise InvalidArgumentError(
                f"{path} has the exports of several exporters: {', '.join(sorted(found))}",
                hint=f"give one of them, such as {files.join(base, min(found))}",
            ) from None
        if not found:
            raise NotFoundError(error.message, hint=error.hint) from None
        return next(iter(found.values()))
