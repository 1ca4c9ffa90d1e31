"""Summaries: what event files hold, and when it is written. Read back with the messages of tensorboardX."""

import functools
import io
import json
import os
import shutil
import signal
import struct
import time
import wave

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, SpecError
from dataflow.image import decode_png
from estimators import (
    CheckpointSaverListener,
    DNNClassifier,
    DNNLinearCombinedRegressor,
    Estimator,
    EstimatorSpec,
    LinearClassifier,
    LinearRegressor,
    RegressionHead,
    RunConfig,
    SummarySaverHook,
    VariableStore,
    feature_column,
    get_variable,
    layers,
    metrics,
    summary,
    variable_scope,
)
from estimators.optimizers import SGD
from estimators.summary import event_file, events, media
from tests.estimators.helpers import GOLDEN_FILES, assert_same_bits, line, start, variables

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
summary_pb2 = pytest.importorskip("tensorboardX.proto.summary_pb2")
graph_pb2 = pytest.importorskip("tensorboardX.proto.graph_pb2")
TF = json.loads((GOLDEN_FILES / "summaries.json").read_text())
OFTEN = RunConfig(tf_random_seed=1, save_summary_steps=2, log_step_count_steps=2, progress=False)


def records(path):
    """Return the records of a file, whose checksums must be right; a torn one at the end is left out."""
    found, data = [], path.read_bytes()
    while len(data) >= 12 and len(data) >= 16 + struct.unpack("<Q", data[:8])[0]:
        size = 16 + struct.unpack("<Q", data[:8])[0]
        assert event_file.record(data[12 : size - 4]) == data[:size]
        found.append(data[12 : size - 4])
        data = data[size:]
    return found


def read(folder):
    """Return the events of all files of a directory, in TensorBoard's order."""
    paths = sorted(folder.glob("events.out.tfevents.*"))
    return [event_pb2.Event.FromString(record) for path in paths for record in records(path)]


def values(folder):
    """Return (step, value) of each summary by tag."""
    found = {}
    for event in read(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value))
    return found


def scalars(folder):
    return {tag: [(step, v.simple_value) for step, v in found] for tag, found in values(folder).items()}


def steps(folder, tag="loss"):
    return [step for step, _ in values(folder)[tag]]


def shown(folder, show, features=None, config=OFTEN, steps=1, **spec):
    """Train y = weight · x, with what `show(features, labels, weight)` makes."""

    def model_fn(features, labels, mode):
        weight = get_variable("weight", initializer=np.float32(2))
        show(features, labels, weight)
        loss = ((features["x"] * weight - labels) ** 2).mean()
        return EstimatorSpec(
            mode, {}, loss, SGD(0.01).minimize(loss), spec.get("metrics", lambda *_: {})(labels)
        )

    data = Dataset.from_tensor_slices(({"x": np.float32([1, 2]), **(features or {})}, np.float32([3, 6])))
    return Estimator(model_fn, folder, config).train(data.batch(2).repeat(), steps=steps)


class Fails(CheckpointSaverListener):
    """Breaks a run off after some checkpoints."""

    def __init__(self, after):
        self.left = after

    def after_save(self, session, global_step_value):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


# When -----------------------------------------------------------------------------------------------


def test_first_step_then_every_so_many(tmp_path):
    shown(tmp_path, lambda *_: None, steps=6)
    assert steps(tmp_path) == [1, 3, 5]
    assert steps(tmp_path, "global_step/sec") == [3, 5]


def test_a_second_call_begins_anew_and_says_so(tmp_path):
    for _ in range(2):
        shown(tmp_path, lambda *_: None, steps=2)
    logs = [(e.step, e.session_log.status) for e in read(tmp_path) if e.HasField("session_log")]
    assert steps(tmp_path) == [1, 3]
    assert logs == [(1, events.START), (2, events.CHECKPOINT), (3, events.START), (4, events.CHECKPOINT)]


def test_default_is_every_hundred_steps(tmp_path):
    shown(tmp_path, lambda *_: None, config=RunConfig(progress=False), steps=202)
    assert steps(tmp_path) == [1, 101, 201]


@pytest.mark.parametrize("never", [None, 0])
def test_none_are_written_if_none_are_wanted(tmp_path, never):
    shown(tmp_path, lambda *_: None, config=RunConfig(save_summary_steps=never, progress=False))
    assert list(tmp_path.glob("*tfevents*")) == []


