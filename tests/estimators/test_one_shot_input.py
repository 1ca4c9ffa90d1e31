"""An `input_fn` that returns what it made of ``get_next()``, as with the first tf.estimator."""

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, SpecError
from estimators.inputs.input_fn import call_input_fn
from tests.estimators.helpers import line, regressor


def elements(input_fn):
    return [
        ({name: column.tolist() for name, column in features.items()}, labels.tolist())
        for features, labels in call_input_fn(input_fn)
    ]


def as_it_is():
    return line(4, 2).make_one_shot_iterator().get_next()


def halved():
    features, labels = line(4, 2).make_one_shot_iterator().get_next()
    features["x"] = features["x"] / 2
    features["log"] = np.log2(features["x"] * 2)
    return features, labels


def test_what_get_next_gives_is_returned_as_it_is():
    assert elements(as_it_is) == [({"x": [1, 2]}, [2, 4]), ({"x": [3, 4]}, [6, 8])]


def test_what_is_computed_from_it_joins_the_graph():
    first, _ = elements(halved)
    assert first == ({"x": [0.5, 1], "log": [0, 1]}, [2, 4])
    assert "Map(function=halved [traced]" in call_input_fn(halved).explain()


def test_a_model_learns_the_same_as_from_the_dataset(tmp_path):
    def symbolic():
        features, labels = line().repeat().make_one_shot_iterator().get_next()
        return {"x": features["x"] / 2}, labels

    def mapped():
        return line().repeat().map(lambda features, labels: ({"x": features["x"] / 2}, labels))

    models = [
        regressor(tmp_path / fn.__name__, tf_random_seed=1).train(fn, steps=30) for fn in (symbolic, mapped)
    ]
    one, other = ([p["predictions"].tolist() for p in m.predict(as_it_is)] for m in models)
    assert one == other
    assert models[0].evaluate(halved)["global_step"] == 30


def test_features_alone_are_enough_to_predict(tmp_path):
    model = regressor(tmp_path).train(line, steps=2)

    def features_only():
        features, _ = line(3, 3).make_one_shot_iterator().get_next()
        return features

    def no_labels():
        return [features_only(), None]

    assert len(list(model.predict(features_only))) == len(list(model.predict(no_labels))) == 3


def test_two_iterators_go_side_by_side():
    def two():
        x = Dataset.range(4).batch(2).make_one_shot_iterator().get_next()
        unused = Dataset.range(1).make_one_shot_iterator().get_next()
        y = Dataset.range(10, 20).batch(2).make_one_shot_iterator().get_next()
        assert unused.shape == ()
        return {"sum": x + y}, y

    assert elements(two) == [({"sum": [10, 12]}, [10, 11]), ({"sum": [14, 16]}, [12, 13])]


def test_a_plain_value_is_the_same_in_each_element():
    def with_constant():
        x = Dataset.range(4).batch(2).make_one_shot_iterator().get_next()
        return {"x": x, "one": np.ones(2)}, x

    assert [features["one"] for features, _ in elements(with_constant)] == [[1, 1], [1, 1]]


def test_the_iterator_can_be_resumed():
    iterator = iter(call_input_fn(halved))
    next(iterator)
    position = iterator.state()
    again = iter(call_input_fn(halved))
    again.restore(position)
    assert next(again)[1].tolist() == [6, 8]


def test_get_next_twice_on_one_iterator_is_refused():
    def twice():
        iterator = line().make_one_shot_iterator()
        return iterator.get_next()[0], iterator.get_next()[1]

    with pytest.raises(InvalidArgumentError, match=r"get_next\(\) was called twice(?s:.*)call it once"):
        call_input_fn(twice)


def test_tensors_of_another_input_fn_are_refused():
    kept = []

    def first():
        kept.append(line().make_one_shot_iterator().get_next())
        return kept[0]

    def second():
        line().make_one_shot_iterator().get_next()
        return kept[0]

    call_input_fn(first)
    with pytest.raises(SpecError, match="second returned tensors that do not come from get_next"):
        call_input_fn(second)


def test_values_alone_are_refused():
    with pytest.raises(SpecError, match="input_fn must return a Dataset, and returned tuple"):
        call_input_fn(lambda: ({"x": np.ones(3)}, np.ones(3)))
