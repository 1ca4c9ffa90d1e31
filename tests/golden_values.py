"""Values that TensorFlow gave, in files beside."""

import json
from pathlib import Path
from typing import Any


def golden(name: str) -> dict[str, Any]:
    """Return the values of one file of tests/golden."""
    path = Path(__file__).parent / "golden" / f"{name}.json"
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values
