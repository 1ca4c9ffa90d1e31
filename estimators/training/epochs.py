"""How many batches a training input gives in so many epochs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError
from dataflow.plan.node import Node
from dataflow.transforms.assert_cardinality import AssertCardinality
from dataflow.transforms.repeat import Repeat


def batches_after(dataset: Dataset) -> Callable[[int], int] | None:
    """Return a function from a number of epochs to the number of batches that have ended by then.

    An epoch is what the last `repeat` repeats. Rows of files are counted, in one fast pass, where the
    number is not known. None: nothing is repeated, so the input ends with its only epoch.

    Raises:
        InvalidArgumentError: Nobody can count the elements of an epoch without making them.

    >>> after = batches_after(Dataset.range(10).repeat().batch(4))
    >>> [after(epochs) for epochs in (1, 2, 3)]
    [3, 5, 8]
    """
    above: list[Node] = []
    node = dataset.node
    while not isinstance(node, Repeat):
        if len(node.inputs) != 1:
            return None
        above.append(node)
        node = node.inputs[0]
    repeat, epoch = node, _counted(node.input)
    if epoch is None or _batches(above, repeat, epoch, 1) < 0:
        raise InvalidArgumentError(
            "every_epochs needs the number of elements of an epoch, which cannot be told without making them",
            hint="say it with .assert_cardinality(n) before .repeat(), or give every_steps instead",
        )
    counted = epoch
    return lambda epochs: _batches(above, repeat, counted, epochs)


def _batches(above: list[Node], repeat: Repeat, epoch: Node, epochs: int) -> int:
    node: Node = dataclasses.replace(repeat, input=epoch, count=epochs)
    for other in reversed(above):
        node = other.with_inputs(node)
    return node.infer_cardinality()


def _counted(node: Node) -> Node | None:
    """Return the node, or one like it, with a known number of elements; None if that cannot be."""
    if node.infer_cardinality() >= 0:
        return node
    count = node.count_elements()
    if count is not None:
        return AssertCardinality(node, count)
    if len(node.inputs) != 1:
        return None
    below = _counted(node.inputs[0])
    known = None if below is None else node.with_inputs(below)
    return known if known is not None and known.infer_cardinality() >= 0 else None
