"""``python -m estimators.serving EXPORT_DIR``: a server of an exported model."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from dataflow.errors import DataflowError
from estimators.serving import Settings, serve


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    options = argparse.ArgumentParser(
        prog="python -m estimators.serving",
        description="Serve an exported model with the REST interface of TensorFlow Serving.",
    )
    options.add_argument("export_dir", help="the directory of versions, or one of them; may be a URL")
    options.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    options.add_argument("--port", type=int, default=8501, help="0: any that is free (default: %(default)s)")
    options.add_argument("--name", default=default.name, help="of the model in URLs (default: %(default)s)")
    numbers = {
        "max-batch-size": "most rows that waiting requests are joined to; 1: none",
        "max-body-bytes": "larger requests are refused",
        "timeout-seconds": "longest time for a body to come, and for the model",
        "max-waiting": "most requests under way",
        "poll-seconds": "how often to look for new versions; 0: never",
        "versions": "how many of the newest versions to serve",
    }
    for name, text in numbers.items():
        value = getattr(default, name.replace("-", "_"))
        options.add_argument(
            f"--{name}", type=type(value), default=value, help=f"{text} (default: %(default)s)"
        )
    options.add_argument(
        "--label", action="append", default=[], metavar="NAME=VERSION", help="a version to serve by this name"
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server with the arguments of a command line; return the exit code."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    labels = {}
    for label in given.pop("label"):
        name, equals, version = label.partition("=")
        if not equals or not version.isdecimal():
            parser.error(f"--label takes NAME=VERSION, not {label!r}")
        labels[name] = int(version)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        serve(given.pop("export_dir"), labels=labels, **given)
    except DataflowError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
