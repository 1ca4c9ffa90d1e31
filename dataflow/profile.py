"""What `Dataset.profile` reports: as text, as a table in a notebook, as a picture."""

from __future__ import annotations

import dataclasses
import html
import importlib
import textwrap
from collections.abc import Callable
from typing import Any

from dataflow.errors import OptionalDependencyError

NAME_WIDTH = 64
TEXT_WIDTH = 110
MARK = "<- bottleneck"


@dataclasses.dataclass(frozen=True)
class StageProfile:
    """What one stage did. Shares are of the time of the run; several threads may add up to more than 1.

    Attributes:
        name: Its line in `explain`.
        depth: How far below the last stage it is.
        made: Whether it belongs to the datasets that `flat_map` or another stage above it makes; all of
            these datasets are one stage.
        starts: How often it was built: once, or for each dataset that was made.
        rows: Elements that it gave out.
        rows_per_second: The same by time.
        bytes_per_second: Bytes of these elements by time.
        own: Share in which it computed.
        waits: Share in which it did not: for files, servers or sleep, for the interpreter's lock, for a free
            core; `prefetch` waits for the stages below it, which run in its thread.
        busy: How many threads worked at it at a time, on average: computing, or waiting for something
            else than other stages.
        threads: How many might.
        held_bytes: The most that it was seen to hold back.
        starved: Whether others took the core from it more often than it gave it away: then it waits for a
            core.
        note: More about it, or an empty text.
    """

    name: str
    depth: int
    made: bool
    starts: int
    rows: int
    rows_per_second: float
    bytes_per_second: float
    own: float
    waits: float
    busy: float
    threads: int
    held_bytes: int
    starved: bool = False
    note: str = ""

    @property
    def load(self) -> float:
        """How much of what its threads could do was used, from 0 to about 1."""
        return self.busy / self.threads

    @property
    def label(self) -> str:
        """The name as it is shown: short, and marked if it belongs to datasets that were made."""
        name = self.name if len(self.name) <= NAME_WIDTH else self.name[: NAME_WIDTH - 1] + "…"
        return f"* {name}" if self.made else name


_COLUMNS: tuple[tuple[str, Callable[[StageProfile], str]], ...] = (
    ("rows/s", lambda stage: f"{stage.rows_per_second:,.0f}"),
    ("MB/s", lambda stage: f"{stage.bytes_per_second / 1e6:,.1f}"),
    ("own", lambda stage: f"{stage.own:.0%}"),
    ("waits", lambda stage: f"{stage.waits:.0%}"),
    ("threads", lambda stage: f"{stage.busy:.1f} of {stage.threads}"),
    ("holds MB", lambda stage: f"{stage.held_bytes / 1e6:,.1f}"),
)


