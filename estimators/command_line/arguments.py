"""The commands and their options."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any, NoReturn

from dataflow import __version__
from estimators.command_line.errors import UsageError
from estimators.export.outputs import SERVING_DEFAULT

Arguments = argparse.Namespace
NOT_OF_THE_JOB = ("command", "output", "overwrite", "log", "log_every")
"""Options that may differ when a job goes on."""

_EPILOG = """\
Exit codes: 0 all done; 1 an error in the data, or in reaching them; 2 a wrong command; 130 and 143 after
SIGINT and SIGTERM. However it ended, the same command goes on behind the last complete file, with the files
and the version of the model that it began with: each row of the input is in the output once. Readers take
the directory, or its _manifest.json, which lists the files that count.
"""


class _Parser(argparse.ArgumentParser):
    """Raises instead of leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help")


def parse(given: Sequence[str]) -> Arguments:
    """Return the options of a command.

    Raises:
        UsageError: It is wrong.
        SystemExit: It asks for help, or the version, and has it now.
    """
    parser = _Parser("python -m estimators", description="Jobs with exported models.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_predict(commands)
    _add_describe(commands)
    return parser.parse_args(given)


def settings(arguments: Arguments) -> dict[str, Any]:
    """Return as JSON what makes a job: with other settings it is another job."""
    found = {name: value for name, value in vars(arguments).items() if name not in NOT_OF_THE_JOB}
    return dict(json.loads(json.dumps(found)))


def option(name: str) -> str:
    """Return how a setting is called on the command line."""
    return f"--{name.replace('_', '-')}"


def _add_describe(commands: Any) -> None:
    command = commands.add_parser("describe", help="what a model takes and gives", allow_abbrev=False)
    command.add_argument("model", metavar="MODEL", help="as --model of predict")
    command.add_argument("--json", action="store_true", help="one JSON object")
    _add_log(command)


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict",
        help="predict the rows of files",
        description="Predict the rows of Parquet or CSV files, into files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    more: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    add = command.add_argument
    add("--model", required=True, metavar="DIR",
        help="an exported model; the directory of its versions (the newest is taken); or a model directory "
        "with an export below it")  # fmt: skip
    add("--input", required=True, nargs="+", action="extend", metavar="PATH",
        help="files, patterns or directories, local or URLs: 's3://bucket/rows/*.parquet'")  # fmt: skip
    add("--output", required=True, metavar="DIR", help="where the files go; local or a URL")
    add("--signature", default=SERVING_DEFAULT, metavar="NAME", help="default: %(default)s")
    add("--predict-keys", **more, metavar="NAME", help="the outputs to write; default: all")
    add("--keep", **more, metavar="COLUMN", help="columns of the input to write beside them")
    add("--rename", **more, metavar="NAME=COLUMN",
        help="call a column of the input NAME, for the model and for --keep; else an input of the model is "
        "the column of its name")  # fmt: skip
    add("--batch-size", type=_positive, default=1024, metavar="N", help="rows at once; default: %(default)s")
    add("--rows-per-file", type=_positive, default=1_000_000, metavar="N",
        help="rows of a file, which an interruption may lose; default: %(default)s")  # fmt: skip
    add("--format", choices=("parquet", "csv"), default="parquet", help="of the output; default: %(default)s")
    add("--compression", metavar="CODEC", help="of the output; default: zstd for Parquet, none for CSV")
    add("--overwrite", action="store_true", help="replace what another job, or a complete one, left there")
    _add_reading(command.add_argument_group("how to read"), more)
    _add_log(command)
    add("--log-every", type=float, default=10.0, metavar="SECONDS",
        help="between lines that tell the progress, where there is no bar; default: %(default)s")  # fmt: skip


def _add_reading(group: Any, more: dict[str, Any]) -> None:
    add = group.add_argument
    add("--input-format", choices=("parquet", "csv"), help="default: by the names of the files")
    missing = "a value for what is missing, by column; without it a missing float is NaN for the model"
    add("--fill-null", **more, metavar="NAME=VALUE", help=missing)
    add("--delimiter", metavar="C", help="of CSV; default: a comma, a tab for .tsv")
    add("--column-names", **more, metavar="NAME", help="of CSV files without a header")
    add("--na-values", **more, metavar="TEXT", help="what means missing in CSV, beside nothing")
    add("--encoding", default="utf-8", metavar="NAME", help="of CSV; default: %(default)s")
    add("--dtype", **more, metavar="NAME=DTYPE",
        help="of columns of CSV; default: as the model takes them, of others inferred")  # fmt: skip
    add("--on-bad-rows", choices=("error", "skip", "quarantine"), default="error",
        help="of CSV, what to do with rows that do not fit; default: %(default)s")  # fmt: skip
    add("--bad-rows-limit", type=int, metavar="N", help="end with an error if there are more")
    add("--quarantine", metavar="PATH", help="a local file; default: _bad_rows.jsonl in the output")


def _add_log(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log", choices=("text", "json"), default="text", help="on stderr; default: text")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)
