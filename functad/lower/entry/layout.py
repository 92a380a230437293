"""What an entry's ``self`` and its block hold: the agreement between the entry's text and what makes the entry."""

from __future__ import annotations

from enum import IntEnum
from itertools import accumulate

from functad.lower.entry.signature import Signature

__all__ = ["Layout", "SelfItem"]


class SelfItem(IntEnum):
    """The items of the tuple that is an entry's ``self``."""

    SLOW_PATH = 0  # called with the same arguments on any mismatch
    RAISE_ERROR = 1  # called with the driver's error code
    BLOCK = 2  # bytes: int64 words
    KEYS = 3  # the keys of all dicts of the signature, a dict's own before those of its children
    STATICS = 4  # the values of all Statics of the signature, in the order in which they stand in it
    ALLOCATORS = 5  # for each array result what makes it, or None for NumPy's own allocation
    WORLD = 6  # the objects of all places and checks, as functad.lower.entry.world lists them
    UNWRITTEN = 7  # bytes: records of arrays that nobody may have written to
    KEEP = 8  # whatever else has to live as long as the entry


class Layout:
    """Where things stand in the block, counted in words: driver, release_gil, number of threads, dims of array
    arguments, dims of array results, addresses of constants, sizes.
    """

    DRIVER = 0
    RELEASE_GIL = 1
    THREADS = 2

    def __init__(self, signature: Signature, constants: int) -> None:
        argument_ranks = [len(leaf.shape) for leaf in signature.inputs if leaf.kind == "array"]
        result_ranks = [len(leaf.shape) for leaf in signature.outputs if leaf.kind == "array"]
        dims = list(accumulate([*argument_ranks, *result_ranks], initial=3))
        self.argument_dims = dims[: len(argument_ranks)]
        self.result_dims = dims[len(argument_ranks) : -1]
        self.constants = dims[-1]
        self.sizes = self.constants + constants
