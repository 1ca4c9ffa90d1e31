"""What errors of symbolic tensors say, and the line of the user's program in them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dataflow.errors import DataflowError, TraceError
from dataflow.origin import user_line

NO_VALUE = "write it with NumPy functions, or let the function run per element in Python"
"""The way out where a value is asked for."""
NO_ARRAY = f"{NO_VALUE}; rows of an array by symbolic ids are dataflow.tensors.gather(array, ids)"


def build(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what builds tensors; an error names the line of the user's program."""
    try:
        return function(*args, **kwargs)
    except TraceError as error:
        raise error.in_stage(user_line()) from None
    except DataflowError as error:
        line = user_line()
        if line not in error.message:
            error.message += f", at {line}"
        raise


def build_numpy(
    function: Callable[..., Any], known: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Call what stands for a NumPy function on tensors; it may not know all of NumPy's arguments."""
    try:
        return build(known, *args, **kwargs)
    except DataflowError:
        raise
    except TypeError as error:
        problem = str(error).rpartition("() ")[2]
        raise TraceError(f"{full_name(function)} on symbolic tensors: {problem}", hint=NO_VALUE).in_stage(
            user_line()
        ) from error


def full_name(function: Callable[..., Any]) -> str:
    """Return how users write a NumPy function: ``np.linalg.norm``."""
    inner = [part for part in str(function.__module__).split(".")[1:] if not part.startswith("_")]
    return ".".join(["np", *inner, function.__name__])


def suggestion(name: str, available: Iterable[str]) -> str:
    """Return a question that suggests similar names, or nothing."""
    close = difflib.get_close_matches(name, list(available))
    return f"did you mean {' or '.join(close)}? " if close else ""


def not_available(name: str, available: Iterable[str]) -> TraceError:
    """Return the error of a function that symbolic tensors do not know; it suggests others."""
    names = sorted(set(available))
    return TraceError(
        f"{name} is not available on symbolic tensors",
        hint=f"{suggestion(name, names)}{NO_VALUE}. Available: {', '.join(names)}",
    ).in_stage(user_line())
