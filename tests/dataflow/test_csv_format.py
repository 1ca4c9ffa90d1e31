"""The CSV parser against literal values, against the rules written plainly, and jitted or not."""

import inspect
import random
import struct

import numpy as np
import pyarrow as pa
import pytest

from dataflow import kernels
from dataflow.csv.split import split_stream
from dataflow.csv_format import CsvColumn, CsvError, csv_format
from dataflow.errors import InvalidArgumentError
from dataflow.kernels.jit import ENABLED
from dataflow.spec import BINARY, STRING
from dataflow.strings import Strings
from tests.reference import csv_reference as reference

FLOAT_REQUIRED = np.array([], np.float32)
TEXT_REQUIRED = np.array([], str)


def lines(*records):
    return Strings.from_numpy(list(records))


def values(columns):
    return [c.tolist() if isinstance(c, np.ndarray) else c.values.to_pylist() for c in columns]


def decode(records, defaults, **options):
    return values(csv_format(defaults, **options).parse_lines(lines(*records)))


def stream(text, defaults, **options):
    return csv_format(defaults, **options).parse_stream(text.encode())


# --- decode_csv, with the values that TensorFlow gives ---


@pytest.mark.parametrize(
    ("records", "defaults", "options", "expected"),
    [
        (["1,2.5,a", "3,,"], [[0], [0.0], ["zz"]], {}, [[1, 3], [2.5, 0.0], ["a", "zz"]]),
        ([" 1 "], [[0]], {}, [[1]]),
        (["9223372036854775807"], [np.array([], np.int64)], {}, [[9223372036854775807]]),
        (['"a,b"', '"say ""hi"""', '"x\ny"'], [[""]], {}, [["a,b", 'say "hi"', "x\ny"]]),
        (['a"b,"c"'], [[""], [""]], {"use_quote_delim": False}, [['a"b'], ['"c"']]),
        (["\na,\r\nb"], [[""], [""]], {}, [["a"], ["b"]]),
        (["1,NA,5"], [[0], ["d"], [9]], {"na_value": "NA"}, [[1], ["d"], [5]]),
        (['"NA",x', '"",y'], [["d"], [""]], {"na_value": "NA"}, [["d", "d"], ["x", "y"]]),
        ([" a , b"], [[""], [""]], {}, [[" a "], [" b"]]),
        (["a\tb"], [[""], [""]], {"field_delim": "\t"}, [["a"], ["b"]]),
        (["1,x,2"], [[0], [0]], {"select_cols": [0, 2]}, [[1], [2]]),
        (['1,a"b,2'], [[0]], {"select_cols": [0]}, [[1]]),
        ([","], [["p"], ["q"]], {}, [["p"], ["q"]]),
        (['""'], [["d"]], {}, [["d"]]),
        (["-999,-999"], [[1.5], [7]], {"na_value": "-999"}, [[1.5], [7]]),
    ],
)
def test_decode_csv_gives_the_values_of_tensorflow(records, defaults, options, expected):
    assert decode(records, defaults, **options) == expected


@pytest.mark.parametrize(
    ("record", "defaults", "options", "reason"),
    [
        ("1", [[0], [0]], {}, "expected 2 fields, found 1"),
        ("1,2,3", [[0], [0]], {}, "expected 2 fields, found 3"),
        ("1,2", [[0], [0]], {"select_cols": [0, 2]}, "expected at least 3 fields, found 2"),
        ("", [["d"]], {}, "expected 1 field, found 0"),
        ("\n", [["d"]], {}, "expected 1 field, found 0"),
        ("x", [[0]], {}, "'x' is not an int32"),
        ("1.0", [[0]], {}, "'1.0' is not an int32"),
        ("+1", [[0]], {}, "'+1' is not an int32"),
        ("2147483648", [[0]], {}, "'2147483648' is not an int32: it is out of range"),
        ("", [[0], [0]], {}, "expected 2 fields, found 0"),
        (",1", [FLOAT_REQUIRED, [0]], {}, "required field is missing"),
        ("NA,1", [TEXT_REQUIRED, [0]], {"na_value": "NA"}, "required field is missing"),
        ("1e", [[0.0]], {}, "'1e' is not a float32"),
        ("  ", [[0.0]], {}, "'' is not a float32"),
        ('a"b', [[""]], {}, "quote inside an unquoted field"),
        ('"a"b', [[""]], {}, "text after the closing quote"),
        ('"a"\n', [[""]], {}, "text after the closing quote"),
        ('"a""', [[""]], {}, "closing quote is missing"),
        ("a\nb", [[""]], {}, "line end inside an unquoted field"),
        ("a\n", [[""]], {}, "line end inside an unquoted field"),
    ],
)
def test_a_bad_record_is_refused_with_the_reason(record, defaults, options, reason):
    with pytest.raises(InvalidArgumentError) as caught:
        decode([record], defaults, **options)
    assert caught.value.message == reason


