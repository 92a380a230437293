"""Primitives, tracers, the current trace, and the NumPy evaluator."""
