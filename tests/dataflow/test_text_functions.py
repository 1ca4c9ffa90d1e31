"""`dataflow.text`: the functions of tf.strings, on tensors and plain values."""

import numpy as np
import pyarrow as pa
import pytest

from dataflow import Dataset, InvalidArgumentError, SpecError, TensorSpec, text
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import parameter
from dataflow.strings import Coded, Strings
from tests.golden_values import golden

GOLDEN = golden("functions")


def mapped(values, function, **kwargs):
    """Return the elements of a dataset of the values after a map that must be traced."""
    dataset = Dataset.from_tensor_slices(values).map(function, **kwargs)
    assert "traced" in dataset.explain()
    return [np.asarray(element).tolist() for element in dataset]


@pytest.mark.parametrize(
    ("function", "values", "wanted"),
    [
        (text.lower, ["Ab", "ÄÖ"], ["ab", "äö"]),
        (text.upper, ["Ab", "äö"], ["AB", "ÄÖ"]),
        (text.strip, [" a b ", ""], ["a b", ""]),
        (text.length, ["äb", ""], [2, 0]),
        (lambda x: text.length(x.astype(str)), [7, 125], [1, 3]),
        (lambda x: text.length(x, unit="BYTE"), ["äb", ""], [3, 0]),
        (lambda x: text.length(x, unit="BYTE"), [b"\xff\xfe", b""], [2, 0]),
        (lambda x: text.join([x, "-", x]), ["a", "b"], ["a-a", "b-b"]),
        (lambda x: text.join([x, "x", x], separator=","), ["a", "b"], ["a,x,a", "b,x,b"]),
        (lambda x: text.substr(x, 1, 2), ["hello", "hé"], ["el", "é"]),
        (lambda x: text.substr(x, -2, 9), ["hello", "hé"], ["lo", "hé"]),
        (lambda x: text.substr(x, -2, 1), ["hello", "hé"], ["l", "h"]),
        (lambda x: text.regex_replace(x, "(l+)o", "<\\1>"), ["hello", "lolo"], ["he<ll>", "<l><l>"]),
        (lambda x: text.regex_replace(x, "o", "0", replace_global=False), ["oo", "x"], ["0o", "x"]),
        (lambda x: text.regex_full_match(x, "a|ab"), ["ab", "abc", "a\n"], [True, False, False]),
        (lambda x: text.to_number(x), ["1.5", " 1e3", "inf"], [1.5, 1000.0, np.inf]),
        (lambda x: text.to_number(x, np.int64), ["15", "-3"], [15, -3]),
        (text.decode, [b"a", "ä".encode()], ["a", "ä"]),
        (text.as_string, [7, -12], ["7", "-12"]),
        (text.as_string, [True, False], ["true", "false"]),
        (text.as_string, [1.5, 1e-5, 1e10], ["1.500000", "0.000010", "10000000000.000000"]),
        (lambda x: text.as_string(x, precision=2), [1.5, np.inf], ["1.50", "inf"]),
        (lambda x: text.as_string(x, shortest=True), [1.5, 1e10], ["1.5", "1e+10"]),
        (lambda x: text.as_string(x, scientific=True), [1.5], ["1.500000e+00"]),
        (lambda x: x.replace("a", "b"), ["aa", "x"], ["bb", "x"]),
        (lambda x: x.replace("a", "b", 1), ["aa", "x"], ["ba", "x"]),
        (lambda x: x.startswith("a"), ["ab", "ba"], [True, False]),
        (lambda x: x.endswith("a"), ["ab", "ba"], [False, True]),
    ],
)
def test_functions_in_map(function, values, wanted):
    assert mapped(values, function) == wanted
    assert mapped([values], function) == [wanted]


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (text.lower, ["a", None, "b"]),
        (lambda x: text.regex_replace(x, "A", "x"), ["x", None, "b"]),
        (text.length, [1, 0, 1]),
        (lambda x: text.join([x, "!"]), ["A!", "!", "b!"]),
        (lambda x: text.to_hash_bucket_fast(x, 10), [4, 3, 2]),
    ],
)
@pytest.mark.parametrize("coded", [False, True])
def test_nulls_and_dictionaries(function, wanted, coded):
    column = pa.array(["A", None, "b"])
    value = Coded.from_arrow(column.dictionary_encode()) if coded else Strings(column)
    leaf = parameter(TensorSpec((3,), str))
    assert np.asarray(evaluate(function(leaf), [leaf], [value])).tolist() == wanted


# Splitting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "value", "wanted"),
    [
        ({}, " a b  c ", ["a", "b", "c"]),
        ({}, "", []),
        ({"sep": ","}, "", [""]),
        ({"sep": ","}, "a,,b,", ["a", "", "b", ""]),
        ({"sep": ", "}, "a, b,c", ["a", "b,c"]),
        ({"sep": ",", "maxsplit": 1}, "a,b,c", ["a", "b,c"]),
        ({"maxsplit": 1}, "  a b  c ", ["a", "b  c "]),
        ({"sep": ",", "maxsplit": 0}, "a,b", ["a,b"]),
    ],
)
def test_split_is_that_of_tensorflow(arguments, value, wanted):
    assert text.split(value, **arguments).tolist() == wanted
    assert mapped([value, "x"], lambda t: text.split(t, **arguments)) == [wanted, ["x"]]


