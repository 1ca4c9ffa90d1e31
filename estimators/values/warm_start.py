"""Start from the variables of another model."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, NotFoundError, SpecError, did_you_mean
from estimators.graph.variable import Array, Variable
from estimators.progress import log
from estimators.values import checkpoint as checkpoints
from estimators.values.checkpoint import Checkpoint
from estimators.values.vocab_info import VocabInfo, remapped


@dataclasses.dataclass(frozen=True)
class WarmStartSettings:
    """Which variables start with the values of a checkpoint.

    Args:
        ckpt_to_initialize_from: A checkpoint, as `latest_checkpoint` gives it, or a model_dir (then the
            newest of its checkpoints).
        vars_to_warm_start: A regular expression, matched with the beginning of names: of trainable
            variables alone, no slots of optimizers. A list of expressions: of all variables, the global
            step too. A list of variables. None: those of `var_name_to_vocab_info`.
        var_name_to_vocab_info: A `VocabInfo` by the model's name of each variable whose rows stand for other
            words than in the checkpoint.
        var_name_to_prev_var_name: Names in the checkpoint by the model's names, where they differ.

    Raises:
        SpecError: Something is of another type.
        InvalidArgumentError: The path is empty, or an expression cannot be read.

    >>> WarmStartSettings("/models/a", vars_to_warm_start="dense").vars_to_warm_start
    'dense'
    """

    ckpt_to_initialize_from: str | os.PathLike[str]
    vars_to_warm_start: str | Sequence[str] | Sequence[Variable] | None = ".*"
    var_name_to_vocab_info: Mapping[str, VocabInfo] | None = None
    var_name_to_prev_var_name: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.ckpt_to_initialize_from, str | os.PathLike):
            raise SpecError(f"ckpt_to_initialize_from must be a path, not {self.ckpt_to_initialize_from!r}")
        object.__setattr__(self, "ckpt_to_initialize_from", os.fspath(self.ckpt_to_initialize_from))
        if not self.ckpt_to_initialize_from:
            raise InvalidArgumentError("ckpt_to_initialize_from is empty")
        for name, info in (self.var_name_to_vocab_info or {}).items():
            if not isinstance(info, VocabInfo):
                raise SpecError(f"var_name_to_vocab_info must hold a VocabInfo for {name!r}, not {info!r}")
        for expression in self._expressions():
            try:
                re.compile(expression)
            except re.error as error:
                raise InvalidArgumentError(
                    f"vars_to_warm_start {expression!r} is no regular expression: {error}"
                ) from None

    def _expressions(self) -> list[str]:
        wanted: Any = self.vars_to_warm_start
        if isinstance(wanted, str):
            return [wanted]
        items = [] if wanted is None else list(wanted) if isinstance(wanted, Sequence) else [wanted]
        texts = [item for item in items if isinstance(item, str)]
        variables = [item for item in items if isinstance(item, Variable)]
        if items not in (texts, variables):
            raise SpecError(
                f"vars_to_warm_start must be text, or a list of texts or variables, not {wanted!r}"
            )
        return texts

    def chosen(self, variables: Sequence[Variable]) -> list[Variable]:
        """Return those of a model's variables that get values of the checkpoint."""
        wanted = self.vars_to_warm_start
        if wanted is None:
            return [v for v in variables if v.trainable and v.name in (self.var_name_to_vocab_info or {})]
        if isinstance(wanted, str):
            return [v for v in variables if v.trainable and re.match(wanted, v.name)]
        expressions = self._expressions()
        names = {item.name for item in wanted if isinstance(item, Variable)}
        return [v for v in variables if v.name in names or any(re.match(e, v.name) for e in expressions)]


def as_settings(value: WarmStartSettings | str | os.PathLike[str] | None) -> WarmStartSettings | None:
    """Return the settings that an estimator's argument means: a path stands for all trainable variables.

    Raises:
        SpecError: It is something else.
    """
    if value is None or isinstance(value, WarmStartSettings):
        return value
    if isinstance(value, str | os.PathLike):
        return WarmStartSettings(value)
    raise SpecError(f"warm_start_from must be a path or WarmStartSettings, not {value!r}")


