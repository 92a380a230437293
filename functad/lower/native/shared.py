"""Native code that all modules share: functions that are compiled when a module first calls them, and kept for good."""

from __future__ import annotations

import threading
from dataclasses import replace

from functad.lower.emit.matvec import matvec_module
from functad.lower.llvm.link import Library, link
from functad.lower.llvm.target import Target, emit_object
from functad.lower.native.blas import blas_symbols
from functad.lower.native.blocks import block_module
from functad.lower.native.threads import parallel_symbols

__all__ = ["is_shared", "shared_symbol"]

_libraries: dict[tuple[str, Target], Library] = {}
_lock = threading.Lock()


def is_shared(name: str) -> bool:
    """Whether this is the name of such a function."""
    return name.startswith(("functad_blocks", "functad_matvec"))


def shared_symbol(name: str, target: Target) -> int:
    """The address of a function, to be imported into code for the same target; none of it is the user's arithmetic."""
    target = replace(target, fastmath="")
    with _lock:
        if (name, target) not in _libraries:
            _libraries[name, target] = _library(name, target)
        return _libraries[name, target].address(name)


def _library(name: str, target: Target) -> Library:
    if name.startswith("functad_blocks"):
        return link(emit_object(block_module(name), target), parallel_symbols(), [name])
    return link(emit_object(matvec_module(name, target), target), blas_symbols(), [name])