@pytest.mark.parametrize("shape", [(), (4,), (2, 2), (1, 4, 1)])
def test_columns_have_the_shape_of_the_lines(shape):
    flat = ["1,a", "2,b", "3,c", "4,d"][: int(np.prod(shape))]
    found = csv_format([[0], [""]]).parse_lines(Strings(pa.array(flat), shape))
    assert found[0].shape == shape
    assert found[1].shape == shape


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int8(), pa.string())]
)
def test_lines_may_be_any_arrow_text_and_a_slice(kind):
    array = pa.array(["x", "1,a", "2,b", "y"]).cast(kind).slice(1, 2)
    assert values(csv_format([[0], [""]]).parse_lines(Strings(array))) == [[1, 2], ["a", "b"]]


def test_a_null_line_is_an_error_after_the_good_ones():
    with pytest.raises(CsvError, match="the record is null") as caught:
        decode(["1", None, "x"], [[0]])
    assert caught.value.record == 1
    with pytest.raises(CsvError, match="'x' is not an int32"):
        decode(["x", None], [[0]])


def test_no_lines_give_empty_columns():
    found = csv_format([[0], [0.5], [""]]).parse_lines(Strings(pa.array([], pa.string())))
    assert values(found) == [[], [], []]
    assert [c.dtype for c in found] == [np.int32, np.float32, STRING]


def test_binary_columns_take_any_bytes_and_text_columns_only_utf8():
    data = "é,".encode() + b"\xff\n"
    assert values(csv_format([[""], [b""]]).parse_stream(data).columns) == [["é"], [b"\xff"]]
    chunk = csv_format([[b""], [""]]).parse_stream(b"a,b\n" + data)
    assert (chunk.length, chunk.error.record, chunk.error.column) == (1, 1, "1")
    assert chunk.error.message == r"'\\xff' is not UTF-8 text"


# --- CsvDataset ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,a\n2,b\n", [[1, 2], ["a", "b"]]),
        ("1,a\n2,b", [[1, 2], ["a", "b"]]),
        ("1,a\r\n2,b\r\n", [[1, 2], ["a", "b"]]),
        ("1,a\r2,b\r", [[1, 2], ["a", "b"]]),
        ('1,"a\nb"\n2,"c,""d"""\n', [[1, 2], ["a\nb", 'c,"d"']]),
        (",\n2,", [[0, 2], ["-", "-"]]),
        ("", [[], []]),
    ],
)
def test_a_stream_is_cut_into_records(text, expected):
    assert values(stream(text, [[0], ["-"]]).columns) == expected


def test_a_blank_line_is_a_record_with_one_empty_field():
    assert values(stream("a\n\nb\n", [["d"]]).columns) == [["a", "d", "b"]]
    chunk = stream("1,a\n\n2,b\n", [[0], [""]])
    assert (chunk.length, chunk.error.message) == (1, "expected 2 fields, found 1")


