"""The stages of compiling a function, one at a time: ``fd.jit(f).lower(*args)``, ``.compile()``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from functad.ir.program import Program
from functad.passes.pipeline import optimize

if TYPE_CHECKING:
    from functad.lower.compile import Compiled

__all__ = ["CompiledFunction", "Lowered"]


class Lowered:
    """A function traced for one kind of arguments; not yet machine code.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> lowered = fd.jit(lambda x: np.sum(x * 2.0)).lower(np.zeros(3))
    >>> print(lowered.ir)
    { lambda a:f64[3] .
        b:f64[3] = mul a 2.0
        c:f64[] = sum[axes=(0,)] b
      in (c) }
    """

    def __init__(self, program: Program, call: Callable[..., Any]) -> None:
        self._program = program
        self._call = call

    @property
    def ir(self) -> Program:
        """The Program after the passes."""
        return optimize(self._program)

    @property
    def kernel_ir(self) -> str:
        """The loop nests that it becomes, as text."""
        return self._compiled.kernel_ir

    @property
    def _compiled(self) -> Compiled:
        from functad.lower.compile import compiled_of

        return compiled_of(self._program)

    def compile(self) -> CompiledFunction:
        """The machine code."""
        return CompiledFunction(self._compiled, self._call)


class CompiledFunction:
    """Machine code for one kind of arguments.

    The C function at ``address`` is ``int32_t f(void **inputs, void **outputs, int64_t *sizes)``: data pointers of C-contiguous inputs (the
    arguments' leaves, then ``constants``) and of outputs that do not overlap them, and the values of ``sizes``. It returns 0, or the number of the
    check that failed.
    """

    def __init__(self, compiled: Compiled, call: Callable[..., Any]) -> None:
        self._compiled = compiled
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as the jitted one is called."""
        return self._call(*args, **kwargs)

    @property
    def address(self) -> int:
        """The address of the C function; valid while this object lives."""
        return self._compiled.driver.address

    @property
    def ctypes(self) -> Any:
        """The C function as ctypes sees it."""
        pointers = ctypes.POINTER(ctypes.c_void_p)
        return ctypes.CFUNCTYPE(ctypes.c_int32, pointers, pointers, ctypes.POINTER(ctypes.c_int64))(self.address)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The run-time sizes that the C function takes."""
        return self._compiled.driver.sizes

    @property
    def constants(self) -> tuple[Any, ...]:
        """The arrays that the C function takes behind the arguments."""
        return self._compiled.driver.constants

    @property
    def kernel_ir(self) -> str:
        """The loop nests, as text."""
        return self._compiled.kernel_ir

    @property
    def llvm(self) -> str:
        """The LLVM module, as text."""
        return self._compiled.llvm

    @property
    def assembly(self) -> str:
        """The machine code, as text."""
        return self._compiled.assembly()
