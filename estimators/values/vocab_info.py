"""Values of another model that had other words: they go where the same words are."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pyarrow as pa

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.feature_column.base import check_count
from estimators.feature_column.vocabulary import vocabulary_lines
from estimators.graph.primitives.vocabulary import Vocabulary
from estimators.graph.program import initial_values
from estimators.graph.variable import Array, Variable
from estimators.initializers import InitializerArgument, zeros
from estimators.initializers import get as get_initializer


@dataclasses.dataclass(frozen=True)
class VocabInfo:
    r"""Which words the rows of a variable stand for, in the model and in a checkpoint to warm-start from.

    Rows of words that both vocabularies hold are copied. Rows of new words, and those of values outside of
    the vocabulary, start as `backup_initializer` says. Vocabularies are files of text, a word a line, as
    `categorical_column_with_vocabulary_file` takes them; they are read when a variable is warm-started.
    Slots of optimizers, if they are warm-started too, need one of their own.

    Args:
        new_vocab: File of the model's words.
        new_vocab_size: How many of its lines the model uses.
        num_oov_buckets: How many rows come after those of the words.
        old_vocab: File of the checkpoint's words.
        old_vocab_size: How many of its lines the checkpoint used; -1: all.
        backup_initializer: An initializer or the name of one; default zeros.
        axis: 0: words are rows, as of embeddings and weights; 1: columns, as of the kernel of a layer with an
            output for each class.

    Raises:
        InvalidArgumentError: A number is out of range, a path is empty, or there is no such initializer.
        SpecError: A path or initializer is something else.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "old.txt").write_text("house\napt\n"), (folder / "new.txt").write_text("apt\nboat\n")
    >>> info = VocabInfo(folder / "new.txt", 2, 0, folder / "old.txt", backup_initializer="ones")
    >>> remapped(np.float32([[5], [6]]), Variable("weights", (2, 1)), info, seed=None).tolist()
    [[6.0], [1.0]]
    """

    new_vocab: str | os.PathLike[str]
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: str | os.PathLike[str]
    old_vocab_size: int = -1
    backup_initializer: InitializerArgument | None = None
    axis: int = 0

    def __post_init__(self) -> None:
        for name in ("new_vocab", "old_vocab"):
            path = getattr(self, name)
            if not isinstance(path, str | os.PathLike):
                raise SpecError(f"{name} must be the path of a file of words, not {path!r}")
            if not os.fspath(path):
                raise InvalidArgumentError(f"{name} is empty", hint="give the path of a file of words")
        check_count("new_vocab_size", self.new_vocab_size)
        if self.num_oov_buckets != 0:
            check_count("num_oov_buckets, if not 0,", self.num_oov_buckets)
        if self.old_vocab_size != -1:
            check_count("old_vocab_size, if not -1,", self.old_vocab_size)
        if self.axis not in (0, 1):
            raise InvalidArgumentError(f"axis must be 0 or 1, not {self.axis!r}")
        if self.backup_initializer is not None:
            get_initializer(self.backup_initializer)


def remapped(old: Array, variable: Variable, info: VocabInfo, seed: int | None) -> Array:
    """Return the first value of a variable, with the rows of known words from another model.

    Args:
        old: The value in the checkpoint.
        variable: Of the model.
        info: The words of both.
        seed: Of the model; for new rows.

    Raises:
        InvalidArgumentError: Sizes and vocabularies do not fit, or a vocabulary holds a word twice.
        NotFoundError: There is no such file.
        DataLossError: A file is not UTF-8.
    """
    _check_shapes(old, variable, info)
    new_words = _words(info, "new_vocab", info.new_vocab_size)
    old_words = _words(info, "old_vocab", info.old_vocab_size)
    if len(old_words) > old.shape[info.axis]:
        raise InvalidArgumentError(
            f"{os.fspath(info.old_vocab)} has {len(old_words)} words, and the variable of the checkpoint for "
            f"{variable.name!r} {old.shape[info.axis]} {_rows(info)}",
            hint="give the file that the old model used, and how many of its lines as old_vocab_size",
        )
    places = Vocabulary(old_words).positions(new_words)
    known = np.flatnonzero(places >= 0)
    first = zeros if info.backup_initializer is None else get_initializer(info.backup_initializer)
    backup = Variable(variable.name, variable.sizes, variable.dtype, first)
    result = initial_values([backup], seed)[variable.name]
    np.moveaxis(result, info.axis, 0)[known] = np.moveaxis(old, info.axis, 0)[places[known]]
    return result


def _rows(info: VocabInfo) -> str:
    return "columns" if info.axis else "rows"


def _check_shapes(old: Array, variable: Variable, info: VocabInfo) -> None:
    """Raise if the variable has not a row for each word, or the old one rows of another size or dtype."""
    wanted = info.new_vocab_size + info.num_oov_buckets
    if variable.ndim <= info.axis or variable.sizes[info.axis] != wanted:
        raise InvalidArgumentError(
            f"{variable!r} has not the {wanted} {_rows(info)} of new_vocab_size={info.new_vocab_size} and "
            f"num_oov_buckets={info.num_oov_buckets}",
            hint="give the numbers of the feature column, and axis=1 if words are columns",
        )
    rest = [size for axis, size in enumerate(variable.sizes) if axis != info.axis]
    others = [size for axis, size in enumerate(old.shape) if axis != info.axis]
    if rest != others or variable.ndim != old.ndim or variable.dtype != old.dtype:
        raise InvalidArgumentError(
            f"{variable!r} cannot start with {_rows(info)} of the checkpoint, where it has shape {old.shape} "
            f"({old.dtype})",
            hint="leave it out with vars_to_warm_start",
        )


def _words(info: VocabInfo, name: str, size: int) -> pa.Array:
    """Return the words of a file, all different; of `size` -1 all lines."""
    path = os.fspath(getattr(info, name))
    lines = vocabulary_lines(path, f"{name} of a VocabInfo")
    if size > len(lines):
        raise InvalidArgumentError(f"{path} has {len(lines)} lines, and {name}_size is {size}")
    words = pa.array(lines if size == -1 else lines[:size])
    try:
        Vocabulary(words)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{path}: {error}") from None
    return words
