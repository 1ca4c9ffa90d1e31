"""Every source and transform holds what the conformance kit checks; newcomers are found by themselves."""

import atexit
import shutil
import tempfile

import pytest

from dataflow.sources import SOURCES
from dataflow.testing import cases, check
from dataflow.transforms import TRANSFORMS

FOLDER = tempfile.mkdtemp()  # the cases are needed before there are fixtures
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
CASES = {case.name: case for case in cases(FOLDER)}


@pytest.mark.filterwarnings("ignore:(cache|snapshot).. after shuffle")
@pytest.mark.parametrize("name", CASES)
def test_conforms(name):
    check(CASES[name].make)


@pytest.mark.parametrize("module", [*SOURCES, *TRANSFORMS], ids=lambda module: module.__name__)
def test_everything_that_is_registered_is_tried(module):
    short = module.__name__.rpartition(".")[2]
    assert any(name.startswith(f"{short}-") for name in CASES)
