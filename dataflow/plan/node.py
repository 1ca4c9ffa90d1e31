"""The logical plan: a tree of nodes that hold settings and nothing that moves."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dataflow.block import Strings
from dataflow.errors import DataflowError
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import Tensor
from dataflow.expr.user_function import UserFunction
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.origin import user_line
from dataflow.spec import Structure

if TYPE_CHECKING:
    from dataflow.runtime.operator import Operator


@dataclasses.dataclass(frozen=True)
class Traits:
    """What rewrites may rely on; every default is the cautious answer.

    Attributes:
        same_elements: Elements come out exactly as they went in (order and number may differ), so
            components that nobody reads can be left out below.
        order_free: With `same_elements`: each output element is one input element, and which one
            does not depend on the values. So a row-wise function may run before or after.
        reopens: Its input may be started more than once by one iterator.
    """

    same_elements: bool = False
    order_free: bool = False
    reopens: bool = False


@dataclasses.dataclass(frozen=True)
class Node(ABC):
    """One stage of a pipeline. Subclasses are frozen dataclasses: their fields are the node.

    Derived from the fields: inputs, repr, the line in `explain`, equality, fingerprint, rebuilding.
    """

    traits: ClassVar[Traits] = Traits()
    origin: str = dataclasses.field(default_factory=user_line, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self.check()
            self.element_spec  # noqa: B018  (computed and kept, so that errors come at the user's line)
        except DataflowError as error:
            raise error.in_stage(self.stage)

    def check(self) -> None:
        """Raise if the settings are wrong."""

    @abstractmethod
    def infer_spec(self) -> Structure:
        """Return the structure of TensorSpec of one element. Must not read data."""

    def infer_cardinality(self) -> int:
        """Return the number of elements, or the INFINITE or UNKNOWN constant."""
        return UNKNOWN_CARDINALITY

    @abstractmethod
    def operator(self, *inputs: Operator) -> Operator:
        """Return the object that runs this stage."""

    @functools.cached_property
    def element_spec(self) -> Structure:
        """Structure of TensorSpec of one element."""
        return self.infer_spec()

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes among the fields, in order."""
        found: list[Node] = []
        for value in self.settings().values():
            found.extend(v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Node))
        return tuple(found)

    @property
    def stage(self) -> str:
        """The stage for error messages: what it is and which line built it."""
        return f"{type(self).__name__} built at {self.origin}"

    def settings(self) -> dict[str, Any]:
        """Return the fields of the node by name, without those that every node has."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "origin"}

    def with_inputs(self, *inputs: Node) -> Self:
        """Return the node with other inputs, in the order of `inputs`."""
        if len(inputs) == len(self.inputs) and all(a is b for a, b in zip(inputs, self.inputs, strict=True)):
            return self
        rest = list(inputs)
        changes: dict[str, Any] = {}
        for name, value in self.settings().items():
            if isinstance(value, Node):
                changes[name] = rest.pop(0)
            elif isinstance(value, tuple) and any(isinstance(v, Node) for v in value):
                changes[name] = tuple(rest.pop(0) if isinstance(v, Node) else v for v in value)
        return dataclasses.replace(self, **changes)

    def describe(self) -> str:
        """Return the node's line in `explain`: its name and the settings that differ from defaults."""
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            plain = not isinstance(value, Node) and not (
                isinstance(value, tuple) and value and isinstance(value[0], Node)
            )
            if field.repr and plain and value != field.default:
                shown.append(f"{field.name}={describe_value(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    @functools.cached_property
    def fingerprint(self) -> str:
        """A short hash of the plan's shape and settings; data and function bodies do not count."""
        text = f"{self.describe()}|{'|'.join(node.fingerprint for node in self.inputs)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_value(value: Any) -> str:
    """Return a short, stable text for a setting."""
    if isinstance(value, tuple) and len(value) > 4:
        return f"({', '.join(describe_value(v) for v in value[:2])}, … {len(value)} in all)"
    if isinstance(value, UserFunction | Tensor | Strings):
        return str(value)
    return repr(value)


def walk(node: Node) -> list[Node]:
    """Return all nodes of the plan, inputs before the stages that read them."""
    return [inner for child in node.inputs for inner in walk(child)] + [node]


def bind_value(value: Any, leaves: Sequence[Tensor], values: Sequence[Any]) -> Any:
    """Replace symbolic tensors in a setting by values, given the values of the leaves."""
    if isinstance(value, Tensor):
        return evaluate(value, leaves, values)
    if isinstance(value, UserFunction):
        return value.bind(leaves, values)
    if isinstance(value, Node):
        return bind(value, leaves, values)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(bind_value(part, leaves, values) for part in value)
    return value


def bind(node: Node, leaves: Sequence[Tensor], values: Sequence[Any]) -> Node:
    """Return the plan for one element: symbolic settings computed, random stages started anew."""
    changes = {}
    for field in dataclasses.fields(node):
        old = getattr(node, field.name)
        new = field.metadata["fresh"]() if "fresh" in field.metadata else bind_value(old, leaves, values)
        if new is not old:
            changes[field.name] = new
    return dataclasses.replace(node, **changes) if changes else node
