"""`ExportsModels`: the part of an estimator that writes its model for others."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.spec import TensorSpec
from estimators import model as models
from estimators.export import writing
from estimators.export.receivers import (
    Receiver,
    ReceiverFn,
    ServingInputReceiver,
    SupervisedInputReceiver,
    TensorServingInputReceiver,
)
from estimators.export.signatures import SignatureTensors, signatures_of
from estimators.graph.variable import Array
from estimators.inputs.input_fn import SymbolicInput, copied
from estimators.model import Model
from estimators.model_directory import ModelDirectory
from estimators.progress import log
from estimators.specs import EstimatorSpec, ModeKeys
from estimators.values.checkpoint import GLOBAL_STEP, Checkpoint
from estimators.values.first_values import first_values, restored_values
from estimators.values.warm_start import WarmStartSettings


class ExportsModels(ModelDirectory):
    """The part of an estimator that exports."""

    _model_fn: Callable[..., EstimatorSpec]
    _params: Any
    _warm_start: WarmStartSettings | None

    def export_saved_model(
        self,
        export_dir_base: str | os.PathLike[str],
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> str:
        """Write the model so that `load_model` can use it without the program that made it.

        It becomes ``<export_dir_base>/<seconds since 1970>``, visible complete or not at all: the graph as
        JSON, the variables, and the vocabularies as text files. Nothing in it is code.

        Args:
            export_dir_base: The directory of versions.
            serving_input_receiver_fn: Returns a `ServingInputReceiver`, such as
                `export.build_raw_serving_input_receiver_fn` makes.
            assets_extra: Files to go with it: paths below ``assets.extra``, and where to copy them from.
            as_text: Indent the JSON.
            checkpoint_path: As of `predict`.
            experimental_mode: The mode whose signatures are exported.

        Returns:
            The path of the new directory.

        Raises:
            InvalidArgumentError: There is no checkpoint; the model needs features that requests do not give.
            SpecError: The function returns something else; the model computes with something that is no
                registered primitive.
        """
        return self.experimental_export_all_saved_models(
            export_dir_base,
            {experimental_mode: serving_input_receiver_fn},
            assets_extra,
            as_text,
            checkpoint_path,
        )

    def experimental_export_all_saved_models(
        self,
        export_dir_base: str | os.PathLike[str],
        input_receiver_fn_map: Mapping[str, ReceiverFn],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> str:
        """Write the model in several modes into one directory.

        Training has the signature "train", evaluation "eval": with loss and predictions, of features and
        labels. They compute only; nothing is trained.

        Args:
            export_dir_base: As of `export_saved_model`.
            input_receiver_fn_map: By mode: for PREDICT as of `export_saved_model`, else functions that return
                a `SupervisedInputReceiver`.
            assets_extra: As of `export_saved_model`.
            as_text: As of `export_saved_model`.
            checkpoint_path: As of `export_saved_model`.

        Returns:
            The path of the new directory.

        Raises:
            InvalidArgumentError, SpecError: As `export_saved_model`; there is no such mode, or none.
        """
        if not isinstance(input_receiver_fn_map, Mapping) or not input_receiver_fn_map:
            raise InvalidArgumentError("there is no mode to export")
        found = self._load(checkpoint_path)
        if found is None and self._warm_start is None:
            raise InvalidArgumentError(
                f"there is no checkpoint in {self.model_dir} to export", hint="train first"
            )
        signatures: dict[str, SignatureTensors] = {}
        values: dict[str, Array] = {}
        for mode, receiver_fn in input_receiver_fn_map.items():
            receiver = _received(mode, receiver_fn)
            model = self._built_over(receiver, mode)
            signatures.update(signatures_of(model.spec, receiver))
            values.update(self._values_of(model, found))
        log.info("Signatures INCLUDED in export: %s", ", ".join(sorted(signatures)))
        step = int(values.get(GLOBAL_STEP, 0))
        base = os.fspath(export_dir_base)
        path = writing.write(base, signatures, values, step, assets_extra, as_text=as_text)
        log.info("SavedModel written to: %s", path)
        return path

    def _built_over(self, receiver: Receiver, mode: str) -> Model:
        tensors = receiver.receiver_tensors
        labels = receiver.labels if isinstance(receiver, SupervisedInputReceiver) else None
        names = tuple(f"receiver_tensors[{name!r}]" for name in tensors)
        source = SymbolicInput(tuple(tensors.values()), copied(receiver.features), copied(labels), names)
        signature = {name: TensorSpec(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
        dataset = Dataset.from_generator(_nothing, output_signature=signature)
        return models.build(
            self._model_fn, dataset, mode, copy.deepcopy(self._params), self._config, source=source
        )

    def _values_of(self, model: Model, found: Checkpoint | None) -> dict[str, Array]:
        if found is None:
            return first_values(model, self._config.tf_random_seed, self._warm_start)
        return restored_values(model, found)


def _nothing() -> Iterator[Any]:
    return iter(())


def _received(mode: str, receiver_fn: ReceiverFn) -> Receiver:
    """Return what a function says about the input of a mode."""
    if mode not in (ModeKeys.PREDICT, ModeKeys.EVAL, ModeKeys.TRAIN):
        raise InvalidArgumentError(f"there is no mode {mode!r}", hint="use those of estimators.ModeKeys")
    serving = mode == ModeKeys.PREDICT
    wanted = (ServingInputReceiver, TensorServingInputReceiver) if serving else (SupervisedInputReceiver,)
    hint = "see build_raw_serving_input_receiver_fn of estimators.export" if serving else None
    if not callable(receiver_fn):
        raise SpecError(f"serving_input_receiver_fn must be a function, not {receiver_fn!r}", hint=hint)
    receiver = receiver_fn()
    if not isinstance(receiver, wanted):
        raise SpecError(
            f"the receiver function of mode {mode!r} must return a {wanted[0].__name__}, and returned "
            f"{receiver!r}",
            hint=hint,
        )
    return receiver