def test_parsing_goes_on_after_a_bad_record():
    fmt, text = csv_format([[0], [""]]), b'1,a\nx,b\n2,"c\nd"e\n3,f,g\n4,h\n'
    position, seen = 0, []
    while position < len(text):
        chunk = fmt.parse_stream(text, position)
        seen += [*zip(*values(chunk.columns), strict=True), *([chunk.error.message] if chunk.error else [])]
        position = chunk.resume
    reasons = ["'x' is not an int32", "text after the closing quote", "expected 2 fields, found 3"]
    assert seen == [(1, "a"), *reasons, (4, "h")]


def test_a_format_may_select_or_exclude_fields():
    text = "1,a,8\n2,b,9\n"
    assert values(stream(text, [[0], [0]], select_cols=[0, 2]).columns) == [[1, 2], [8, 9]]
    assert values(stream(text, [[0], [0]], exclude_cols=[1]).columns) == [[1, 2], [8, 9]]
    assert values(stream("1,a\n2,b,9\n", [[0]], exclude_cols=[1, 2]).columns) == [[1, 2]]
    assert stream("1\n", [[0], [0]], exclude_cols=[1]).error.message == "expected 3 fields, found 1"


def test_an_error_names_record_line_column_and_value():
    chunk = stream('"a\nb",1\nc,2\n\nd,x', [[""], [0]], names=["who", "age"])
    assert (chunk.error.record, chunk.error.line, chunk.lines) == (2, 3, 4)
    chunk = stream('"a\nb",1\nc,x', [[""], [0]], names=["who", "age"])
    error = chunk.error.at("f.csv", 1 + chunk.error.line)
    message, where, hint = str(error).split("\n")
    assert (message, where) == ("'x' is not an int32", "  where: file f.csv, line 3, column age, value 'x'")
    assert hint.startswith("  what to do: a default of [0.0]")


def test_the_first_bad_record_is_named_whatever_the_column():
    rows = ["1,1,1"] * 10 + ["1,1,x", "1,x,1", "x,1,1"]
    with pytest.raises(CsvError) as caught:
        decode(rows, [[0], [0], [0]])
    assert (caught.value.record, caught.value.column) == (10, "2")


def test_selected_columns_are_converted_and_the_others_only_counted():
    fmt = csv_format([[0], [0], [0]]).select([2])
    assert values(fmt.parse_stream(b"x,y,1\n,,2\n").columns) == [[1, 2]]
    assert fmt.parse_stream(b"x,1\n").error.message == "expected 3 fields, found 2"
    assert fmt.parse_stream(b'a"b,1,2\n').error.message == "quote inside an unquoted field"
    assert csv_format([[0]]).select([]).parse_stream(b"x\ny\n").length == 2


def test_a_header_is_one_record_of_any_width():
    fmt = csv_format([[0]])
    record = fmt.skip_record(b'\xef\xbb\xbfid,"fare\r\n""$""",\r\n1\n', 3)
    assert (record.fields, record.resume, record.lines) == (["id", 'fare\r\n"$"', ""], 22, 2)
    assert fmt.skip_record(b"id,fare\r", final=False) is None
    assert fmt.skip_record(b"", final=False) is None
    with pytest.raises(InvalidArgumentError, match="the data is empty"):
        fmt.skip_record(b"")


def test_offsets_and_lines_tell_where_each_record_is():
    chunk = csv_format([[""]]).parse_stream(b'a\r\n"b\nb"\nc\nd', final=False)
    assert (chunk.offsets.tolist(), chunk.resume, chunk.lines) == ([0, 3, 9, 11], 11, 4)
    assert csv_format([[""]]).parse_stream(b"a\nb").lines == 1


# --- csv_format ---


