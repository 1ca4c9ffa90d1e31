"""Writing of RESULTS.md: one section a benchmark, and what it was measured on."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
LIBRARIES = ("numpy", "numba", "pyarrow", "fsspec")


def _cpu_model() -> str:
    """Return the name of the processor, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def machine() -> str:
    """Describe the processor, memory, Python and libraries in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{_cpu_model()}, {cores} cores, {memory:.0f} GiB; Python {platform.python_version()}, {libraries}"


def write_section(name: str, text: str, *, path: Path = RESULTS) -> None:
    """Replace the section headed `## name` of the results, or add it at the end; the others stay.

    The file is replaced in one step: a reader sees the old or the new one. The text itself has no line
    that starts with `## `.
    """
    if re.search(r"^## ", text, re.MULTILINE):
        raise ValueError("the text of a section cannot contain a line that starts with '## '")
    old = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    head, *sections = re.split(r"^(?=## )", old, flags=re.MULTILINE)
    new = f"## {name}\n\n{text.strip()}\n"
    kept = {section.partition("\n")[0]: section.strip() + "\n" for section in sections}
    kept[f"## {name}"] = new
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write("\n".join([head.strip() + "\n", *kept.values()]))
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
