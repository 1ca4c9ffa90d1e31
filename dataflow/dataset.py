"""`Dataset`: the immutable handle that users chain. Each method is a docstring and one node."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow import export
from dataflow import options as _options
from dataflow.block import Block
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import parameter
from dataflow.expr.user_function import UserFunction, make_user_function
from dataflow.first_element import first_element
from dataflow.leaves import DatasetSpec
from dataflow.one_shot import OneShotIterator
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Options
from dataflow.origin import user_line
from dataflow.plan import stages
from dataflow.plan.dataset_function import DatasetFunction, Unread, make_dataset_function
from dataflow.plan.node import Node
from dataflow.profile import Profile
from dataflow.profile_run import profile_of
from dataflow.reduction import Fold
from dataflow.rewrites import plan_at
from dataflow.rewrites.traps import TRAPS
from dataflow.runtime.iterate import BlockIterator, DatasetIterator
from dataflow.saving import save
from dataflow.seeds import seed_pair
from dataflow.sources.arrow import arrow_node, pandas_node, polars_node
from dataflow.sources.counter import Counter
from dataflow.sources.from_list import list_node
from dataflow.sources.generator import generator_node
from dataflow.sources.list_files import list_files_node
from dataflow.sources.random import Random
from dataflow.sources.range import Range
from dataflow.sources.saved import run_node, saved_run, shard_nodes
from dataflow.sources.tensors import tensor_slices
from dataflow.spec import ObjectValue, Structure, TensorSpec, as_dtype, flatten
from dataflow.storage.runs import Run
from dataflow.transforms.assert_cardinality import AssertCardinality
from dataflow.transforms.batch import Batch
from dataflow.transforms.bucket_by_sequence_length import as_buckets, bucket_node
from dataflow.transforms.cache import Cache
from dataflow.transforms.choose import Choose, sample_node
from dataflow.transforms.concatenate import Concatenate
from dataflow.transforms.enumerate import Enumerate
from dataflow.transforms.filter import Filter
from dataflow.transforms.flat_map import FlatMap
from dataflow.transforms.global_shuffle import shuffle_node
from dataflow.transforms.group_by_window import GroupByWindow, make_group_function, with_key
from dataflow.transforms.ignore_errors import IgnoreErrors
from dataflow.transforms.interleave import Interleave
from dataflow.transforms.map import Map
from dataflow.transforms.padded_batch import padded_batch_node
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.ragged_batch import RaggedBatch
from dataflow.transforms.rebatch import Rebatch, as_sizes
from dataflow.transforms.rejection_resample import rejection_resample_node
from dataflow.transforms.repeat import Repeat
from dataflow.transforms.scan import scan_node
from dataflow.transforms.shard import shard_node
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.skip import Skip
from dataflow.transforms.snapshot import AUTO, Snapshot, check_shards
from dataflow.transforms.take import Take
from dataflow.transforms.take_while import TakeWhile
from dataflow.transforms.unbatch import Unbatch
from dataflow.transforms.unique import Unique
from dataflow.transforms.window import Window
from dataflow.transforms.with_options import WithOptions, options_of
from dataflow.transforms.zip import Zip, nesting_of
from dataflow.writing import Progress, WriteResult, write_csv, write_parquet


class Dataset(ObjectValue):
    """A lazy pipeline of elements; every method returns a new one, and nothing is read before iteration.

    Elements are nested tuples and dicts of NumPy values. Iterating starts the pipeline; two iterators
    do not disturb each other.

    >>> list(Dataset.range(5).map(lambda x: x * 2).batch(2))
    [array([0, 2]), array([4, 6]), array([8])]
    """

    def __init__(self, node: Node) -> None:
        stages.warn_of_traps(node, TRAPS)
        self._node = node

    @property
    def node(self) -> Node:
        """The plan as it was written."""
        return self._node

    # Sources -----------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors: Structure) -> Dataset:
        """Make one element that holds everything.

        >>> list(Dataset.from_tensors({"x": [1, 2]}))
        [{'x': array([1, 2])}]
        """
        return Dataset(tensor_slices(tensors, whole=True))

    @staticmethod
    def from_tensor_slices(tensors: Structure) -> Dataset:
        """Make one element per slice along the first axis of all components.

        Raises:
            InvalidArgumentError: A component is a scalar, or the first axes differ in size.

        >>> list(Dataset.from_tensor_slices({"a": [1, 2], "b": ["x", "y"]}))
        [{'a': np.int64(1), 'b': 'x'}, {'a': np.int64(2), 'b': 'y'}]
        """
        return Dataset(tensor_slices(tensors))

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] | None = None,
        output_signature: Structure = None,
    ) -> Dataset:
        """Take what a Python generator yields; it is called anew for each iterator.

        Args:
            generator: Returns an iterable when called with `args`.
            output_types: Structure of dtypes; or give `output_signature`.
            output_shapes: Structure of shapes beside `output_types`; scalars if not given.
            args: Arguments of the generator, given as NumPy values.
            output_signature: Structure of `TensorSpec`.

        Raises:
            TypeError: The generator is not callable, or not exactly one of `output_types` and
                `output_signature` is given.

        >>> spec = TensorSpec((), np.int64)
        >>> list(Dataset.from_generator(lambda: iter([1, 2]), output_signature=spec))
        [np.int64(1), np.int64(2)]
        """
        return Dataset(generator_node(generator, output_signature, args, output_types, output_shapes))

    @staticmethod
    def range(*args: Any, output_type: npt.DTypeLike = np.int64) -> Dataset:
        """Count like Python's range: ``(stop)``, ``(start, stop)`` or ``(start, stop, step)``.

        >>> list(Dataset.range(5, 1, -2))
        [np.int64(5), np.int64(3)]
        """
        if not 1 <= len(args) <= 3:
            raise InvalidArgumentError(f"range takes one to three numbers, not {len(args)}")
        start, stop = (0, args[0]) if len(args) == 1 else args[:2]
        return Dataset(Range(start, stop, args[2] if len(args) == 3 else 1, as_dtype(output_type).name))

    @staticmethod
    def from_list(elements: Sequence[Structure]) -> Dataset:
        """Take the elements of a list, which may differ in shape; the dtypes are those of the first.

        Raises:
            InvalidArgumentError: The list is empty.
            TypeError: An element has another structure, dtype or rank than the first.

        >>> list(Dataset.from_list([(1, [1, 2]), (2, [3])]))
        [(np.int64(1), array([1, 2])), (np.int64(2), array([3]))]
        """
        return Dataset(list_node(elements))

    @staticmethod
    def from_arrow(
        data: Any, columns: Sequence[str] | None = None, fill_nulls: Mapping[str, Any] | None = None
    ) -> Dataset:
        """Take the rows of Arrow data as dicts of columns, without a copy where possible.

        Args:
            data: A `pyarrow.Table`, `RecordBatch` or `RecordBatchReader`, a pandas or polars DataFrame, or
                anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``. A reader can be iterated once;
                other streams are asked anew at each iteration.
            columns: Names of the columns; default all.
            fill_nulls: Values for nulls by column name; needed for integers and booleans with nulls.

        Raises:
            SpecError: It is nothing of these, or no tensor can hold a column.
            InvalidArgumentError: There is no such column; or, while iterating, a null has no value.
            FailedPreconditionError: While iterating: a reader has been read already.

        >>> import pyarrow as pa
        >>> list(Dataset.from_arrow(pa.table({"id": [1, 2], "kind": ["a", None]})))
        [{'id': np.int64(1), 'kind': 'a'}, {'id': np.int64(2), 'kind': None}]
        """
        return Dataset(arrow_node(data, columns, fill_nulls))

    @staticmethod
    def from_pandas(
        df: Any,
        index: bool = False,
        columns: Sequence[str] | None = None,
        fill_nulls: Mapping[str, Any] | None = None,
    ) -> Dataset:
        """Take the rows of a `pandas.DataFrame`; categories stay encoded, missing text is None.

        Args:
            df: The DataFrame; what is changed in it later may show.
            index: Whether the index becomes columns too, named as `reset_index` does.
            columns: Names of the columns; default all.
            fill_nulls: As in `from_arrow`.

        Raises:
            SpecError: It is no DataFrame, or a column has values of several types.

        >>> import pandas as pd
        >>> list(Dataset.from_pandas(pd.DataFrame({"id": [1], "kind": pd.Categorical(["a"])})))
        [{'id': np.int64(1), 'kind': 'a'}]
        """
        return Dataset(pandas_node(df, columns, fill_nulls, index))

    @staticmethod
    def from_polars(
        df: Any, columns: Sequence[str] | None = None, fill_nulls: Mapping[str, Any] | None = None
    ) -> Dataset:
        """Take the rows of a `polars.DataFrame`, or of a LazyFrame, which is collected now.

        Args:
            df: The frame.
            columns: Names of the columns; default all.
            fill_nulls: As in `from_arrow`.

        Raises:
            SpecError: It is neither.

        >>> import polars as pl
        >>> list(Dataset.from_polars(pl.DataFrame({"id": [1], "kind": ["a"]})))
        [{'id': np.int64(1), 'kind': 'a'}]
        """
        return Dataset(polars_node(df, columns, fill_nulls))

    @staticmethod
    def random(seed: int | None = None, rerandomize_each_iteration: bool | None = None) -> Dataset:
        """Make endless random int64 from 0 to 2**32 - 1. With a seed, they are those of tf.data.

        Args:
            seed: Seed of the numbers; without one, runs differ, and resumed runs do not.
            rerandomize_each_iteration: Whether each iteration has numbers of its own. Default False.

        >>> [int(x) for x in Dataset.random(seed=42).take(2)]
        [2985944072, 4132877644]
        """
        return Dataset(Random(seed_pair(seed), bool(rerandomize_each_iteration)))

    @staticmethod
    def counter(start: Any = 0, step: Any = 1, dtype: npt.DTypeLike = np.int64) -> Dataset:
        """Count from `start` without end.

        >>> [int(x) for x in Dataset.counter(10, -2).take(3)]
        [10, 8, 6]
        """
        return Dataset(Counter(start, step, as_dtype(dtype).name))

    @staticmethod
    def list_files(
        file_pattern: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        shuffle: bool | None = None,
        seed: int | None = None,
    ) -> Dataset:
        """List the files that match glob patterns, as paths.

        Args:
            file_pattern: One pattern or several; local paths or URLs. ``*`` does not cross ``/``.
            shuffle: Whether to list in random order, another one on each pass. Default True, as in
                tf.data; with False the order is sorted.
            seed: Seed of the order.

        Raises:
            NotFoundError: Nothing matches.
        """
        node: Node = list_files_node(file_pattern)
        if shuffle is None or shuffle:
            node = Shuffle(node, max(1, node.infer_cardinality()), seed_pair(seed))
        return Dataset(node)

    @staticmethod
    def load(
        path: str | os.PathLike[str],
        element_spec: Structure = None,
        compression: str | None = None,
        reader_func: Callable[[Dataset], Dataset] | None = None,
    ) -> Dataset:
        """Read what `save` has written. Elements of several shards come one of each in turn.

        Sixteen shards are read at a time, by ascending number. With one shard, the order is that of saving.

        Args:
            path: Directory; local or a URL.
            element_spec: What elements must look like. Default: as it was saved, namedtuples by name and
                fields.
            compression: What they must be compressed with. Default: as it was saved.
            reader_func: From a dataset of the shards, which are datasets, to the dataset of elements.

        Raises:
            NotFoundError: Nothing was saved there, or not to the end.
            DataLossError: Now or while iterating: a file is truncated, corrupt or something else.
            SpecError: The elements are not as `element_spec` says.

        >>> import tempfile
        >>> path = tempfile.mkdtemp()
        >>> Dataset.range(5).save(path, shard_func=lambda x: x % 2)
        >>> [int(x) for x in Dataset.load(path)]
        [0, 1, 2, 3, 4]
        >>> [int(x) for x in Dataset.load(path, reader_func=lambda shards: shards.flat_map(lambda s: s))]
        [0, 2, 4, 1, 3]
        """
        run = saved_run(os.fspath(path), element_spec, compression)
        return Dataset(run_node(run) if reader_func is None else _read_shards(run, reader_func))

    @staticmethod
    def zip(*args: Any, datasets: Structure = None) -> Dataset:
        """Combine datasets element by element; ends with the shortest.

        Args:
            *args: Datasets, or one structure (tuple or dict) of them.
            datasets: The structure, by keyword.

        >>> list(Dataset.zip(Dataset.range(3), Dataset.range(5, 7)))
        [(np.int64(0), np.int64(5)), (np.int64(1), np.int64(6))]
        """
        structure = datasets if datasets is not None else args[0] if len(args) == 1 else args
        parts = flatten(structure)
        if not parts or not all(isinstance(part, Dataset) for part in parts):
            raise SpecError(f"zip takes datasets, or one tuple or dict of them, not {structure!r}")
        return Dataset(Zip(tuple(part._node for part in parts), nesting_of(structure)))

    @staticmethod
    def choose_from_datasets(
        datasets: Sequence[Dataset], choice_dataset: Dataset, stop_on_empty_dataset: bool = True
    ) -> Dataset:
        """Take each element from the dataset that a number names.

        Args:
            datasets: Datasets of elements of one kind.
            choice_dataset: Scalars of int64: positions in `datasets`.
            stop_on_empty_dataset: End where a dataset is named that has ended; else that number is
                passed over.

        Raises:
            InvalidArgumentError: While iterating: there is no dataset of that number.

        >>> datasets = [Dataset.from_tensors(text).repeat() for text in ("a", "b")]
        >>> list(Dataset.choose_from_datasets(datasets, Dataset.from_tensor_slices([1, 0, 1])))
        ['b', 'a', 'b']
        """
        if not isinstance(choice_dataset, Dataset):
            raise SpecError(f"choice_dataset must be a Dataset, not {choice_dataset!r}")
        return Dataset(Choose(choice_dataset._node, _nodes_of(datasets), stop_on_empty_dataset))

    @staticmethod
    def sample_from_datasets(
        datasets: Sequence[Dataset],
        weights: Sequence[float] | npt.ArrayLike | Dataset | None = None,
        seed: int | None = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Take each element from a dataset drawn at random. With a seed, the order is that of tf.data.

        Args:
            datasets: Datasets of elements of one kind.
            weights: How likely each is drawn, by proportion; or a dataset of such vectors, one for each
                draw. Default: all alike.
            seed: Seed of the draws; without one, runs differ, and resumed runs do not.
            stop_on_empty_dataset: End where a dataset is drawn that has ended; else draw again.
            rerandomize_each_iteration: Whether each iteration has draws of its own. Default False.

        Raises:
            InvalidArgumentError: There are no datasets, or not as many weights.

        >>> datasets = [Dataset.from_tensors(text).repeat() for text in ("a", "b", "c")]
        >>> list(Dataset.sample_from_datasets(datasets, [0.5, 0.3, 0.2], seed=42).take(6))
        ['b', 'c', 'b', 'c', 'a', 'c']
        """
        nodes, seeds, again = _nodes_of(datasets), seed_pair(seed), bool(rerandomize_each_iteration)
        drawn = weights._node if isinstance(weights, Dataset) else weights
        return Dataset(sample_node(nodes, drawn, seeds, stop_on_empty_dataset, again))

    # Functions on elements -----------------------------------------------------------------------

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Apply a function to each element; order is kept.

        The function is called once with symbolic tensors and runs on blocks from then on. What NumPy
        functions cannot express is compiled, or called per element with a `TracingWarning`; `explain`
        shows which. A plain tuple is unpacked into arguments; a returned list is a tuple, and a
        list within it becomes one array.

        Args:
            map_func: From an element to a new element; may change a dict it is given.
            num_parallel_calls: Threads; None or AUTOTUNE lets the framework choose. A function that is
                called per element is called by one thread in order for None, else by so many threads, or
                processes with ``Options(python_workers="processes")``: the order of calls is not defined
                then, that of results is. One that was traced and turned out to depend on more than its
                element, such as on random numbers, is called in order whatever is said here.
            deterministic: Accepted for compatibility; order is always kept.

        Raises:
            InvalidArgumentError: `num_parallel_calls` is less than 1; or, when elements are read, worker
                processes cannot import the function: it must be at the top level of a module.

        >>> list(Dataset.range(3).map(lambda x: {"x": x, "half": x / 2}))[1]
        {'x': np.int64(1), 'half': np.float64(0.5)}
        """
        return Dataset(Map(self._node, self._function(map_func), num_parallel_calls))

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """Keep the elements for which the predicate returns a scalar True.

        >>> list(Dataset.range(6).filter(lambda x: x % 2 == 0))
        [np.int64(0), np.int64(2), np.int64(4)]
        """
        return Dataset(Filter(self._node, self._function(predicate)))

    def flat_map(self, map_func: Callable[..., Dataset]) -> Dataset:
        """Make a dataset of each element, and give the elements of all of them one after the other.

        Random stages and caches of these datasets start anew for each element, wherever they were built.

        >>> list(Dataset.range(3).flat_map(lambda n: Dataset.range(n)))
        [np.int64(0), np.int64(0), np.int64(1)]
        """
        return Dataset(FlatMap(self._node, self._dataset_function(map_func)))

    def interleave(
        self,
        map_func: Callable[..., Dataset],
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Make a dataset of each element, and take turns among `cycle_length` of them.

        Args:
            map_func: From an element to a dataset.
            cycle_length: How many take part at a time. Default: the number of usable cores, so give it
                where the order matters.
            block_length: How many consecutive elements are taken at a turn. Default 1.
            num_parallel_calls: Accepted for compatibility.
            deterministic: Accepted for compatibility; order never depends on timing.

        >>> ds = Dataset.range(1, 4).interleave(lambda n: Dataset.from_tensors(n).repeat(2), cycle_length=2)
        >>> [int(x) for x in ds]
        [1, 2, 1, 2, 3, 3]
        """
        cycle = _options.usable_cores() if cycle_length in (None, _options.AUTOTUNE) else cycle_length
        function = self._dataset_function(map_func)
        length = 1 if block_length is None else block_length
        return Dataset(Interleave(self._node, function, cycle or 0, length, num_parallel_calls))

    def reduce(self, initial_state: Structure, reduce_func: Callable[..., Any]) -> Structure:
        """Fold all elements into a state, now.

        Args:
            initial_state: Structure of values.
            reduce_func: ``reduce_func(state, element)`` returns the new state, of the same dtypes.

        Raises:
            TypeError: The state changes its structure or a dtype.

        >>> Dataset.range(5).reduce(np.int64(0), lambda total, x: total + x)
        np.int64(10)
        """
        with contextlib.closing(self.blocks()) as blocks:
            return Fold(self.element_spec, initial_state, reduce_func).all(blocks.read)

    def scan(self, initial_state: Structure, scan_func: Callable[[Any, Any], tuple[Any, Any]]) -> Dataset:
        """Apply a function that carries a state from element to element.

        A function of scalars is compiled; others are called per element, with a `TracingWarning`. The
        state is part of a saved position.

        Args:
            initial_state: Structure of numbers, text or arrays of these.
            scan_func: ``scan_func(state, element)`` returns the new state, of the same dtypes, and the
                new element.

        Raises:
            TypeError: The state changes its structure or a dtype.

        >>> dataset = Dataset.range(1, 6).scan(np.int64(0), lambda total, x: (total + x, total + x))
        >>> [int(x) for x in dataset]
        [1, 3, 6, 10, 15]
        """
        first, strict = self._first_element, bool(self.options().strict_tracing)
        node = scan_node(self._node, initial_state, scan_func, first, strict=strict, line=user_line())
        return Dataset(node)

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """Return ``transformation_func(self)``, which must be a dataset."""
        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise SpecError(f"the function given to apply must return a Dataset, and returned {result!r}")
        return result

    # Order and amount ----------------------------------------------------------------------------

    def shuffle(
        self,
        buffer_size: int | Literal["global"],
        seed: int | None = None,
        reshuffle_each_iteration: bool | None = None,
    ) -> Dataset:
        """Draw elements at random from a buffer. With a seed, the order is that of tf.data.

        Data that comes sorted stays nearly sorted if the buffer holds but a part of it; `shuffle_mixing`
        tells how nearly. "global" mixes it fully in bounded memory: each order of all elements is as likely
        as any other. It reads the whole input before the first element comes; what exceeds
        ``Options.memory_bytes`` waits in temporary files (in ``TMPDIR``), about as large as the data. A
        resumed iterator reads the whole input again.

        Args:
            buffer_size: Elements to draw from; at least the size of the dataset mixes it fully.
                UNKNOWN_CARDINALITY takes all, and holds them in memory; "global" too, but in files.
            seed: Seed of the order; without one, runs differ, and resumed runs do not.
            reshuffle_each_iteration: Whether each epoch has an order of its own. Default True.

        Raises:
            InvalidArgumentError: The buffer size is less than 1 or another text, or it is "global" and the
                dataset is infinite.

        >>> [int(x) for x in Dataset.range(10).shuffle(10, seed=42)]
        [5, 9, 6, 4, 7, 1, 2, 8, 3, 0]
        >>> [int(x) for x in Dataset.range(10).shuffle("global", seed=42)]
        [3, 9, 2, 8, 5, 0, 4, 6, 1, 7]
        """
        again = reshuffle_each_iteration is None or reshuffle_each_iteration
        return Dataset(shuffle_node(self._node, buffer_size, seed_pair(seed), again))

    def repeat(self, count: int | None = None) -> Dataset:
        """Go through the dataset `count` times; forever if None or negative.

        >>> [int(x) for x in Dataset.range(2).repeat(2)]
        [0, 1, 0, 1]
        """
        return Dataset(Repeat(self._node, -1 if count is None or count < 0 else count))

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Stack consecutive elements.

        An element that fails takes the elements before it in its batch along, as in tf.data: drop it
        with `ignore_errors` before `batch` to keep them.

        Args:
            batch_size: Elements per batch, at least 1.
            drop_remainder: Leave out a last batch that is smaller.
            num_parallel_calls: Accepted for compatibility: a batch is a view.
            deterministic: Accepted for compatibility.

        >>> list(Dataset.range(5).batch(3))
        [array([0, 1, 2]), array([3, 4])]
        """
        return Dataset(Batch(self._node, batch_size, drop_remainder))

    def padded_batch(
        self,
        batch_size: int,
        padded_shapes: Structure = None,
        padding_values: Structure = None,
        drop_remainder: bool = False,
    ) -> Dataset:
        """Stack consecutive elements whose shapes differ, filled up at the end of each axis.

        Args:
            batch_size: Elements per batch, at least 1.
            padded_shapes: Structure of shapes like the element, None in them for the largest size in
                the batch. Default: the shapes in `element_spec`.
            padding_values: One value for all components, or a structure like the element, in which None
                is the default: zero, or empty text.
            drop_remainder: Leave out a last batch that is smaller.

        Raises:
            TypeError: A padding value is not of its component's dtype.
            InvalidArgumentError: A shape has another rank than its component, or is smaller.
            DataLossError: While iterating: an element is larger than a fixed size.

        >>> list(Dataset.from_list([[1], [2, 3], [4, 5, 6]]).padded_batch(2, padding_values=-1))
        [array([[ 1, -1], [ 2,  3]]), array([[4, 5, 6]])]
        """
        return Dataset(
            padded_batch_node(self._node, batch_size, padded_shapes, padding_values, drop_remainder)
        )

    def ragged_batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        row_splits_dtype: npt.DTypeLike = np.int64,
    ) -> Dataset:
        """Stack consecutive elements whose shapes differ, without padding.

        Components of unknown size (None in `element_spec`) become `RaggedTensor`, others arrays.

        Args:
            batch_size: Elements per batch, at least 1.
            drop_remainder: Leave out a last batch that is smaller.
            row_splits_dtype: Dtype of the row splits, int64 or int32.

        >>> list(Dataset.from_list([[1], [2, 3], [4, 5, 6]]).ragged_batch(2))
        [<RaggedTensor [[1], [2, 3]]>, <RaggedTensor [[4, 5, 6]]>]
        """
        return Dataset(RaggedBatch(self._node, batch_size, drop_remainder, as_dtype(row_splits_dtype).name))

    def window(
        self,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = False,
        *,
        as_batch: bool = False,
    ) -> Dataset:
        """Make windows over consecutive elements; they may overlap.

        A window is one dataset for each component, as in tf.data, for example for
        ``flat_map(lambda w: w.batch(size))``. Where windows as arrays are wanted, ``as_batch=True`` is
        simpler and faster.

        Args:
            size: Elements per window.
            shift: How many elements further the next window begins. Default `size`.
            stride: Distance of the elements in a window.
            drop_remainder: Leave out the windows at the end that are shorter.
            as_batch: Make one array for each component.

        Raises:
            InvalidArgumentError: A number is below 1.

        >>> [[int(x) for x in window] for window in Dataset.range(4).window(3, shift=2)]
        [[0, 1, 2], [2, 3]]
        >>> list(Dataset.range(4).window(3, shift=2, as_batch=True))
        [array([0, 1, 2]), array([2, 3])]
        """
        shift = size if shift is None else shift
        return Dataset(Window(self._node, size, shift, stride, drop_remainder, as_batch, handle=Dataset))

    def group_by_window(
        self,
        key_func: Callable[..., Any],
        reduce_func: Callable[[Any, Dataset], Dataset],
        window_size: int | None = None,
        window_size_func: Callable[[Any], Any] | None = None,
    ) -> Dataset:
        """Collect elements by key, and turn each full group into a dataset.

        At the end the groups that are not full follow, by ascending key. What is collected is kept in
        memory.

        Args:
            key_func: From an element to an integer.
            reduce_func: ``reduce_func(key, group)`` returns a dataset; its elements are those of the result.
            window_size: Elements of a full group.
            window_size_func: Or a function from the key to it.

        Raises:
            InvalidArgumentError: Both sizes are given, or neither; while iterating: a size is below 1.

        >>> dataset = Dataset.range(7).group_by_window(lambda x: x % 2, lambda key, group: group.batch(3), 3)
        >>> list(dataset)
        [array([0, 2, 4]), array([1, 3, 5]), array([6])]
        """

        def plan(key: Any, group: Node) -> Node:
            return _node_of(reduce_func(key, Dataset(group)))

        plan.__qualname__ = getattr(reduce_func, "__qualname__", "reduce_func")
        strict, first = bool(self.options().strict_tracing), self._first_element
        function = make_group_function(plan, self.element_spec)
        keyed = with_key(self._node, key_func, first_element=first, strict=strict, line=user_line())
        return Dataset(GroupByWindow(keyed, function, window_size, window_size_func))

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable[..., Any],
        bucket_boundaries: Sequence[int],
        bucket_batch_sizes: Sequence[int],
        padded_shapes: Structure = None,
        padding_values: Structure = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
    ) -> Dataset:
        """Batch elements of similar length together, padded.

        Args:
            element_length_func: From an element to its length, such as `np.size`.
            bucket_boundaries: Bucket i has the lengths from boundary i - 1 to below boundary i.
            bucket_batch_sizes: Elements per batch, one number more than there are boundaries.
            padded_shapes: As in `padded_batch`.
            padding_values: As in `padded_batch`.
            pad_to_bucket_boundary: Pad to the longest that fits the bucket, not to the longest there is.
            no_padding: Do not pad: elements of a batch must have one shape.
            drop_remainder: Leave out batches at the end that are smaller.

        Raises:
            InvalidArgumentError: The numbers do not fit; while iterating: an element is too long to be
                padded to a boundary.

        >>> lists = Dataset.from_list([[1], [2, 3, 4], [5, 6], [7]])
        >>> lists = lists.bucket_by_sequence_length(np.size, [2], [2, 2])
        >>> [batch.tolist() for batch in lists]
        [[[2, 3, 4], [5, 6, 0]], [[1], [7]]]
        """
        buckets = as_buckets(
            bucket_boundaries, bucket_batch_sizes, pad_to_bucket_boundary=pad_to_bucket_boundary,
            padded_shapes=padded_shapes, padding_values=padding_values, no_padding=no_padding,
            drop_remainder=drop_remainder,
        )  # fmt: skip
        first, strict = self._first_element, bool(self.options().strict_tracing)
        return Dataset(
            bucket_node(
                self._node, element_length_func, buckets, first_element=first, strict=strict, line=user_line()
            )
        )

    def rebatch(self, batch_size: int | Sequence[int], drop_remainder: bool = False) -> Dataset:
        """Cut batches anew: the same rows in batches of another size.

        Args:
            batch_size: Rows per batch, or several sizes that are used in turn, again and again.
            drop_remainder: Leave out a last batch that is smaller.

        >>> list(Dataset.range(6).batch(4).rebatch([2, 1]))
        [array([0, 1]), array([2]), array([3, 4]), array([5])]
        """
        return Dataset(Rebatch(Unbatch(self._node), as_sizes(batch_size), drop_remainder))

    def unbatch(self) -> Dataset:
        """Split elements along their first axis.

        >>> [int(x) for x in Dataset.range(5).batch(3).unbatch()]
        [0, 1, 2, 3, 4]
        """
        return Dataset(Unbatch(self._node))

    def take(self, count: int) -> Dataset:
        """Keep the first `count` elements; all if negative.

        >>> [int(x) for x in Dataset.range(5).take(2)]
        [0, 1]
        """
        return Dataset(Take(self._node, count))

    def rejection_resample(
        self,
        class_func: Callable[..., Any],
        target_dist: Sequence[float],
        initial_dist: Sequence[float] | None = None,
        seed: int | None = None,
    ) -> Dataset:
        """Leave elements out at random, so that classes come as often as wanted; gives (class, element).

        The dataset is read twice (three times without `initial_dist`), side by side: elements may come
        twice. Each iteration has the same draws.

        Args:
            class_func: From an element to its class, an integer from 0 on.
            target_dist: How often each class is wanted, by proportion.
            initial_dist: How often each class is present. Default: estimated from what has come, every
                32 elements.
            seed: Seed of the draws; without one, runs differ, and resumed runs do not.

        Raises:
            InvalidArgumentError: The distributions are not of one length; while iterating: `class_func`
                returns a class that `target_dist` does not have.

        >>> dataset = Dataset.range(10000).rejection_resample(lambda x: x % 2, [0.9, 0.1], [0.5, 0.5], seed=1)
        >>> classes = [int(c) for c, _ in dataset]
        >>> round(sum(classes) / len(classes), 2)
        0.1
        """
        strict, first = bool(self.options().strict_tracing), self._first_element
        return Dataset(
            rejection_resample_node(
                self._node, class_func, target_dist, initial_dist, seed_pair(seed),
                first_element=first, strict=strict, line=user_line(),
            )
        )  # fmt: skip

    def take_while(self, predicate: Callable[..., Any]) -> Dataset:
        """Keep the elements before the first one for which the predicate returns a scalar False.

        >>> [int(x) for x in Dataset.range(10).take_while(lambda x: x < 3)]
        [0, 1, 2]
        """
        return Dataset(TakeWhile(self._node, self._function(predicate)))

    def unique(self) -> Dataset:
        """Keep each element only where it comes first; what has been seen is kept in memory.

        Raises:
            InvalidArgumentError: Elements have several components.
            TypeError: They are not int32, int64 or text.

        >>> [int(x) for x in Dataset.from_tensor_slices([1, 37, 2, 37, 2, 1]).unique()]
        [1, 37, 2]
        """
        return Dataset(Unique(self._node))

    def skip(self, count: int) -> Dataset:
        """Leave out the first `count` elements; all if negative.

        >>> [int(x) for x in Dataset.range(5).skip(3)]
        [3, 4]
        """
        return Dataset(Skip(self._node, count))

    def shard(self, num_shards: int, index: int, contiguous: bool = False, even: bool = False) -> Dataset:
        """Keep every `num_shards`-th element from number `index` on, or one of `num_shards` runs of elements.

        Args:
            num_shards: How many workers there are.
            index: Which one this is, from 0.
            contiguous: Give each worker a run, so that all together are the dataset in order, by going to
                where it begins, even amid one big file. Rows of Parquet and memory are divided equally; text,
                CSV and records by bytes, at ends of records. Compressed files stay whole; `interleave` of
                files is divided in their order. Shard before `shuffle`: behind it, only with a seed.
            even: Give each the same number of elements, or of batches if batched already: up to ``num_shards
                - 1`` at the end are dropped. Records of files are counted for it, here, once in a process;
                one that cannot be read counts too.

        Raises:
            InvalidArgumentError: A number is wrong; there are no such runs, or only reading could tell; or,
                while iterating, a run of CSV ends inside a quoted field of many MB.

        >>> [int(x) for x in Dataset.range(10).shard(3, 1)]
        [1, 4, 7]
        >>> [[int(x) for x in Dataset.range(10).shard(3, i, contiguous=True)] for i in range(3)]
        [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
        """
        return Dataset(shard_node(self._node, num_shards, index, contiguous, even))

    def concatenate(self, dataset: Dataset) -> Dataset:
        """Append the elements of another dataset of the same kind.

        >>> [int(x) for x in Dataset.range(2).concatenate(Dataset.range(5, 7))]
        [0, 1, 5, 6]
        """
        return Dataset(Concatenate(self._node, dataset._node))

    def enumerate(self, start: int = 0) -> Dataset:
        """Pair each element with its number.

        >>> [(int(i), int(x)) for i, x in Dataset.range(5, 7).enumerate(start=3)]
        [(3, 5), (4, 6)]
        """
        return Dataset(Enumerate(self._node, start))

    def ignore_errors(self, log_warning: bool = False) -> Dataset:
        """Leave out the elements that cannot be produced; their number is logged at the end.

        Args:
            log_warning: Log each error too.

        >>> texts = Dataset.from_tensor_slices(["1", "x", "3"])
        >>> [int(x) for x in texts.map(lambda text: text.astype(np.int64)).ignore_errors()]
        [1, 3]
        """
        return Dataset(IgnoreErrors(self._node, log_warning))

    def assert_cardinality(self, expected_cardinality: int) -> Dataset:
        """Say how many elements there are, where the framework cannot know.

        Raises:
            FailedPreconditionError: While iterating: there are fewer, or more.

        >>> len(Dataset.range(6).filter(lambda x: x % 2 == 0).assert_cardinality(3))
        3
        """
        return Dataset(AssertCardinality(self._node, expected_cardinality))

    # Running -------------------------------------------------------------------------------------

    def prefetch(self, buffer_size: int | None) -> Dataset:
        """Produce elements ahead of need, in a thread; None or AUTOTUNE lets the framework choose."""
        return Dataset(Prefetch(self._node, _options.AUTOTUNE if buffer_size is None else buffer_size))

    def cache(self, filename: str | os.PathLike[str] = "") -> Dataset:
        """Keep the elements of the first full pass, in memory, or in a file beside `filename`.

        The file belongs to this pipeline; another one is refused. A pass that ends early keeps nothing.
        """
        return Dataset(Cache(self._node, os.fspath(filename)))

    def snapshot(
        self,
        path: str | os.PathLike[str],
        compression: str | None = "AUTO",
        reader_func: Callable[[Dataset], Dataset] | None = None,
        shard_func: Callable[..., Any] | None = None,
    ) -> Dataset:
        """Keep the elements of the first full pass in files, for this and other programs.

        Each pipeline has a directory of its own below `path`: which one depends on its stages, their
        settings and the element spec, not on what functions compute or on the data, so remove the
        directory when these change. A pass that ends early keeps nothing.

        Args:
            path: Directory; local or a URL.
            compression: None, 'GZIP', 'ZSTD', 'LZ4', 'SNAPPY', or 'AUTO' for a fast one.
            reader_func: Gives the order of later passes: from a dataset of the files' datasets, one for
                each shard, to the dataset of elements.
            shard_func: From an element to the number of the file that it is written to. With several
                files, later passes give one element of each in turn, so in another order than the first.

        >>> import tempfile
        >>> dataset = Dataset.range(3).snapshot(tempfile.mkdtemp())
        >>> [int(x) for x in dataset], [int(x) for x in dataset]
        ([0, 1, 2], [0, 1, 2])
        """
        node = self._node if shard_func is None else self._with_shards(shard_func)
        codec = AUTO if compression == "AUTO" else compression
        reader = None if reader_func is None else lambda run: _read_shards(run, reader_func)
        return Dataset(Snapshot(node, os.fspath(path), codec, shard_func is not None, reader))

    def save(
        self,
        path: str | os.PathLike[str],
        compression: str | None = None,
        shard_func: Callable[..., Any] | None = None,
        checkpoint_args: Mapping[str, Any] | None = None,
    ) -> None:
        """Write all elements to a directory, now; `Dataset.load` reads them.

        They can be loaded when all are written, not before. What was saved there earlier is replaced in
        one step; who is reading it can go on.

        Args:
            path: Directory; local or a URL.
            compression: None, 'GZIP', 'ZSTD', 'LZ4' or 'SNAPPY'.
            shard_func: From an element to the number (from 0 on) of the file that it is written to.
            checkpoint_args: If given, a save that was interrupted goes on when it is called again. Keys:
                'checkpoint_interval', after how many elements the progress is noted (default a
                million); 'directory' for that (default `path`); 'max_to_keep' and 'step_counter' are
                accepted for compatibility.

        Raises:
            InvalidArgumentError: The dataset is endless, or an argument is wrong.
            StateError: The progress that was noted belongs to another pipeline or other settings.

        >>> import tempfile
        >>> path = tempfile.mkdtemp()
        >>> Dataset.range(3).save(path, compression="GZIP")
        >>> [int(x) for x in Dataset.load(path)]
        [0, 1, 2]
        """
        keyed = None if shard_func is None else Dataset(self._with_shards(shard_func))
        save(self, keyed, os.fspath(path), compression, checkpoint_args)

    def write_parquet(
        self,
        path: str | os.PathLike[str],
        rows_per_file: int = 1_000_000,
        partition: Sequence[str] | None = None,
        compression: str | None = "zstd",
        *,
        overwrite: bool = False,
        progress: Progress = False,
    ) -> WriteResult:
        """Write all elements as rows of Parquet files, now. A call that was interrupted goes on if repeated.

        Columns are named as in `to_arrow`. Each element is a row: `unbatch` first, else a batch is a row of
        lists. Files get their names when they are complete; ``_manifest.json``, which `ParquetDataset` and
        `read_manifest` take, lists those that count. What is there complete is not written again.

        Args:
            path: Directory; local or a URL.
            rows_per_file: Rows of each file but the last (of each but the last ones, with `partition`).
            partition: Columns that become directories, as ``year=2024/month=1``, instead of columns. Rows are
                collected for a minute, or up to ``Options.memory_bytes``, and then written, one file for
                each partition.
            compression: 'zstd', 'snappy', 'gzip', 'lz4', 'brotli' or None.
            overwrite: Replace what an earlier complete call, or another pipeline, has written there.
            progress: Show a progress bar; or a function, which is called with the rows so far, and how many
                files are complete.

        Raises:
            AlreadyExistsError: There is something else, or another program is writing there.
            InvalidArgumentError: The dataset is endless, or an argument is wrong.
            SpecError: Arrow has no such dtype.

        >>> import tempfile
        >>> result = Dataset.range(10).write_parquet(tempfile.mkdtemp(), rows_per_file=4)
        >>> result.rows, result.files
        (10, 3)
        """
        return write_parquet(
            self, os.fspath(path), rows_per_file, partition, compression, overwrite=overwrite,
            progress=progress,
        )  # fmt: skip

    def write_csv(
        self,
        path: str | os.PathLike[str],
        rows_per_file: int = 1_000_000,
        partition: Sequence[str] | None = None,
        compression: str | None = None,
        *,
        header: bool = True,
        field_delim: str = ",",
        overwrite: bool = False,
        progress: Progress = False,
    ) -> WriteResult:
        """Write all elements as rows of CSV files, now, in the way of `write_parquet`.

        Text is quoted, a null is nothing, empty text is ``""``, NaN is ``nan``; numbers have the digits that
        give them back exactly.

        Args:
            path: Directory; local or a URL.
            rows_per_file: As in `write_parquet`.
            partition: As in `write_parquet`.
            compression: 'gzip', 'bz2', 'zstd', 'lz4' or None.
            header: Whether each file begins with the names of the columns.
            field_delim: One ASCII character.
            overwrite: As in `write_parquet`.
            progress: As in `write_parquet`.

        Raises:
            SpecError: A component is no scalar, or is bytes; and what `write_parquet` raises.
        """
        return write_csv(
            self, os.fspath(path), rows_per_file, partition, compression, header=header,
            field_delim=field_delim, overwrite=overwrite, progress=progress,
        )  # fmt: skip

    def with_options(self, options: Options) -> Dataset:
        """Set options of the whole pipeline; what is said nearer to its end wins.

        >>> Dataset.range(3).with_options(Options(threads=1)).options().threads
        1
        """
        if not isinstance(options, Options):
            raise SpecError(f"with_options takes Options, not {options!r}")
        return Dataset(WithOptions(self._node, options))

    def options(self) -> Options:
        """Return what was said with `with_options`, merged."""
        return options_of(self._node)

    @property
    def element_spec(self) -> Structure:
        """Structure of `TensorSpec` of one element.

        >>> Dataset.range(3).batch(2).element_spec
        TensorSpec(shape=(None,), dtype=int64)
        """
        return self._node.element_spec

    @property
    def value_spec(self) -> DatasetSpec:
        """The spec of the dataset as a component of an element."""
        return DatasetSpec(self.element_spec)

    def cardinality(self) -> int:
        """Return the number of elements, INFINITE_CARDINALITY (-1) or UNKNOWN_CARDINALITY (-2)."""
        return self._node.infer_cardinality()

    def __len__(self) -> int:
        size = self.cardinality()
        if size == INFINITE_CARDINALITY:
            raise SpecError("the dataset is infinite, so it has no length")
        if size == UNKNOWN_CARDINALITY:
            raise SpecError(
                "the length of the dataset is not known", hint="only a full pass can tell: use reduce"
            )
        return size

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> DatasetIterator:
        return DatasetIterator(self.blocks(), self.element_spec)

    def as_numpy_iterator(self) -> DatasetIterator:
        """Start the pipeline; unlike ``iter(dataset)``, it gives what `RaggedTensor.numpy` returns.

        Raises:
            TypeError: Components are datasets.

        >>> next(Dataset.range(3).batch(2).as_numpy_iterator())
        array([0, 1])
        """
        if any(isinstance(spec, DatasetSpec) for spec in flatten(self.element_spec)):
            raise SpecError("datasets are no NumPy values", hint="iterate over the dataset itself")
        return DatasetIterator(self.blocks(), self.element_spec, as_numpy=True)

    def to_arrow(self, max_rows: int | None = None) -> pa.Table:
        """Return all elements as a `pyarrow.Table`, now.

        Columns are named by the keys and positions of components, as in ``'fare'``, ``'0'`` or ``'a/b'``;
        what has none is ``'value'``. A dimension that varies becomes a list, one of known size a list of
        fixed size; NaN stays NaN.

        Args:
            max_rows: Return the first elements only.

        Raises:
            SpecError: The dataset is infinite, or Arrow has no such dtype.

        >>> Dataset.range(4).batch(2).to_arrow().to_pydict()
        {'value': [[0, 1], [2, 3]]}
        """
        export.refuse_infinite("to_arrow", self.cardinality(), max_rows)
        return export.reader_of(self.blocks, self.element_spec, max_rows).read_all()

    def to_reader(self) -> pa.RecordBatchReader:
        """Return a `pyarrow.RecordBatchReader` that runs the pipeline while it is read.

        The dataset itself is taken by whatever reads Arrow streams, such as ``polars.DataFrame(dataset)``,
        ``pyarrow.RecordBatchReader.from_stream(dataset)`` or a query of duckdb.

        >>> [batch.num_rows for batch in Dataset.range(4).to_reader()]
        [4]
        """
        return export.reader_of(self.blocks, self.element_spec)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def to_pandas(self, max_rows: int | None = None) -> Any:
        """Return all elements as a `pandas.DataFrame`, now; columns are as in `to_arrow`.

        Raises:
            OptionalDependencyError: pandas is not installed.
            SpecError: The dataset is infinite, or Arrow has no such dtype.

        >>> Dataset.range(2).map(lambda x: {"x": x, "half": x / 2}).to_pandas()
           x  half
        0  0   0.0
        1  1   0.5
        """
        export.refuse_infinite("to_pandas", self.cardinality(), max_rows)
        return export.as_pandas(export.reader_of(self.blocks, self.element_spec, max_rows))

    def to_torch(self) -> Any:
        """Return a `torch.utils.data.IterableDataset` of the same elements.

        Numbers become tensors of their own memory, text `str`, or lists of it. Give it to a DataLoader with
        ``batch_size=None``, and batch here. The workers of a DataLoader share the elements out among them;
        each pass shuffles anew. Its iterators have `state_dict` and `load_state_dict`, so torchdata's
        StatefulDataLoader resumes exactly.

        Raises:
            OptionalDependencyError: PyTorch is not installed.
            SpecError: PyTorch has no such dtype.

        >>> loader = DataLoader(dataset.batch(32).to_torch(), batch_size=None)  # doctest: +SKIP
        """
        from dataflow.torch_dataset import TorchDataset  # here, as it imports PyTorch

        return TorchDataset(self._node)

    def make_one_shot_iterator(self) -> OneShotIterator:
        """Return an iterator with ``get_next()``, as in the first version of tf.data.

        In an `input_fn` that an estimator calls, ``get_next()`` returns symbolic tensors, and what the
        function computes from them becomes the last stage of the dataset.

        >>> iterator = Dataset.range(2).make_one_shot_iterator()
        >>> iterator.get_next(), iterator.get_next()
        (np.int64(0), np.int64(1))
        """
        return OneShotIterator(self._node, self.__iter__)

    def get_single_element(self) -> Structure:
        """Return the only element, now.

        Raises:
            InvalidArgumentError: There is none, or more than one.

        >>> Dataset.range(4).batch(4).get_single_element()
        array([0, 1, 2, 3])
        """
        with iter(self) as elements:
            found = list(itertools.islice(elements, 2))
        if len(found) != 1:
            raise InvalidArgumentError(
                f"get_single_element needs exactly one element, and there are {'more' if found else 'none'}"
            )
        return found[0]

    def blocks(self) -> BlockIterator:
        """Start the pipeline and read it by blocks: for code that works on columns."""
        resolved = self.options().resolved()
        return BlockIterator(plan_at("placed", self._node, resolved), self._node, resolved)

    def freeze(self) -> Dataset:
        """Return the dataset with the choices that `explain` shows now: rewrites, threads, read-ahead.

        It runs so on every machine, whatever another version would choose.

        >>> frozen = Dataset.range(6).map(lambda x: x + 1).with_options(Options(threads=3)).freeze()
        >>> frozen.explain() == frozen.explain("written")
        True
        """
        options = self.options().merged_with(Options(rewrites=False))
        return Dataset(WithOptions(plan_at("placed", self._node, self.options().resolved()), options))

    def explain(self, stage: stages.Stage = "placed") -> str:
        """Return the plan as text, the last stage first.

        Args:
            stage: "written", "checked", "rewritten" or "placed" (what will run).

        >>> print(Dataset.range(6).map(lambda x: x + 1).take(-1).explain())
        Prefetch(blocks_ahead=...)
          Map(function=<lambda> [traced], num_parallel_calls=...)
            Range(start=0, stop=6)
        """
        if stage not in stages.STAGES:
            raise InvalidArgumentError(f"stage must be one of {stages.STAGES}, not {stage!r}")
        return stages.explain(plan_at(stage, self._node, self.options().resolved()))

    def profile(
        self, seconds: float = 5.0, elements: int | None = None, consumer_seconds_per_element: float = 0.0
    ) -> Profile:
        """Run the pipeline for a while, and report where its time goes, what limits it and what to change.

        ``print(dataset.profile())`` shows the report, a notebook shows a table, ``plot()`` draws it. The run
        begins anew; later iterations come in the order that they would have had. It keeps what any pass
        keeps in files: a full one those of `cache` and `snapshot`. Elements are taken by blocks.

        Args:
            seconds: How long; it ends earlier if the dataset does.
            elements: How many elements at most. Default: no limit.
            consumer_seconds_per_element: How long your loop works on each element, as a training step does.

        Raises:
            FailedPreconditionError: The data can be read once only.
            DataflowError: What iterating would raise.

        >>> for stage in Dataset.range(1000).batch(10).profile(seconds=1).stages:
        ...     print(stage.name, stage.rows)
        Batch(batch_size=10) 100
        Range(start=0, stop=1000) 1000
        """
        options = self.options().resolved()
        return profile_of(self._node, options, seconds, elements, consumer_seconds_per_element)

    def __repr__(self) -> str:
        return f"<Dataset element_spec={self.element_spec}>\n{stages.explain(self._node)}"

    # For the methods above -------------------------------------------------------------------------

    def _with_shards(self, shard_func: Callable[..., Any]) -> Node:
        """Return the plan of pairs (shard, element)."""
        strict, first = bool(self.options().strict_tracing), self._first_element
        keyed = with_key(self._node, shard_func, first_element=first, strict=strict, line=user_line())
        check_shards(keyed.element_spec)
        return keyed

    def _first_element(self) -> Block | None:
        """Read one element, for functions that cannot be traced."""
        return first_element(self._node, lambda node: Dataset(node).blocks())

    def _function(self, function: Callable[..., Any]) -> UserFunction:
        strict = bool(self.options().strict_tracing)
        return make_user_function(
            function, self.element_spec, self._first_element, strict=strict, line=user_line()
        )

    def _dataset_function(self, function: Callable[..., Any]) -> DatasetFunction:
        def plan(*element: Any) -> Node:
            return _node_of(function(*element))

        plan.__qualname__ = getattr(function, "__qualname__", type(function).__name__)
        return make_dataset_function(plan, self.element_spec, self._first_element, _symbol)


def _nodes_of(datasets: Sequence[Dataset]) -> tuple[Node, ...]:
    """Return the plans of a list of datasets."""
    if not all(isinstance(dataset, Dataset) for dataset in datasets):
        raise SpecError(f"a list of datasets is needed, not {datasets!r}")
    if not datasets:
        raise InvalidArgumentError("there are no datasets to choose from")
    return tuple(dataset._node for dataset in datasets)


def _node_of(result: Any) -> Node:
    """Return the plan of what a user's function returned."""
    if not isinstance(result, Dataset):
        raise SpecError(f"the function must return a Dataset, and returned {type(result).__name__}")
    return result._node


def _read_shards(run: Run, reader_func: Callable[[Dataset], Dataset]) -> Node:
    """Return the plan of what a user's function makes of the shards of saved elements."""
    return _node_of(reader_func(Dataset.from_list([Dataset(node) for node in shard_nodes(run)])))


def _symbol(spec: TensorSpec) -> Any:
    """Return a component of a symbolic element."""
    return Dataset(Unread(spec.element_spec)) if isinstance(spec, DatasetSpec) else parameter(spec)
