"""The logical plan: a tree of nodes that hold settings and nothing that moves."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from dataflow.errors import DataflowError, SpecError
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import Tensor
from dataflow.expr.user_function import UserFunction
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.origin import user_line
from dataflow.plan.parts import Extent, Place
from dataflow.runtime.operator import Operator
from dataflow.seeds import Epochs
from dataflow.spec import Structure


@dataclasses.dataclass(frozen=True)
class Traits:
    """What rewrites may rely on; every default is the cautious answer.

    Attributes:
        same_elements: Elements come out exactly as they went in (order and number may differ), so
            components that nobody reads can be left out below.
        component_wise: The structure stays, and each component of an output element is made of that
            same component of input elements alone; how many elements come, and where they are cut, does
            not depend on components of fixed shape. So components of fixed shape that nobody reads can
            be left out below.
        one_to_one: The n-th element is made of the n-th of the only input alone.
        piecewise: What is made of two runs of input elements, one behind the other, is what is made of
            the first and then what is made of the second.
    """

    same_elements: bool = False
    component_wise: bool = False
    one_to_one: bool = False
    piecewise: bool = False


@dataclasses.dataclass(frozen=True)
class Node(ABC):
    """One stage of a pipeline. Subclasses are frozen dataclasses: their fields are the node.

    Derived from the fields: inputs, repr, the line in `explain`, equality, fingerprint, rebuilding.
    """

    traits: ClassVar[Traits] = Traits()
    origin: str = dataclasses.field(default_factory=user_line, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._check_integers()
            self.check()
            self.element_spec  # noqa: B018  (computed and kept, so that errors come at the user's line)
        except DataflowError as error:
            error.in_stage(self.stage)
            raise

    def _check_integers(self) -> None:
        """Make fields that are declared as int Python integers, or refuse them.

        Symbolic ones, of the functions of `flat_map` and its like, become integers when they are bound.
        """
        for name, optional in _integer_fields(type(self)):
            value = getattr(self, name)
            if type(value) is int or isinstance(value, Tensor) or (value is None and optional):
                continue
            try:
                object.__setattr__(self, name, operator.index(value))
            except TypeError:
                raise SpecError(f"{name} must be an integer, not {value!r}") from None

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

    @functools.cached_property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes among the fields, in order."""
        found: list[Node] = []
        for value in self.settings().values():
            found.extend(v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Node))
        return tuple(found)

    def with_columns(self, components: Sequence[int]) -> Self | None:
        """Return a node that gives only some components, in `flatten` order, if that saves reading."""
        return None

    def take_run(self, start: int, stop: int) -> Node | None:
        """Return a node that gives elements ``start … stop - 1`` alone, if it can go there without reading.

        What is beyond the end is left out. An element that cannot be made counts as one.
        """
        if not self.traits.one_to_one:
            return None
        below = self.inputs[0].take_run(start, stop)
        return None if below is None else self.with_inputs(below)

    def count_elements(self) -> int | None:
        """Return the number of elements, from files in one fast pass where need be; None if that cannot be.

        An element that cannot be made counts as one.
        """
        size = self.infer_cardinality()
        if size >= 0:
            return size
        return self.inputs[0].count_elements() if self.traits.one_to_one else None

    def extents(self) -> Sequence[Extent] | None:
        """Return the files, or parts of files, that elements are read from, if `between` can cut them."""
        return self.inputs[0].extents() if self.traits.one_to_one or self.traits.piecewise else None

    def between(self, start: Place, stop: Place) -> Node:
        """Return a node that gives what begins between two places of `extents`."""
        return self.with_inputs(self.inputs[0].between(start, stop))

    @property
    def reshuffles(self) -> bool:
        """Whether each start gives the same elements in another order."""
        return False

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
        shown = [f"{name}={describe_value(value)}" for name, value in self.shown_settings().items()]
        return f"{type(self).__name__}({', '.join(shown)})"

    def shown_settings(self) -> dict[str, Any]:
        """Return the settings that tell the node from others: not inputs, data, or what is as by default."""
        shown = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            inputs = isinstance(value, Node) or (
                isinstance(value, tuple) and isinstance((*value, 0)[0], Node)
            )
            if field.repr and not inputs and (isinstance(value, Tensor) or value != field.default):
                shown[field.name] = value
        return shown

    @property
    def fingerprint(self) -> str:
        """A short hash of the plan's shape and settings; saved positions and caches are guarded by it.

        Data and function bodies do not count, nor how fast it runs: fields with the metadata ``physical``.
        """
        physical = {f.name for f in dataclasses.fields(self) if f.metadata.get("physical")}
        settings = {k: v for k, v in self.shown_settings().items() if k not in physical}
        shown = [f"{name}={describe_value(value, items=1 << 62)}" for name, value in settings.items()]
        text = "|".join((type(self).__name__, *shown, *(node.fingerprint for node in self.inputs)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def _integer_fields(kind: type[Node]) -> tuple[tuple[str, bool], ...]:
    """Return the fields that are declared as int, and whether they may be None."""
    declared = ((field.name, set(str(field.type).split(" | "))) for field in dataclasses.fields(kind))
    return tuple((name, "None" in types) for name, types in declared if types - {"Tensor", "None"} == {"int"})


def describe_value(value: Any, items: int = 4) -> str:
    """Return a stable text for a setting; of a tuple with more than `items` only the first ones."""
    if isinstance(value, tuple) and len(value) > items:
        return f"({', '.join(describe_value(v) for v in value[:2])}, … {len(value)} in all)"
    return str(value) if isinstance(value, UserFunction) else repr(value)


def walk(node: Node) -> list[Node]:
    """Return all nodes of the plan, inputs before the stages that read them."""
    return [inner for child in node.inputs for inner in walk(child)] + [node]


def epochs_of(node: Node) -> list[Epochs]:
    """Return the counters of all random stages of the plan, in the order of `walk`.

    For stages that close an input: its counters outlive its position.
    """
    values = (value for inner in walk(node) for value in inner.settings().values())
    return [value for value in values if isinstance(value, Epochs)]


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
