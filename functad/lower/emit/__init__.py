"""LLVM text of the kernel IR."""

from functad.lower.emit.module import Module, emit_module
from functad.lower.emit.sequences import release_name

__all__ = ["Module", "emit_module", "release_name"]
