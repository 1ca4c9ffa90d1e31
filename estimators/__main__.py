"""`python -m estimators`: jobs on the command line."""

from __future__ import annotations

import sys

from estimators.command_line import main

if __name__ == "__main__":
    sys.exit(main())