@pytest.mark.parametrize(
    ("defaults", "options"),
    [
        ([np.float32], {}),
        ([[1, 2]], {}),
        ([[[1]]], {}),
        ([True], {}),
        ([np.uint8(1)], {}),
        ([3000000000], {}),
        ([], {}),
        (["a"], {"field_delim": "ab"}),
        (["a"], {"field_delim": "é"}),
        (["a"], {"field_delim": ""}),
        (["a"], {"field_delim": '"'}),
        (["a", "b"], {"select_cols": [1, 0]}),
        (["a", "b"], {"select_cols": [-1, 0]}),
        (["a", "b"], {"select_cols": [0]}),
        (["a"], {"select_cols": [0], "exclude_cols": [1]}),
        (["a"], {"exclude_cols": [2, 1]}),
        (["a"], {"names": ["x", "y"]}),
    ],
)
def test_wrong_arguments_are_value_errors(defaults, options):
    with pytest.raises(ValueError) as caught:
        csv_format(defaults, **options)
    assert isinstance(caught.value, InvalidArgumentError)


def test_record_defaults_give_dtype_and_default():
    given = [1, [2.5], "a", [b"b"], np.float64(1), np.array([3]), np.array([], np.int64), [], np.array([""])]
    found = [(c.dtype, c.default) for c in csv_format(given).columns]
    assert found == [
        (np.int32, 1),
        (np.float32, 2.5),
        (STRING, "a"),
        (BINARY, b"b"),
        (np.float64, 1.0),
        (np.int64, 3),
        (np.int64, None),
        (np.float32, None),
        (STRING, ""),
    ]
    required = csv_format([int, np.dtype("int64"), str], allow_dtypes=True, names=["a", "b", "c"])
    assert required.columns[1] == CsvColumn(1, np.dtype(np.int64), None, "b")
    assert [c.dtype for c in required.columns] == [np.int32, np.int64, STRING]


