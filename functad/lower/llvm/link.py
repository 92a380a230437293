"""Linking object code into this process.

llvmlite's ORC LLJIT, with JITLink rather than RuntimeDyld: 0.3 ms a library against 0.7. The code is freed with its
library, but LLVM keeps 9 KB of bookkeeping for each until its LLJIT dies. To make an LLJIT costs 1.4 ms, so a few
libraries share one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from functad.errors import InternalError
from functad.lower.llvm.interruptions import free, gives_lock_back
from functad.lower.llvm.target import Target, target_machine

__all__ = ["Library", "link"]

_SHARING = 32


class _Freed:
    """Frees code when it dies."""

    __slots__ = ("_tracker",)

    def __init__(self, tracker: llvm.orcjit.ResourceTracker) -> None:
        self._tracker = tracker

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing, free: Callable[[Any], None] = free) -> None:
        if not ending():
            free(self._tracker)


class Library:
    """Linked code; its addresses are valid while it is alive, so whatever holds an address holds the library."""

    __slots__ = ("__weakref__", "_addresses", "_keep", "_tracker")

    def __init__(
        self, tracker: llvm.orcjit.ResourceTracker, addresses: Mapping[str, int], keep: Iterable[object]
    ) -> None:
        # It frees the code when it dies, and keeps the LLJIT alive. The collector must not find it in a cycle: it would
        # have it free the code before it runs other finalizers in that cycle, which may call the code. It does not look
        # into arrays.
        self._tracker = np.array([_Freed(tracker)], object)
        self._addresses = addresses
        self._keep = tuple(keep)  # what the code refers to

    def address(self, name: str) -> int:
        """The address of an exported symbol."""
        return self._addresses[name]


@gives_lock_back
def link(code: bytes, symbols: Mapping[str, int], exports: Iterable[str], keep: Iterable[object] = ()) -> Library:
    """Load object code; what it leaves undefined comes from ``symbols`` (addresses by name), then from the C library.
    It keeps ``keep`` alive.
    """
    exports = tuple(exports)
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name, address in symbols.items():
        builder.import_symbol(name, address)
    for name in exports:
        builder.export_symbol(name)
    jit, number = _place()
    try:
        tracker = builder.link(jit, f"functad.{number}")
    except RuntimeError as error:
        raise InternalError(f"functad's native code does not link: {str(error).strip()}") from None
    return Library(tracker, {name: tracker[name] for name in exports}, keep)


def _place() -> tuple[llvm.orcjit.LLJIT, int]:
    """An LLJIT for the next library, and the library's number in it."""
    while True:
        try:
            return _places.pop()
        except IndexError:  # two threads that find this at once make one each
            jit = llvm.create_lljit_compiler(target_machine(Target.host()), use_jit_link=True)
            _places.extend([(jit, number) for number in range(_SHARING)])


_places: list[tuple[llvm.orcjit.LLJIT, int]] = []
