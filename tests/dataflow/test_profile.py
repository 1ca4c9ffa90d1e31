"""`Dataset.profile`: what is counted, what is named the bottleneck, and how it is shown."""

import sys
import time
from collections import Counter

import matplotlib as mpl
import pyarrow as pa
import pytest

from dataflow import (
    Dataset,
    FailedPreconditionError,
    InvalidArgumentError,
    OptionalDependencyError,
    Options,
    TextLineDataset,
    TracingWarning,
    UserFunctionError,
)
from dataflow.runtime.threads import running


def sleeps(x):
    time.sleep(0.002 if int(x) >= 0 else 0)
    return x


def computes(x):
    return sum(i * int(x) for i in range(20_000))


def in_python(dataset, function, calls=None):
    with pytest.warns(TracingWarning):
        return dataset.map(function, num_parallel_calls=calls)


def rows_of(profile):
    return {stage.name.split("(")[0]: stage.rows for stage in profile.stages}


def names_of(profile):
    return ["  " * stage.depth + stage.name for stage in profile.stages]


@pytest.mark.parametrize("threads", [0, 2])
def test_each_stage_counts_what_it_gives(threads):
    dataset = Dataset.range(1000).map(lambda x: x * 2).filter(lambda x: x % 4 == 0).batch(10)
    profile = dataset.with_options(Options(threads=threads)).profile(seconds=60)
    rows = rows_of(profile)
    assert [rows[name] for name in ("Range", "Map", "Filter", "Batch")] == [1000, 1000, 500, 50]
    assert profile.rows == 50


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset.range(100).map(lambda x: x + 1).shuffle(10).batch(3),
        Dataset.zip(Dataset.range(5), Dataset.range(7).repeat()),
        Dataset.range(4).concatenate(Dataset.range(2).map(lambda x: x * 2)),
        Dataset.range(4).cache().with_options(Options(rewrites=False)),
    ],
)
def test_lines_are_those_of_explain(dataset):
    profile = dataset.profile(seconds=60)
    assert "\n".join(names_of(profile)) == dataset.explain()
    lines = str(profile).splitlines()[3:]
    assert [line[: len(name)] for line, name in zip(lines, names_of(profile), strict=False)] == names_of(
        profile
    )


def test_one_dataset_in_two_places_is_two_stages():
    numbers = Dataset.range(6).filter(lambda x: x >= 0)
    profile = Dataset.zip(numbers, numbers.take(2)).with_options(Options(rewrites=False)).profile(60)
    assert [stage.rows for stage in profile.stages if stage.name.startswith("Range")] == [6, 6]


