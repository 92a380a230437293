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
from functad.lower.emit.timer import Timer
from functad.lower.emit.work import needs_clock
from functad.lower.llvm.target import PIPELINE, Target

__all__ = ["Module", "emit_module"]


@dataclass(frozen=True, slots=True)
class Module:
    """LLVM text, the native functions that it calls, the passes of LLVM's optimiser that it needs, and the entry for
    Python. ``apart`` is text that these passes need not see.
    """

    text: str
    calls: tuple[NativeFunction, ...]
    passes: tuple[str, ...] = ()
    called: str = "driver"
    apart: str = ""


LARGE = 6000
"""Bodies of more lines are not optimised: that takes a second, and they are loops that have been unrolled."""


def emit_module(
    program: KernelProgram, target: Target, name: str = "driver", *, threads: bool = True, timer: Timer | None = None
) -> Module:
    """The module that computes a program; its entry is ``name``. Large loops run on several threads if ``threads``
    allows it; a ``timer`` has its statements timed.

    Loops over scalars are left to LLVM's optimiser. It takes long, so it is not given what is written as it should be,
    the kernels, nor what is very large.
    """
    driver = Driver(program, target, threads, timer=timer)
    text = driver.emit(name)
    declared = "\n".join(sorted(driver.code.declarations))
    calls = tuple(declared_functions(driver.code.declarations))
    called = clocked_name(name) if needs_clock(program) else name
    large = sum(f.count("\n") for f in driver.functions) > LARGE
    if large or not driver.scalar_loops:
        whole = _joined([declared, *driver.kernels, *driver.functions, text])
        return Module(whole, calls, PASSES if driver.inner else (), called)
    loops = _joined([declared, *map(_declaration, driver.kernels), *driver.functions, text])
    kernels = _joined([declared, *[k.replace(INTERNAL, "define hidden", 1) for k in driver.kernels]])
    return Module(loops, calls, (*PASSES, PIPELINE), called, kernels if driver.kernels else "")


def _joined(parts: list[str]) -> str:
    return "\n\n".join(parts) + "\n"


INTERNAL = "define internal"


def _declaration(function: str) -> str:
    """What declares a function elsewhere."""
    return function.partition(" {\n")[0].replace(INTERNAL, "declare", 1)
