"""A whole KernelProgram as an LLVM module.

Its entry is ``i32 driver(ptr inputs, ptr outputs, ptr sizes)``: arrays of data pointers, and the int64 values of the
size symbols. It returns 0, the smallest code of a failed check, or a negative code: ``OUT_OF_MEMORY``,
``SIZE_OVERFLOW``. A program that may be long has a second one, for Python, which lets others run (``clock.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

from functad.kernel_ir.native import NativeFunction, declared_functions
from functad.kernel_ir.nodes import KernelProgram
from functad.lower.emit.clock import clocked_name
from functad.lower.emit.control import PASSES
from functad.lower.emit.driver import Driver
from functad.lower.emit.work import needs_clock
from functad.lower.llvm.target import Target

__all__ = ["Module", "emit_module"]


@dataclass(frozen=True, slots=True)
class Module:
    """LLVM text, the native functions that it calls, the passes of LLVM's optimiser that it needs, and the entry for
    Python.
    """

    text: str
    calls: tuple[NativeFunction, ...]
    passes: tuple[str, ...] = ()
    called: str = "driver"


def emit_module(program: KernelProgram, target: Target, name: str = "driver", *, threads: bool = True) -> Module:
    """The module that computes a program; its entry is ``name``. Large loops run on several threads if ``threads``
    allows it.
    """
    driver = Driver(program, target, threads)
    text = driver.emit(name)
    declared = "\n".join(sorted(driver.code.declarations))
    calls = tuple(declared_functions(driver.code.declarations))
    whole = "\n\n".join([declared, *driver.functions, text]) + "\n"
    called = clocked_name(name) if needs_clock(program) else name
    return Module(whole, calls, PASSES if driver.inner else (), called)