def test_datasets_made_for_elements_add_up_in_one_line(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.txt").write_text("line\n" * 10 * (i + 1))
    files = Dataset.list_files(f"{tmp_path}/*.txt", shuffle=False)
    profile = files.flat_map(lambda path: TextLineDataset(path).prefetch(1)).profile(60)
    made = [(stage.name.split("(")[0], stage.rows, stage.starts) for stage in profile.stages if stage.made]
    assert made == [("Prefetch", 60, 3), ("TextLines", 60, 3)]
    assert "    * Prefetch" in str(profile)


def test_a_function_that_waits_is_the_bottleneck():
    dataset = in_python(Dataset.range(100), sleeps).shuffle(10).batch(5)
    profile = dataset.profile(seconds=60)
    assert profile.bottleneck.name == "Map(function=sleeps [python], num_parallel_calls=1)"
    assert profile.bottleneck.waits > profile.bottleneck.own
    assert "let the waits overlap, num_parallel_calls=16" in profile.advice[0]


def test_waits_in_workers_belong_to_the_map():
    profile = in_python(Dataset.range(200), sleeps, 4).batch(5).profile(seconds=60)
    assert profile.bottleneck.name.startswith("Map")
    assert profile.bottleneck.threads == 4
    assert 1 < profile.bottleneck.busy <= 4.5


def test_a_function_that_computes_is_to_be_written_with_numpy():
    profile = in_python(Dataset.range(200), computes).batch(5).profile(seconds=60)
    assert "write it with NumPy functions" in profile.advice[0]
    assert 'Options(python_workers="processes")' in profile.advice[0]


def test_a_slow_generator_is_the_bottleneck():
    def numbers():
        for i in range(50):
            time.sleep(0.002)
            yield i

    profile = Dataset.from_generator(numbers, output_types="int64").batch(5).profile(seconds=60)
    assert profile.bottleneck.name.startswith("FromGenerator")
    assert "unbatch()" in profile.advice[0]


def test_what_processes_compute_is_the_stage_s_own_time():
    dataset = in_python(Dataset.range(20), computes, 2).with_options(Options(python_workers="processes"))
    profile = dataset.profile(seconds=60)
    stage = profile.stages[0]
    assert (stage.rows, stage.threads, stage.note) == (20, 2, "processes")
    assert stage.own > 0
    assert "computes [python] keeps its 2 processes busy" in profile.advice[0]


def test_a_file_that_is_read_by_one_thread_is_to_be_split(tmp_path):
    (tmp_path / "a.txt").write_text("line\n" * 100)
    profile = TextLineDataset(tmp_path / "a.txt").profile(seconds=60)
    assert profile.bottleneck is profile.stages[0]
    assert "split the data into several files" in profile.advice[0]


def test_stages_that_wait_for_each_other_in_one_thread_are_to_take_a_prefetch():
    def numbers():
        for i in range(50):
            time.sleep(0.002)
            yield i

    dataset = in_python(Dataset.from_generator(numbers, output_types="int64"), sleeps)
    assert any("take turns in one thread" in text for text in dataset.profile(seconds=60).advice)


def test_a_reader_that_takes_as_long_as_the_pipeline_is_to_take_a_prefetch():
    dataset = in_python(Dataset.range(100), sleeps)
    profile = dataset.profile(seconds=60, consumer_seconds_per_element=0.002)
    assert any("prefetch() at its end" in text for text in profile.advice)
    profile = dataset.prefetch(1).profile(seconds=60, consumer_seconds_per_element=0.002)
    assert not any("prefetch() at its end" in text for text in profile.advice)


def test_many_single_elements_are_to_be_batched():
    dataset = Dataset.range(5_000_000)
    text = "a Python loop over single elements is slower than this pipeline: batch() them"
    assert text in dataset.profile(seconds=60).advice
    assert text not in dataset.batch(100).profile(seconds=60).advice


def test_who_reads_slowly_is_told_so():
    dataset = Dataset.range(1000).map(lambda x: x + 1).batch(10)
    profile = dataset.profile(seconds=1, consumer_seconds_per_element=0.05)
    assert profile.bottleneck is None
    assert profile.consumer > 0.5
    assert "the pipeline waits for you" in profile.advice[0]


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset.counter().batch(7),
        Dataset.counter().map(lambda x: x + 1).prefetch(2),
        Dataset.counter().filter(lambda x: x < 0),
        Dataset.counter().shuffle(10**12).map(lambda x: x + 1),
    ],
)
def test_endless_datasets_are_stopped_and_leave_no_threads(dataset):
    before = Counter(running())  # of iterators that other tests have dropped
    profile = dataset.profile(seconds=0.2)
    assert profile.stages[-1].rows > 0
    assert 0.2 <= profile.seconds < 20
    assert not Counter(running()) - before


def test_an_element_that_does_not_come_is_explained():
    profile = Dataset.counter().shuffle(10**12).profile(seconds=0.2)
    assert profile.rows == 0
    assert profile.bottleneck is not None
    assert "Shuffle(buffer_size=1000000000000) holds" in profile.advice[0]


def test_a_number_of_elements_ends_it():
    assert Dataset.counter().profile(seconds=60, elements=12).rows == 12


def test_an_empty_dataset_has_no_bottleneck():
    profile = Dataset.range(0).map(lambda x: x + 1).profile()
    assert (profile.rows, profile.bottleneck, profile.advice) == (0, None, ())
    assert "0 elements" in str(profile)


def test_errors_are_raised_as_by_iterating():
    def numbers():
        yield 1
        raise ValueError("no more")

    before = Counter(running())
    dataset = Dataset.from_generator(numbers, output_types="int64").map(lambda x: x + 1).prefetch(1)
    with pytest.raises(UserFunctionError, match="no more"):
        dataset.profile()
    assert not Counter(running()) - before


