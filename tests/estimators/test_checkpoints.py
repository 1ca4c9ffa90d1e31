import errno
import json
import os

import numpy as np
import pytest
import safetensors.numpy

from dataflow import Dataset
from estimators import LinearClassifier, feature_column
from estimators.values.checkpoint import Checkpoint, load, save
from tests.estimators.helpers import (
    GOLDEN,
    QUIET,
    assert_same_bits,
    classes,
    classifier,
    line,
    regressor,
    variables,
)


def files(folder):
    return sorted(file.name for file in folder.iterdir() if not file.name.startswith("events.out."))


def steps(folder):
    return sorted(int(file.name[11:-12]) for file in folder.glob("model.ckpt-*.safetensors"))


def test_variable_names_and_shapes_are_those_of_tf(tmp_path):
    golden = GOLDEN["checkpoint_variables"]["v2 LinearClassifier"]
    columns = [
        feature_column.numeric_column("x", shape=(2,)),
        feature_column.bucketized_column(feature_column.numeric_column("w"), [0, 1]),
        feature_column.categorical_column_with_vocabulary_list("c", ["a", "b"]),
    ]
    data = classes([0, 1], x=np.ones((2, 2), np.float32), w=[0.5, 2.0], c=["a", "b"])
    model = LinearClassifier(columns, tmp_path, config=QUIET).train(data)
    found = {name: list(model.get_variable_value(name).shape) for name in model.get_variable_names()}
    assert found == {name: shape for name, shape in golden.items() if "_X_" not in name}


def test_checkpoint_before_training_and_after(tmp_path):
    model = regressor(tmp_path).train(line().repeat(), steps=3)
    checkpoints = ["model.ckpt-0.safetensors", "model.ckpt-3.safetensors"]
    assert files(tmp_path) == ["checkpoint", "history.jsonl", *checkpoints]
    assert model.latest_checkpoint() == str(tmp_path / "model.ckpt-3")
    assert json.loads((tmp_path / "checkpoint").read_text()) == {
        "model_checkpoint_path": "model.ckpt-3",
        "all_model_checkpoint_paths": ["model.ckpt-0", "model.ckpt-3"],
    }


def test_checkpoints_after_so_many_steps(tmp_path):
    model = regressor(tmp_path, save_checkpoints_steps=3, keep_checkpoint_max=None)
    model.train(line().repeat(), steps=7)
    assert steps(tmp_path) == [0, 3, 6, 7]
    model.train(line().repeat(), steps=4)
    assert steps(tmp_path) == [0, 3, 6, 7, 10, 11]


def test_checkpoints_after_so_many_seconds(tmp_path):
    model = regressor(tmp_path, save_checkpoints_secs=0, keep_checkpoint_max=0)
    model.train(line(rows=40, batch=1))
    assert len(steps(tmp_path)) > 3


def test_the_newest_checkpoints_are_kept(tmp_path):
    model = regressor(tmp_path, save_checkpoints_steps=1, keep_checkpoint_max=2)
    model.train(line().repeat(), steps=6)
    assert steps(tmp_path) == [5, 6]
    model.train(line().repeat(), steps=1)
    assert steps(tmp_path) == [6, 7]


def test_no_temporary_files_are_left(tmp_path):
    for name in ("model.ckpt-2.safetensors.0a1b2c3d.tmp", "checkpoint.0a1b2c3d.tmp", "notes.tmp"):
        (tmp_path / name).write_bytes(b"half a file")
    regressor(tmp_path, save_checkpoints_steps=1).train(line())
    assert [name for name in files(tmp_path) if name.endswith(".tmp")] == ["notes.tmp"]


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    def fsync(handle):
        raise OSError(errno.ENOSPC, "no space left on device")

    model = trained(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="no space left"):
        model.train(line())
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_saving_and_loading_keeps_every_bit(tmp_path):
    values = {
        "global_step": np.array(3),
        "scalar": np.array(np.nan, np.float32),
        "empty": np.zeros((0, 2)),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "bytes": np.arange(4, dtype=np.uint8),
    }
    state = {"position": {"state": None, "skip": 7}}
    path = save(str(tmp_path), Checkpoint(3, values, state, {"rate": np.float32(0.5)}), None)
    found = load(path)
    assert_same_bits(dict(found.values), {name: np.asarray(value) for name, value in values.items()})
    assert {name: array.shape for name, array in found.values.items()} == {
        n: v.shape for n, v in values.items()
    }
    assert (found.step, found.input_state, float(found.settings["rate"])) == (3, state, 0.5)


def test_step_0_of_a_fresh_run_has_the_position_of_the_input(tmp_path):
    regressor(tmp_path).train(line().repeat(), steps=1)
    assert load(str(tmp_path / "model.ckpt-0")).input_state is not None
    assert load(str(tmp_path / "model.ckpt-1")).input_state is None


def trained(tmp_path):
    return regressor(tmp_path).train(line().repeat(), steps=5)


def cut(data):
    return data[:-7]


