"""`FinalOpsHook`: values at the end of a run."""

from __future__ import annotations

from typing import Any

from dataflow.errors import InvalidArgumentError
from estimators.hooks.base import SessionRunHook
from estimators.hooks.fetches import Fetches
from estimators.hooks.run_session import RunSession


class FinalOpsHook(SessionRunHook):
    """Computes tensors when the run has ended, from the last values of variables.

    Args:
        final_ops: A tensor, or a dict, tuple or list of tensors, that need no batch of the input.
        final_ops_feed_dict: Must be empty: nothing is fed here.

    Raises:
        InvalidArgumentError: Something is to be fed; at the end, if a tensor needs a batch.
    """

    def __init__(self, final_ops: Fetches, final_ops_feed_dict: Any = None) -> None:
        if final_ops_feed_dict:
            raise InvalidArgumentError("nothing can be fed here", hint="leave final_ops_feed_dict out")
        self._ops = final_ops
        self._values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """The values, in the structure of `final_ops`; None before the end."""
        return self._values

    def end(self, session: RunSession) -> None:
        """Compute."""
        self._values = session.run(self._ops)
