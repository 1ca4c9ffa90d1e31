"""What errors of symbolic tensors say, and the line of the user's program in them."""

from __future__ import annotations

import contextlib
import contextvars
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dataflow.errors import DataflowError, TraceError
from dataflow.origin import user_line

NO_VALUE = "write it with NumPy functions; a function of Dataset.map may also run per element in Python"
"""The way out where a value is asked for."""
NO_ARRAY = f"{NO_VALUE}; rows of an array by symbolic ids are dataflow.tensors.gather(array, ids)"


CLOSE = 0.7
"""How alike names must be to be suggested, from 0 to 1."""

_DESCRIBED: contextvars.ContextVar[bool] = contextvars.ContextVar("dataflow_described", default=False)


@contextlib.contextmanager
def described(value: bool) -> Iterator[None]:
    """Say whether the text of a symbolic tensor describes it.

    So it does in a model function, where it is printed or logged. In a function over elements it would
    become data.
    """
    token = _DESCRIBED.set(value)
    try:
        yield
    finally:
        _DESCRIBED.reset(token)


def is_described() -> bool:
    """Tell whether the text of a symbolic tensor describes it."""
    return _DESCRIBED.get()


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
    close = difflib.get_close_matches(name, list(available), cutoff=CLOSE)
    return f"did you mean {' or '.join(close)}? " if close else ""


def not_available(name: str, available: Iterable[str]) -> TraceError:
    """Return the error of a function that symbolic tensors do not know; it suggests others."""
    by_last = {other.rpartition(".")[2]: other for other in sorted(set(available))}
    last = name.rpartition(".")[2]
    inside = [other for other in by_last if len(other) > 2 and last.endswith(other)]  # nansum: sum
    close = difflib.get_close_matches(last, list(by_last), cutoff=CLOSE) or inside
    question = f"did you mean {' or '.join(by_last[other] for other in close)}? " if close else ""
    return TraceError(
        f"{name} is not available on symbolic tensors",
        hint=f"{question}{NO_VALUE}; docs/porting.md lists the functions that there are",
    ).in_stage(user_line())
