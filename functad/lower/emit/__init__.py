"""LLVM text of the kernel IR."""

from functad.lower.emit.driver import SIZE_OVERFLOW
from functad.lower.emit.failures import OFFENDER
from functad.lower.emit.module import Module, emit_module
from functad.lower.emit.sequences import release_name
from functad.lower.emit.workspace import OUT_OF_MEMORY

__all__ = ["OFFENDER", "OUT_OF_MEMORY", "SIZE_OVERFLOW", "Module", "emit_module", "release_name"]
