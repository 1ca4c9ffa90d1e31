"""`Dataset`: the immutable handle that users chain. Each method is a docstring and one node."""

from __future__ import annotations

import builtins
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow import options as _options
from dataflow.block import Block
from dataflow.errors import InvalidArgumentError, SpecError, TraceError
from dataflow.expr.tensor import Tensor
from dataflow.expr.user_function import UserFunction, make_user_function
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Options
from dataflow.origin import user_line
from dataflow.plan import stages
from dataflow.plan.dataset_function import DatasetFunction, make_dataset_function
from dataflow.plan.node import Node, walk
from dataflow.reduction import Fold
from dataflow.rewrites import plan_at
from dataflow.rewrites.traps import TRAPS
from dataflow.runtime.iterate import BlockIterator, DatasetIterator
from dataflow.seeds import seed_pair
from dataflow.sources.counter import Counter
from dataflow.sources.draws import Draws
from dataflow.sources.from_list import list_node
from dataflow.sources.generator import generator_node
from dataflow.sources.list_files import list_files_node
from dataflow.sources.random import Random
from dataflow.sources.range import Range
from dataflow.sources.tensors import tensor_slices
from dataflow.spec import Structure, TensorSpec, as_dtype, flatten, map_structure, pack
from dataflow.transforms.assert_cardinality import AssertCardinality
from dataflow.transforms.batch import Batch
from dataflow.transforms.bucket_by_sequence_length import as_buckets, bucket_node
from dataflow.transforms.cache import Cache
from dataflow.transforms.choose import Choose
from dataflow.transforms.concatenate import Concatenate
from dataflow.transforms.enumerate import Enumerate
from dataflow.transforms.filter import Filter
from dataflow.transforms.flat_map import FlatMap
from dataflow.transforms.group_by_window import GroupByWindow, make_group_function, with_key
from dataflow.transforms.ignore_errors import IgnoreErrors
from dataflow.transforms.interleave import Interleave
from dataflow.transforms.map import Map
from dataflow.transforms.padded_batch import padded_batch_node
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.rebatch import Rebatch
from dataflow.transforms.rejection_resample import rejection_resample_node
from dataflow.transforms.repeat import Repeat
from dataflow.transforms.scan import scan_node
from dataflow.transforms.shard import Shard
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.skip import Skip
from dataflow.transforms.take import Take
from dataflow.transforms.take_while import TakeWhile
from dataflow.transforms.unbatch import Unbatch
from dataflow.transforms.unique import Unique
from dataflow.transforms.window import Window
from dataflow.transforms.with_options import WithOptions, options_of
from dataflow.transforms.zip import Zip, nesting_of


