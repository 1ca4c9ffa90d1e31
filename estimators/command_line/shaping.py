"""Outputs of a model as columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataflow import Dataset
from dataflow.errors import InvalidArgumentError, did_you_mean
from dataflow.expr.tensor import Tensor
from dataflow.spec import TensorSpec


def chosen(outputs: Mapping[str, TensorSpec], keys: Sequence[str]) -> list[str]:
    """Return the names of the outputs to write.

    Raises:
        InvalidArgumentError: There is no such output, or it has no value for each row.
    """
    for name in keys:
        if name not in outputs:
            raise InvalidArgumentError(
                f"--predict-keys: there is no output {name!r}", hint=did_you_mean(name, outputs)
            )
    names = list(dict.fromkeys(keys or outputs))
    for name in names:
        if outputs[name].rank == 0 or outputs[name].shape[0] is not None:
            raise InvalidArgumentError(
                f"output {name!r} has no value for each row: {outputs[name]}", hint="give --predict-keys"
            )
    return names


def table_of(batches: Dataset, names: Sequence[str], *, flat: bool) -> Dataset:
    """Return the rows of batches, with these components.

    Components with one number for each row are numbers, not lists. With `flat`, those with more are
    columns ``name_0``, ``name_1`` and so on.

    Raises:
        InvalidArgumentError: With `flat`: it is not known how many columns there would be, or their names
            are taken.
    """
    specs: Mapping[str, TensorSpec] = {name: batches.element_spec[name] for name in names}
    places: dict[str, tuple[str, int | None]] = {}
    for name, spec in specs.items():
        size = spec.shape[1] if spec.rank == 2 else None
        if spec.rank == 1 or (not flat and size != 1):
            columns: dict[str, tuple[str, int | None]] = {name: (name, None)}
        elif size is None:
            raise InvalidArgumentError(
                f"{name!r} has rows of the shape {list(spec.shape[1:])}, which are no columns of CSV",
                hint="give --format parquet, or choose others with --predict-keys",
            )
        else:
            columns = {name if size == 1 else f"{name}_{i}": (name, i) for i in range(size)}
        taken = [column for column in columns if column in places]
        if taken:
            raise InvalidArgumentError(f"two columns would be called {taken[0]!r}", hint="use --rename")
        places.update(columns)

    def columns_of_outputs(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            column: batch[name] if i is None else batch[name][:, i] for column, (name, i) in places.items()
        }

    return batches.map(columns_of_outputs).unbatch()
