import numpy as np
import pytest

from estimators import RunConfig


def schedule(config):
    return config.save_checkpoints_steps, config.save_checkpoints_secs


def test_defaults_are_those_of_tf():
    config = RunConfig()
    assert schedule(config) == (None, 600)
    assert (config.keep_checkpoint_max, config.log_step_count_steps) == (5, 100)
    assert (config.save_summary_steps, config.keep_checkpoint_every_n_hours) == (100, 10000)
    assert (config.task_type, config.is_chief, config.num_worker_replicas) == ("worker", True, 1)
    assert (config.model_dir, config.tf_random_seed, config.progress) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"save_checkpoints_steps": 5}, (5, None)),
        ({"save_checkpoints_secs": 2.5}, (None, 2.5)),
        ({"save_checkpoints_steps": None}, (None, None)),
        ({"save_checkpoints_secs": None}, (None, None)),
        ({"save_checkpoints_steps": None, "save_checkpoints_secs": 3}, (None, 3)),
        ({"save_checkpoints_steps": np.int64(5)}, (5, None)),
    ],
)
def test_giving_one_schedule_turns_the_other_off(arguments, expected):
    assert schedule(RunConfig(**arguments)) == expected


def test_replacing_one_schedule_clears_the_other():
    config = RunConfig().replace(save_checkpoints_steps=7)
    assert schedule(config) == (7, None)
    assert schedule(config.replace(save_checkpoints_secs=60)) == (None, 60)
    assert schedule(config.replace(keep_checkpoint_max=2)) == (7, None)
    assert schedule(config.replace(save_checkpoints_secs=None)) == (7, None)


def test_arguments_come_in_tfs_order():
    config = RunConfig("model", 1, 50, 5, None, None, 3, 9, 10)
    assert (config.model_dir, config.tf_random_seed, config.save_summary_steps) == ("model", 1, 50)
    assert (config.keep_checkpoint_max, config.keep_checkpoint_every_n_hours) == (3, 9)
    assert config.log_step_count_steps == 10


@pytest.mark.parametrize(
    "name",
    [
        "session_config",
        "train_distribute",
        "eval_distribute",
        "experimental_distribute",
        "device_fn",
        "protocol",
        "experimental_max_worker_delay_secs",
        "session_creation_timeout_secs",
    ],
)
def test_settings_that_mean_nothing_must_have_their_defaults(name):
    value = getattr(RunConfig(), name)
    assert getattr(RunConfig(**{name: value}), name) == value
    with pytest.raises(ValueError, match=rf"{name} must be {value} here, not 'grpc'(?s:.*)leave it out"):
        RunConfig(**{name: "grpc"})


@pytest.mark.parametrize(
    "arguments",
    [
        {"save_checkpoints_steps": 1, "save_checkpoints_secs": 1},
        {"save_checkpoints_steps": 0},
        {"save_checkpoints_steps": -1},
        {"save_checkpoints_steps": 2.5},
        {"save_checkpoints_secs": -1},
        {"keep_checkpoint_max": -1},
        {"keep_checkpoint_every_n_hours": 0},
        {"save_summary_steps": -1},
        {"log_step_count_steps": 0},
        {"log_step_count_steps": True},
        {"reference": 1},
        {"tf_random_seed": "1"},
        {"tf_random_seed": -1},
        {"model_dir": ""},
    ],
)
def test_settings_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        RunConfig(**arguments)


def test_replace_knows_its_settings():
    with pytest.raises(
        ValueError, match=r"no 'keep_checkpoints_max'(?s:.*)did you mean 'keep_checkpoint_max'"
    ):
        RunConfig().replace(keep_checkpoints_max=1)


def test_configs_are_values(tmp_path):
    assert RunConfig(model_dir=tmp_path) == RunConfig(model_dir=str(tmp_path))