def test_values_are_those_before_the_update_of_the_step(tmp_path):
    shown(tmp_path, lambda x, y, weight: summary.scalar("weight", weight), steps=3)
    (first, one), (third, two) = scalars(tmp_path)["weight"]
    assert (first, one, third) == (1, 2.0, 3)
    assert one < two < 3


def test_nothing_is_computed_between_them(tmp_path):
    def model_fn(features, labels, mode):
        loss = get_variable("weight", initializer=np.float32(2)) ** 2
        summary.histogram("number", features["word"].astype(np.float32))
        return EstimatorSpec(mode, {}, loss, SGD(0.01).minimize(loss))

    words = Dataset.from_tensor_slices({"word": ["1", "2", "no number", "no number"]}).batch(1)
    Estimator(model_fn, tmp_path, OFTEN.replace(save_summary_steps=100)).train(words)
    assert steps(tmp_path, "number") == [1]
    with pytest.raises(InvalidArgumentError, match="no number"):
        Estimator(model_fn, tmp_path / "often", OFTEN).train(words)


@pytest.mark.parametrize("model", [DNNClassifier, LinearClassifier])
def test_weights_do_not_depend_on_summaries(tmp_path, model):
    def trained(name, every):
        columns = [feature_column.numeric_column("x")]
        arguments = {"hidden_units": [4], "dropout": 0.5} if model is DNNClassifier else {}
        config = OFTEN.replace(save_summary_steps=every)
        data = Dataset.from_tensor_slices(({"x": [1.0, 2.0, 3.0]}, [0, 1, 1])).batch(2).repeat()
        found = model(feature_columns=columns, model_dir=tmp_path / name, config=config, **arguments)
        return variables(found.train(data, steps=9))

    assert_same_bits(trained("often", 1), trained("never", None))


def test_switching_them_off_leaves_the_position_of_the_input(tmp_path, caplog):
    def train(every):
        def model_fn(features, labels, mode):
            loss = (get_variable("weight", initializer=np.float32(2)) * features["x"].mean()) ** 2
            summary.histogram("labels", labels)
            return EstimatorSpec(mode, {}, loss, SGD(0.01).minimize(loss))

        config = OFTEN.replace(save_summary_steps=every, save_checkpoints_steps=1)
        Estimator(model_fn, tmp_path, config).train(line(8, 1), saving_listeners=[Fails(2)])

    caplog.set_level("INFO", "estimators")
    for every in (1, None):
        with pytest.raises(KeyboardInterrupt):
            train(every)
    assert "Input continues where the checkpoint was taken." in caplog.text
    assert "starts anew" not in caplog.text


# What -----------------------------------------------------------------------------------------------


def test_histogram_is_tensorflows():
    wanted = TF["histogram"]
    found = summary_pb2.Summary.Value.FromString(events.histogram("h", np.array(wanted["values"]))).histo
    assert list(found.bucket) == wanted["counts"]
    assert list(found.bucket_limit) == wanted["limits"]
    for name in ("min", "max", "num", "sum", "sum_squares"):
        assert getattr(found, name) == pytest.approx(wanted[name])


def test_histogram_leaves_out_nan(tmp_path, caplog):
    shown(tmp_path, lambda *_: summary.histogram("h", np.float32([1, np.nan, 2, np.inf])))
    ((_, value),) = values(tmp_path)["h"]
    assert (value.histo.num, value.histo.max) == (2, 2)
    assert "2 of 4 numbers of the histogram 'h' are NaN or infinite." in caplog.text


