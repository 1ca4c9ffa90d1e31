"""The files of an exported model, and what is wrong with others."""

from __future__ import annotations

from dataflow.errors import DataLossError

MODEL = "saved_model.json"
"""Signatures and graph; the last file that is written."""
VARIABLES = "variables/variables.safetensors"
ASSETS = "assets"
"""The directory of vocabularies."""
ASSETS_EXTRA = "assets.extra"
"""The directory of what users add."""
FORMAT = "estimators.saved_model"
VERSION = 1


class SavedModelError(DataLossError):
    """The files of an exported model are damaged, of a newer format, or something else."""