def test_split_gives_as_many_pieces_as_each_element_has():
    lines = ["a b", "c", "", "d e f"] * 50
    assert mapped(lines, text.split) == [line.split() for line in lines]
    words = Dataset.from_tensor_slices(lines).map(text.split).padded_batch(4)
    assert next(iter(words)).tolist() == [["a", "b", ""], ["c", "", ""], ["", "", ""], ["d", "e", "f"]]


@pytest.mark.parametrize("threads", [None, 2])
def test_functions_behind_a_split_in_the_same_map(threads):
    lines = ["A b", "C", "D e f", "G h i", "J"] * 20
    found = mapped(lines, lambda t: text.lower(text.split(t)), num_parallel_calls=threads)
    assert found == [line.lower().split() for line in lines]


def test_maps_behind_a_split():
    lines = ["A b", "C", "D e f", "G h i", "J"] * 20
    dataset = Dataset.from_tensor_slices(lines).map(text.split).map(lambda pieces: pieces[0])
    assert list(dataset) == [line[0] for line in lines]


def test_an_array_of_texts_needs_equal_numbers_of_pieces():
    assert text.split(["a,b", "c,d"], ",").tolist() == [["a", "b"], ["c", "d"]]
    with pytest.raises(InvalidArgumentError, match=r"different numbers of pieces: 2 and 1\n.*ragged_batch"):
        text.split(["a b", "c"])


def test_only_the_batch_whose_texts_differ_is_an_error():
    batches = iter(Dataset.from_tensor_slices(["a b", "c d", "e", "f g", "h", "i"]).batch(2).map(text.split))
    assert next(batches).tolist() == [["a", "b"], ["c", "d"]]
    with pytest.raises(InvalidArgumentError, match="different numbers of pieces: 1 and 2"):
        next(batches)
    assert next(batches).tolist() == [["h"], ["i"]]


# Hashes ----------------------------------------------------------------------------------------------


def test_fingerprints_are_those_of_tensorflow():
    values = [value for value, _ in GOLDEN["fingerprint64"]]
    wanted = [int(number) for _, number in GOLDEN["fingerprint64"]]
    assert len(wanted) > 90
    assert text.fingerprint64(values).tolist() == wanted
    assert mapped(values, text.fingerprint64) == wanted
    assert text.fingerprint64([value.encode() for value in values]).tolist() == wanted


@pytest.mark.parametrize(("value", "buckets"), GOLDEN["to_hash_bucket_fast"])
def test_buckets_are_those_of_tensorflow(value, buckets):
    for size, bucket in buckets.items():
        assert text.to_hash_bucket_fast(value, int(size)) == bucket


def test_buckets_with_a_key_are_those_of_tensorflow():
    cases = GOLDEN["to_hash_bucket_strong"]
    found = [text.to_hash_bucket_strong(case["s"], case["n"], case["key"]) for case in cases]
    assert found == [case["id"] for case in cases]


@pytest.mark.parametrize("case", GOLDEN["fingerprint_cat64"])
def test_joined_fingerprints_are_those_of_tensorflow(case):
    pair = np.array([case["a"]]).astype(np.uint64), np.array([case["b"]]).astype(np.uint64)
    assert text.fingerprint_cat64(*pair).tolist() == [int(case["out"])]


# Errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: text.to_hash_bucket_fast([1, 2], 3), SpecError, r"takes text.*\n.*text\.as_string"),
        (lambda: text.to_hash_bucket_fast("a", 0), InvalidArgumentError, "at least 1"),
        (lambda: text.lower(b"a"), SpecError, r"needs text.*\n.*text\.decode"),
        (lambda: text.lower(1.5), SpecError, "needs text"),
        (lambda: text.as_string("a"), SpecError, "takes numbers"),
        (lambda: text.as_string(1, precision=2), SpecError, "for floats"),
        (lambda: text.length("a", unit="WORD"), InvalidArgumentError, "CHAR"),
        (lambda: text.join("ab"), InvalidArgumentError, "list of texts"),
        (lambda: text.substr("abc", 4, 1), InvalidArgumentError, "position 4 is outside of 'abc'"),
        (lambda: text.substr("abc", 0, -1), InvalidArgumentError, "negative"),
        (lambda: text.regex_replace("a", "(", "b"), InvalidArgumentError, r"'\(' cannot be used.*\n.*RE2"),
        (lambda: text.regex_full_match("a", "a(?=b)"), InvalidArgumentError, "cannot be used"),
        (lambda: text.to_number("abc"), InvalidArgumentError, "'abc' is not a float32"),
        (lambda: text.to_number("1", dtype=str), InvalidArgumentError, "makes numbers"),
        (lambda: text.decode(b"\xff"), InvalidArgumentError, "is not UTF-8"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("values", "function", "message"),
    [
        (["ab", "a", "cd"], lambda t: text.substr(t, 2, 1), "outside of 'a'"),
        ([b"a", b"\xff", b"b"], text.decode, "not UTF-8"),
    ],
)
def test_only_the_element_that_is_wrong_is_an_error(values, function, message):
    elements = iter(Dataset.from_tensor_slices(values).map(function))
    next(elements)
    with pytest.raises(InvalidArgumentError, match=message):
        next(elements)
    assert len(list(elements)) == 1