def flip(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def foreign(data):
    return safetensors.numpy.save({"a": np.zeros(3)})


def other_version(data):
    return data.replace(b'\\"version\\": 1', b'\\"version\\": 9')


def nothing(data):
    return b""


def garbage(data):
    return np.random.default_rng(0).bytes(500)


@pytest.mark.parametrize("damage", [cut, flip, foreign, other_version, nothing, garbage])
@pytest.mark.parametrize("use", ["train", "evaluate", "predict"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, damage, use):
    model = trained(tmp_path)
    file = tmp_path / "model.ckpt-5.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    with pytest.raises(ValueError, match=r"model.ckpt-5.safetensors (?s:.*)another model_dir"):
        list(getattr(model, use)(line()))
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_checkpoint_that_was_removed_is_named(tmp_path):
    model = trained(tmp_path)
    (tmp_path / "model.ckpt-5.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*model.ckpt-5.safetensors(?s:.*)its entry"):
        model.train(line())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"all_model_checkpoint_paths": []}', "model.ckpt-5", "\x00\xff"]
)
def test_a_damaged_list_is_refused_by_name(tmp_path, text):
    model = trained(tmp_path)
    (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(ValueError, match=r"checkpoint is not a list of checkpoints(?s:.*)another model_dir"):
        model.train(line())


def test_without_the_list_the_files_count(tmp_path):
    model = trained(tmp_path)
    (tmp_path / "checkpoint").unlink()
    assert model.latest_checkpoint() == str(tmp_path / "model.ckpt-5")
    assert model.train(line().repeat(), steps=1).get_variable_value("global_step") == 6


def test_the_directory_may_have_any_name(tmp_path):
    folder = tmp_path / "run [1] *"
    trained(folder)
    (folder / "checkpoint").unlink()
    assert regressor(folder).latest_checkpoint() == str(folder / "model.ckpt-5")


def numbers(*names, shape=(1,)):
    return [feature_column.numeric_column(name, shape=shape) for name in names]


def columns_of(*names, width=None):
    shape = (4,) if width is None else (4, width)
    features = {name: np.ones(shape, np.float32) for name in names}
    return Dataset.from_tensor_slices((features, np.ones(4, np.float32))).batch(4)


@pytest.mark.parametrize("use", ["train", "evaluate", "predict"])
def test_a_changed_shape_is_refused_with_both_shapes(tmp_path, use):
    regressor(tmp_path, numbers("x")).train(columns_of("x"))
    model = regressor(tmp_path, numbers("x", shape=(2,)))
    shapes = r"'linear/linear_model/x/weights' has shape \(1, 1\) .*model.ckpt-1.* \(2, 1\)"
    with pytest.raises(ValueError, match=rf"{shapes}(?s:.*)another model_dir"):
        list(getattr(model, use)(columns_of("x", width=2)))


@pytest.mark.parametrize("use", ["train", "evaluate", "predict"])
def test_a_renamed_column_is_refused(tmp_path, use):
    regressor(tmp_path, numbers("fare")).train(columns_of("fare"))
    model = regressor(tmp_path, numbers("fares"))
    words = r"no variable 'linear/linear_model/fares/weights'.*\(1, 1\); did you mean '.*/fare/weights'"
    with pytest.raises(ValueError, match=rf"{words}(?s:.*)another model_dir"):
        list(getattr(model, use)(columns_of("fares")))


def test_a_removed_column_is_refused_in_training(tmp_path):
    regressor(tmp_path, numbers("x", "y")).train(columns_of("x", "y"))
    words = r"has the variable 'linear/linear_model/y/weights' with shape \(1, 1\), which the model has not"
    with pytest.raises(ValueError, match=rf"{words}(?s:.*)another model_dir"):
        regressor(tmp_path, numbers("x")).train(columns_of("x"))


def test_a_removed_column_is_noticed_in_other_modes(tmp_path, caplog):
    regressor(tmp_path, numbers("x", "y")).train(columns_of("x", "y"))
    regressor(tmp_path, numbers("x")).evaluate(columns_of("x"))
    words = "The model does not use these variables of the checkpoint: linear/linear_model/y/weights"
    assert caplog.messages == [words]


def test_an_added_column_is_refused(tmp_path):
    regressor(tmp_path, numbers("x")).train(columns_of("x"))
    with pytest.raises(ValueError, match="no variable 'linear/linear_model/y/weights'"):
        regressor(tmp_path, numbers("x", "y")).train(columns_of("x", "y"))


def test_hyperparameters_are_there_to_read_and_may_change(tmp_path):
    from estimators import Ftrl

    classifier(tmp_path, optimizer=Ftrl(0.1)).train(classes())
    model = classifier(tmp_path, optimizer=Ftrl(0.3, l1_regularization_strength=0.5)).train(classes())
    assert model.get_variable_value("training/Ftrl/learning_rate") == np.float32(0.3)
    assert model.get_variable_value("training/Ftrl/l1_regularization_strength").shape == ()


def test_reading_variables_needs_a_checkpoint_and_a_name(tmp_path):
    with pytest.raises(ValueError, match="there is no checkpoint in"):
        regressor(tmp_path).get_variable_names()
    with pytest.raises(FileNotFoundError, match="did you mean 'global_step'"):
        trained(tmp_path).get_variable_value("global_steps")


def test_a_new_object_goes_on_from_the_directory(tmp_path):
    trained(tmp_path)
    assert_same_bits(variables(regressor(tmp_path)), variables(trained(tmp_path / "again")))
