"""The conformance kit: what every source and transform must hold, as checks that anybody can run.

`check` runs all checks on a plan, given as a function that builds it; `cases` finds the plans of all
sources and transforms of this package by itself. For a transform of your own::

    from dataflow.testing import check
    from dataflow.sources.range import Range

    def test_my_transform_conforms():
        check(lambda: MyTransform(Range(0, 20)))
"""

from __future__ import annotations

from dataflow.testing.cases import Case, cases, over_sources
from dataflow.testing.checks import CHECKS, Check, check
from dataflow.testing.events import Event, events, options_for

__all__ = ["CHECKS", "Case", "Check", "Event", "cases", "check", "events", "options_for", "over_sources"]
