"""The stages of compiling a function, one at a time: ``fd.jit(f).lower(*args)``, ``.compile()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from functad.identity import Immutable
from functad.ir.program import Program

if TYPE_CHECKING:
    from functad.lower.callable import NativeFunction
    from functad.lower.compile import Compiled

__all__ = ["Lowered"]


class Lowered(Immutable):
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

    def __init__(
        self, program: Program, call: Callable[..., Any], hidden: tuple[Any, ...] = (), fastmath: str = ""
    ) -> None:
        self._program = program
        self._fastmath = fastmath
        self._call = call
        self.hidden = hidden
        """What the last inputs of the Program are read from at each call: the writeable arrays that the function closes
        over.
        """

    @property
    def ir(self) -> Program:
        """The Program after the passes."""
        from functad.passes.pipeline import optimize

        return optimize(self._program)

    @property
    def kernel_ir(self) -> str:
        """The loop nests that it becomes, as text."""
        return self._compiled.kernel_ir

    @property
    def numba(self) -> str:
        """The loop nests as source that Numba compiles, for people to read; the backend ``numba`` runs it.

        Examples
        --------
        >>> import functad as fd, numpy as np
        >>> print(fd.jit(lambda x: np.sin(x) * 2.0).lower(np.zeros(100)).numba)
        import math
        <BLANKLINE>
        import numpy as np
        from numba import njit
        <BLANKLINE>
        <BLANKLINE>
        @njit(error_model="numpy")
        def mul(in0, out0, n0):
            for i in range(n0):
                out0[i] = np.sin(in0[i]) * 2.0
        <BLANKLINE>
        <BLANKLINE>
        @njit(error_model="numpy")
        def driver(in0, out0, n0, status):
            mul(in0, out0, n0)
        <BLANKLINE>
        """
        from functad.lower.kernels import kernels_of
        from functad.lower.numba.module import print_module

        return print_module(kernels_of(self._program)[1].program).text

    @property
    def _compiled(self) -> Compiled:
        from functad.lower.compile import compiled_of, with_stages

        return with_stages(self._program, compiled_of(self._program, self._fastmath), self._fastmath)

    def compile(self) -> NativeFunction:
        """The machine code: with a C address, and callable from Python, ctypes and ``@njit`` code.

        Examples
        --------
        >>> import functad as fd, numpy as np
        >>> compiled = fd.jit(lambda x: x * 2.0).lower(1.0).compile()
        >>> compiled(3.0)
        np.float64(6.0)
        >>> "double" in compiled.llvm, compiled.address != 0
        (True, True)
        """
        from functad.lower.callable import NativeFunction

        return NativeFunction(self._program, self._call, self.hidden, self._fastmath)