def test_formats_are_values():
    one, two = (csv_format([float("nan"), [""]]) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert (one.n_fields, csv_format([0], select_cols=[3]).n_fields) == (2, None)


# --- properties: the kernels against the plain rules ---


@pytest.fixture(params=["jitted", "plain"])
def jit(request, monkeypatch):
    """Run the test with compiled kernels and with the same functions as plain Python."""
    if request.param == "plain":
        for module in (kernels.csv, kernels.csv_numbers):
            for name, function in inspect.getmembers(module):
                if hasattr(function, "py_func"):
                    monkeypatch.setattr(module, name, function.py_func)
    with np.errstate(over="ignore"):  # integers wrap on purpose
        yield request.param


def mangled(rng, size):
    """Return text of short fields with quotes and line ends in right and wrong places."""
    parts = [
        "1",
        "-2.5",
        "ab",
        ",",
        ",",
        ",",
        "\n",
        "\r\n",
        "\r",
        '"',
        '""',
        '"x"',
        '"a,b"',
        '"c\nd"',
        ' ""',
        "",
    ]
    weights = [rng.random() ** 3 for _ in parts]
    return "".join(rng.choices(parts, weights, k=size))


def expected_stream(text, defaults, final, quoting, na_value):
    good, error, start = [], None, 0
    for fields, begin, end in reference.stream_records(text, final, quoting=quoting):
        try:
            if fields is None or len(fields) != len(defaults):
                raise reference.Bad
            good.append([reference.convert(f, *d, na_value) for f, d in zip(fields, defaults, strict=True)])
            start = end
        except reference.Bad:
            return good, begin, end if fields is not None else None
    return good, error, start


@pytest.mark.parametrize("seed", range(4))
def test_streams_are_parsed_by_the_plain_rules(jit, seed):
    rng = random.Random(seed)
    for _ in range(1000 if jit == "jitted" else 40):
        text = mangled(rng, rng.randrange(60) if rng.random() < 0.9 else 400)
        quoting, final, na_value = rng.random() < 0.7, rng.random() < 0.5, rng.choice(["", "NA", "x", '"'])
        kinds = rng.choices([(str, ""), (str, None), (bytes, b"?"), (np.float32, 0.5), (np.int64, None)], k=2)
        kinds = kinds[: rng.randrange(1, 3)]
        given = [np.array([], k) if d is None else np.array([d], k) for k, d in kinds]
        fmt = csv_format(given, use_quote_delim=quoting, na_value=na_value)
        skip = rng.randrange(3) * 40
        chunk = fmt.parse_stream(b"#" * skip + text.encode(), skip, final)
        good, bad, end = expected_stream(text, kinds, final, quoting, na_value)
        assert [*zip(*values(chunk.columns), strict=True)] == [tuple(row) for row in good], text
        if bad is None:
            assert (chunk.error, chunk.resume - skip) == (None, end), text
        elif chunk.error is None:  # a bad record that is not complete yet
            assert not final
            assert chunk.resume - skip == bad
        else:
            assert (chunk.error.record, chunk.consumed - skip) == (len(good), bad), text
            assert chunk.error.line == reference.count_lines(text[:bad])
            assert end is None or chunk.resume - skip == end, text
        assert chunk.lines == reference.count_lines(text[: chunk.resume - skip])


@pytest.mark.parametrize("seed", range(4))
def test_lines_are_parsed_by_the_plain_rules(jit, seed):
    rng = random.Random(seed)
    for _ in range(1000 if jit == "jitted" else 40):
        records = [mangled(rng, rng.randrange(7)) for _ in range(rng.randrange(1, 6))]
        records[0] *= rng.choice([1, 30])
        quoting, width = rng.random() < 0.7, rng.randrange(1, 4)
        select = rng.choice([None, list(range(width)), [k + 1 for k in range(width)]])
        fmt = csv_format([[""]] * width, use_quote_delim=quoting, select_cols=select)
        good, bad = [], None
        for i, record in enumerate(records):
            try:
                fields = reference.lines_fields(
                    record, ",", quoting, None if select is None else fmt.min_fields
                )
                if len(fields) != fmt.min_fields:
                    raise reference.Bad
                good.append(tuple(fields[-width:]))
            except reference.Bad:
                bad = i
                break
        starts = np.cumsum([0, *map(len, records)])
        chunk = fmt.parse_records("".join(records).encode(), starts[:-1], starts[1:])
        assert [*zip(*values(chunk.columns), strict=True)] == good, records
        assert (chunk.error and chunk.error.record) == bad, records


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 65, 1000])
def test_a_stream_may_be_cut_anywhere(size):
    rng = random.Random(size)
    text = "\r\n".join(f'{i},"a{i}""{"x" * rng.randrange(90)}\n",{i / 7}' for i in range(200)).encode()
    fmt = csv_format([[0], [""], [0.0]])
    rows, start, stop = [], 0, 0
    while start < len(text):
        stop = min(stop + size, len(text))
        chunk = fmt.parse_stream(text[start:stop], 0, stop == len(text))
        assert chunk.error is None
        rows += zip(*values(chunk.columns), strict=True)
        start += chunk.resume
    assert rows == list(zip(*values(fmt.parse_stream(text).columns), strict=True))
    assert len(rows) == 200


def random_number(rng):
    digits = "".join(rng.choices("0123456789", k=rng.choice([1, 2, 5, 8, 9, 15, 16, 17, 19, 20, 25, 40])))
    if rng.random() < 0.7:
        point = rng.randrange(len(digits) + 1)
        digits = digits[:point] + "." + digits[point:]
    exponent = rng.choice(
        ["", "", "e5", "E-7", "e+20", "e-42", "e38", f"e{rng.randrange(-360, 330)}", "e", "e99999"]
    )
    return rng.choice(["", "", "-", "+", " ", "--"]) + digits + exponent + rng.choice(["", "", " ", "x", "."])


def middle(rng, dtype):
    """Return the exact decimal text of a value halfway between two floats, or next to it."""
    limit = 0x7F7FFFFF if dtype == np.float32 else 0x7FEFFFFFFFFFFFFF
    low = np.array([rng.randrange(limit)], f"i{dtype().itemsize}").view(dtype)[0]
    value = (reference.Fraction(float(low)) + reference.Fraction(float(np.nextafter(low, dtype(np.inf))))) / 2
    power = value.denominator.bit_length() - 1
    digits = str(value.numerator * 5**power)
    return rng.choice([digits, digits[:18], digits + "1", str(int(digits) - 1)]) + f"e{-power}"


