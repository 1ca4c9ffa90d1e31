"""`to_torch`: tensors, workers, passes, resume."""

import json

import numpy as np
import pytest

import dataflow.torch_dataset
from dataflow import Dataset, OptionalDependencyError, SpecError, StateError, TensorSpec

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*set_vital.*:UserWarning"),
]


def test_without_pytorch_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(dataflow.torch_dataset, "torch", None)
    with pytest.raises(OptionalDependencyError, match=r"dataflow-estimators\[torch\]"):
        Dataset.range(3).to_torch()


def numbers(loader):
    return [int(x) for x in loader]


def shuffled():
    return Dataset.range(20).shuffle(20, seed=3)


@pytest.fixture
def loader():
    return pytest.importorskip("torch.utils.data").DataLoader


@pytest.fixture
def stateful():
    pytest.importorskip("torch")
    return pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader


def test_elements_are_tensors_and_text(loader):
    import torch

    data = {"x": np.arange(3.0), "s": ["a", "b", "c"], "flag": [True, False, True]}
    first = next(iter(Dataset.from_tensor_slices(data).to_torch()))
    assert (first["x"], first["s"], first["flag"]) == (torch.tensor(0.0), "a", torch.tensor(True))
    batch = next(iter(loader(Dataset.from_tensor_slices(data).batch(2).to_torch(), batch_size=None)))
    assert batch["x"].tolist() == [0.0, 1.0]
    assert batch["s"] == ["a", "b"]


def test_elements_of_different_shapes(loader):
    dataset = Dataset.from_list([(1, [1, 2]), (2, [3])]).to_torch()
    assert [(int(x), y.tolist()) for x, y in dataset] == [(1, [1, 2]), (2, [3])]


def test_who_writes_to_a_tensor_writes_to_nothing_else(loader):
    data = np.arange(4)
    dataset = Dataset.from_tensor_slices(data).batch(2).cache().to_torch()
    for _ in range(2):
        for batch in dataset:
            batch += 100
    assert data.tolist() == [0, 1, 2, 3]
    assert [batch.tolist() for batch in dataset] == [[0, 1], [2, 3]]


def test_the_length(loader):
    assert len(loader(Dataset.range(10).batch(4).to_torch(), batch_size=None)) == 3
    with pytest.raises(TypeError, match="not known"):
        len(Dataset.range(10).filter(lambda x: x > 3).to_torch())
    with pytest.raises(TypeError, match="infinite"):
        len(Dataset.counter().to_torch())


def test_a_dtype_that_pytorch_does_not_have_is_named(loader):
    times = Dataset.from_tensor_slices({"t": np.array(["2020-01-01"], "M8[s]")})
    with pytest.raises(SpecError, match="component 't' has dtype datetime64"):
        times.to_torch()
    assert numbers(times.map(lambda x: x["t"].astype(np.int64)).to_torch()) == [1577836800]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_share_the_elements_and_each_pass_has_an_order_of_its_own(loader, persistent):
    plain = shuffled()
    wanted = [numbers(plain) for _ in range(3)]
    workers = loader(
        shuffled().to_torch(),
        batch_size=None,
        num_workers=2,
        persistent_workers=persistent,
        multiprocessing_context="fork",
    )
    assert [numbers(workers) for _ in range(3)] == wanted
    assert len({tuple(order) for order in wanted}) == 3


def test_workers_of_several_passes_at_once_do_not_get_mixed_up(loader):
    made = loader(shuffled().to_torch(), batch_size=None, num_workers=2, multiprocessing_context="fork")
    one, other = iter(made), iter(made)
    pairs = list(zip(one, other, strict=True))
    assert sorted(int(x) for x, _ in pairs) == sorted(int(y) for _, y in pairs) == list(range(20))


def doubled(x):
    return {"x": x * 2}


def test_workers_that_are_spawned(loader):
    plan = (
        shuffled()
        .map(lambda x: x + 1)
        .map(doubled)
        .flat_map(lambda row: Dataset.range(row["x"], row["x"] + 1))
    )
    workers = loader(plan.to_torch(), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert numbers(workers) == [2 * (x + 1) for x in numbers(shuffled())]


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_sent_to_a_spawned_worker_is_named(loader):
    local = Dataset.range(3).map(lambda x: int(str(int(x))))
    generated = Dataset.from_generator(lambda: iter([1]), output_signature=TensorSpec((), np.int64))
    for dataset, message in ((local, "neither traced nor a function"), (generated, "cannot be sent")):
        workers = loader(dataset.to_torch(), batch_size=None, num_workers=1, multiprocessing_context="spawn")
        with pytest.raises(SpecError, match=message):
            iter(workers)


def test_an_iterator_goes_on_where_its_state_was_taken(loader):
    iterator = iter(shuffled().to_torch())
    taken = [int(next(iterator)) for _ in range(7)]
    again = iter(shuffled().to_torch())
    again.load_state_dict(json.loads(json.dumps(iterator.state_dict())))
    assert taken + numbers(again) == numbers(shuffled())
    with pytest.raises(StateError, match="another pipeline"):
        iter(Dataset.range(3).to_torch()).load_state_dict(iterator.state_dict())
    with pytest.raises(StateError, match="state_dict"):
        again.load_state_dict({})


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_resumes_exactly_and_goes_on_to_the_next_passes(stateful, workers):
    def make():
        context = "fork" if workers else None
        return stateful(
            shuffled().to_torch(), batch_size=None, num_workers=workers, multiprocessing_context=context
        )

    whole = make()
    first, second, third = [numbers(whole) for _ in range(3)]
    cut = make()
    assert numbers(cut) == first
    iterator = iter(cut)
    taken = [int(next(iterator)) for _ in range(7)]
    state = cut.state_dict()
    again = make()
    again.load_state_dict(state)
    assert taken + numbers(again) == second
    assert numbers(again) == third
