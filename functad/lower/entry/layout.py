"""What an entry's ``self`` and its block hold, and what an object's table of entries: the agreement between emitted
code and what makes it.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import accumulate

from functad.lower.entry.signature import Signature

__all__ = ["HINTS", "Layout", "SelfItem", "TableItem"]

HINTS = 128
"""Words of a table of entries in which calls that look alike leave the number of the entry that served them."""


class TableItem(IntEnum):
    """The items of the tuple in which an object that is called natively keeps its entries."""

    OTHERWISE = 0  # a function of the object, the tuple of arguments and the dict of keywords: calls that no entry fits
    WORDS = 1  # array of int64: number of entries; HINTS hints; for each entry the addresses of its code and its self
    KEEP = 2  # the entries


class SelfItem(IntEnum):
    """The items of the tuple that is an entry's ``self``."""

    SLOW_PATH = 0  # called with the same arguments on any mismatch
    RAISE_ERROR = 1  # called with the driver's error code
    BLOCK = 2  # bytes: int64 words
    PARTS = 3  # the keywords of the call, then the parts of all containers, one's own before those of its children
    STATICS = 4  # in the order of the signature: plans of what the call gives, then the values of the result
    ALLOCATORS = 5  # for each array result what makes it, or None for NumPy's own allocation
    WORLD = 6  # the objects of all places and checks, as functad.lower.entry.world lists them
    UNWRITTEN = 7  # bytes: records of arrays that nobody may have written to
    KEEP = 8  # whatever else has to live as long as the entry


class Layout:
    """Where things stand in the block, counted in words: driver, release_gil, number of threads, the entry's
    own code, dims of array arguments, dims of array results, addresses of constants, sizes.
    """

    DRIVER = 0
    RELEASE_GIL = 1
    THREADS = 2
    ENTRY = 3

    def __init__(self, signature: Signature, constants: int) -> None:
        argument_ranks = [len(leaf.shape) for leaf in signature.inputs if leaf.kind == "array"]
        result_ranks = [len(leaf.shape) for leaf in signature.outputs if leaf.kind == "array"]
        dims = list(accumulate([*argument_ranks, *result_ranks], initial=4))
        self.argument_dims = dims[: len(argument_ranks)]
        self.result_dims = dims[len(argument_ranks) : -1]
        self.constants = dims[-1]
        self.sizes = self.constants + constants
