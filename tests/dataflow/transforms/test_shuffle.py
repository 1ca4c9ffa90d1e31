"""`shuffle`."""

import numpy as np

from dataflow import UNKNOWN_CARDINALITY, Dataset, Options


def numbers(dataset):
    return [int(x) for x in dataset]


def test_components_stay_together():
    dataset = Dataset.from_tensor_slices((np.arange(50), [str(i) for i in range(50)])).shuffle(20, seed=1)
    pairs = list(dataset)
    assert sorted(int(n) for n, _ in pairs) == list(range(50))
    assert all(str(n) == text for n, text in pairs)


def test_an_element_comes_at_most_a_buffer_early():
    order = numbers(Dataset.range(1000).shuffle(10, seed=3))
    assert all(value <= place + 9 for place, value in enumerate(order))


def test_epochs_differ_and_have_the_same_elements():
    order = numbers(Dataset.range(20).shuffle(20, seed=5).repeat(2))
    assert order[:20] != order[20:]
    assert sorted(order[:20]) == sorted(order[20:]) == list(range(20))


def test_without_a_seed_runs_differ():
    assert numbers(Dataset.range(100).shuffle(100)) != numbers(Dataset.range(100).shuffle(100))


def test_an_unknown_size_takes_all():
    order = numbers(Dataset.range(1000).shuffle(UNKNOWN_CARDINALITY, seed=1))
    assert sorted(order) == list(range(1000))
    assert order == numbers(Dataset.range(1000).shuffle(1000, seed=1))


def test_a_shuffle_in_a_flat_map_starts_anew_for_each_element():
    dataset = Dataset.range(2).flat_map(lambda n: Dataset.range(6).shuffle(6, seed=1))
    order = numbers(dataset)
    assert order[:6] == order[6:]


def test_a_resume_deep_in_a_buffer_seeks_and_gives_the_same_rest():
    def build():
        shuffled = Dataset.range(5000).shuffle(50, seed=9).batch(100)
        return shuffled.with_options(Options(block_bytes=800))

    iterator = iter(build())
    for _ in range(20):
        next(iterator)
    state = iterator.state()
    other = iter(build())
    other.restore(state)
    assert [b.tolist() for b in other] == [b.tolist() for b in iterator]
    inner = state["position"]["state"]["inputs"][0]["state"]
    assert inner["base"] > 0  # it need not read from the start
