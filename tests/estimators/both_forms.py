"""Graphs run in both forms of a program."""

import numpy as np

from estimators.graph.program import Program


def run(fetches, feeds, number=0, **values):
    """Run fetches by name on values of leaves: with kernels, and primitive by primitive, which agree."""
    kernels, reference = (
        Program(list(feeds), fetches, reference=switch).run(list(feeds.values()), dict(values), number)
        for switch in (False, True)
    )
    for name, found in kernels.items():
        assert found.dtype == reference[name].dtype
        rtol, atol = (1e-5, 1e-6) if found.dtype == np.float32 else (1e-12, 0)
        np.testing.assert_allclose(found, reference[name], rtol=rtol, atol=atol)
    return kernels