class Dataset:
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
        if not callable(generator):
            raise SpecError(
                f"generator must be callable, not {generator!r}", hint="pass the function, not its result"
            )
        if (output_types is None) == (output_signature is None):
            raise SpecError("give either output_signature or output_types")
        if output_signature is None:
            types = map_structure(as_dtype, output_types)
            shapes = map_structure(lambda _: (), types) if output_shapes is None else output_shapes
            leaves = zip(flatten(types), _shape_leaves(types, shapes), strict=True)
            output_signature = pack(types, [TensorSpec(shape, dtype) for dtype, shape in leaves])
        arguments = tuple(np.asarray(a)[()] for a in args or ())
        return Dataset(generator_node(generator, output_signature, arguments))

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
        nodes, drawn = _nodes_of(datasets), weights._node if isinstance(weights, Dataset) else None
        if not isinstance(weights, Dataset):
            numbers = [1.0] * len(nodes) if weights is None else np.ravel(np.asarray(weights)).tolist()
            if len(numbers) != len(nodes):
                raise InvalidArgumentError(f"there are {len(nodes)} datasets and {len(numbers)} weights")
            kept = [i for i, weight in enumerate(numbers) if weight] or list(builtins.range(len(nodes)))
            nodes, numbers = tuple(nodes[i] for i in kept), [numbers[i] for i in kept]
        choice = Draws(
            tuple(numbers) if drawn is None else drawn, seed_pair(seed), bool(rerandomize_each_iteration)
        )
        return Dataset(nodes[0] if len(nodes) == 1 else Choose(choice, nodes, stop_on_empty_dataset))

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
        shows which. A plain tuple is unpacked into arguments; a returned list becomes one array.

        Args:
            map_func: From an element to a new element; may change a dict it is given.
            num_parallel_calls: Threads; None or AUTOTUNE lets the framework choose.
            deterministic: Accepted for compatibility; order is always kept.

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
        return Dataset(
            Interleave(
                self._node,
                function,
                cycle or 0,
                1 if block_length is None else block_length,
                num_parallel_calls,
            )
        )

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
        blocks = self.blocks()
        try:
            return Fold(self.element_spec, initial_state, reduce_func).all(blocks.read)
        finally:
            blocks.close()

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
        strict = bool(self.options().strict_tracing)
        return Dataset(
            scan_node(
                self._node, initial_state, scan_func, self._first_element, strict=strict, line=user_line()
            )
        )

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """Return ``transformation_func(self)``, which must be a dataset."""
        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise SpecError(f"the function given to apply must return a Dataset, and returned {result!r}")
        return result

    # Order and amount ----------------------------------------------------------------------------

    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool | None = None
    ) -> Dataset:
        """Draw elements at random from a buffer. With a seed, the order is that of tf.data.

        Args:
            buffer_size: Elements to draw from; at least the size of the dataset mixes it fully.
                UNKNOWN_CARDINALITY takes all.
            seed: Seed of the order; without one, runs differ, and resumed runs do not.
            reshuffle_each_iteration: Whether each epoch has an order of its own. Default True.

        >>> [int(x) for x in Dataset.range(10).shuffle(10, seed=42)]
        [5, 9, 6, 4, 7, 1, 2, 8, 3, 0]
        """
        again = reshuffle_each_iteration is None or reshuffle_each_iteration
        return Dataset(Shuffle(self._node, buffer_size, seed_pair(seed), again))

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

        tf.data makes a dataset of each window, for ``flat_map(lambda w: w.batch(size))``. Datasets as
        components are not supported: ``as_batch=True`` makes those batches at once.

        Args:
            size: Elements per window.
            shift: How many elements further the next window begins. Default `size`.
            stride: Distance of the elements in a window.
            drop_remainder: Leave out the windows at the end that are shorter.
            as_batch: Must be True: a window is one array per component.

        Raises:
            InvalidArgumentError: A number is below 1, or `as_batch` is not said.

        >>> list(Dataset.range(4).window(3, shift=2, as_batch=True))
        [array([0, 1, 2]), array([2, 3])]
        """
        if not as_batch:
            raise InvalidArgumentError(
                "windows that are datasets are not supported",
                hint="as_batch=True gives arrays, as .flat_map(lambda w: w.batch(size)) does in tf.data",
            )
        return Dataset(Window(self._node, size, size if shift is None else shift, stride, drop_remainder))

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
            bucket_boundaries,
            bucket_batch_sizes,
            padded_shapes=padded_shapes,
            padding_values=padding_values,
            pad_to_bucket_boundary=pad_to_bucket_boundary,
            no_padding=no_padding,
            drop_remainder=drop_remainder,
        )
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
        sizes = tuple(int(size) for size in np.ravel(batch_size))
        return Dataset(Rebatch(Unbatch(self._node), sizes, drop_remainder))

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

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Keep every `num_shards`-th element from number `index` on.

        >>> [int(x) for x in Dataset.range(10).shard(3, 1)]
        [1, 4, 7]
        """
        return Dataset(Shard(self._node, num_shards, index))

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
        """Start the pipeline; elements are NumPy values in any case, so this is ``iter(dataset)``.

        >>> next(Dataset.range(3).batch(2).as_numpy_iterator())
        array([0, 1])
        """
        return iter(self)

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

    def explain(self, stage: stages.Stage = "placed") -> str:
        """Return the plan as text, the last stage first.

        Args:
            stage: "written", "checked", "rewritten" or "placed" (what will run).

        >>> print(Dataset.range(6).map(lambda x: x + 1).take(-1).explain())
        Prefetch()
          Map(function=<lambda> [traced], num_parallel_calls=...)
            Range(start=0, stop=6)
        """
        if stage not in stages.STAGES:
            raise InvalidArgumentError(f"stage must be one of {stages.STAGES}, not {stage!r}")
        return stages.explain(plan_at(stage, self._node, self.options().resolved()))

    def __repr__(self) -> str:
        return f"<Dataset element_spec={self.element_spec}>\n{stages.explain(self._node)}"

    # For the methods above -------------------------------------------------------------------------

    def _first_element(self) -> Block | None:
        """Read one element, for functions that cannot be traced."""
        for node in walk(self._node):
            if any(isinstance(value, Tensor) for value in node.settings().values()):
                raise TraceError("the function can only be understood by calling it on an element")
        blocks = Dataset(_without_memory(self._node)).blocks()
        try:
            return blocks.read(1)
        finally:
            blocks.close()

    def _function(self, function: Callable[..., Any]) -> UserFunction:
        strict = bool(self.options().strict_tracing)
        return make_user_function(
            function, self.element_spec, self._first_element, strict=strict, line=user_line()
        )

    def _dataset_function(self, function: Callable[..., Any]) -> DatasetFunction:
        def plan(*element: Any) -> Node:
            return _node_of(function(*element))

        plan.__qualname__ = getattr(function, "__qualname__", type(function).__name__)
        return make_dataset_function(plan, self.element_spec, self._first_element)


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


def _without_memory(node: Node) -> Node:
    """Return the plan without stages that only change order or timing, and that remember being started.

    Any element shows what a function returns; a shuffle would fill its buffer, and count an epoch.
    """
    if isinstance(node, Shuffle | Cache | Prefetch):
        return _without_memory(node.input)
    return node.with_inputs(*map(_without_memory, node.inputs))


def _shape_leaves(types: Structure, shapes: Structure) -> list[Any]:
    """Return one shape per dtype; a shape is itself a tuple or list."""
    if isinstance(types, dict):
        return [leaf for key in sorted(types) for leaf in _shape_leaves(types[key], shapes[key])]
    if isinstance(types, tuple):
        return [leaf for t, s in zip(types, shapes, strict=True) for leaf in _shape_leaves(t, s)]
    return [tuple(shapes)]
