"""What a model computes from features and labels without its variables moves into the dataset's plan.

There it runs on large blocks in the reading threads.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.dataset import Dataset
from dataflow.expr.function import Function, postorder
from dataflow.expr.tensor import CONSTANT, PARAMETER, Tensor, parameter
from dataflow.expr.user_function import UserFunction
from dataflow.options import Options, usable_cores
from dataflow.spec import Structure, TensorSpec
from dataflow.transforms.map import Map
from estimators.graph.schedule import without_repeats
from estimators.graph.scope import BATCH_NUMBER
from estimators.graph.variable import VARIABLE
from estimators.inputs.input_fn import SymbolicInput

BLOCK_BYTES = 16 << 20
"""Reading aims at blocks of this size: small ones mean more Python, which the steps have to wait for."""


def hoist(
    dataset: Dataset,
    source: SymbolicInput,
    outputs: Sequence[Tensor],
    seldom: Sequence[Tensor] = (),
) -> tuple[Dataset, tuple[Tensor, ...]]:
    """Move what needs no variables, and no number of the step, into the dataset.

    Args:
        dataset: Batches.
        source: Its symbolic tensors.
        outputs: Everything that a program computes.
        seldom: What is computed of few batches: only the components that it needs are read for it.

    Returns:
        A dataset of tuples of columns, read in large blocks and with one core left
        to the program, and the tensors of the program's graph that they are values of.
    """
    columns = hoisted(source, outputs)
    columns = (*columns, *unread(source, columns, seldom))
    specs = tuple(TensorSpec(tensor.shape, tensor.dtype) for tensor in columns)
    graph = Function(source.leaves, without_repeats(columns))
    function = UserFunction(_model_inputs, dataset.element_spec, specs, "traced", graph, verify=False)
    fed_dataset = Dataset(Map(dataset.node, function))
    defaults = Options(threads=max(1, usable_cores() - 1), block_bytes=BLOCK_BYTES)
    return fed_dataset.with_options(defaults.merged_with(dataset.options())), columns


def hoisted(source: SymbolicInput, outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the last tensors on the way to the outputs that need no variables and no number of the step."""
    order = postorder(outputs)
    trained: set[int] = set()
    fed: set[int] = set()
    for call in order:
        if call.primitive in (VARIABLE, BATCH_NUMBER) or any(id(t.call) in trained for t in call.inputs):
            trained.add(id(call))
        if call.primitive is PARAMETER or any(id(t.call) in fed for t in call.inputs):
            fed.add(id(call))
    frontier: dict[tuple[int, int], Tensor] = {}
    used = [t for call in order if id(call) in trained for t in call.inputs] + list(outputs)
    for tensor in used:
        if (
            id(tensor.call) in fed
            and id(tensor.call) not in trained
            and tensor.call.primitive is not CONSTANT
        ):
            frontier[id(tensor.call), tensor.output] = tensor
    return tuple(frontier.values()) or source.leaves[:1]


def unread(source: SymbolicInput, columns: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the components of the input that outputs need beside the columns."""
    _, cut = replaced(outputs, columns)
    needed = {id(call) for call in postorder(cut) if call.primitive is PARAMETER}
    return [leaf for leaf in source.leaves if id(leaf.call) in needed]


def _model_inputs(*_: Structure) -> Structure:
    """Stand for the hoisted part of a model in `explain`."""
    raise AssertionError("the hoisted part of a model is run as a graph only")


def replaced(
    tensors: Sequence[Tensor], columns: Sequence[Tensor], leaves: tuple[Tensor, ...] = ()
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Cut a graph at the columns; return their leaves, and the tensors over these leaves.

    Leaves are made unless they are given.
    """
    leaves = leaves or tuple(parameter(TensorSpec(column.shape, column.dtype)) for column in columns)
    cut = {(id(c.call), c.output): leaf for c, leaf in zip(columns, leaves, strict=True)}
    return leaves, Function((), tuple(tensors)).cut(cut)
