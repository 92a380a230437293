"""What native code returns: 0, the number of a check that failed (from 1), or one of these. The least one is seen."""

__all__ = ["CALLBACK_FAILED", "OUT_OF_MEMORY", "SIZE_OVERFLOW"]

OUT_OF_MEMORY = -1
"""There was no memory for temporaries."""

SIZE_OVERFLOW = -2
"""A matrix has more rows or columns than BLAS can count."""

CALLBACK_FAILED = -3
"""A Python function has raised what ``pending.take_exception`` gives."""
