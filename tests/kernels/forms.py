"""A kernel in all its forms: compiled, and as the plain Python it was written in."""

import sys
from unittest import mock

import pytest


def plain(kernel):
    """Return a kernel as plain Python, with everything that it calls."""
    module = sys.modules[kernel.__module__]
    functions = {name: value.py_func for name, value in vars(module).items() if hasattr(value, "py_func")}

    def run(*args):
        with mock.patch.multiple(module, **functions):
            return kernel.py_func(*args)

    return run


def every_form(kernel):
    """Run a test with the kernel as it is, and un-jitted; with DATAFLOW_JIT=0 both are one."""
    forms = [pytest.param(kernel, id="as_it_is")]
    if hasattr(kernel, "py_func"):
        forms.append(pytest.param(plain(kernel), id="py_func"))
    return pytest.mark.parametrize("kernel", forms)
