"""`take` and `skip`."""

from dataflow import Dataset, TensorSpec


def test_take_then_skip_and_skip_then_take():
    assert [int(x) for x in Dataset.range(9).take(5).skip(3)] == [3, 4]
    assert [int(x) for x in Dataset.range(9).skip(3).take(5)] == [3, 4, 5, 6, 7]


def test_take_does_not_read_further_than_it_must():
    def generate():
        yield 1
        raise AssertionError("read too far")

    dataset = Dataset.from_generator(generate, output_signature=TensorSpec((), int)).take(1)
    assert [int(x) for x in dataset] == [1]
