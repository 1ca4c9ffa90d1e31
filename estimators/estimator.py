"""`Estimator`: a model function with a directory. Train, evaluate, predict."""

from __future__ import annotations

import copy
import functools
import operator
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators import model as models
from estimators.described import Described
from estimators.evaluation.evaluator import Evaluator
from estimators.export.exporting import ExportsModels
from estimators.hooks.base import CheckpointSaverListener, SessionRunHook, checked
from estimators.inputs.input_fn import InputFn, call_input_fn
from estimators.model import Model
from estimators.prediction.predictions import predictions_of
from estimators.prediction.predictor import Predictor
from estimators.progress import ensure_logging, log, number
from estimators.run_config import RunConfig
from estimators.running import loop
from estimators.running.saving import saving
from estimators.running.session import Session
from estimators.specs import EstimatorSpec, ModeKeys
from estimators.summary.collect import Summary
from estimators.summary.training import training_summaries
from estimators.values.checkpoint import GLOBAL_STEP, Checkpoint
from estimators.values.first_values import first_values, restored_values
from estimators.values.live_values import LiveValues
from estimators.values.warm_start import WarmStartSettings, as_settings

Hooks = Sequence[SessionRunHook] | None


class Estimator(ExportsModels, Described):
    """A model function, and a directory that holds all of its state.

    Args:
        model_fn: ``model_fn(features, labels, mode, params, config)``, with any of these arguments (the
            first is needed), returns an `EstimatorSpec`. It is called anew by each call of `train`,
            `evaluate` and `predict`.
        model_dir: Where checkpoints are; default a new temporary directory.
        config: A `RunConfig`.
        params: Settings of the model, for `model_fn` and input functions.
        warm_start_from: Where a model without checkpoint gets its first values: a checkpoint or a
            model_dir (then of all trainable variables), or `WarmStartSettings`.

    Raises:
        InvalidArgumentError: `model_dir` and ``config.model_dir`` differ, `model_fn` has other arguments,
            or does not take the `params` that are given.

    >>> from dataflow import Dataset
    >>> from estimators.graph.scope import get_variable
    >>> from estimators.optimizers import Ftrl
    >>> def model_fn(features, labels, mode, params):
    ...     predictions = {"y": np.matmul(features["x"], get_variable("weight", (1, 1)))}
    ...     if mode == ModeKeys.PREDICT:
    ...         return EstimatorSpec(mode, predictions)
    ...     loss = np.mean((predictions["y"] - labels) ** 2)
    ...     return EstimatorSpec(mode, predictions, loss, Ftrl(params["rate"]).minimize(loss))
    >>> data = Dataset.from_tensor_slices(({"x": np.float32([[1], [2]])}, np.float32([[3], [6]]))).batch(2)
    >>> estimator = Estimator(model_fn, params={"rate": 0.5}).train(data.repeat(), steps=200)
    >>> [round(float(example["y"][0]), 2) for example in estimator.predict(data)]
    [3.0, 6.0]
    """

    def __init__(
        self,
        model_fn: Callable[..., EstimatorSpec],
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        warm_start_from: str | os.PathLike[str] | WarmStartSettings | None = None,
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
        self._check_params(models.arguments_of(model_fn), params)
        self._warm_start = as_settings(warm_start_from)
        if config.model_dir is None:
            config = config.replace(model_dir=tempfile.mkdtemp(prefix="estimator-"))
            log.warning("Using temporary folder as model directory: %s", config.model_dir)
        self._model_fn = model_fn
        self._config = config
        self._params = {} if params is None else copy.deepcopy(params)
        self._predictors: dict[Any, Predictor] = {}
        self._saved: Checkpoint | None = None
        """While training runs: what was saved last, with the arrays that it changes."""
        self._live: LiveValues | None = None
        """After training: what it has saved at its end."""
        log.info("Using config: %s", self._config)

    @staticmethod
    def _check_params(arguments: Sequence[str], params: Any) -> None:
        if params is not None and "params" not in arguments:
            raise InvalidArgumentError(
                f"params are given, and model_fn takes only {list(arguments)}",
                hint="add the argument params to model_fn, or leave params out",
            )
        if params is None and "params" in arguments:
            log.warning("model_fn takes params, and none are given: it gets an empty dict.")

    @property
    def config(self) -> RunConfig:
        """The settings of runs."""
        return self._config

    @property
    def params(self) -> Any:
        """The settings of the model; a copy, so changing it changes nothing."""
        return copy.deepcopy(self._params)

    # Running ---------------------------------------------------------------------------------------

    def train(
        self,
        input_fn: InputFn,
        hooks: Hooks = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[CheckpointSaverListener] | None = None,
    ) -> Self:
        """Train until the input ends, or as many steps as said.

        Saves a checkpoint at the start, as `RunConfig` says, and at the end. Ctrl-C and SIGTERM save one
        and end the program. A run that was cut off goes on in the middle of its input, to the very
        weights of an uninterrupted run, if it is started again with the same input; after a run that
        ended, the input starts anew.

        Args:
            input_fn: A `Dataset` of batches ``(features, labels)``, or a function that returns one. The
                function may ask for `mode`, `params`, `config` and `input_context` (None) by name. Or rows
                in memory: a tuple of a DataFrame, Arrow table or dict of arrays and its labels (an array,
                a Series, or the name of a column). They come shuffled, in batches of 128, once, or as often
                as the steps that are asked for need.
            hooks: Called around each step.
            steps: Steps to do in this call.
            max_steps: Global step to stop at; nothing is done if it is reached already.
            saving_listeners: Called around each checkpoint.

        Raises:
            InvalidArgumentError: Both limits are given, or one is below 1; the model has changed since
                the checkpoint was written; ``TF_CONFIG`` names several machines.
            NanLossDuringTrainingError: The loss became NaN.
        """
        if steps is not None and max_steps is not None:
            raise InvalidArgumentError("give steps or max_steps, not both")
        steps, max_steps = _count("steps", steps), _count("max_steps", max_steps)
        hooks = checked("hooks", hooks, SessionRunHook)
        listeners = checked("saving_listeners", saving_listeners, CheckpointSaverListener)
        self._config.check_trains()
        self._predictors.clear()
        self._live = None
        found = self._load(None)
        if max_steps is not None and found is not None and found.step >= max_steps:
            log.info("Skipping training since max_steps has already saved.")
            return self
        model = self._build(input_fn, ModeKeys.TRAIN, endless=(steps or max_steps) is not None)
        spec, train_op = model.spec, model.spec.train_op
        assert train_op is not None
        all_hooks = (*spec.training_chief_hooks, *hooks, *spec.training_hooks)
        start = found.step if found else 0
        config, hooks, listeners = saving(self._config, all_hooks, listeners, self.model_dir, start)
        for listener in listeners:
            listener.begin()
        log.info("Create CheckpointSaverHook.")
        session = self._session(model, found, hooks, model.summaries)
        start = int(session.values[GLOBAL_STEP])
        train_loop = loop.TrainLoop(
            session,
            start,
            start + steps if steps is not None else max_steps,
            self.model_dir,
            config,
            found.input_state if found else None,
            {name: np.array(value, np.float32) for name, value in train_op.hyperparameters.items()},
            listeners,
            self._keep_saved,
            training_summaries(session, config, self.model_dir, start),
        )
        try:
            loss = train_loop.run()
            self._live = LiveValues.of(self._saved) if self._saved is not None else None
        finally:
            self._saved = None
        if loss is None and not session.stop_requested:
            log.warning("Training with an empty input: no step was done.")
        log.info("Loss for final step: %s.", None if loss is None else number(np.float32(loss)))
        return self

    def evaluate(
        self,
        input_fn: InputFn,
        steps: int | None = None,
        hooks: Hooks = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Return the metrics of the newest checkpoint, or of another one.

        Args:
            input_fn: As for `train`; rows in memory come once, in their order.
            steps: Batches to use; None: all.
            hooks: Called around each batch.
            checkpoint_path: A path that `latest_checkpoint` returned.
            name: A label for the log and for `plot_training`.

        Returns:
            float32 values by metric, `loss` (the mean of the batches' losses) and `global_step` included.
            Without a checkpoint the model has its first values.

        Raises:
            InvalidArgumentError: `steps` is below 1, or None though the input is endless; the model has
                changed since the checkpoint was written.
        """
        evaluator = self._evaluator(input_fn, steps, hooks, name)
        found = self._values(checkpoint_path)
        self._warn_if_untrained(found)
        return evaluator.run(found)

    def predict(
        self,
        input_fn: InputFn,
        predict_keys: Sequence[str] | str | None = None,
        hooks: Hooks = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yield predictions; nothing runs before the first is asked for.

        Args:
            input_fn: Batches of features, as for `train`; labels are ignored.
            predict_keys: Names of the predictions to give; default all.
            hooks: Called around each batch.
            checkpoint_path: A path that `latest_checkpoint` returned; default the newest.
            yield_single_examples: One dict per example; else one per batch.

        Yields:
            Dicts of arrays by name; plain arrays if the model's predictions are one tensor.

        Raises:
            InvalidArgumentError: There is no prediction of that name; the model has changed since the
                checkpoint was written.
        """
        hooks = checked("hooks", hooks, SessionRunHook)
        found = self._values(checkpoint_path)
        self._warn_if_untrained(found)
        keys = [predict_keys] if isinstance(predict_keys, str) else predict_keys
        model = self._build(input_fn, ModeKeys.PREDICT, keys)
        session = self._session(model, found, (*hooks, *model.spec.prediction_hooks))
        for predictions in loop.predict(session, yield_single_examples):
            yield predictions["predictions"] if isinstance(model.spec.predictions, Tensor) else predictions

    def predictor(
        self, checkpoint_path: str | None = None, predict_keys: Sequence[str] | str | None = None
    ) -> Predictor:
        """Return what predicts rows that come one by one, some thousands in a second.

        It is kept: asked for again, it is returned at once, until training goes on.

        Args:
            checkpoint_path: As for `predict`.
            predict_keys: As for `predict`; the fewer the quicker.

        Raises:
            InvalidArgumentError: There is no checkpoint.
        """
        keys = [predict_keys] if isinstance(predict_keys, str) else predict_keys
        path = checkpoint_path or self.latest_checkpoint()
        known = path, None if keys is None else tuple(keys)
        if known not in self._predictors:
            self._predictors[known] = self.predictor_of(self._require(path), keys)
        return self._predictors[known]

    def predictor_of(self, values: Checkpoint, predict_keys: Sequence[str] | None = None) -> Predictor:
        """Return what predicts with values that are in memory; see `predictor`."""
        return Predictor(functools.partial(self._build, mode=ModeKeys.PREDICT, keys=predict_keys), values)

    def predictions(
        self,
        input_fn: InputFn,
        keep: Sequence[str] = (),
        predict_keys: Sequence[str] | str | None = None,
        checkpoint_path: str | None = None,
    ) -> Dataset:
        """Return a dataset of predictions, such as to write them: ``.unbatch().write_parquet(path)``.

        Its elements are batches of dicts as `predict` gives them for examples. Writing goes on where it
        was cut off; another checkpoint makes it another dataset. Hooks of the model are not called.

        Args:
            input_fn: As for `predict`.
            keep: Names of features to go with the predictions, such as the number of a row.
            predict_keys: As for `predict`.
            checkpoint_path: As for `predict`.

        Raises:
            InvalidArgumentError: There is no checkpoint, or no such feature or prediction; a feature to
                keep has the name of a prediction.
        """
        found = self._require(checkpoint_path)
        keys = [predict_keys] if isinstance(predict_keys, str) else predict_keys
        return predictions_of(self._build(input_fn, ModeKeys.PREDICT, keys), found, keep)

    # Building --------------------------------------------------------------------------------------

    def _evaluator(
        self, input_fn: InputFn, steps: int | None, hooks: Hooks, name: str | None = None
    ) -> Evaluator:
        """Return what evaluates over an input."""
        return Evaluator(
            functools.partial(self._build, input_fn, ModeKeys.EVAL),
            self._session,
            self.model_dir,
            _count("steps", steps),
            checked("hooks", hooks, SessionRunHook),
            name,
        )

    def _keep_saved(self, saved: Checkpoint) -> None:
        self._saved = saved

    def _values(self, path: str | None) -> Checkpoint | None:
        """Return the values of a checkpoint: those in memory if they are the same, else those on the disk."""
        path = path or self.latest_checkpoint()
        if self._live is not None and path is not None and self._live.is_at(path):
            return self._live.checkpoint
        return self._load(path)

    def _build(
        self, input_fn: InputFn, mode: str, keys: Sequence[str] | None = None, *, endless: bool = False
    ) -> Model:
        dataset = call_input_fn(
            input_fn, endless=endless, mode=mode, params=self.params, config=self._config, input_context=None
        )
        return models.build(self._model_fn, dataset, mode, self.params, self._config, keys)

    def _session(
        self,
        model: Model,
        found: Checkpoint | None,
        hooks: Sequence[SessionRunHook],
        summaries: Sequence[Summary] = (),
    ) -> Session:
        """Let hooks begin, give the variables values, and make the model ready to run."""
        with model.store:
            for hook in hooks:
                hook.begin()
        log.info("Graph was finalized.")
        if found is None:
            values = first_values(model, self._config.tf_random_seed, self._warm_start)
        else:
            values = restored_values(model, found)
        log.info("Running local_init_op.")
        log.info("Done running local_init_op.")
        settings = found.settings if found else None
        reference = self._config.reference
        return Session(model, values, hooks, reference=reference, found=settings, summaries=summaries)


def _count(name: str, value: int | None) -> int | None:
    """Return a number of steps as it is, or raise."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise SpecError(f"{name} must be an integer, not {value!r}")
    if value <= 0:
        raise InvalidArgumentError(f"{name} must be at least 1, not {value}")
    return operator.index(value)
