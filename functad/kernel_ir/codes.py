"""What native code returns: 0, the number of a check that failed (from 1), or one of these. The least one is seen."""

__all__ = ["OUT_OF_MEMORY", "RAISED", "SIZE_OVERFLOW"]

OUT_OF_MEMORY = -1
"""There was no memory for temporaries."""

SIZE_OVERFLOW = -2
"""A matrix has more rows or columns than BLAS can count."""

RAISED = -3
"""Python code (a callback, the handler of a signal), or Numba's, has raised what ``pending.take_exception`` gives."""
