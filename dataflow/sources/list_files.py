"""`list_files`: the files that match glob patterns. Listing happens once, when the stage is built."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import pyarrow as pa

from dataflow.block import Block
from dataflow.errors import NotFoundError, TraceError
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import STRING, Structure, TensorSpec
from dataflow.storage.files import as_paths, list_matches
from dataflow.strings import Strings


class NoMatchError(NotFoundError, ValueError):
    """No file matches any of the patterns."""

    __str__ = NotFoundError.__str__


@dataclasses.dataclass(frozen=True)
class ListFiles(Node):
    """The paths, in sorted order; `span` says which they are, if not all."""

    patterns: tuple[str, ...]
    paths: tuple[str, ...] = dataclasses.field(repr=False)
    span: tuple[int, ...] = (0,)

    def infer_spec(self) -> Structure:
        """A path."""
        return TensorSpec((), STRING)

    def infer_cardinality(self) -> int:
        """How many there are."""
        return len(self.paths)

    def take_run(self, start: int, stop: int) -> ListFiles:
        """Some of the paths."""
        span = self.span[0] + start, min(self.span[0] + stop, self.span[0] + len(self.paths))
        return dataclasses.replace(self, paths=self.paths[start:stop], span=span)

    def operator(self, *inputs: Operator) -> Operator:
        """Hand out the paths."""
        return ListFilesOperator(self)


class ListFilesOperator(Operator):
    """Hands out all paths in one block."""

    node: ListFiles

    def start(self, own: State | None) -> None:
        """Begin with the first path."""
        self.done = 0 if own is None else own["done"]

    def produce(self) -> Block | None:
        """Return all paths that are left."""
        paths = self.node.paths[self.done :]
        self.done += len(paths)
        return Block((Strings(pa.array(paths, pa.string())),), len(paths)) if paths else None

    def own_state(self) -> State:
        """How many were handed out."""
        return {"done": self.done}


def list_files_node(
    patterns: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Tensor,
) -> ListFiles:
    """List the files now.

    Raises:
        NoMatchError: No pattern matches any file.
    """
    if isinstance(patterns, Tensor):
        raise TraceError("listing files needs the pattern itself")
    names = as_paths(patterns)
    paths = sorted(path for name in names for path in list_matches(name))
    if not paths:
        raise NoMatchError(
            f"no file matches {', '.join(names)}",
            hint=f"the pattern is relative to {os.getcwd()}; * does not cross /",
        )
    return ListFiles(names, tuple(paths))


EXAMPLES = (lambda: ListFiles(("*.csv",), ("a.csv", "b.csv", "c.csv")),)