def same(found, expected):
    return found.tobytes() == expected.tobytes() or (np.isnan(found) and np.isnan(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_rounded_once_and_correctly(jit, dtype):
    rng = random.Random(5)
    count = 8000 if jit == "jitted" else 150
    texts = [
        "0",
        "-0",
        ".5",
        "5.",
        ".",
        "-",
        "inf",
        "-INF",
        "nAn",
        "infinity",
        "0x10",
        "-0X1f",
        "0x",
        "1e400",
        "-1e-400",
    ]
    texts += [
        "16777217",
        "16777217.5",
        "167772175e-1",
        "9007199254740993",
        "3.4028236e38",
        "7e-46",
        "8e-46",
        "1 1",
    ]
    texts += [random_number(rng) for _ in range(count)] + [middle(rng, dtype) for _ in range(count // 4)]
    texts += [repr(struct.unpack("d", rng.randbytes(8))[0]) for _ in range(count)]
    fmt = csv_format([np.array([], dtype)])
    good, expected = [], []
    for text in texts:
        try:
            expected.append(reference.to_float(text, dtype))
            good.append(text)
        except reference.Bad:
            assert fmt.parse_stream(text.encode() + b"\n").error.message.startswith(repr(text.strip())), text
    found = fmt.parse_lines(lines(*good))[0]
    wrong = [(t, f, e) for t, f, e in zip(good, found, expected, strict=True) if not same(f, e)]
    assert wrong == []


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers_are_read_up_to_the_last(jit, dtype):
    limits = np.iinfo(dtype)
    edges = [
        str(limits.min),
        str(limits.max),
        str(limits.min - 1),
        str(limits.max + 1),
        "18446744073709551617",
    ]
    texts = [
        *edges,
        "-0",
        "007",
        "0" * 30 + "12",
        " 12\t",
        "-",
        "- 1",
        "+1",
        "1.",
        "1 2",
        "1e3",
        "/",
        ":",
        "0x1",
    ]
    rng = random.Random(1)
    texts += [
        str(rng.randrange(-(10 ** rng.randrange(1, 21)), 10 ** rng.randrange(1, 21))) for _ in range(500)
    ]
    fmt = csv_format([np.array([], dtype)])
    for text in texts:
        chunk = fmt.parse_stream(b"x" * 20 + text.encode(), 20)
        try:
            assert chunk.columns[0].tolist() == [reference.to_int(text, dtype)]
        except reference.Bad:
            assert chunk.error.message.startswith(repr(text.strip())), text


def test_long_fields_and_many_rows_cross_blocks_and_steps(jit):
    rng = random.Random(2)
    rows = 20000 if jit == "jitted" else 300
    texts = ["y" * (rng.randrange(1, 300) if i % 50 == 0 else 3) for i in range(rows)]
    data = "".join(f'{i},"{text}",{text}\n' for i, text in enumerate(texts)).encode()
    columns = csv_format([[0], TEXT_REQUIRED, ["default"]]).parse_stream(data).columns
    assert columns[0].tolist() == list(range(rows))
    assert columns[1].values.to_pylist() == texts
    assert columns[2].values.to_pylist() == [text or "default" for text in texts]


def count_calls(monkeypatch, name):
    """Return a list that grows by one with each call of a kernel."""
    calls, kernel = [], getattr(kernels.csv, name)
    monkeypatch.setattr(kernels.csv, name, lambda *args: calls.append(name) or kernel(*args))
    return calls


def test_a_block_is_one_kernel_call(monkeypatch):
    fmt = csv_format([[0.0], [0], TEXT_REQUIRED, [""]])
    data = "".join(f"{i / 8},{i},key {i % 1000},\n" for i in range(20000)).encode()
    stops = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    starts = np.append(0, stops[:-1] + 1)
    first = fmt.parse_stream(data)
    for name, parse in (
        ("parse_stream", lambda: fmt.parse_stream(data)),
        ("parse_lines", lambda: fmt.parse_records(data, starts, stops)),
    ):
        calls = count_calls(monkeypatch, name)
        chunk = parse()
        assert len(calls) == 1
        assert values(chunk.columns) == values(first.columns)


def test_fields_that_are_set_aside_cost_few_calls(monkeypatch):
    calls = count_calls(monkeypatch, "parse_stream")
    numbers = np.random.default_rng(0).standard_normal(20000)
    data = "".join(f"{x!r},é\n" for x in numbers.tolist()).encode()
    columns = csv_format([np.array([], np.float64), [""]]).parse_stream(data).columns
    assert columns[0].tolist() == numbers.tolist()
    assert len(calls) < 10


def test_buffers_grow_when_records_get_longer_or_shorter(jit):
    rng = random.Random(4)
    fmt = csv_format([[""], [0], [""]])
    for sizes in ([1, 2000], [2000, 1], [0, 0], [1, 50, 3, 0]):
        count = 3000 if jit == "jitted" and ENABLED else 30
        texts = ["z" * rng.choice([n, n, n + 1]) for n in sizes for _ in range(count)]
        data = "".join(f"{text},{i},{text[::2]}\n" for i, text in enumerate(texts)).encode()
        columns = fmt.parse_stream(data).columns
        assert columns[0].values.to_pylist() == texts
        assert columns[1].tolist() == list(range(len(texts)))
        assert columns[2].values.to_pylist() == [text[::2] for text in texts]


@pytest.mark.parametrize("at", [0, 255, 256, 3000, 15000])
def test_a_bad_field_is_found_in_any_step(jit, at):
    rows, at = (16000, at) if jit == "jitted" and ENABLED else (600, min(at, 500))
    good = b"1,2.00000000000000000000000001,\xc3\xa9\n"
    fmt = csv_format([[0], FLOAT_REQUIRED, TEXT_REQUIRED])
    for bad, column in ((b"1x,1,a\n", "0"), (b"1,,a\n", "1"), (b"1,1,\xff\n", "2"), (b"1,1,\n", "2")):
        chunk = fmt.parse_stream(good * at + bad + b"1,?,\xff\n" + good * (rows - at))
        assert (chunk.length, chunk.error.record, chunk.error.column) == (at, at, column)
        assert chunk.columns[2].values.to_pylist() == ["é"] * at
        assert chunk.resume == at * len(good) + len(bad)


def test_many_fields_set_aside_are_handed_over_in_parts():
    hexadecimal = csv_format([[0.0]] * 100).parse_stream((b",".join([b"0x10"] * 100) + b"\n") * 1500)
    assert all((column == 16.0).all() and len(column) == 1500 for column in hexadecimal.columns)


def test_read_only_positions_do_not_compile_anew():
    fmt, (starts, stops) = csv_format([[0]]), np.array([[0, 2], [1, 3]])
    fmt.parse_records(b"1;2", starts, stops)
    before = list(getattr(kernels.csv.parse_lines, "signatures", []))
    starts.flags.writeable = stops.flags.writeable = False
    assert fmt.parse_records(b"1;2", starts, stops).columns[0].tolist() == [1, 2]
    assert getattr(kernels.csv.parse_lines, "signatures", []) == before


def test_the_exact_rules_in_python_agree_with_the_kernels():
    rng = random.Random(3)
    fmt = csv_format([[""]] * 2)
    for _ in range(3000):
        text = mangled(rng, rng.randrange(1, 12)).encode()
        if not text:
            continue
        data = np.frombuffer(text, np.uint8)
        final = rng.random() < 0.5
        split = split_stream(data, 0, len(text), final, delimiter=",", quoting=True)
        chunk = fmt.parse_stream(text, 0, final)
        assert (split is None) == (chunk.length == 0 and chunk.error is None)
        if split is not None:
            assert (chunk.length > 0) == (split.problem is None and len(split.spans) == 2)
            assert split.resume == (chunk.offsets[1] if chunk.length else chunk.resume)
