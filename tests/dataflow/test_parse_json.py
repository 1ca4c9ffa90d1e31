"""`parsing.parse_json`: JSON objects to tensors."""

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, SpecError, TensorSpec, TextLineDataset, parsing
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import parameter

SPEC = {
    "id": np.int64,
    "xy": TensorSpec((2,), np.float32),
    "name": (str, "-"),
    "ok": (bool, False),
    "raw": (TensorSpec((1,), bytes), [b"?"]),
}
TEXTS = [
    '{"id": 7, "xy": [1, 2.5], "name": "ä", "ok": true, "raw": ["b"], "more": {}}',
    '{"xy": [0, 0], "id": -1}',
]


def test_one_text():
    found = parsing.parse_json(TEXTS[0], SPEC)
    assert (found["id"], found["name"], found["ok"]) == (7, "ä", True)
    assert (found["xy"].tolist(), found["raw"].tolist()) == ([1.0, 2.5], [b"b"])
    assert (found["id"].dtype, found["xy"].dtype) == (np.int64, np.float32)


def test_an_array_of_texts_with_defaults():
    found = parsing.parse_json(TEXTS, SPEC)
    assert found["id"].tolist() == [7, -1]
    assert found["xy"].tolist() == [[1.0, 2.5], [0.0, 0.0]]
    assert found["name"].tolist() == ["ä", "-"]
    assert found["ok"].tolist() == [True, False]
    assert found["raw"].tolist() == [[b"b"], [b"?"]]


@pytest.mark.parametrize("encode", [False, True])
def test_in_map(encode):
    texts = [text.encode() for text in TEXTS] if encode else TEXTS
    dataset = Dataset.from_tensor_slices(texts * 50).map(lambda text: parsing.parse_json(text, SPEC))
    assert "traced" in dataset.explain()
    assert dataset.element_spec["xy"] == TensorSpec((2,), np.float32)
    assert [element["name"] for element in dataset] == ["ä", "-"] * 50


def test_in_a_model():
    texts = parameter(TensorSpec((None,), str))
    found = parsing.parse_json(texts, SPEC)
    assert found["xy"].shape == (None, 2)
    assert evaluate(found["xy"] * 2.0, [texts], [TEXTS]).tolist() == [[2.0, 5.0], [0.0, 0.0]]


def test_sizes_may_differ_from_element_to_element():
    texts = ['{"v": [1, 2]}', '{"v": []}', '{"v": [3]}'] * 20
    spec = {"v": TensorSpec((None,), np.float32), "w": (TensorSpec((None,), str), ["a"])}
    dataset = Dataset.from_tensor_slices(texts).map(lambda text: parsing.parse_json(text, spec))
    assert [element["v"].tolist() for element in dataset] == [[1.0, 2.0], [], [3.0]] * 20
    with pytest.raises(InvalidArgumentError, match="'v' has values of different shapes"):
        parsing.parse_json(texts, spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "JSON of a list"),
        ('{"x": 1}', r"there is no 'id', and it has no default; Available: 'x'"),
        ('{"Id": 1}', "did you mean 'Id'"),
        ('{"id": null}', "'id' is null"),
        ('{"id": "7"}', "'id' is \"7\", and a int8 is needed"),
        ('{"id": 1.0}', "'id' is 1.0, and a int8"),
        ('{"id": true}', "'id' is true"),
        ('{"id": 300}', "300, which is out of the range of int8"),
        ('{"id": [1]}', r"'id' is \[1\]"),
        ('{"id": 1, "v": 1}', r"'v' is 1, and a float32 of shape \(2,\)"),
        ('{"id": 1, "v": [1]}', r"'v' is \[1\], and a float32 of shape \(2,\)"),
        ('{"id": 1, "v": [1, [2]]}', r"'v' is \[1, \[2\]\]"),
        ('{"id": 1, "v": [1, null]}', r"'v' is \[1, null\]"),
        ('{"id": 1, "s": 5}', "'s' is 5, and a string"),
    ],
)
def test_texts_that_do_not_fit(text, message):
    spec = {"id": np.int8, "v": (TensorSpec((2,)), [0, 0]), "s": (str, "")}
    elements = iter(
        Dataset.from_tensor_slices(['{"id": 1}', text, '{"id": 2}']).map(
            lambda t: parsing.parse_json(t, spec)
        )
    )
    assert next(elements)["id"] == 1
    with pytest.raises(InvalidArgumentError, match=message):
        next(elements)
    assert next(elements)["id"] == 2


def test_an_error_names_file_line_and_text(tmp_path):
    (tmp_path / "rows").write_text('{"a": 1}\n{"a": "x"}\n')
    rows = Dataset.from_tensors(str(tmp_path / "rows"))
    elements = iter(rows.flat_map(TextLineDataset).map(lambda t: parsing.parse_json(t, {"a": np.int64})))
    next(elements)
    with pytest.raises(InvalidArgumentError, match=r"rows, line 2, .*value '\{\"a\": \"x\"\}'"):
        next(elements)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "at least one key"),
        ({"a": (np.int64, 1, 2)}, "pair with a default"),
        ({"a": np.complex64}, "numbers, bools and text"),
        ({"a": (TensorSpec((2,)), [1.0])}, "does not fit"),
    ],
)
def test_specs_that_are_refused(spec, message):
    with pytest.raises(SpecError, match=message):
        parsing.parse_json("{}", spec)
