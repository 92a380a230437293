"""The frame of a call: what the functions of a module share with each other and with native functions. It is in front
of the sizes, a pointer to which each has anyway.

Counted back from the sizes, in bytes: the clock's budget; the error cell, that is the value that a check found, where
its loop was, a code and a lock (both i32); and for the clock what is to be known about the GIL, and when signals are
looked at next.
"""

__all__ = [
    "BUDGET", "BUDGET_AT", "CODE_AT", "DEADLINE_AT", "FRONT", "GIL_AT", "LOCK_AT", "POSITION_AT", "VALUE_AT",
]  # fmt: skip

BUDGET_AT, VALUE_AT, POSITION_AT, CODE_AT, LOCK_AT, GIL_AT, DEADLINE_AT = -8, -16, -24, -28, -32, -40, -48

FRONT = 48
"""Bytes in front of the sizes."""

BUDGET = 2**18
"""The work between two looks at the clock: 20 us of vectors, or half a millisecond of sums that wait for each other. A
look takes 50 ns.
"""
