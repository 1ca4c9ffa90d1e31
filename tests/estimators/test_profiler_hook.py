"""`ProfilerHook`: timelines of steps."""

import json

import pytest

from estimators import (
    DNNRegressor,
    ProfilerHook,
    RunOptions,
    SessionRunArgs,
    SessionRunHook,
    feature_column,
)
from tests.estimators.helpers import QUIET, assert_same_bits, line, variables
from tests.estimators.hook_runs import model, steps


def timeline(folder, step):
    return json.loads((folder / f"timeline-{step}.json").read_text())["traceEvents"]


def of_kind(events, phase, row=None):
    return [event for event in events if event["ph"] == phase and row in (None, event.get("tid"))]


def test_timelines_come_every_so_many_steps(tmp_path):
    model(tmp_path / "model").train(steps(7), hooks=[ProfilerHook(save_steps=3, output_dir=tmp_path / "t")])
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["timeline-3.json", "timeline-6.json"]


def test_a_timeline_holds_reading_step_and_calls(tmp_path):
    model(tmp_path).train(steps(3), hooks=[ProfilerHook(save_steps=2, output_dir=tmp_path)])
    events = timeline(tmp_path, 2)
    (read,), (step,) = of_kind(events, "X", 0), of_kind(events, "X", 1)
    assert (read["name"], step["name"]) == ("read", "step 2")
    calls = of_kind(events, "X", 2)
    assert any("ftrl" in call["name"] for call in calls)
    assert any("hook_runs.py" in call["args"]["line"] for call in calls)
    begins = [call["ts"] for call in calls]
    assert begins == sorted(begins)
    assert all(step["ts"] <= call["ts"] <= step["ts"] + step["dur"] for call in calls)
    rows = [event["args"]["name"] for event in of_kind(events, "M")]
    assert rows == ["training", "waiting for input", "step", "calls"]


def test_arrows_lead_from_results_to_their_users(tmp_path):
    columns = [feature_column.numeric_column("x")]
    network = DNNRegressor([8, 4], columns, tmp_path, config=QUIET)
    network.train(line().repeat(2), hooks=[ProfilerHook(save_steps=2, output_dir=tmp_path)])
    events = timeline(tmp_path, 2)
    starts, ends = of_kind(events, "s"), of_kind(events, "f")
    assert len(starts) == len(ends) > 5
    assert all(start["ts"] < end["ts"] for start, end in zip(starts, ends, strict=True))
    calls = {call["ts"] for call in of_kind(events, "X", 2)}
    assert all(event["ts"] in calls for event in starts + ends)


def test_arrows_may_be_left_out_and_memory_shown(tmp_path):
    hook = ProfilerHook(save_steps=2, output_dir=tmp_path, show_dataflow=False, show_memory=True)
    model(tmp_path).train(steps(3), hooks=[hook])
    events = timeline(tmp_path, 2)
    assert of_kind(events, "s") == []
    memory = [event["args"]["bytes"] for event in of_kind(events, "C")]
    assert max(memory) > 0
    assert memory[-1] == 0


def test_a_traced_step_gives_the_same_numbers(tmp_path):
    plain = model(tmp_path / "a").train(steps(5))
    traced = model(tmp_path / "b").train(steps(5), hooks=[ProfilerHook(save_steps=1, output_dir=tmp_path)])
    assert_same_bits(variables(plain), variables(traced))


def test_a_hook_of_your_own_asks_for_a_trace(tmp_path):
    class Tracing(SessionRunHook):
        def before_run(self, run_context):
            return SessionRunArgs(None, options=RunOptions(trace_level=RunOptions.FULL_TRACE))

        def after_run(self, run_context, run_values):
            self.names = [call.name for call in run_values.run_metadata.calls]

    hook = Tracing()
    model(tmp_path).train(steps(1), hooks=[hook])
    assert "ftrl" in " ".join(hook.names)


@pytest.mark.parametrize("arguments", [{}, {"save_steps": 1, "save_secs": 1}])
def test_a_schedule_is_needed(arguments):
    with pytest.raises(ValueError, match="just one of"):
        ProfilerHook(**arguments)
