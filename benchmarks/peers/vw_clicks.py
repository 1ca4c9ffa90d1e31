"""Vowpal Wabbit on rows like Criteo's: `text` and `test`, files in its own format, and the number of `rows`.

The clock runs while its own driver reads the file: in the constructor, or in `run_parser`.
"""

from __future__ import annotations

import json
import time

import vowpalwabbit
from measure import task

TASK = task()
COMMON = "--loss_function logistic --quiet"


def main() -> None:
    """Train for one pass, evaluate, and print one line of JSON."""
    began = time.perf_counter()
    model = vowpalwabbit.Workspace(f"-d {TASK['text']} -b 22 -f {TASK['text']}.model {COMMON}")
    model.run_parser()
    seconds = time.perf_counter() - began
    model.finish()
    test = vowpalwabbit.Workspace(f"-d {TASK['test']} -t -i {TASK['text']}.model {COMMON}")
    test.run_parser()
    loss = test.get_sum_loss() / test.get_weighted_examples()
    version = vowpalwabbit.__version__
    print(json.dumps({"speed": TASK["rows"] / seconds, "loss": loss, "version": version}))


if __name__ == "__main__":
    main()
