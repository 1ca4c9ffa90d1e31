"""Symbolic tensors: primitives, tracing of user functions, evaluation on blocks."""
