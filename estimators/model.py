"""A model in one mode over one input: what the model function made, and what a run needs of it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataflow.dataset import Dataset
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.function import postorder
from dataflow.expr.tensor import PARAMETER, Tensor
from estimators.graph.scope import VariableStore, get_global_step
from estimators.graph.updates import Update
from estimators.graph.variable import Variable, members_of, variables_of
from estimators.inputs.input_fn import SymbolicInput, copied, symbolic_input
from estimators.progress import log
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec, ModeKeys
from estimators.summary.collect import Summary, metric

ARGUMENTS = ("features", "labels", "mode", "params", "config")
"""What a model function may ask for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """What a model function made for one mode and one input.

    Args:
        spec: What it returned.
        dataset: Batches.
        source: Their symbolic tensors.
        store: The variables that it made.
        fetches: What each step gives, by name.
        updates: What each step changes.
    """

    spec: EstimatorSpec
    dataset: Dataset
    source: SymbolicInput
    store: VariableStore
    fetches: dict[str, Tensor]
    updates: tuple[Update, ...]
    summaries: tuple[Summary, ...] = ()
    """What training shows now and then."""

    @property
    def ends(self) -> list[Tensor]:
        """All that a step computes: fetches, new values, their rows."""
        rows = [update.rows for update in self.updates if update.rows is not None]
        return [*self.fetches.values(), *(update.value for update in self.updates), *rows]

    @property
    def used_variables(self) -> list[Variable]:
        """The variables that a step reads or changes, and the global step."""
        used = variables_of([*self.ends, *(update.variable for update in self.updates)])
        step = get_global_step()
        return [*(variable for variable in members_of(used) if variable is not step), step]

    @property
    def variables(self) -> list[Variable]:
        """The variables that a step reads or changes, those that nobody uses, and the global step."""
        return variables_of([*self.used_variables, *self.store.variables.values()])


def build(
    model_fn: Callable[..., EstimatorSpec],
    dataset: Dataset,
    mode: str,
    params: Any,
    config: RunConfig,
    keys: Sequence[str] | None = None,
    source: SymbolicInput | None = None,
) -> Model:
    """Call a model function for a mode.

    Args:
        model_fn: Asks for what it wants of `ARGUMENTS`.
        dataset: Batches of features, or of features and labels.
        mode: One of `ModeKeys`.
        params: For the model function.
        config: For the model function; its seed is that of random operations.
        keys: Predictions that are wanted; None: all.
        source: The tensors of a batch; None: as the dataset gives them.

    Raises:
        InvalidArgumentError: The input gives labels that the function does not take; it returned a spec
            for another mode, without the predictions that are wanted, or with tensors of another call.
        SpecError: It returned something else.
    """
    source = source or symbolic_input(dataset, labels=mode != ModeKeys.PREDICT)
    log.info("Calling model_fn.")
    with VariableStore(config.tf_random_seed) as store:
        spec = _call(model_fn, source, mode=mode, params=params, config=config)
    log.info("Done calling model_fn.")
    updates = spec.train_op.all_updates() if spec.train_op and mode == ModeKeys.TRAIN else ()
    summaries = (*source.summaries, *_summaries(spec, store)) if mode == ModeKeys.TRAIN else ()
    model = Model(spec, dataset, source, store, _fetches(spec, keys), updates, summaries)
    _check_own([*model.ends, *(tensor for summary in summaries for tensor in summary.tensors)], source)
    return model


def _summaries(spec: EstimatorSpec, store: VariableStore) -> tuple[Summary, ...]:
    """Return the summaries of a model function, and the metrics that no summary is called like."""
    tags = {summary.tag for summary in store.summaries}
    metrics = [metric(name, value) for name, value in spec.eval_metric_ops.items() if name not in tags]
    return (*store.summaries, *metrics)


def _call(model_fn: Callable[..., EstimatorSpec], source: SymbolicInput, **settings: Any) -> EstimatorSpec:
    available = {"features": copied(source.features), "labels": copied(source.labels), **settings}
    available.update({name: _named(name, available[name]) for name in ("features", "labels", "params")})
    names = arguments_of(model_fn)
    if source.labels is not None and "labels" not in names:
        raise InvalidArgumentError(
            "the input gives labels, and model_fn does not take any",
            hint="add the argument labels to model_fn, or return features alone from the input_fn",
        )
    mode = settings["mode"]
    try:
        spec = model_fn(**{name: available[name] for name in names})
    except Exception as error:
        if source.labels is None and "labels" in names:
            _explain_labels(error, mode)
        raise
    if not isinstance(spec, EstimatorSpec):
        raise SpecError(
            f"model_fn must return an EstimatorSpec, and returned {_shown(spec)}",
            hint="end it with return EstimatorSpec(mode, predictions, loss, train_op, eval_metric_ops)",
        )
    if spec.mode != mode:
        raise InvalidArgumentError(
            f"model_fn was called for mode {mode!r}, and its spec is for {spec.mode!r}"
        )
    return spec


