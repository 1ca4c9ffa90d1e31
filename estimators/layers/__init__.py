"""Layers, one family per file: each has a class, and a function that makes and applies one."""

from estimators.layers.base import Layer

__all__ = ["Layer"]
