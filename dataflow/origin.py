"""Find the line of the user's program that is building something."""

from __future__ import annotations

import os
import sys
import traceback
import types

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PACKAGES = tuple(os.path.join(_ROOT, name) + os.sep for name in ("dataflow", "estimators"))


def is_library_file(path: str) -> bool:
    """Tell whether a source file belongs to this project's packages or is generated code."""
    return path.startswith((*_PACKAGES, "<frozen", "<__array_function__"))


def user_line() -> str:
    """Return ``file:line`` of the nearest caller outside of this project's packages."""
    frame = sys._getframe(1)
    while _is_ours(frame.f_code) and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_ours(code: types.CodeType) -> bool:
    """Tell whether a frame is no user's; the constructors of dataclasses are compiled from "<string>"."""
    return is_library_file(code.co_filename) or (code.co_filename, code.co_name) == ("<string>", "__init__")


def failing_line(error: BaseException, function: object = None) -> str:
    """Return ``file:line`` of the innermost frame of the traceback that is the user's.

    If there is none, as when a function cannot even be called, it is where `function` was written.
    """
    frames = traceback.extract_tb(error.__traceback__)
    user = [frame for frame in frames if not is_library_file(frame.filename)]
    if user:
        return f"{user[-1].filename}:{user[-1].lineno}"
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else "an unknown line"