_ABOUT_NONE = re.compile("NoneType|None is|are None")


def _explain_labels(error: Exception, mode: str) -> None:
    """Say in an error of a model function that there are no labels."""
    if mode != ModeKeys.PREDICT:
        text = (
            f"labels are None in mode {mode!r}, because the input gives features alone; return pairs "
            "(features, labels) from the input_fn"
        )
    elif _ABOUT_NONE.search(str(error)) and "in mode infer" not in str(error):
        text = f"labels are None in mode {mode!r}: return EstimatorSpec(mode, predictions) before the loss"
    else:
        return
    if isinstance(error, DataflowError) and error.hint is None:
        error.hint = text
    else:
        error.add_note(text)


def _shown(value: Any) -> str:
    """Return the text of a value; of a long one the name of its type."""
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"


class _Named(dict[str, Any]):
    """A dict that says which names it has when it is asked for another one."""

    what = "dict"

    def __missing__(self, key: Any) -> Any:
        error = KeyError(key)
        error.add_note(f"{self.what} has no {key!r}: {did_you_mean(str(key), self)}")
        raise error


class _Features(_Named):
    what = "features"


class _Labels(_Named):
    what = "labels"


class _Params(_Named):
    what = "params"


def _named(name: str, value: Any) -> Any:
    """Return what a model function gets for an argument: a dict names its keys in errors."""
    kinds = {"features": _Features, "labels": _Labels, "params": _Params}
    return kinds[name](value) if type(value) is dict else value


def _check_own(ends: Sequence[Tensor], source: SymbolicInput) -> None:
    """Raise `InvalidArgumentError` if something is computed from the tensors of another call."""
    own = {id(leaf.call) for leaf in source.leaves}
    made = [(f"{call.primitive.name} at {call.line}", call.inputs) for call in postorder(ends)]
    for what, tensors in (*made, ("the returned spec", ends)):
        if any(t.call.primitive is PARAMETER and id(t.call) not in own for t in tensors):
            raise InvalidArgumentError(
                f"{what} uses a tensor of another model, or of an earlier call of model_fn",
                hint="model_fn is called anew for each train, evaluate and predict: make all tensors inside "
                "of it, and keep none elsewhere",
            )


def arguments_of(model_fn: Callable[..., EstimatorSpec]) -> list[str]:
    """Return the names of what a model function asks for; what a `partial` has bound is not asked for.

    Raises:
        SpecError: It is no function.
        InvalidArgumentError: It asks for something else, or not for features.
    """
    if not callable(model_fn):
        raise SpecError(f"model_fn must be a function, not {model_fn!r}")
    bound = model_fn.keywords if isinstance(model_fn, functools.partial) else {}
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(model_fn).parameters
    names = [name for name, p in parameters.items() if name not in bound and p.kind not in several]
    for name in names:
        if name not in ARGUMENTS:
            hint = did_you_mean(name, ARGUMENTS)
            raise InvalidArgumentError(
                f"model_fn has the argument {name!r}",
                hint=f"{hint}. Settings of your own go into params, or use functools.partial",
            )
    if "features" not in names:
        raise InvalidArgumentError("model_fn has no argument 'features'")
    return names


def _fetches(spec: EstimatorSpec, keys: Sequence[str] | None) -> dict[str, Tensor]:
    if spec.mode == ModeKeys.PREDICT:
        return _predictions(spec.predictions, keys)
    assert spec.loss is not None
    fetches = {"loss": spec.loss}
    if spec.mode == ModeKeys.EVAL:
        for name, metric in spec.eval_metric_ops.items():
            fetches.update({f"{name}/{i}": tensor for i, tensor in enumerate(metric.inputs)})
    return fetches


def _predictions(
    predictions: Mapping[str, Tensor] | Tensor | None, keys: Sequence[str] | None
) -> dict[str, Tensor]:
    if not isinstance(predictions, Mapping):
        if keys is not None:
            raise InvalidArgumentError("predict_keys needs a dict of predictions, and there is one tensor")
        assert predictions is not None
        return {"predictions": predictions}
    if keys is not None and not keys:
        raise InvalidArgumentError(
            "predict_keys is empty", hint=f"leave it out, or choose of {sorted(predictions)}"
        )
    unknown = [key for key in keys or () if key not in predictions]
    if unknown:
        raise InvalidArgumentError(
            f"there is no prediction {unknown[0]!r}", hint=did_you_mean(unknown[0], predictions)
        )
    return {name: tensor for name, tensor in predictions.items() if keys is None or name in keys}