@pytest.mark.parametrize("buffer", [100, "global"])
def test_later_iterations_come_in_the_order_that_they_would_have_had(buffer):
    def orders(profiled):
        dataset = Dataset.range(100).shuffle(buffer, seed=5)
        if profiled:
            dataset.profile(60)
        return [[int(x) for x in dataset] for _ in range(2)]

    assert orders(profiled=True) == orders(profiled=False)


def test_a_cache_in_memory_stays_as_it_is():
    dataset = Dataset.range(100).shuffle(100, seed=5, reshuffle_each_iteration=False).cache()
    assert rows_of(dataset.profile(60))["Range"] == 100
    assert rows_of(dataset.profile(60))["Range"] == 100
    list(dataset)
    assert rows_of(dataset.profile(60)) == {"Cache": 100, "Shuffle": 0, "Range": 0}


def test_a_cache_that_was_not_filled_raises_no_alarm(caplog):
    Dataset.counter().cache().profile(seconds=60, elements=10)
    assert caplog.text == ""


def test_what_can_be_read_once_is_not_used_up():
    table = pa.table({"a": [1, 2]})
    dataset = Dataset.from_arrow(table.to_reader())
    with pytest.raises(FailedPreconditionError, match="would use up"):
        dataset.profile()
    assert len(list(dataset)) == 2


@pytest.mark.parametrize(
    ("name", "dataset", "least"),
    [
        ("Shuffle", Dataset.range(50_000).shuffle(50_000), 400_000),
        ("GlobalShuffle", Dataset.range(50_000).shuffle("global"), 400_000),
        ("Cache", Dataset.range(50_000).cache(), 400_000),
        ("Window", Dataset.range(50_000).window(30_000, 1, as_batch=True).take(1), 150_000),
        ("GroupByWindow", Dataset.range(1000).group_by_window(lambda x: x, lambda k, g: g, 500), 500),
    ],
)
def test_what_stages_hold_is_seen(name, dataset, least):
    held = {stage.name.split("(")[0]: stage.held_bytes for stage in dataset.profile(60).stages}
    assert held[name] >= least
    assert held["Range"] == 0


def test_a_shuffle_beyond_the_memory_is_told_of():
    dataset = Dataset.range(50_000).shuffle(50_000).with_options(Options(memory_bytes=10_000))
    assert any('shuffle("global")' in text for text in dataset.profile(60).advice)


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"elements": 0}, {"consumer_seconds_per_element": -1}])
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidArgumentError, match="must be above 0"):
        Dataset.range(3).profile(**wrong)


def test_text_and_table_show_every_stage_and_mark_the_bottleneck():
    profile = in_python(Dataset.range(50), lambda x: sleeps(x)).batch(5).profile(60)
    marked = [line for line in str(profile).splitlines() if line.endswith("<- bottleneck")]
    assert len(marked) == 1
    assert "[python]" in marked[0]
    table = profile._repr_html_()
    assert table.count("<tr") == 1 + len(profile.stages)
    assert table.count("font-weight:bold") == 1
    assert "&lt;lambda&gt; [python]" in table
    assert "<lambda>" not in table
    assert all(
        f"<li>{text}</li>" in table.replace("&lt;", "<").replace("&gt;", ">") for text in profile.advice
    )


def test_the_picture_has_a_bar_of_two_parts_for_each_stage():
    mpl.use("Agg")
    profile = in_python(Dataset.range(50), sleeps).batch(5).profile(60)
    axes = profile.plot()
    labels = [label.get_text().strip() for label in axes.get_yticklabels()]
    assert labels == [stage.name for stage in profile.stages]
    assert len(axes.patches) == 2 * len(profile.stages)
    bold = [label.get_text() for label in axes.get_yticklabels() if label.get_fontweight() == "bold"]
    assert [text.strip() for text in bold] == [profile.bottleneck.name]
    assert profile.plot(axes) is axes
    mpl.pyplot.close("all")


def test_without_matplotlib_plot_says_what_to_install(monkeypatch):
    profile = Dataset.range(3).profile(60)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(OptionalDependencyError, match=r"pip install 'dataflow-estimators\[plot\]'"):
        profile.plot()
