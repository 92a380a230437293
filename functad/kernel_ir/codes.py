"""What native code returns: 0, the number of a check that failed (from 1), or one of these.

The least of all codes is the one that is seen; below these there is ``core.raised.RAISED``.
"""

__all__ = ["OUT_OF_MEMORY", "SIZE_OVERFLOW"]

OUT_OF_MEMORY = -1
"""There was no memory for temporaries."""

SIZE_OVERFLOW = -2
"""A matrix has more rows or columns than BLAS can count."""
