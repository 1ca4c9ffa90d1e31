"""Modules that say ``BOTH_FORMS = True`` run twice: with planned programs, and with the plain NumPy form.

Planned, runs of element-wise calls are fused however short they are.
"""

import pytest

from estimators.graph import fusion


def pytest_generate_tests(metafunc):
    if getattr(metafunc.module, "BOTH_FORMS", False):
        metafunc.fixturenames.append("form_of_programs")
        metafunc.parametrize("form_of_programs", ["planned", "plain"], indirect=True)


@pytest.fixture
def form_of_programs(request, monkeypatch):
    monkeypatch.setenv("ESTIMATORS_REFERENCE", str(int(request.param == "plain")))
    monkeypatch.setattr(fusion, "WORTHWHILE", 0)
