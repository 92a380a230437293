"""What compiled code is to other native code: a C address, a ctypes function, an ``@njit`` function."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from typing import Any

from functad.identity import Immutable
from functad.ir.program import Program
from functad.lower.compile import Compiled, compiled_of, with_stages

__all__ = ["NativeFunction"]


class NativeFunction(Immutable):
    """Machine code for one kind of arguments.

    The C function at ``address`` is ``int32_t f(void **inputs, void **outputs, int64_t *sizes)``: data pointers of
    C-contiguous inputs (the arguments' leaves, then ``hidden``, then ``constants``) and of outputs that do not overlap
    them, and the values of ``sizes``. It returns 0, the number of the check that failed, or a negative number
    (``kernel_ir/codes.py``). It neither touches the GIL nor looks at signals, but for callbacks. It is valid while this
    object lives. Pickled, it is its Program and the function; it is compiled again where it is unpickled, and
    ``hidden`` are copies there, unless what is pickled together holds the same arrays.
    """

    def __init__(
        self, program: Program, call: Callable[..., Any], hidden: tuple[Any, ...] = (), fastmath: str = ""
    ) -> None:
        self._program, self._fastmath = program, fastmath
        self._compiled = compiled_of(program, fastmath)
        self._call = call
        self.hidden = hidden
        """What the C function takes behind the arguments: the writeable arrays that the function closes over. Only a
        call of this object looks whether they, and what else the function closes over, still have the shape that the
        code was made for.
        """
        if "numba" in sys.modules:  # else Numba registers it when it is imported, by its entry point
            register()

    def __reduce__(self) -> tuple[Any, ...]:
        return NativeFunction, (self._program, self._call, self.hidden, self._fastmath)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as the jitted one is called."""
        return self._call(*args, **kwargs)

    @property
    def address(self) -> int:
        """The address of the C function."""
        return int(self._compiled.code.foreign)

    @property
    def ctypes(self) -> Any:
        """The C function as ctypes sees it, valid as long as this function of ctypes lives."""
        pointers = ctypes.POINTER(ctypes.c_void_p)
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, pointers, pointers, ctypes.POINTER(ctypes.c_int64))
        function: Any = kind(self.address)
        function.functad = self._compiled.driver
        return function

    @functools.cached_property
    def numba(self) -> Any:
        """The function as ``@njit`` code sees it: of the arguments' leaves, to its result, or the tuple of them.

        An ``@njit`` function may also use this object itself.
        """
        from functad.lower.numba_bridge import njit_function

        return njit_function(self._compiled, self.hidden)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The run-time sizes that the C function takes."""
        return self._compiled.driver.sizes

    @property
    def constants(self) -> tuple[Any, ...]:
        """The arrays that the C function takes behind the arguments."""
        return self._compiled.driver.constants

    @functools.cached_property
    def _shown(self) -> Compiled:
        return with_stages(self._program, self._compiled, self._fastmath)

    @property
    def kernel_ir(self) -> str:
        """The loop nests, as text."""
        return self._shown.kernel_ir

    @property
    def llvm(self) -> str:
        """The LLVM module, as text."""
        return self._shown.llvm

    @property
    def assembly(self) -> str:
        """The machine code, as text."""
        return self._shown.assembly()


@functools.cache
def register() -> None:
    """Teach Numba that compiled functions are functions; Numba calls this itself, by the entry point
    ``numba_extensions``.
    """
    from numba.core import types
    from numba.extending import typeof_impl

    @typeof_impl.register(NativeFunction)  # type: ignore[untyped-decorator]
    def typeof_native_function(value: NativeFunction, context: Any) -> Any:
        return types.Dispatcher(value.numba)
