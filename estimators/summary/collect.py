"""What model functions say is to be seen in TensorBoard: `scalar`, `histogram`, `image`, `audio`, `text`."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.spec import is_text
from dataflow.strings import Strings
from estimators.graph.scope import current_store, model_is_made, path_of
from estimators.metrics.base import Metric
from estimators.progress import log
from estimators.summary import events, media

_BAD = re.compile(r"[^-/\w.]")
"""What tags do not hold."""


@dataclasses.dataclass(frozen=True, eq=False)
class Summary:
    """Something of the model to be written now and then.

    Args:
        tag: Its name in TensorBoard.
        tensors: What is computed for it.
        encode: From their values to values of a summary, as `estimators.summary.events` makes them.
        optional: Whether it is left out if the training step does not read what it needs.
        base: The tag without the number that tells it from others.
    """

    tag: str
    tensors: tuple[Tensor, ...]
    encode: Callable[..., list[bytes]]
    optional: bool = False
    base: str = ""

    def __repr__(self) -> str:
        return f"Summary({self.tag!r})"


def scalar(name: str, tensor: Any, *, family: str | None = None) -> Summary:
    """Show a number over steps.

    Summaries are made inside of a model function (or of an `input_fn` that computes from
    ``make_one_shot_iterator().get_next()``). In training their values are written as
    ``RunConfig(save_summary_steps=...)`` says, and computed in these steps alone.

    Args:
        name: The tag, below the current scope.
        tensor: A number, or an array that holds one.
        family: In front of the tag, for a group of its own.

    Raises:
        InvalidArgumentError: No model function runs.
        SpecError: It is text, or more than one number.

    >>> from estimators import VariableStore, variable_scope
    >>> with VariableStore(), variable_scope("layer"):
    ...     scalar("norm", np.float32(3)), scalar("norm", np.float32(4))
    (Summary('layer/norm'), Summary('layer/norm_1'))
    """
    value = _numbers("scalar", tensor)
    if any(size not in (1, None) for size in value.shape):
        raise SpecError(f"summary.scalar takes one number, not {value.spec}", hint="reduce it with .mean()")
    return _added(name, family, value, _scalar)


def _scalar(tag: str, value: Any) -> list[bytes]:
    if np.size(value) != 1:
        raise InvalidArgumentError(
            f"the summary {tag!r} is to be one number, and has shape {np.shape(value)}"
        )
    return [events.scalar(tag, np.asarray(value).item())]


def histogram(name: str, values: Any, *, family: str | None = None) -> Summary:
    """Show how numbers are distributed, over steps.

    NaN and infinity are left out, with a warning in the log.

    Args:
        name: The tag, below the current scope.
        values: Numbers of any shape.
        family: In front of the tag, for a group of its own.

    Raises:
        InvalidArgumentError: No model function runs.
        SpecError: It is text.
    """
    return _added(name, family, _numbers("histogram", values), encoded_histogram)


def encoded_histogram(tag: str, values: Any) -> list[bytes]:
    """Return the histogram of the finite ones of numbers."""
    numbers = np.asarray(values, np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    if len(finite) < len(numbers):
        missing = len(numbers) - len(finite)
        log.warning("%d of %d numbers of the histogram %r are NaN or infinite.", missing, len(numbers), tag)
    return [events.histogram(tag, finite)]


def image(name: str, tensor: Any, max_outputs: int = 3, *, family: str | None = None) -> Summary:
    """Show images, over steps.

    Args:
        name: The tags are ``<name>/image`` for one image, else ``<name>/image/0``, ….
        tensor: ``[batch, height, width, channels]`` with 1, 3 or 4 channels. Bytes are as they are; other
            numbers are scaled for each image: the largest becomes 255 or, if there are negative ones, 0
            becomes 128. NaN becomes red.
        max_outputs: How many images of a batch.
        family: In front of the tag, for a group of its own.

    Raises:
        InvalidArgumentError: No model function runs, or max_outputs is below 1.
        SpecError: It is text, or has another shape.
    """
    value = _numbers("image", tensor)
    if value.ndim != 4 or value.shape[-1] not in (1, 3, 4):
        raise SpecError(
            f"summary.image takes [batch, height, width, channels] with 1, 3 or 4 channels, not {value.spec}",
            hint="images[..., None] gives gray images their channel",
        )
    first: Any = value
    count = _checked_count(max_outputs)
    return _added(f"{name}/image", family, first[:count], functools.partial(_images, count), suffix="/image")


def _images(count: int, tag: str, images: Any) -> list[bytes]:
    found = []
    for i, item in enumerate(images):
        pixels = media.as_pixels(np.asarray(item))
        height, width, channels = pixels.shape
        found.append(events.image(_numbered(tag, i, count), height, width, channels, media.png(pixels)))
    return found


def audio(
    name: str, tensor: Any, sample_rate: float, max_outputs: int = 3, *, family: str | None = None
) -> Summary:
    """Give sounds to hear, over steps.

    Args:
        name: The tags are ``<name>/audio`` for one sound, else ``<name>/audio/0``, ….
        tensor: Numbers between -1 and 1, ``[batch, frames]`` or ``[batch, frames, channels]``.
        sample_rate: Frames per second.
        max_outputs: How many sounds of a batch.
        family: In front of the tag, for a group of its own.

    Raises:
        InvalidArgumentError: No model function runs, or a number is out of range.
        SpecError: It is no floating-point number, or has another shape.
    """
    value = _numbers("audio", tensor)
    if value.ndim not in (2, 3) or value.dtype.kind != "f":
        raise SpecError(
            f"summary.audio takes floats [batch, frames] or [batch, frames, channels], not {value.spec}"
        )
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int | float) or sample_rate < 1:
        raise InvalidArgumentError(f"sample_rate must be a number of at least 1, not {sample_rate!r}")
    first: Any = value
    count = _checked_count(max_outputs)
    encode = functools.partial(_sounds, count, float(sample_rate))
    return _added(f"{name}/audio", family, first[:count], encode, suffix="/audio")


def _sounds(count: int, rate: float, tag: str, sounds: Any) -> list[bytes]:
    found = []
    for i, item in enumerate(sounds):
        sound = item if item.ndim == 2 else item[:, None]
        frames, channels = sound.shape
        found.append(events.audio(_numbered(tag, i, count), rate, channels, frames, media.wav(sound, rate)))
    return found


def text(name: str, tensor: Any) -> Summary:
    """Show text, over steps; TensorBoard reads it as Markdown.

    Args:
        name: The tag, below the current scope.
        tensor: Text, of any shape.

    Raises:
        InvalidArgumentError: No model function runs.
        SpecError: It is no text.
    """
    value = as_tensor(tensor)
    if not is_text(value.dtype):
        raise SpecError(f"summary.text takes text, not {value.spec}", hint="summary.scalar shows a number")
    return _added(name, None, value, _text)


def _text(tag: str, values: Any) -> list[bytes]:
    array = values.to_numpy() if isinstance(values, Strings) else np.asarray(values)
    return [events.text(tag, array)]


def metric(tag: str, measured: Metric) -> Summary:
    """Return what shows a metric of single batches, if it is one number; it is not added to the model's."""

    def encode(name: str, *values: Any) -> list[bytes]:
        result = np.asarray(measured.result(measured.zero() + measured.update(*values)))
        return [events.scalar(name, result.item())] if result.size == 1 else []

    return Summary(tag, measured.inputs, encode, optional=True)