def warm_start(
    values: dict[str, Array], variables: Sequence[Variable], settings: WarmStartSettings, seed: int | None
) -> None:
    """Put values of a checkpoint in place of first values.

    Args:
        values: Arrays by name; they change.
        variables: Of the model.
        settings: Which, and from where.
        seed: Of the model; for rows of new words.

    Raises:
        InvalidArgumentError: The checkpoint has no such variable, or one of another shape or dtype; or a
            name of `var_name_to_prev_var_name` or `var_name_to_vocab_info` is not used; or a vocabulary
            does not fit.
        NotFoundError: There is no checkpoint, or no file of a vocabulary.
    """
    log.info("Warm-starting with %s", settings)
    found = _load(os.fspath(settings.ckpt_to_initialize_from))
    previous = dict(settings.var_name_to_prev_var_name or {})
    vocabularies = dict(settings.var_name_to_vocab_info or {})
    taken = []
    for variable in settings.chosen(variables):
        name = previous.pop(variable.name, variable.name)
        info = vocabularies.pop(variable.name, None)
        if info is None:
            values[variable.name] = _value(found, name, variable)
        else:
            values[variable.name] = remapped(_found(found, name, variable), variable, info, seed)
        taken.append(variable.name if name == variable.name else f"{variable.name} (from {name})")
    _say_taken(taken, variables, settings)
    chosen = settings.chosen(variables) or variables
    _check_used("var_name_to_prev_var_name", previous, chosen)
    _check_used("var_name_to_vocab_info", vocabularies, chosen)


def _check_used(argument: str, left: Mapping[str, object], chosen: Sequence[Variable]) -> None:
    """Raise if an argument says something of a variable that is not warm-started."""
    for name in left:
        names = did_you_mean(name, [variable.name for variable in chosen])
        raise InvalidArgumentError(f"{argument} has {name!r}, which is not a variable to warm-start; {names}")


def _say_taken(taken: Sequence[str], variables: Sequence[Variable], settings: WarmStartSettings) -> None:
    """Log which variables start with values of the checkpoint; warn if none does."""
    wanted = settings.vars_to_warm_start
    if taken:
        log.info("Warm-started: %s", ", ".join(taken))
    elif wanted is not None:
        fixed = [v.name for v in variables if isinstance(wanted, str) and re.match(wanted, v.name)]
        log.warning(
            "Nothing was warm-started: vars_to_warm_start=%r %s",
            wanted,
            f"matches only variables that are not trainable ({', '.join(fixed)}); give a list, "
            f"[{wanted!r}], to include these."
            if fixed
            else f"matches the beginning of no variable of {[v.name for v in variables]}.",
        )


def _load(path: str) -> Checkpoint:
    newest = checkpoints.latest(path)
    if newest is not None:
        return checkpoints.load(newest)
    try:
        return checkpoints.load(path)
    except NotFoundError as error:
        raise NotFoundError(
            f"there is no checkpoint to warm-start from at {path}",
            hint="give a model_dir that holds checkpoints, or what latest_checkpoint() returns",
        ) from error


def _found(found: Checkpoint, name: str, variable: Variable) -> Array:
    value = found.values.get(name)
    if value is None:
        raise InvalidArgumentError(
            f"the checkpoint {found.path} has no variable {name!r} to warm-start {variable!r} from",
            hint=f"{did_you_mean(name, sorted(found.values))}. Name it in var_name_to_prev_var_name, or "
            "leave the variable out with vars_to_warm_start",
        )
    return value


def _value(found: Checkpoint, name: str, variable: Variable) -> Array:
    value = _found(found, name, variable)
    if value.shape != variable.shape or value.dtype != variable.dtype:
        raise InvalidArgumentError(
            f"{variable!r} cannot start with {name!r} of {found.path}, which has shape {value.shape} "
            f"({value.dtype})",
            hint="leave it out with vars_to_warm_start; if its rows stand for other words, give both "
            "vocabularies in var_name_to_vocab_info",
        )
    return np.array(value)
