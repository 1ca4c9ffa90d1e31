"""The conformance kit catches what it is there for: stages with a planted bug."""

import time

import numpy as np
import pytest

from dataflow import Dataset, DatasetSpec, RaggedTensorSpec
from dataflow.runtime.threads import Background
from dataflow.sources.range import Range, RangeOperator
from dataflow.spec import TensorSpec
from dataflow.testing import check
from dataflow.transforms.batch import Batch, BatchOperator
from dataflow.transforms.concatenate import Concatenate, ConcatenateOperator
from dataflow.transforms.enumerate import Enumerate
from dataflow.transforms.prefetch import Prefetch, PrefetchOperator
from dataflow.transforms.ragged_batch import RaggedBatch
from dataflow.transforms.repeat import Repeat, RepeatOperator
from dataflow.transforms.shuffle import Shuffle, ShuffleOperator
from dataflow.transforms.skip import Skip
from dataflow.transforms.take import Take, TakeOperator
from dataflow.transforms.window import Window, WindowOperator


def with_operator(node_class, operator_class):
    """Return the node class with another operator."""
    return type(
        node_class.__name__, (node_class,), {"operator": lambda self, *inputs: operator_class(self, *inputs)}
    )


class FetchedNotDelivered(PrefetchOperator):
    def input_states(self):
        time.sleep(0.002)  # the thread runs ahead
        return [self.input.state()]


class LosesCount(TakeOperator):
    def own_state(self):
        return {"taken": 0}


class KeepsCount(TakeOperator):
    taken = 0

    def start(self, own):
        self.taken = self.taken if own is None else own["taken"]


class IgnoresEpoch(ShuffleOperator):
    def start(self, own):
        self.node.epochs.upcoming = 0
        super().start(own)


class ForgetsEpochsOfClosed(ConcatenateOperator):
    def _epochs(self, number):
        return []


class LosesEpoch(RepeatOperator):
    def own_state(self):
        return {**super().own_state(), "epoch": 0}


class VaryingKeys(TakeOperator):
    def start(self, own):
        self.taken = 0 if own is None else own.get("taken", 0)

    def own_state(self):
        return {"taken": self.taken} if self.taken else {}


class DropsAtBorders(BatchOperator):
    def produce(self):
        block = self.input.peek()
        if block is not None and block.length >= self.node.batch_size:
            self.input.advance(block.length % self.node.batch_size)
        return super().produce()


class LargeState(RangeOperator):
    def own_state(self):
        return {**super().own_state(), "seen": list(range(10 * self.done, 10 * self.done + 2000))}


class LeavesThread(PrefetchOperator):
    def release(self):
        """Forget the thread."""
        self.background = None


class DependsOnBlocks(TakeOperator):
    def produce(self):
        block = super().produce()
        return None if block is not None and block.length == 4 else block


class WrongDtype(Enumerate):
    def infer_spec(self):
        return (TensorSpec((), np.int32), self.input.element_spec)


class WrongCardinality(Skip):
    def infer_cardinality(self):
        return self.input.infer_cardinality()


class SharesPosition(RangeOperator):
    def start(self, own):
        super().start(own)
        self.node.__dict__.setdefault("shared", self)

    def produce(self):
        block = super().produce()
        self.node.__dict__["shared"].done = self.done
        return block


class MovesNoFurther(WindowOperator):
    def own_state(self):
        return {**super().own_state(), "begin": max(0, self.begin - self.node.shift)}


class OtherDatasets(Window):
    def infer_spec(self):
        return DatasetSpec(TensorSpec((), np.int32))


class OtherRows(RaggedBatch):
    def infer_spec(self):
        return RaggedTensorSpec((None, None), np.int32)


def check_finds(make, name):
    with pytest.raises(AssertionError, match=rf"^{name}"):
        check(make)


def test_prefetch_that_hands_out_the_state_of_what_was_fetched():
    broken = with_operator(Prefetch, FetchedNotDelivered)
    check_finds(lambda: broken(Range(0, 11)), "resumes_in_another_way")


def test_take_that_loses_its_count_on_resume():
    check_finds(lambda: with_operator(Take, LosesCount)(Range(0, 11), 5), "resumes_after_every_element")


def test_take_that_keeps_its_count_when_it_is_started_again():
    check_finds(lambda: with_operator(Take, KeepsCount)(Range(0, 11), 5), "epochs_are_as_declared")


def test_shuffle_that_ignores_the_epoch():
    broken = with_operator(Shuffle, IgnoresEpoch)
    check_finds(lambda: broken(Range(0, 11), 5, (1, 2)), "epochs_are_as_declared")


def test_repeat_that_loses_the_epoch_on_resume():
    check_finds(lambda: with_operator(Repeat, LosesEpoch)(Range(0, 4), 3), "resumes_after_every_element")


def test_a_state_with_varying_keys():
    check_finds(
        lambda: with_operator(Take, VaryingKeys)(Range(0, 11), 5), "resumes_|states_are_small_and_alike"
    )


def test_a_state_that_is_large():
    check_finds(lambda: with_operator(Range, LargeState)(0, 11), "resumes_|states_are_small_and_alike")


def test_batch_that_drops_rows_at_block_borders():
    check_finds(lambda: with_operator(Batch, DropsAtBorders)(Range(0, 11), 3), "")


def test_prefetch_that_leaves_its_thread_behind(monkeypatch):
    started = []
    run = Background.__init__
    monkeypatch.setattr(Background, "__init__", lambda self, *a: (run(self, *a), started.append(self))[0])
    broken = with_operator(Prefetch, LeavesThread)
    check_finds(lambda: broken(Range(0, 11), 1, 1), "closes_and_goes_on")
    for background in started:
        background.stop()


def test_elements_that_do_not_have_the_dtype_of_the_spec():
    check_finds(lambda: WrongDtype(Range(0, 3)), "elements_fit_the_spec")


def test_a_cardinality_that_is_wrong():
    check_finds(lambda: WrongCardinality(Range(0, 11), 3), "elements_fit_the_spec")


def test_a_result_that_depends_on_the_size_of_blocks():
    broken = with_operator(Take, DependsOnBlocks)
    check_finds(lambda: broken(Range(0, 11), 4), "")


def test_operators_that_share_a_position():
    check_finds(lambda: with_operator(Range, SharesPosition)(0, 11), "")


def test_windows_that_begin_too_early_on_resume():
    broken = with_operator(Window, MovesNoFurther)
    check_finds(
        lambda: broken(Range(0, 9), 3, 2, as_batch=False, handle=Dataset), "resumes_after_every_element"
    )


def test_windows_that_hold_something_else():
    check_finds(
        lambda: OtherDatasets(Range(0, 9), 3, 2, as_batch=False, handle=Dataset), "elements_fit_the_spec"
    )


def test_ragged_tensors_that_do_not_fit_the_spec():
    lists = Dataset.from_list([[1], [2, 3]]).node
    check_finds(lambda: OtherRows(lists, 2), "elements_fit_the_spec")


def test_sound_stages_pass():
    check(lambda: with_operator(Take, TakeOperator)(Range(0, 11), 4))


def test_a_closed_input_whose_epochs_are_forgotten():
    broken = with_operator(Concatenate, ForgetsEpochsOfClosed)
    check_finds(lambda: broken(Shuffle(Range(0, 8), 4, (1, 2)), Range(0, 3)), "resumes_over_epochs")
