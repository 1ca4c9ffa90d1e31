"""A kernel in all its forms: compiled, and as the plain Python it was written in."""

import pytest


def every_form(kernel):
    """Run a test with the kernel as it is, and un-jitted; with DATAFLOW_JIT=0 both are one."""
    forms = [pytest.param(kernel, id="as_it_is")]
    if hasattr(kernel, "py_func"):
        forms.append(pytest.param(kernel.py_func, id="py_func"))
    return pytest.mark.parametrize("kernel", forms)