# Several -------------------------------------------------------------------------------------------


def merge(inputs: Iterable[Summary | Sequence[Summary]]) -> tuple[Summary, ...]:
    """Return several summaries as one, for `SummarySaverHook`.

    Args:
        inputs: Summaries, and what `merge` returned.

    Raises:
        SpecError: Something else is given.
    """
    found: list[Summary] = []
    for item in inputs:
        parts = tuple(item) if isinstance(item, tuple | list) else (item,)
        for part in parts:
            if not isinstance(part, Summary):
                raise SpecError(f"summary.merge takes summaries, not {part!r}")
        found += parts
    return tuple(found)


def merge_all() -> tuple[Summary, ...] | None:
    """Return all summaries that the model has so far; None if there are none.

    Raises:
        InvalidArgumentError: No model function runs.
    """
    return tuple(current_store().summaries) or None


# Parts ---------------------------------------------------------------------------------------------


def _numbers(kind: str, value: Any) -> Tensor:
    tensor = as_tensor(value)
    if is_text(tensor.dtype) or tensor.dtype.kind not in "biuf":
        raise SpecError(f"summary.{kind} takes numbers, not {tensor.spec}", hint="summary.text shows text")
    return tensor


def _checked_count(max_outputs: int) -> int:
    given: Any = max_outputs
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise InvalidArgumentError(f"max_outputs must be at least 1, not {max_outputs!r}")
    return int(given)


def _numbered(tag: str, i: int, count: int) -> str:
    return tag if count == 1 else f"{tag}/{i}"


def _added(
    name: str, family: str | None, tensor: Tensor, encode: Callable[..., list[bytes]], suffix: str = ""
) -> Summary:
    """Add a summary to the model that is being made."""
    of_input = _OF_INPUT.get()
    if not model_is_made() and of_input is None:
        raise InvalidArgumentError(
            "summaries are made inside of a model function",
            hint="call it from model_fn; elsewhere estimators.summary.FileWriter writes values",
        )
    given: Any = name
    if not isinstance(given, str) or not given.removesuffix(suffix):
        raise InvalidArgumentError(f"a summary needs a name, not {name!r}")
    clean = _BAD.sub("_", name.removesuffix(suffix)).lstrip("/")
    group = None if family is None else _BAD.sub("_", family)
    base = clean if group is None else f"{group}/{clean}"
    base = path_of(base) if model_is_made() else base
    tag = base if group is None else f"{group}/{base}"
    others: list[Summary] = of_input if of_input is not None else current_store().summaries
    count = sum(other.base == tag + suffix for other in others)
    found = Summary(f"{tag}_{count}{suffix}" if count else tag + suffix, (tensor,), encode, base=tag + suffix)
    others.append(found)
    return found


_OF_INPUT: contextvars.ContextVar[list[Summary] | None] = contextvars.ContextVar("of_input", default=None)


@contextlib.contextmanager
def input_summaries() -> Iterator[list[Summary]]:
    """Collect the summaries that an `input_fn` makes within the context."""
    found: list[Summary] = []
    token = _OF_INPUT.set(found)
    try:
        yield found
    finally:
        _OF_INPUT.reset(token)
