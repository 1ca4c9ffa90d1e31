"""Who may import whom. The tables are the rule; the tests below only read them."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Low to high. A module imports from its own layer or a lower one; dataflow/__init__.py from any.
LAYERS = [
    {"kernels"},
    {"errors", "origin", "spec", "strings", "leaves", "block", "ragged", "options", "arrow_columns"}
    | {"block_bytes"},
    {"storage", "csv", "csv_format", "store", "seeds", "random_order", "mixing"},
    {"expr"},
    {"reduction", "tensors", "text", "image", "parsing", "random"},
    {"plan", "runtime"},
    {"sources", "transforms"},
    {"rewrites"},
    {"export", "first_element", "one_shot", "saving", "torch_dataset"},
    {"exact_rows", "writing"},
    {"profile"},
    {"advice"},
    {"profile_run"},
    {"dataset"},
    {"readers", "make_csv_dataset", "read_csv"},
    {"testing"},
]

# These packages import nothing but the standard library and what is listed.
CLOSED = {
    "dataflow.kernels": {"numpy", "numba", "llvmlite", "dataflow.kernels"},
    "estimators.kernels": {"numpy", "numba", "llvmlite", "dataflow.kernels", "estimators.kernels"},
}

# These are imported only by the modules listed.
RESERVED = {
    "estimators": ["estimators", "estimators.*"],
    "fsspec": ["dataflow.storage", "dataflow.storage.*"],
    "pyarrow.parquet": ["dataflow.storage", "dataflow.storage.*"],
    "llvmlite": ["dataflow.kernels.*", "estimators.kernels.*"],
    "numba": ["dataflow.kernels.*", "estimators.kernels.*"],
    "threading": ["dataflow.runtime.threads"],
    "concurrent.futures": ["dataflow.runtime.threads"],
    "queue": ["dataflow.runtime.threads"],
    "PIL": ["dataflow.expr.primitives.image"],
}

# Files are opened only in dataflow/storage: no other module calls one of these.
OPENING = {"open", "io.open", "os.open", "os.fdopen", "gzip.open", "bz2.open", "lzma.open"}
OPENING_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "memory_map", "OSFile"}

# `import dataflow` and `import estimators` leave these alone: slow, or an extra.
LAZY = [
    "numba", "pyarrow.dataset", "pandas", "matplotlib", "torch", "polars", "PIL", "sklearn", "onnx", "orjson",
    "starlette",
]  # fmt: skip


def _modules() -> dict[str, ast.Module]:
    """Return the parsed modules of both packages by dotted name."""
    files = sorted([*ROOT.glob("dataflow/**/*.py"), *ROOT.glob("estimators/**/*.py")])
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return {
        name.removesuffix(".__init__"): ast.parse(file.read_text(encoding="utf-8"), str(file))
        for name, file in zip(names, files, strict=True)
    }


MODULES = _modules()


def _targets(statement: ast.AST) -> list[str]:
    """Return what an import statement imports; `from package import x` is the module x if there is one."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        assert statement.level == 0, f"line {statement.lineno}: write the import with its full name"
        return [f"{statement.module}.{alias.name}" for alias in statement.names]
    return []


def _imports(name: str) -> list[str]:
    """Return every import in a module, also those inside functions and for type checking only."""
    return [target for statement in ast.walk(MODULES[name]) for target in _targets(statement)]


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when the module is imported."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        yield statement
        for field in ("body", "orelse", "handlers", "finalbody"):
            yield from _at_import(getattr(statement, field, []))


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _layer(name: str) -> int:
    """Return the layer of a dataflow module, or of a name inside one."""
    unit = name.split(".")[1] if "." in name else ""
    known = [number for number, units in enumerate(LAYERS) if unit in units]
    return known[0] if known else len(LAYERS)


def test_every_dataflow_module_has_a_layer():
    units = {name.split(".")[1] for name in MODULES if name.startswith("dataflow.")}
    assert units <= set().union(*LAYERS), "give the new module a place in LAYERS"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("dataflow.")])
def test_imports_go_down(name):
    inner = [target for target in _imports(name) if _within(target, "dataflow")]
    assert [target for target in inner if _layer(target) > _layer(name)] == []


@pytest.mark.parametrize(
    "name", [name for name in MODULES if any(_within(name, closed) for closed in CLOSED)]
)
def test_kernels_import_only_what_they_need(name):
    allowed = set().union(*(names for closed, names in CLOSED.items() if _within(name, closed)))
    outer = [target for target in _imports(name) if target.split(".")[0] not in sys.stdlib_module_names]
    assert [target for target in outer if not any(_within(target, package) for package in allowed)] == []


@pytest.mark.parametrize("name", MODULES)
def test_reserved_libraries_stay_in_their_place(name):
    banned = [library for library, places in RESERVED.items() if not any(fnmatch(name, p) for p in places)]
    assert [t for t in _imports(name) if any(_within(t, library) for library in banned)] == []


@pytest.mark.parametrize("name", [name for name in MODULES if not _within(name, "dataflow.storage")])
def test_only_storage_opens_files(name):
    calls = [node for node in ast.walk(MODULES[name]) if isinstance(node, ast.Call)]
    called = [(call.lineno, ast.unparse(call.func)) for call in calls]
    called = [c for c in called if not c[1].startswith("files.")]  # dataflow.storage.files
    assert [c for c in called if c[1] in OPENING or c[1].split(".")[-1] in OPENING_METHODS] == []


def test_no_import_circle():
    graph: dict[str, set[str]] = {}
    for name, tree in MODULES.items():
        targets = [target for statement in _at_import(tree.body) for target in _targets(statement)]
        modules = {t if t in MODULES else t.rpartition(".")[0] for t in targets}
        graph[name] = modules & MODULES.keys() - {name}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", ["dataflow", "estimators"])
def test_import_is_light(package):
    code = f"import sys, {package}; print([name for name in {LAZY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
