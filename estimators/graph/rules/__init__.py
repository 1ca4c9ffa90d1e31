"""Gradient rules of the primitives of `dataflow`, one family per file; importing this registers them.

Rules of the primitives of models stand beside their records, in `estimators.graph.primitives`.
"""

from estimators.graph.rules import arrays, elementwise, linear_algebra, random, reductions

__all__ = ["arrays", "elementwise", "linear_algebra", "random", "reductions"]
