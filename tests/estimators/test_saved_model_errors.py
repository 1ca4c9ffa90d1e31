"""Files that are no exported model, or a damaged or hostile one: refused with a reason, and nothing runs."""

import contextlib
import json
import random
import zlib

import numpy as np
import pytest
import safetensors.numpy

from dataflow import Dataset
from dataflow.errors import DataflowError
from estimators import DNNRegressor, export, feature_column, load_model
from estimators.export import SavedModelError
from tests.estimators.helpers import QUIET

WEIGHTS = "dnn/hiddenlayer_0/kernel"
VARIABLES = "variables/variables.safetensors"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the content of the files of a model."""
    folder = tmp_path_factory.mktemp("model")
    words = feature_column.categorical_column_with_vocabulary_list("k", ["a", "b"])
    columns = [feature_column.numeric_column("x"), feature_column.embedding_column(words, 2)]
    data = Dataset.from_tensor_slices(({"x": np.float32([1, 2]), "k": ["a", "b"]}, [1.0, 2.0])).batch(2)
    model = DNNRegressor([3], columns, folder / "model", config=QUIET).train(data)
    receiver = export.build_raw_serving_input_receiver_fn(data.element_spec[0])
    model.export_saved_model(folder / "export", receiver)
    (path,) = (folder / "export").iterdir()
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def save(written, tmp_path):
    """Return a function that writes the model, with changes, and returns its path."""

    def write(change=None, files=None, checked=True):
        content = {**written, **(files or {})}
        document = json.loads(content["saved_model.json"])
        if change is not None:
            change(document)
        for name in document.get("files", {}) if checked else ():
            if name in content:
                data = content[name]
                document["files"][name] = {"bytes": len(data), "crc32": zlib.crc32(data)}
        content["saved_model.json"] = json.dumps(document).encode()
        for name, data in content.items():
            file = tmp_path / "saved" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return tmp_path / "saved"

    return write


def arrays_with(written, **changes):
    arrays = safetensors.numpy.load(written[VARIABLES])
    arrays.update({name: value for name, value in changes.items() if value is not None})
    return {
        VARIABLES: safetensors.numpy.save({n: a for n, a in arrays.items() if changes.get(n, 1) is not None})
    }


def call_of(document, name):
    """Return the first call of a primitive."""
    return next(call for call in document["calls"] if call["op"] == name)


def test_the_model_itself_is_good(save):
    assert load_model(save())({"x": [1], "k": ["a"]})["outputs"].shape == (1, 1)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no exported model"):
        load_model(tmp_path)


@pytest.mark.parametrize("length", [0, 1, 3, -1])
@pytest.mark.parametrize("name", ["saved_model.json", VARIABLES, "assets/vocabulary_0.txt"])
def test_truncated_files(written, save, name, length):
    path = save()
    (path / name).write_bytes(written[name][:length])
    with pytest.raises(SavedModelError, match="is no complete exported model"):
        load_model(path)


@pytest.mark.parametrize("name", [VARIABLES, "assets/vocabulary_0.txt"])
def test_changed_and_missing_files(written, save, name):
    path = save()
    data = bytearray(written[name])
    data[-2] ^= 1
    (path / name).write_bytes(data)
    with pytest.raises(SavedModelError, match=f"{name} is not as it was written: its checksum"):
        load_model(path)
    (path / name).unlink()
    with pytest.raises(SavedModelError, match=f"the file {name} is missing"):
        load_model(path)


def test_a_newer_format(save):
    with pytest.raises(
        SavedModelError, match=r"format version 2, and versions up to 1(.|\n)*a newer version"
    ):
        load_model(save(lambda document: document.update(format_version=2)))


@pytest.mark.parametrize("text", ["[]", "{}", "1", "null", "[" * 100_000, '{"format": "x"}', "\0", "{"])
def test_other_json(save, text):
    path = save()
    (path / "saved_model.json").write_text(text)
    with pytest.raises(SavedModelError, match=r"no (complete )?exported model"):
        load_model(path)


def test_an_unknown_primitive(save):
    path = save(lambda document: call_of(document, "matmul").update(op="matmull"))
    with pytest.raises(
        SavedModelError, match=r"\(matmull\): there is no primitive 'matmull'; did you mean 'matmul'"
    ):
        load_model(path)


@pytest.mark.parametrize("name", ["os.system", "__import__", "eval", "variable ", ""])
def test_names_of_code_are_only_names(save, name):
    with pytest.raises(SavedModelError, match="there is no primitive"):
        load_model(save(lambda document: call_of(document, "matmul").update(op=name)))


def test_cycles(save):
    def change(document):
        number = document["calls"].index(call := call_of(document, "matmul"))
        call["inputs"][0] = [number, 0]

    with pytest.raises(SavedModelError, match=r"result of call \d+, which does not come before it \(a cycle"):
        load_model(save(change))


@pytest.mark.parametrize(
    "place", [[-1, 0], [0, 1], [0, -1], [10**30, 0], [0], "x", None, [True, 0], [0.0, 0]]
)
def test_places_that_are_none(save, place):
    with pytest.raises(SavedModelError, match="call "):
        load_model(save(lambda document: call_of(document, "matmul").update(inputs=[place, place])))


def test_variables_that_are_missing_or_have_other_shapes(written, save):
    files = arrays_with(written, **{WEIGHTS: None})
    with pytest.raises(SavedModelError, match=f"variable '{WEIGHTS}' has no value; did you mean"):
        load_model(save(files=files))
    files = arrays_with(written, **{WEIGHTS: np.zeros((2, 3), np.float32)})
    with pytest.raises(
        SavedModelError, match=rf"'{WEIGHTS}' has a value of shape \(2, 3\) \(float32\), and is"
    ):
        load_model(save(files=files))
    files = arrays_with(written, **{WEIGHTS: np.zeros((3, 3), np.float64)})
    with pytest.raises(SavedModelError, match=r"of shape \(3, 3\) \(float64\), and is TensorSpec"):
        load_model(save(files=files))


def test_shapes_that_do_not_fit_each_other(written, save):
    def change(document):
        spec = next(
            c["variable"]["spec"] for c in document["calls"] if c.get("variable", {}).get("name") == WEIGHTS
        )
        spec["shape"] = [5, 3]

    files = arrays_with(written, **{WEIGHTS: np.zeros((5, 3), np.float32)})
    with pytest.raises(SavedModelError, match=r"\(matmul\): "):
        load_model(save(change, files))


def test_outputs_that_are_something_else(save):
    def change(document):
        document["signatures"]["predict"]["outputs"]["predictions"]["spec"]["dtype"] = "int64"

    with pytest.raises(SavedModelError, match=r"signature 'predict': .* is said to be"):
        load_model(save(change))


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "a/b", "a\\b", "", "C:x", "\0", "é"])
def test_assets_elsewhere(save, name):
    def change(document):
        call_of(document, "vocabulary_ids")["attributes"]["vocabulary"]["vocabulary"]["asset"] = name

    with pytest.raises(SavedModelError, match="is not the plain name of a file in assets"):
        load_model(save(change))


@pytest.mark.parametrize(
    "header", [b"\xff" * 8, (10**15).to_bytes(8, "little"), b'\x08\0\0\0\0\0\0\0{"a":1}']
)
def test_huge_and_wrong_sizes_of_variables(save, header):
    with pytest.raises(SavedModelError, match=VARIABLES):
        load_model(save(files={VARIABLES: header}))


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        ({"array": {"dtype": "<f4", "shape": [10**12], "data": ""}}, "0 bytes do not fill"),
        ({"array": {"dtype": "<f4", "shape": [-1], "data": ""}}, "is no shape"),
        ({"array": {"dtype": "|O", "shape": [1], "data": "AAAAAAAAAAA="}}, "arrays of object are not known"),
        ({"array": {"dtype": "nonsense", "shape": [], "data": ""}}, "nonsense"),
        ({"strings": {"dtype": "string", "shape": [10**12], "values": []}}, "do not fill the shape"),
        ({"strings": {"dtype": "string", "shape": [1], "values": [1]}}, "strings hold something else"),
        ({"stored": "x"}, "there is no array 'x'"),
        ({"python": "print(1)"}, "values of kind 'python' are not known"),
        ({"record": {"type": "Popen", "fields": {"args": "ls"}}}, "Popen"),
        ({"a": 1, "b": 2}, "is no value"),
        (None, "a constant has one value"),
    ],
)
def test_values_that_are_wrong(save, constant, message):
    def change(document):
        document["calls"].append({"op": "constant", "inputs": [], "attributes": {"value": constant}})

    with pytest.raises(SavedModelError, match=message):
        load_model(save(change))


def test_attributes_that_a_primitive_does_not_have(save):
    with pytest.raises(SavedModelError, match=r"call \d+ \(matmul\): .*unexpected keyword"):
        load_model(save(lambda document: call_of(document, "matmul")["attributes"].update(danger=1)))


@pytest.mark.parametrize("seed", range(40))
def test_random_changes_are_errors_of_ours_or_nothing(written, save, seed):
    """A changed description either loads and runs, or is refused with a reason."""
    rng = random.Random(seed)
    text = bytearray(written["saved_model.json"])
    for _ in range(rng.choice([1, 3])):
        at = rng.randrange(len(text))
        text[at : at + rng.choice([0, 1, 5])] = rng.choice(
            [b"", b"9", b"-1", b"null", b'"', b"[", b"1e99", b"{}"]
        )
    path = save()
    (path / "saved_model.json").write_bytes(text)
    with contextlib.suppress(DataflowError):
        assert list(load_model(path)({"x": [1.0, 2.0], "k": ["a", "b"]}))
