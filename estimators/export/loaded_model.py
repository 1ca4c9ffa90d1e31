"""`load_model`: an exported model, ready to predict without the program that made it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.dataset import Dataset
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.function import Function
from dataflow.expr.tensor import Tensor
from dataflow.runtime.threads import Lock
from dataflow.spec import TensorSpec, dtype_name
from estimators.export.format import SavedModelError
from estimators.export.inputs import as_input, as_wanted
from estimators.export.outputs import SERVING_DEFAULT
from estimators.export.reading import ModelFiles, read
from estimators.graph.variable import Array
from estimators.inputs.in_memory import as_batches
from estimators.inputs.input_fn import SymbolicInput, symbolic_input
from estimators.prediction.predictions import computed
from estimators.prediction.split_program import SplitProgram
from estimators.running.loop import plain
from estimators.specs import ModeKeys


@dataclasses.dataclass(frozen=True)
class Signature:
    """What one signature of a model takes and gives.

    Attributes:
        method_name: Its kind, such as "tensorflow/serving/predict".
        inputs: By name.
        outputs: By name.
    """

    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    def __str__(self) -> str:
        return f"takes {_listed(self.inputs)} and gives {_listed(self.outputs)}"


def _listed(specs: Mapping[str, TensorSpec]) -> str:
    return ", ".join(f"{name!r}: {dtype_name(spec.dtype)} {list(spec.shape)}" for name, spec in specs.items())


class LoadedModel:
    """A model that was exported; `load_model` makes it.

    It may be called from several threads. For each size of batches, the first call takes longer.

    Attributes:
        path: Its directory.
        signatures: What it can do, by name.
        step: The global step it was exported at.
    """

    def __init__(self, content: ModelFiles) -> None:
        self.path = content.path
        self.step = content.step
        self.signatures: Mapping[str, Signature] = {
            name: Signature(found.method_name, _specs(found.inputs), _specs(found.outputs))
            for name, found in content.signatures.items()
        }
        self._content = content
        self._values = dict(content.values)
        self._lock = Lock()
        self._programs: dict[str, SplitProgram] = {}

    def __repr__(self) -> str:
        return f"<LoadedModel {self.path}, signatures {', '.join(sorted(self.signatures))}>"

    def __call__(self, inputs: Any, signature: str = SERVING_DEFAULT) -> dict[str, Array]:
        """Return the outputs for a batch.

        Args:
            inputs: A dict of arrays or lists by name, each with the rows of the batch along its first axis;
                one array where there is one input. Numbers are converted where no value can change its
                kind: integers to floats, but not the reverse.
            signature: Which one.

        Returns:
            Arrays by name; text as objects.

        Raises:
            InvalidArgumentError: There is no such signature; an input is missing or unknown, or has another
                shape or kind; inputs have different numbers of rows. The message says what is wanted.
        """
        wanted = self.signature(signature)
        return self.run(self._columns(inputs, wanted, signature), signature)

    def run(self, columns: Sequence[Any], signature: str = SERVING_DEFAULT) -> dict[str, Array]:
        """Return the outputs for columns that need no check, for servers that have checked them.

        Args:
            columns: An array, or `Strings`, for each input, in the order of the signature, of its very dtype
                and shape, all with the same number of rows.
            signature: Which one.

        Raises:
            InvalidArgumentError: Values are refused by what the model computes.
            SavedModelError: The model cannot be computed.
        """
        program = self._programs.get(signature) or self._make(signature)
        try:
            with np.errstate(all="ignore"):  # as in training
                columns = program.first(columns)
                with self._lock:
                    found = program.rest(columns, self._values)
        except MemoryError as error:
            raise InvalidArgumentError(
                f"the batch is too large for the memory: {error}", hint="give fewer rows at once"
            ) from error
        except DataflowError:
            raise
        except Exception as error:  # of a graph that nobody exported
            raise SavedModelError(
                f"{self.path} cannot be computed: {type(error).__name__}: {error}"
            ) from error
        return {name: plain(value) for name, value in found.items()}

    def predict(self, data: Any, signature: str = SERVING_DEFAULT) -> Any:
        """Return the outputs for rows in memory, or those for the batches of a dataset.

        Args:
            data: A DataFrame, an Arrow table, or a dict of arrays, with the inputs as columns; others are
                left aside. Or a `Dataset` of batches of dicts, or of pairs of such and labels.
            signature: Which one.

        Returns:
            A dict of arrays by name; for a dataset, a dataset of such dicts, one for each batch.

        Raises:
            InvalidArgumentError: As for a call.
            SpecError: The data are something else.
        """
        if isinstance(data, Dataset):
            return self.predictions(data, signature=signature)
        batches = as_batches(data, ModeKeys.PREDICT, None)
        if batches is None:
            raise SpecError(
                f"rows are a DataFrame, a table, a dict of arrays or a Dataset, not {type(data).__name__}"
            )
        parts = list(self.predictions(batches, signature=signature))
        names = self.signature(signature).outputs
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def predictions(
        self, dataset: Dataset, keep: Sequence[str] = (), signature: str = SERVING_DEFAULT
    ) -> Dataset:
        """Return a dataset of the outputs for the batches of a dataset.

        What needs no variables is computed in the threads that read, as by `Estimator.predict`.

        Args:
            dataset: Batches of dicts, or of pairs of such and labels.
            keep: Names of components of these dicts to go with the outputs.
            signature: Which one.

        Raises:
            InvalidArgumentError: As for a call; there is no component to keep of that name, or an output has
                it too.
            SpecError: Elements are no dicts.
        """
        wanted, tensors = self.signature(signature), self._content.signatures[signature]
        source = symbolic_input(dataset, labels=False)
        given = source.features
        if not isinstance(given, Mapping):
            if len(wanted.inputs) > 1 or not isinstance(given, Tensor):
                raise SpecError(f"elements must be dicts, and are {dataset.element_spec}", hint=str(wanted))
            given = {next(iter(wanted.inputs)): given}
        self._check_names(given, wanted, signature, others=True)
        converted = {name: as_wanted(given[name], spec, name) for name, spec in wanted.inputs.items()}
        outputs = _substituted(tensors.inputs, converted, tensors.outputs)
        for name in [keep] if isinstance(keep, str) else keep:
            if name not in given:
                raise InvalidArgumentError(f"there is no {name!r} to keep", hint=did_you_mean(name, given))
            if name in outputs:
                raise InvalidArgumentError(
                    f"{name!r} is a column to keep, and an output", hint="rename the column with map"
                )
            outputs[name] = given[name]
        whole = SymbolicInput(source.leaves, given, None, source.names)
        values = dict(self._content.values)
        return computed(dataset, whole, outputs, values, f"{signature}, {self._content.checksum:08x}")

    def signature(self, name: str = SERVING_DEFAULT) -> Signature:
        """Return a signature.

        Raises:
            InvalidArgumentError: There is none of that name.
        """
        if name not in self.signatures:
            raise InvalidArgumentError(
                f"the model has no signature {name!r}", hint=did_you_mean(str(name), sorted(self.signatures))
            )
        return self.signatures[name]

    def to_onnx(self, path: str | os.PathLike[str], signature: str = SERVING_DEFAULT) -> None:
        """Write a signature as an ONNX model; see `estimators.export.to_onnx`."""
        from estimators.export.onnx_model import write_onnx

        self.signature(signature)
        write_onnx(path, self._content.signatures[signature], self._content.values)

    def _make(self, signature: str) -> SplitProgram:
        tensors = self._content.signatures[signature]
        self._programs[signature] = SplitProgram(list(tensors.inputs.values()), tensors.outputs)
        return self._programs[signature]

    def _columns(self, inputs: Any, wanted: Signature, signature: str) -> list[Any]:
        """Return the inputs as columns of the wanted dtypes and shapes, in order."""
        if not isinstance(inputs, Mapping):
            if len(wanted.inputs) > 1:
                raise InvalidArgumentError(
                    f"inputs must be a dict, not {type(inputs).__name__}",
                    hint=f"signature {signature!r} {wanted}",
                )
            inputs = {next(iter(wanted.inputs)): inputs}
        self._check_names(inputs, wanted, signature, others=False)
        columns = [as_input(inputs[name], spec, name) for name, spec in wanted.inputs.items()]
        batched = [name for name, spec in wanted.inputs.items() if spec.shape and spec.shape[0] is None]
        rows = {name: len(c) for name, c in zip(wanted.inputs, columns, strict=True) if name in batched}
        if len(set(rows.values())) > 1:
            raise InvalidArgumentError(f"inputs have different numbers of rows: {rows}")
        return columns

    def _check_names(
        self, given: Mapping[str, Any], wanted: Signature, signature: str, *, others: bool
    ) -> None:
        """Raise `InvalidArgumentError` unless all inputs are there, and, but for `others`, nothing else."""
        missing = [name for name in wanted.inputs if name not in given]
        unknown = [name for name in given if name not in wanted.inputs and not others]
        if not missing and not unknown:
            return
        parts = [f"misses {', '.join(map(repr, missing))}"] if missing else []
        parts += [f"has unknown {', '.join(map(repr, unknown))}"] if unknown else []
        raise InvalidArgumentError(
            f"the input {' and '.join(parts)}",
            hint=f"signature {signature!r} takes {_listed(wanted.inputs)}",
        )


def _specs(tensors: Mapping[str, Tensor]) -> dict[str, TensorSpec]:
    return {name: tensor.spec for name, tensor in tensors.items()}


def _substituted(
    leaves: Mapping[str, Tensor], given: Mapping[str, Tensor], outputs: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the outputs with other tensors in place of the inputs."""
    replacements = {leaves[name]: given[name] for name in leaves}
    return dict(zip(outputs, Function((), tuple(outputs.values())).substitute(replacements), strict=True))


def load_model(path: str | os.PathLike[str]) -> LoadedModel:
    """Load what `Estimator.export_saved_model` wrote. It runs no code of the model's.

    Args:
        path: The directory of a model, or that of its versions, of which the newest is taken.

    Raises:
        NotFoundError: There is no model.
        SavedModelError: Its files are damaged, or of a newer format.

    >>> import tempfile
    >>> from estimators import LinearRegressor, export, feature_column
    >>> estimator = LinearRegressor([feature_column.numeric_column("x")]).train(({"x": [1.0]}, [2.0]))
    >>> receiver = export.build_raw_serving_input_receiver_fn({"x": np.zeros([1])})
    >>> model = load_model(estimator.export_saved_model(tempfile.mkdtemp(), receiver))
    >>> sorted(model.signatures), model({"x": [1, 2]})["outputs"].shape
    (['predict', 'regression', 'serving_default'], (2, 1))
    """
    return LoadedModel(read(path))
