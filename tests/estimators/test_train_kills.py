"""A job of training, evaluation and export that is killed at any moment goes on, to the very same end."""

import random
import signal
import time

from estimators import load_model
from estimators.values.checkpoint import latest, load
from tests.estimators import taxi_evaluated_job
from tests.estimators.helpers import assert_same_bits, finish, start, variables

STEPS = 400
MOMENTS = {
    "a checkpoint": "Saving checkpoints for",
    "an evaluation": "Starting evaluation",
    "an export": "Saving dict",
}


def kill_after(process, text, count, seconds):
    """Kill a process so long after a line of its log has come so many times."""
    for line_ in process.stderr:
        count -= text in line_
        if count == 0:
            break
    time.sleep(seconds)
    process.kill()
    finish(process)
    assert process.returncode == -signal.SIGKILL


def test_killed_at_any_moment(tmp_path):
    whole, _ = taxi_evaluated_job.train_and_evaluate(tmp_path / "whole", STEPS)
    moments = random.Random(5)
    for text in MOMENTS.values():
        job = start("taxi_evaluated_job", tmp_path / "killed", STEPS)
        kill_after(job, text, moments.randint(1, 3), moments.uniform(0, 0.01))
        path = latest(str(tmp_path / "killed"))
        assert path is None or load(path).step < STEPS
        for export in (tmp_path / "killed" / "export" / "latest").glob("[0-9]*"):
            load_model(str(export))
    metrics, exports = taxi_evaluated_job.train_and_evaluate(tmp_path / "killed", STEPS)
    assert metrics == whole
    assert load_model(exports[0]).path == exports[0]
    models = [taxi_evaluated_job.taxi_network(tmp_path / name) for name in ("killed", "whole")]
    assert_same_bits(*map(variables, models))
    assert (
        len({(model_dir / "eval" / "evaluations.jsonl").read_bytes() for model_dir in tmp_path.iterdir()})
        == 1
    )
