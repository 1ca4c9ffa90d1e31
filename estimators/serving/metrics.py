"""`Metrics`: counts and histograms in the text format of Prometheus."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Counts of values below bounds.

    Args:
        bounds: In ascending order.

    >>> sizes = Histogram((4,))
    >>> sizes.add(2)
    >>> list(sizes.lines("rows"))
    ['rows_bucket{le="4"} 1', 'rows_bucket{le="+Inf"} 1', 'rows_sum 2', 'rows_count 1']
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total: float = 0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._total += value

    def lines(self, name: str, labels: Labels = ()) -> Iterable[str]:
        """Yield it as lines of text."""
        below = 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            below += count
            yield f"{name}_bucket{_listed((*labels, ('le', bound)))} {below}"
        yield f"{name}_sum{_listed(labels)} {self._total}"
        yield f"{name}_count{_listed(labels)} {below}"


class Metrics:
    """What a server counts.

    Args:
        model: Its name.
    """

    def __init__(self, model: str) -> None:
        self._model = ("model", model)
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._rows = Histogram(ROWS)
        self._joined = Histogram(ROWS)
        self.load_failures = 0
        self.loads = 0

    def answered(self, verb: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests[verb, status] += 1
        found = self._seconds.get(verb)
        if found is None:
            found = self._seconds[verb] = Histogram(SECONDS)
        found.add(seconds)

    def ran(self, rows: int, requests: int) -> None:
        """Count a batch."""
        self._rows.add(rows)
        self._joined.add(requests)

    def loaded(self, good: bool) -> None:
        """Count a try to load a version."""
        if good:
            self.loads += 1
        else:
            self.load_failures += 1

    def text(self, versions: Mapping[int, float], gauges: Mapping[str, float]) -> str:
        """Return all in the text format.

        Args:
            versions: Those that are served, and the time in seconds since 1970 when they were loaded.
            gauges: Other values of now, by name.
        """
        model = (self._model,)
        lines = ["# HELP serving_requests_total Answers.", "# TYPE serving_requests_total counter"]
        for (verb, status), count in sorted(self._requests.items()):
            kind = _listed((*model, ("method", verb), ("code", str(status))))
            lines.append(f"serving_requests_total{kind} {count}")
        lines += _head("serving_request_seconds", "histogram", "Time from head to answer.")
        for verb, seconds in sorted(self._seconds.items()):
            lines += seconds.lines("serving_request_seconds", (*model, ("method", verb)))
        lines += _head("serving_batch_rows", "histogram", "Rows of batches that the model ran.")
        lines += self._rows.lines("serving_batch_rows", model)
        lines += _head("serving_batch_requests", "histogram", "Requests that were joined to a batch.")
        lines += self._joined.lines("serving_batch_requests", model)
        lines += _head("serving_model_loaded_seconds", "gauge", "When a version was loaded, since 1970.")
        for version, when in versions.items():
            which = _listed((*model, ("version", str(version))))
            lines.append(f"serving_model_loaded_seconds{which} {when:.3f}")
        counts = {"serving_model_loads_total": self.loads, "serving_load_failures_total": self.load_failures}
        for name, number in counts.items():
            lines += [f"# TYPE {name} counter", f"{name}{_listed(model)} {number}"]
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name}{_listed(model)} {value}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _listed(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
