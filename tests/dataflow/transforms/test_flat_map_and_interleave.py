"""`flat_map` and `interleave`."""

import numpy as np
import pytest

from dataflow import Dataset, SpecError, TensorSpec, TextLineDataset


def test_a_template_is_bound_to_each_element():
    calls = []

    def spread(first, name):
        calls.append(1)
        return (
            Dataset.range(first, first + 3)
            .map(lambda x: (x * 10 + first, name))
            .filter(lambda n, _: n % 20 != 0)
        )

    dataset = Dataset.from_tensor_slices(([1, 2], ["a", "b"])).flat_map(spread)
    assert [(int(n), t) for n, t in dataset] == [
        (11, "a"),
        (21, "a"),
        (31, "a"),
        (22, "b"),
        (32, "b"),
        (42, "b"),
    ]
    assert len(calls) == 1


def test_a_function_that_needs_values_is_called_for_each_element():
    dataset = Dataset.from_tensor_slices(["2", "0", "1"]).flat_map(lambda text: Dataset.range(int(text)))
    assert [int(x) for x in dataset] == [0, 1, 0]


def test_text_that_is_put_together_needs_values(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    dataset = Dataset.from_tensor_slices(["a"]).flat_map(
        lambda name: TextLineDataset(f"{tmp_path}/{name}.txt")
    )
    assert list(dataset) == ["one"]


def test_a_function_that_returns_no_dataset_is_refused():
    with pytest.raises(SpecError, match="the function must return a Dataset, and returned Tensor"):
        Dataset.range(3).flat_map(lambda x: x)


def test_fewer_datasets_than_slots_still_take_turns_in_blocks():
    dataset = Dataset.range(2).interleave(lambda n: Dataset.range(n * 10, n * 10 + 4), cycle_length=16)
    blocks = dataset.blocks()
    lengths = []
    while (block := blocks.read(1 << 62)) is not None:
        lengths.append(block.length)
    assert sum(lengths) == 8
    assert max(lengths) > 2
    assert [int(x) for x in dataset] == [0, 10, 1, 11, 2, 12, 3, 13]


def test_lines_of_several_files_in_turn(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"{name}1\n{name}2\n{name}3")
    dataset = TextLineDataset([str(tmp_path / name) for name in "ab"], num_parallel_reads=2)
    assert list(dataset) == ["a1", "b1", "a2", "b2", "a3", "b3"]


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_a_shuffle_from_outside_is_started_anew_for_each_element_and_resumes():
    def make():
        outside = Dataset.range(4).shuffle(4, seed=1)
        other = outside.concatenate(outside)
        return Dataset.range(4).flat_map(lambda x: outside if int(x) % 2 else other)

    iterator = iter(make())
    taken = [int(next(iterator)) for _ in range(9)]
    resumed = iter(make())
    resumed.restore(iterator.state())
    whole = [int(x) for x in make()]
    assert taken + [int(x) for x in resumed] == whole
    assert whole[8:12] == whole[:4]


def test_the_spec_of_nothing_is_told_by_an_element_of_ones():
    empty = Dataset.from_tensor_slices((["a"], [1])).skip(1)
    dataset = empty.flat_map(lambda name, n: Dataset.from_tensors(name).batch(int(n)))
    assert dataset.element_spec == TensorSpec((None,), str)
    assert list(dataset) == []


def test_the_spec_of_nothing_is_the_input_where_the_function_refuses_ones():
    dataset = Dataset.range(0).flat_map(lambda n: Dataset.range(10).batch(int(n) - 1))
    assert dataset.element_spec == TensorSpec((), np.int64)
