"""Iterators: saved positions, closing, threads, several at once."""

import gc
import json
import time

import numpy as np
import pytest

import dataflow as df
from dataflow import Dataset, Options, StateError, TensorSpec
from dataflow.runtime.threads import running


def threads():
    """Return the threads of pipelines that somebody still holds."""
    gc.collect()
    return running()


def take(iterator, count):
    return [next(iterator).tolist() for _ in range(count)]


def rest(iterator):
    return [element.tolist() for element in iterator]


def test_a_saved_position_is_json_and_goes_on_in_a_new_iterator():
    dataset = Dataset.range(10).batch(3)
    iterator = iter(dataset)
    take(iterator, 2)
    state = json.loads(json.dumps(iterator.state()))
    other = iter(dataset)
    other.restore(state)
    assert rest(other) == rest(iterator) == [[6, 7, 8], [9]]


def shuffled_without_seed():
    return Dataset.range(30).shuffle(10).repeat(3)


def test_without_a_seed_a_resumed_run_is_exact_over_later_epochs():
    one, two = shuffled_without_seed(), shuffled_without_seed()
    iterator, other = iter(one), iter(two)
    take(iterator, 12)
    other.restore(iterator.state())
    assert rest(other) == rest(iterator)


def test_a_shuffle_that_is_read_at_two_rates_resumes_exactly():
    def build():
        shuffled = Dataset.range(4).shuffle(4, seed=3)
        return Dataset.zip(shuffled.repeat(), shuffled.batch(1).repeat(5))

    iterator = iter(build())
    for _ in range(7):
        next(iterator)
    other = iter(build())
    other.restore(iterator.state())
    assert [(int(a), b.tolist()) for a, b in other] == [(int(a), b.tolist()) for a, b in iterator]


def test_a_position_of_another_pipeline_is_refused():
    state = iter(Dataset.range(10).batch(3)).state()
    with pytest.raises(StateError, match="belongs to another pipeline"):
        iter(Dataset.range(10).batch(4)).restore(state)


def test_settings_that_change_no_element_do_not_make_another_pipeline():
    state = iter(Dataset.range(10).map(lambda x: x).batch(3)).state()
    other = Dataset.range(10).map(lambda x: x, num_parallel_calls=4).batch(3).prefetch(2)
    iterator = iter(other.with_options(Options(threads=2, block_bytes=16)))
    iterator.restore(state)
    assert take(iterator, 1) == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: 5, "not a saved position"),
        (lambda state: {}, "not a saved position"),
        (lambda state: {**state, "version": 99}, "has version 99, not 1"),
        (lambda state: {**state, "position": {}}, "a saved position has 'skip' and 'state'"),
        (lambda state: {**state, "position": {"skip": 0, "state": {"stage": "Map"}}}, "is of stage 'Map'"),
    ],
)
def test_a_position_that_was_changed_is_refused(change, message):
    dataset = Dataset.range(10).batch(3)
    with pytest.raises(StateError, match=message):
        iter(dataset).restore(change(iter(dataset).state()))


@pytest.mark.parametrize("change", [{"done": None}, {"extra": 1}])
def test_keys_of_a_stage_are_strict(change):
    dataset = Dataset.range(10)
    state = iter(dataset).state()
    inner = {**state["position"]["state"], **change}
    inner = {key: value for key, value in inner.items() if value is not None}
    with pytest.raises(StateError, match="the saved state of Range"):
        iter(dataset).restore({**state, "position": {"skip": 0, "state": inner}})


def test_a_dataset_can_be_iterated_twice_and_by_two_iterators_at_once():
    dataset = Dataset.range(3).map(lambda x: x + 1)
    assert [int(x) for x in dataset] == [int(x) for x in dataset] == [1, 2, 3]
    one, two = iter(dataset), iter(dataset)
    assert [int(next(i)) for i in (one, two, two, one, one, two)] == [1, 1, 2, 2, 3, 3]


def test_elements_cannot_be_written_to():
    (element,) = Dataset.range(3).batch(3)
    with pytest.raises(ValueError, match="read-only"):
        element[0] = 9


def endless():
    return Dataset.range(1000).repeat().map(lambda x: x + 1, num_parallel_calls=2).prefetch(4)


@pytest.mark.parametrize("way", ["close", "with", "forget", "break", "error"])
def test_no_way_of_leaving_keeps_threads(way):
    before = threads()
    iterator = iter(endless().with_options(Options(threads=2, block_bytes=64)))
    next(iterator)
    assert len(threads()) > len(before)
    if way == "close":
        iterator.close()
    elif way == "with":
        with iterator:
            next(iterator)
    elif way == "break":
        for _ in iterator:
            break
    elif way == "error":
        with pytest.raises(ZeroDivisionError), iterator:
            raise ZeroDivisionError
    del iterator
    assert threads() == before


def test_an_inner_pipeline_that_is_left_early_keeps_no_thread():
    before = threads()
    inner = Dataset.range(3).flat_map(lambda n: Dataset.range(100).prefetch(1))
    dataset = inner.take(2).repeat(5).with_options(Options(block_bytes=8))
    iterator = iter(dataset)
    assert [int(next(iterator)) for _ in range(9)] == [0, 1] * 4 + [0]
    assert len(threads()) <= len(before) + 2
    iterator.close()
    assert threads() == before


def test_an_iterator_can_be_garbage_in_one_of_its_own_threads():
    before = threads()
    holder = {}

    def function(x):
        if x > 3 and "iterator" in holder:
            holder.clear()  # the last reference, in a worker thread
            gc.collect()
        return np.int64(len(str(int(x))))

    with pytest.warns(df.TracingWarning):
        dataset = (
            Dataset.range(1000).map(function).prefetch(1).with_options(Options(threads=1, block_bytes=64))
        )
    holder["iterator"] = iter(dataset)
    next(holder["iterator"])
    deadline = time.monotonic() + 10
    while (holder or threads() != before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not holder
    assert threads() == before


def test_a_closed_iterator_starts_anew():
    iterator = iter(Dataset.range(3))
    next(iterator)
    iterator.close()
    assert [int(x) for x in iterator] == [0, 1, 2]


def test_prefetch_does_not_run_far_ahead():
    produced = []

    def generate():
        for i in range(10_000):
            produced.append(i)
            yield i

    dataset = Dataset.from_generator(generate, output_signature=TensorSpec((), np.int64))
    iterator = iter(dataset.prefetch(1))
    next(iterator)
    time.sleep(0.1)
    assert len(produced) < 100
    iterator.close()


def test_threads_run_only_where_there_is_work_for_them():
    before = threads()
    iterator = iter(Dataset.range(5).batch(2))
    next(iterator)
    assert threads() == before