@pytest.mark.parametrize(
    ("number", "pixels"),
    [
        (0, [[[-1.0], [0.0]], [[0.5], [2.0]]]),
        (1, [[[0.0], [1.0]], [[2.0], [4.0]]]),
        (2, [[[np.nan, 0, 0], [1, 2, 4]]]),
    ],
)
def test_pixels_are_tensorflows(number, pixels):
    assert media.as_pixels(np.float32(pixels)).tolist() == TF["images"][number]["pixels"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png(channels):
    pixels = np.arange(6 * channels, dtype=np.uint8).reshape(2, 3, channels)
    pytest.importorskip("PIL")
    assert np.array_equal(decode_png(media.png(pixels)), pixels)


def test_images(tmp_path):
    pytest.importorskip("PIL")
    images = np.arange(16, dtype=np.uint8).reshape(4, 2, 2, 1)
    shown(tmp_path, lambda *_: summary.image("i3", images))
    found = values(tmp_path)
    assert [tag for tag in found if tag.startswith("i3")] == TF["image_tags"]
    one = found["i3/image/2"][0][1].image
    assert (one.height, one.width, one.colorspace) == (2, 2, 1)
    assert decode_png(one.encoded_image_string).ravel().tolist() == [8, 9, 10, 11]


def test_sounds(tmp_path):
    sound = np.float32([[0.0, 0.5, -0.5, 1.0]])
    shown(tmp_path, lambda *_: summary.audio("a", sound, 8000, max_outputs=2))
    found, wanted = values(tmp_path)[TF["audio"]["tag"]][0][1].audio, TF["audio"]
    with wave.open(io.BytesIO(found.encoded_audio_string)) as file:
        assert np.frombuffer(file.readframes(4), "<i2").tolist() == wanted["frames"]
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
    assert (found.length_frames, found.num_channels, found.content_type) == (4, 1, "audio/wav")


def test_text_of_the_input(tmp_path):
    words = {"word": np.array(["größer", "b"], object)}
    shown(tmp_path, lambda features, *_: summary.text("words", features["word"]), words)
    ((step, value),) = values(tmp_path)["words"]
    assert (step, value.metadata.plugin_data.plugin_name) == (1, "text")
    assert [item.decode() for item in value.tensor.string_val] == ["größer", "b"]
    assert [dim.size for dim in value.tensor.tensor_shape.dim] == [2]


def test_tags_are_tensorflows():
    with VariableStore(), variable_scope("scope"):
        made = [
            summary.scalar("x y", np.float32(1)),
            summary.scalar("x y", np.float32(1)),
            summary.scalar("z", np.float32(1), family="fam"),
        ]
        assert summary.merge_all() == tuple(made)
    assert [one.tag for one in made] == TF["tags"]


def test_a_summary_called_loss_takes_the_place_of_the_loss(tmp_path):
    shown(tmp_path, lambda *_: summary.scalar("loss", np.float32(7)))
    assert scalars(tmp_path)["loss"] == [(1, 7.0)]


def test_metrics_of_training_are_beside_those_of_evaluation(tmp_path):
    model = shown(tmp_path, lambda *_: None, metrics=lambda labels: {"label": metrics.mean(labels)})
    model.evaluate(line(4, 4))
    assert scalars(tmp_path)["label"] == [(1, 4.5)]
    assert scalars(tmp_path / "eval")["label"] == [(1, 5.0)]


def test_metrics_that_need_more_of_the_input_are_left_out(tmp_path):
    def model_fn(features, labels, mode):
        loss = (get_variable("weight", initializer=np.float32(2)) * features["x"]).mean()
        means = {name: metrics.mean(features[name]) for name in "xz"}
        return EstimatorSpec(mode, {}, loss, SGD(0.1).minimize(loss), means)

    Estimator(model_fn, tmp_path, OFTEN).train(Dataset.from_tensor_slices({"x": [1.0], "z": [2.0]}).batch(1))
    assert values(tmp_path).keys() == {"loss", "x"}


def test_summaries_of_an_input_function(tmp_path):
    def input_fn():
        x, y = (
            Dataset.from_tensor_slices((np.float32([1, 2, 3]), [0, 1, 1]))
            .batch(2)
            .make_one_shot_iterator()
            .get_next()
        )
        summary.scalar("mean", x.mean())
        summary.text("about", "two of three")
        return {"x": x}, y

    model = LinearClassifier([feature_column.numeric_column("x")], tmp_path, config=OFTEN)
    assert model.train(input_fn).evaluate(input_fn)["global_step"] == 2
    assert scalars(tmp_path)["mean"] == [(1, 1.5)]
    assert values(tmp_path)["about"][0][1].tensor.string_val == [b"two of three"]


# Canned models --------------------------------------------------------------------------------------


def canned(kind, folder, **arguments):
    x = feature_column.numeric_column("x")
    c, d = (feature_column.categorical_column_with_identity(name, 4) for name in "cd")
    made = {
        "linear": lambda: LinearRegressor([x, c], folder, config=OFTEN, **arguments),
        "three classes": lambda: LinearClassifier([x, c], folder, n_classes=3, config=OFTEN),
        "dnn": lambda: DNNClassifier([4, 3], [x], folder, config=OFTEN),
        "combined": lambda: DNNLinearCombinedRegressor(
            folder, linear_feature_columns=[c, d], dnn_feature_columns=[x], dnn_hidden_units=[4], config=OFTEN
        ),
    }
    features = {"x": [1.0, 2.0, 3.0], "c": [0, 1, 2], "d": [0, 1, 2]}
    return made[kind]().train(Dataset.from_tensor_slices((features, [0, 1, 1])).batch(3))


@pytest.mark.parametrize("kind", ["linear", "three classes", "dnn", "combined"])
def test_canned_models_have_tensorflows_tags(tmp_path, kind):
    canned(kind, tmp_path)
    found = {tag: value.WhichOneof("value") for tag, [(_, value)] in values(tmp_path).items()}
    wanted = TF["canned"][kind]
    assert {tag: found.get(tag) for tag in wanted} == wanted


def test_share_of_weights_that_are_zero(tmp_path):
    canned("linear", tmp_path)
    assert scalars(tmp_path)["fraction_of_zero_weights"] == [(1, 1.0)]
    canned("linear", tmp_path)  # the first step had a label 0, and no example of the last category
    assert scalars(tmp_path)["fraction_of_zero_weights"][-1] == (2, pytest.approx(2 / 5))


def test_named_head_names_its_loss(tmp_path):
    def model_fn(features, labels, mode):
        logits = layers.dense(features["x"][:, None], 1)
        head = RegressionHead(name="fare")
        penalty = [np.float32(0.25)]
        return head.create_estimator_spec(
            features, mode, logits, labels, SGD(0.1), regularization_losses=penalty
        )

    Estimator(model_fn, tmp_path, OFTEN).train(line(4, 4))
    found = scalars(tmp_path)
    assert found["regularization_loss/fare"] == [(1, 0.25)]
    assert found["loss/fare"] == found["loss"]


def test_evaluations_are_one_event_each(tmp_path):
    model = canned("linear", tmp_path)
    data = Dataset.from_tensor_slices(({"x": [1.0], "c": [0]}, [2.0])).batch(1)
    results = [model.evaluate(data), model.evaluate(data, name="test"), model.evaluate(data)]
    found = scalars(tmp_path / "eval")
    assert found["average_loss"] == [(1, results[0]["average_loss"])] * 2
    assert sorted(found) == sorted([*results[0].keys() - {"global_step"}, "checkpoint_path"])
    assert len(values(tmp_path / "eval_test")["loss"]) == 1
    assert len(list((tmp_path / "eval").glob("*tfevents*"))) == 1


def test_a_removed_directory_is_begun_anew(tmp_path):
    model = shown(tmp_path, lambda *_: None)
    for _ in range(2):
        shutil.rmtree(tmp_path / "eval", ignore_errors=True)
        model.evaluate(line(4, 4))
        assert [event.step for event in read(tmp_path / "eval")] == [0, 1]


# Files ----------------------------------------------------------------------------------------------


def test_graph(tmp_path):
    canned("dnn", tmp_path)
    (content,) = [event.graph_def for event in read(tmp_path) if event.HasField("graph_def")]
    nodes = {node.name: node for node in graph_pb2.GraphDef.FromString(content).node}
    assert nodes["dnn/hiddenlayer_0/kernel"].op == "VariableV2"
    assert nodes["input/features/x"].op == "Placeholder"
    assert "train/Assign/dnn/logits/bias" in nodes
    shape = nodes["dnn/hiddenlayer_0/kernel"].attr["_output_shapes"].list.shape[0]
    assert [dim.size for dim in shape.dim] == [1, 4]
    for node in nodes.values():
        assert [name for name in node.input if name.split(":")[0] not in nodes] == []


def test_no_graph_if_it_is_not_wanted(tmp_path):
    shown(tmp_path, lambda *_: None, config=OFTEN.replace(checkpoint_save_graph_def=False))
    assert not any(event.HasField("graph_def") for event in read(tmp_path))


def test_killed_while_it_writes(tmp_path):
    job = start("taxi_job", tmp_path, 10**6, 50)
    while len(list(tmp_path.glob("*.safetensors"))) < 3:
        time.sleep(0.02)
    os.kill(job.pid, signal.SIGKILL)
    job.communicate()
    before = steps(tmp_path)
    assert before == list(range(1, before[-1] + 1, 100))
    saved = int(json.loads((tmp_path / "checkpoint").read_text())["model_checkpoint_path"].split("-")[1])
    job = start("taxi_job", tmp_path, saved + 1, 50)
    job.communicate()
    logs = [e.step for e in read(tmp_path) if e.session_log.status == events.START]
    assert logs == [1, saved + 1]
    assert steps(tmp_path) == [*before, saved + 1]


def test_remote_directories_get_a_file_for_each_checkpoint(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    config = OFTEN.replace(save_checkpoints_steps=4)
    shown("memory://summaries/model", lambda *_: None, config=config, steps=6)
    fsspec.filesystem("memory").get("/summaries/model/", str(tmp_path / "copy"), recursive=True)
    (folder,) = {path.parent for path in (tmp_path / "copy").rglob("*tfevents*")}
    assert steps(folder) == [1, 3, 5]
    assert len(list(folder.glob("*tfevents*"))) == 2


def test_a_disk_that_refuses_costs_only_the_summaries(tmp_path, monkeypatch, caplog):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(event_file.files, "append", full)
    model = shown(tmp_path, lambda *_: None, steps=4)
    assert model.get_variable_value("global_step") == 4
    assert caplog.text.count("No more summaries are written") == 1


def test_checksum_of_many_bytes_is_that_of_few():
    data = np.random.default_rng(1).bytes(event_file._LARGE)
    crc = functools.reduce(
        lambda crc, byte: event_file._table()[(crc ^ byte) & 255] ^ crc >> 8, data, 0xFFFFFFFF
    )
    assert event_file.crc32c(data) == crc ^ 0xFFFFFFFF


# Hook and writer ------------------------------------------------------------------------------------


def test_hook_writes_where_and_when_it_says(tmp_path):
    def model_fn(features, labels, mode):
        weight = get_variable("weight", initializer=np.float32(2))
        loss = ((features["x"] * weight - labels) ** 2).mean()
        summary.scalar("x", features["x"].mean())
        saver = SummarySaverHook(save_steps=1, output_dir=tmp_path / "hook", summary_op=summary.merge_all())
        return EstimatorSpec(mode, {}, loss, SGD(0.01).minimize(loss), evaluation_hooks=[saver])

    model = Estimator(model_fn, tmp_path, OFTEN).train(line(8, 2))
    model.evaluate(line(4, 2))
    assert scalars(tmp_path / "hook")["x"] == [(4, 1.5), (4, 3.5)]


def test_hook_counts_steps_of_training(tmp_path):
    def model_fn(features, labels, mode):
        weight = get_variable("weight", initializer=np.float32(2))
        loss = ((features["x"] * weight - labels) ** 2).mean()
        saver = SummarySaverHook(3, output_dir=tmp_path / "hook", summary_op=summary.scalar("weight", weight))
        return EstimatorSpec(mode, {}, loss, SGD(0.01).minimize(loss), training_hooks=[saver])

    Estimator(model_fn, tmp_path, OFTEN).train(line().repeat(), steps=8)
    assert steps(tmp_path / "hook", "weight") == [1, 4, 7]


def test_writer(tmp_path):
    writer = summary.FileWriter(tmp_path)
    writer.add_scalar("a", 1.5, global_step=3)
    writer.add_text("b", "text", 4)
    writer.add_histogram("c", [1.0, 2.0], 5)
    writer.close()
    found = values(tmp_path)
    assert {tag: step for tag, [(step, _)] in found.items()} == {"a": 3, "b": 4, "c": 5}
    assert read(tmp_path)[0].file_version == "brain.Event:2"


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: summary.scalar("s", np.ones(3)), SpecError, "summary.scalar takes one number"),
        (lambda: summary.scalar("s", "text"), SpecError, "summary.scalar takes numbers"),
        (lambda: summary.scalar("", 1.0), InvalidArgumentError, "a summary needs a name"),
        (lambda: summary.text("t", 1.0), SpecError, "summary.text takes text"),
        (lambda: summary.image("i", np.ones((2, 3, 3))), SpecError, r"\[batch, height, width, channels\]"),
        (lambda: summary.image("i", np.ones((2, 3, 3, 1)), 0), InvalidArgumentError, "max_outputs must be"),
        (lambda: summary.audio("a", np.ones(3), 10), SpecError, r"\[batch, frames\]"),
        (lambda: summary.audio("a", np.ones((1, 3)), 0), InvalidArgumentError, "sample_rate must be"),
        (lambda: summary.merge([1]), SpecError, "takes summaries"),
    ],
)
def test_wrong_arguments(make, error, text):
    with VariableStore(), pytest.raises(error, match=text):
        make()


def test_outside_of_a_model():
    with pytest.raises(InvalidArgumentError, match="summaries are made inside of a model function"):
        summary.scalar("s", 1.0)
