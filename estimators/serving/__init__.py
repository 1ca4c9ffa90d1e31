"""Exported models over HTTP, with the REST interface of TensorFlow Serving.

``python -m estimators.serving EXPORT_DIR --port 8501`` starts a server; `app` gives the application for one
of your own. Both need the extra ``serving``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dataflow.errors import InvalidArgumentError, OptionalDependencyError
from estimators.serving.settings import Settings

if TYPE_CHECKING:
    from estimators.serving.application import Application

__all__ = ["Settings", "app", "serve"]

_HINT = "install the extra: pip install 'dataflow-estimators[serving]'"


def app(export_dir: str | os.PathLike[str], **settings: Any) -> Application:
    """Return the server as an ASGI application, with the newest version of the model loaded.

    Args:
        export_dir: The directory of versions that `Estimator.export_saved_model` or an exporter was given, or
            one version in it. New versions are picked up while the application runs, if its lifespan is run.
        settings: As of `Settings`.

    Raises:
        NotFoundError: There is no model.
        SavedModelError: Of all versions, none can be loaded.
        InvalidArgumentError: A setting is out of range.
        OptionalDependencyError: The extra ``serving`` is not installed.

    >>> import tempfile
    >>> import numpy as np
    >>> from estimators import LinearRegressor, export, feature_column
    >>> estimator = LinearRegressor([feature_column.numeric_column("x")]).train(({"x": [1.0]}, [2.0]))
    >>> receiver = export.build_raw_serving_input_receiver_fn({"x": np.zeros([1], np.float32)})
    >>> path = estimator.export_saved_model(tempfile.mkdtemp(), receiver)
    >>> app(path, name="fare").versions.newest().model.step
    1
    """
    try:
        from estimators.serving.application import Application
    except ModuleNotFoundError as error:
        raise _without(error) from error
    return Application(os.fspath(export_dir), Settings(**settings))


def serve(
    export_dir: str | os.PathLike[str], *, host: str = "127.0.0.1", port: int = 8501, **settings: Any
) -> None:
    """Serve a model until SIGINT or SIGTERM, and then answer what is under way.

    Args:
        export_dir: As for `app`.
        host: The address to listen at; "0.0.0.0" for all. There is no authentication.
        port: 0 for any that is free; the log says which.
        settings: As of `Settings`.

    Raises:
        InvalidArgumentError: The port is none.
        OSError: The address is in use. And what `app` raises.
    """
    if not 0 <= port <= 65535:
        raise InvalidArgumentError(f"port must be from 0 to 65535, not {port}")
    try:
        from estimators.serving.server import run
    except ModuleNotFoundError as error:
        raise _without(error) from error
    run(app(export_dir, **settings), host, port)


def _without(error: ModuleNotFoundError) -> Exception:
    """Return the error that names the extra, if it is what is missing."""
    if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
        return error
    return OptionalDependencyError(f"serving needs {str(error.name).partition('.')[0]}", hint=_HINT)
