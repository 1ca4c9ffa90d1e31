"""`Estimator`: a model function with a directory. Train, evaluate, predict."""

from __future__ import annotations

import dataclasses
import datetime
import inspect
import operator
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, NotFoundError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from dataflow.options import INFINITE_CARDINALITY
from estimators import checkpoint as checkpoints
from estimators import loop
from estimators.checkpoint import GLOBAL_STEP, Checkpoint
from estimators.graph.program import Program, initial_values
from estimators.graph.scope import VariableStore, get_global_step
from estimators.graph.updates import Update
from estimators.graph.variable import Array
from estimators.inputs import InputFn, SymbolicInput, call_input_fn, copied, hoist, replaced, symbolic_input
from estimators.progress import ensure_logging, log, number
from estimators.run_config import RunConfig
from estimators.specs import EstimatorSpec, ModeKeys


@dataclasses.dataclass(frozen=True, eq=False)
class _Built:
    """A model in one mode over one input, ready to run."""

    spec: EstimatorSpec
    program: Program
    dataset: Dataset


class Estimator:
    """A model function, and a directory that holds all of its state.

    Args:
        model_fn: ``model_fn(features, labels, mode, config)``, with any of these arguments, returns an
            `EstimatorSpec`.
        model_dir: Where checkpoints are; default a new temporary directory.
        config: A `RunConfig`.

    Raises:
        InvalidArgumentError: `model_dir` and ``config.model_dir`` differ, or `model_fn` has other arguments.

    >>> from dataflow import Dataset
    >>> from estimators.optimizers import Ftrl
    >>> def model_fn(features, labels, mode):
    ...     weight = Variable("weight", (1, 1))
    ...     predictions = {"y": np.matmul(features["x"], weight)}
    ...     if mode == ModeKeys.PREDICT:
    ...         return EstimatorSpec(mode, predictions)
    ...     loss = np.mean((predictions["y"] - labels) ** 2)
    ...     return EstimatorSpec(mode, predictions, loss, Ftrl(0.5).minimize(loss))
    >>> data = Dataset.from_tensor_slices(({"x": np.float32([[1], [2]])}, np.float32([[3], [6]]))).batch(2)
    >>> estimator = Estimator(model_fn).train(data.repeat(), steps=200)
    >>> [round(float(example["y"][0]), 2) for example in estimator.predict(data)]
    [3.0, 6.0]
    """

    def __init__(
        self,
        model_fn: Callable[..., EstimatorSpec],
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
    ) -> None:
        ensure_logging()
        if not isinstance(config, RunConfig | None):
            raise SpecError(f"config must be a RunConfig, not {config!r}")
        config = config or RunConfig()
        if model_dir is not None:
            model_dir = os.fspath(model_dir)
            if config.model_dir not in (None, model_dir):
                raise InvalidArgumentError(
                    f"model_dir is {model_dir!r} and config.model_dir {config.model_dir!r}",
                    hint="give only one of them",
                )
            config = config.replace(model_dir=model_dir)
        self._arguments = _arguments(model_fn)
        if config.model_dir is None:
            config = config.replace(model_dir=tempfile.mkdtemp(prefix="estimator-"))
            log.warning("Using temporary folder as model directory: %s", config.model_dir)
        self._model_fn = model_fn
        self._config = config
        log.info("Using config: %s", self._config)

    @property
    def model_dir(self) -> str:
        """Where checkpoints are."""
        assert self._config.model_dir is not None
        return self._config.model_dir

    @property
    def config(self) -> RunConfig:
        """The settings of runs."""
        return self._config

    # Running ---------------------------------------------------------------------------------------

    def train(self, input_fn: InputFn, *, steps: int | None = None, max_steps: int | None = None) -> Self:
        """Train until the input ends, or as many steps as said.

        Saves a checkpoint at the start, as `RunConfig` says, and at the end. Ctrl-C and SIGTERM save one
        and end the program. A run that was cut off goes on in the middle of its input, to the very
        weights of an uninterrupted run, if it is started again with the same input; after a run that
        ended, the input starts anew.

        Args:
            input_fn: A `Dataset` of batches ``(features, labels)``, or a function that returns one.
            steps: Steps to do in this call.
            max_steps: Global step to stop at; nothing is done if it is reached already.

        Raises:
            InvalidArgumentError: Both limits are given, or one is below 1; the model has changed since
                the checkpoint was written.
            NanLossDuringTrainingError: The loss became NaN.
        """
        if steps is not None and max_steps is not None:
            raise InvalidArgumentError("give steps or max_steps, not both")
        steps, max_steps = _count("steps", steps), _count("max_steps", max_steps)
        found = self._load(None)
        start = found.step if found else 0
        if max_steps is not None and start >= max_steps:
            log.info("Skipping training since max_steps has already saved.")
            return self
        built = self._build(input_fn, ModeKeys.TRAIN)
        values = self._values(built, found)
        train_op = built.spec.train_op
        assert train_op is not None
        train_loop = loop.TrainLoop(
            built.program,
            built.dataset,
            values,
            start,
            start + steps if steps is not None else max_steps,
            self.model_dir,
            self._config,
            found.input_state if found else None,
            {name: np.array(value, np.float32) for name, value in train_op.hyperparameters.items()},
        )
        loss = train_loop.run()
        if loss is None:
            log.warning("Training with an empty input: no step was done.")
        log.info("Loss for final step: %s.", None if loss is None else number(np.float32(loss)))
        return self

    def evaluate(
        self,
        input_fn: InputFn,
        steps: int | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Return the metrics of the newest checkpoint, or of another one.

        Args:
            input_fn: As for `train`.
            steps: Batches to use; None: all.
            checkpoint_path: A path that `latest_checkpoint` returned.
            name: A label for the log.

        Returns:
            float32 values by metric, `loss` (the mean of the batches' losses) and `global_step` included.
            Without a checkpoint the model has its first values.

        Raises:
            InvalidArgumentError: `steps` is below 1, or None though the input is endless; the model has
                changed since the checkpoint was written.
        """
        steps = _count("steps", steps)
        found = self._load(checkpoint_path)
        self._warn_if_untrained(found)
        built = self._build(input_fn, ModeKeys.EVAL)
        if steps is None and built.dataset.cardinality() == INFINITE_CARDINALITY:
            raise InvalidArgumentError(
                "the input of evaluate is endless", hint="give steps=, or leave out .repeat() in the input_fn"
            )
        label = f" {name}" if name else ""
        log.info("Starting evaluation%s at %s", label, _now())
        values = self._values(built, found)
        metrics = dict(built.spec.eval_metric_ops)
        results = loop.evaluate(built.program, built.dataset, values, metrics, steps)
        log.info("Finished evaluation%s at %s", label, _now())
        results[GLOBAL_STEP] = np.int64(found.step if found else 0)
        text = ", ".join(f"{key} = {number(results[key])}" for key in sorted(results))
        log.info("Saving dict for global step %d: %s", results[GLOBAL_STEP], text)
        return results

    def predict(
        self,
        input_fn: InputFn,
        predict_keys: Sequence[str] | str | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Yield predictions; nothing runs before the first is asked for.

        Args:
            input_fn: Batches of features; labels are ignored.
            predict_keys: Names of the predictions to give; default all.
            checkpoint_path: A path that `latest_checkpoint` returned; default the newest.
            yield_single_examples: One dict per example; else one per batch.

        Raises:
            InvalidArgumentError: There is no prediction of that name; the model has changed since the
                checkpoint was written.
        """
        found = self._load(checkpoint_path)
        self._warn_if_untrained(found)
        keys = [predict_keys] if isinstance(predict_keys, str) else predict_keys
        built = self._build(input_fn, ModeKeys.PREDICT, keys)
        values = self._values(built, found)
        yield from loop.predict(built.program, built.dataset, values, yield_single_examples)

    # Checkpoints -----------------------------------------------------------------------------------

    def latest_checkpoint(self) -> str | None:
        """Return the path of the newest checkpoint, without its suffix; None if there is none."""
        return checkpoints.latest(self.model_dir)

    def get_variable_names(self) -> list[str]:
        """Return the names in the newest checkpoint.

        Raises:
            InvalidArgumentError: There is no checkpoint.
        """
        return sorted(self._require().arrays)

    def get_variable_value(self, name: str) -> Array:
        """Return a variable of the newest checkpoint.

        Raises:
            InvalidArgumentError: There is no checkpoint.
            NotFoundError: It has no such variable.
        """
        found = self._require()
        if name not in found.arrays:
            raise NotFoundError(
                f"the checkpoint {found.path} has no variable {name!r}",
                hint=did_you_mean(name, sorted(found.arrays)),
            )
        return found.arrays[name]

    def _warn_if_untrained(self, found: Checkpoint | None) -> None:
        if found is None:
            log.warning(
                "Could not find trained model in model_dir: %s; the model has its first values.",
                self.model_dir,
            )

    def _require(self) -> Checkpoint:
        found = self._load(None)
        if found is None:
            raise InvalidArgumentError(f"there is no checkpoint in {self.model_dir}", hint="train first")
        return found

    def _load(self, path: str | None) -> Checkpoint | None:
        path = path or self.latest_checkpoint()
        return None if path is None else checkpoints.load(path)

    # Building --------------------------------------------------------------------------------------

    def _build(self, input_fn: InputFn, mode: str, keys: Sequence[str] | None = None) -> _Built:
        dataset = call_input_fn(input_fn, mode=mode, config=self._config)
        source = symbolic_input(dataset, labels=mode != ModeKeys.PREDICT)
        log.info("Calling model_fn.")
        with VariableStore(self._config.tf_random_seed):
            spec = self._call_model_fn(source, mode)
        log.info("Done calling model_fn.")
        if mode == ModeKeys.TRAIN:
            log.info("Create CheckpointSaverHook.")
        fetches = _fetches(spec, keys)
        updates = spec.train_op.all_updates() if spec.train_op and mode == ModeKeys.TRAIN else ()
        ends = [
            *fetches.values(),
            *(u.value for u in updates),
            *(u.rows for u in updates if u.rows is not None),
        ]
        dataset, columns = hoist(dataset, source, ends)
        leaves, cut = replaced(ends, columns)
        values = iter(cut)
        fetches = {name: next(values) for name in fetches}
        new = [next(values) for _ in updates]
        rebuilt = [
            Update(u.variable, value, None if u.rows is None else next(values))
            for u, value in zip(updates, new, strict=True)
        ]
        program = Program(leaves, fetches, rebuilt)
        log.info("Graph was finalized.")
        return _Built(spec, program, dataset)

    def _call_model_fn(self, source: SymbolicInput, mode: str) -> EstimatorSpec:
        available = {
            "features": copied(source.features),
            "labels": source.labels,
            "mode": mode,
            "config": self._config,
        }
        if source.labels is not None and "labels" not in self._arguments:
            raise InvalidArgumentError("the input gives labels, and model_fn does not take any")
        spec = self._model_fn(**{name: available[name] for name in self._arguments})
        if not isinstance(spec, EstimatorSpec):
            raise SpecError(f"model_fn must return an EstimatorSpec, and returned {spec!r}")
        if spec.mode != mode:
            raise InvalidArgumentError(
                f"model_fn was called for mode {mode!r}, and its spec is for {spec.mode!r}"
            )
        return spec

    def _values(self, built: _Built, found: Checkpoint | None) -> dict[str, Array]:
        """Return the arrays of the variables: from the checkpoint, or their first values."""
        used = [v for v in built.program.variables if v.name != GLOBAL_STEP]
        variables = [*used, get_global_step()]
        if found is None:
            values = initial_values(variables, self._config.tf_random_seed)
        else:
            log.info("Restoring parameters from %s", found.path)
            checkpoints.check_structure(found, variables)
            if built.spec.mode == ModeKeys.TRAIN:
                checkpoints.check_all_used(found, variables)
            elif unused := [n for n in checkpoints.unused(found, variables) if not n.startswith(TRAINING)]:
                log.warning("The model does not use these variables of the checkpoint: %s", ", ".join(unused))
            values = {variable.name: np.array(found.values[variable.name]) for variable in variables}
        log.info("Running local_init_op.")
        log.info("Done running local_init_op.")
        return values


TRAINING = "training/"
"""Names of what optimizers keep begin so; other modes do without."""
MODEL_FN_ARGUMENTS = ("features", "labels", "mode", "config")


def _arguments(model_fn: Callable[..., EstimatorSpec]) -> list[str]:
    """Return the names of what a model function asks for."""
    if not callable(model_fn):
        raise SpecError(f"model_fn must be a function, not {model_fn!r}")
    names = list(inspect.signature(model_fn).parameters)
    for name in names:
        if name not in MODEL_FN_ARGUMENTS:
            hint = did_you_mean(name, MODEL_FN_ARGUMENTS)
            raise InvalidArgumentError(f"model_fn has the argument {name!r}", hint=hint)
    if "features" not in names:
        raise InvalidArgumentError("model_fn has no argument 'features'")
    return names


def _count(name: str, value: int | None) -> int | None:
    """Return a number of steps as it is, or raise."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise SpecError(f"{name} must be an integer, not {value!r}")
    if value <= 0:
        raise InvalidArgumentError(f"{name} must be at least 1, not {value}")
    return operator.index(value)


def _now() -> str:
    return datetime.datetime.now().isoformat(timespec="seconds")


def _fetches(spec: EstimatorSpec, keys: Sequence[str] | None) -> dict[str, Tensor]:
    if spec.mode == ModeKeys.PREDICT:
        predictions: Mapping[str, Tensor] = spec.predictions or {}
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
    assert spec.loss is not None
    fetches = {"loss": spec.loss}
    if spec.mode == ModeKeys.EVAL:
        for name, metric in spec.eval_metric_ops.items():
            fetches.update({f"{name}/{i}": tensor for i, tensor in enumerate(metric.inputs)})
    return fetches