@dataclasses.dataclass(frozen=True)
class Profile:
    """How a pipeline ran, stage by stage. ``print(profile)`` shows it; a notebook shows a table.

    Attributes:
        stages: The stages in the order of `explain`: the last one first.
        seconds: How long it ran.
        rows: Elements that came out of it.
        rows_per_second: The same by time.
        cores: How many cores the whole process kept busy, on average.
        consumer: Share of the time that the one who reads took.
        bottleneck: The stage that keeps its threads busiest, so that the others wait for it; None if it is
            the one who reads, or nothing ran.
        advice: What to change, the most useful first.
    """

    stages: tuple[StageProfile, ...]
    seconds: float
    rows: int
    rows_per_second: float
    cores: float
    consumer: float
    bottleneck: StageProfile | None
    advice: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line about the whole."""
        text = f"{self.rows:,} elements in {self.seconds:.1f} s: {self.rows_per_second:,.0f} per second"
        reader = f", the reader took {self.consumer:.0%}" if self.consumer >= 0.05 else ""
        return f"{text}; {self.cores:.1f} cores busy{reader}"

    def _notes(self, stage: StageProfile) -> str:
        return "  ".join(part for part in (stage.note, MARK if stage is self.bottleneck else "") if part)

    def __str__(self) -> str:
        names = ["  " * stage.depth + stage.label for stage in self.stages]
        cells = [[show(stage) for _, show in _COLUMNS] for stage in self.stages]
        titles = [title for title, _ in _COLUMNS]
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        first = max(map(len, names))

        def line(name: str, parts: list[str], note: str) -> str:
            aligned = [part.rjust(width) for part, width in zip(parts, widths, strict=True)]
            return "  ".join((name.ljust(first), *aligned, note)).rstrip()

        lines = [self.summary, "", line("", titles, "")]
        for name, parts, stage in zip(names, cells, self.stages, strict=True):
            lines.append(line(name, parts, self._notes(stage)))
        if any(stage.made for stage in self.stages):
            lines.append("* of the datasets that the stage above makes, all together")
        if self.advice:
            lines += ["", "what to do:"]
            for text in self.advice:
                lines += textwrap.wrap(text, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same as a table; colours are those of the notebook."""
        right, left = "text-align:right", "text-align:left"
        titles = "".join(f'<th style="{right}">{title}</th>' for title, _ in _COLUMNS)
        rows = []
        for stage in self.stages:
            bold = "font-weight:bold;" if stage is self.bottleneck else ""
            name = f'<td style="{left};padding-left:{stage.depth + 0.5}em">{html.escape(stage.label)}</td>'
            cells = "".join(f'<td style="{right}">{html.escape(show(stage))}</td>' for _, show in _COLUMNS)
            note = f'<td style="{left}">{html.escape(self._notes(stage))}</td>'
            rows.append(f'<tr style="{bold}background:none">{name}{cells}{note}</tr>')
        made = "<p>* of the datasets that the stage above makes, all together</p>"
        advice = "".join(f"<li>{html.escape(text)}</li>" for text in self.advice)
        return (
            f"<p>{html.escape(self.summary)}</p>"
            f'<table><thead><tr><th style="{left}">stage</th>{titles}<th></th></tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>"
            f"{made if any(stage.made for stage in self.stages) else ''}"
            f"{f'<p>what to do:</p><ul>{advice}</ul>' if advice else ''}"
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw a bar for each stage, the time that it computed beside that in which it waited.

        Args:
            ax: The `matplotlib.axes.Axes` to draw on; default new ones.

        Returns:
            The axes.

        Raises:
            OptionalDependencyError: matplotlib is not installed.
        """
        try:
            plt = importlib.import_module("matplotlib.pyplot")
        except ImportError as error:
            raise OptionalDependencyError(
                "plot needs matplotlib", hint="pip install 'dataflow-estimators[plot]'"
            ) from error
        if ax is None:
            _, ax = plt.subplots(figsize=(9, 1 + 0.4 * len(self.stages)), layout="constrained")
        places = range(len(self.stages))
        own = [100 * stage.own for stage in self.stages]
        waits = [100 * stage.waits for stage in self.stages]
        ax.barh(places, own, color="tab:blue", label="own")
        ax.barh(places, waits, left=own, color="tab:blue", alpha=0.3, label="waits")
        names = ["  " * stage.depth + stage.label for stage in self.stages]
        ax.set_yticks(places, [name.replace("$", r"\$") for name in names])
        for place, label, stage in zip(places, ax.get_yticklabels(), self.stages, strict=True):
            if stage is self.bottleneck:
                label.set_fontweight("bold")
                ax.annotate(f" {MARK}", (own[place] + waits[place], place), va="center", color="tab:red")
        ax.invert_yaxis()
        ax.set_xlim(0, 1.3 * max(75.0, *(sum(both) for both in zip(own, waits, strict=True))))
        ax.set_xlabel("% of the time")
        ax.set_title(self.summary, loc="right", fontsize="medium")
        ax.legend(loc="lower right")
        return ax
