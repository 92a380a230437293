"""A scalar function as a native loop over arrays: what tests and benchmarks of the math library run.

exp = ArrayFunction(MATH["exp"], "f64")
exp(np.linspace(-1.0, 1.0, 101))
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np

from functad.kernel_ir.lines import Lines
from functad.kernel_ir.native import declared_functions
from functad.lower.llvm.lanes import Lanes
from functad.lower.llvm.target import Target, emit_object
from functad.lower.native.machine import link_native

__all__ = ["ArrayFunction"]


class ArrayFunction:
    """``out[i] = body(x[i], ...)`` in native code over contiguous arrays; ``body(lanes, dtype, *names)`` is as the
    entries of ``MATH``.
    """

    def __init__(self, body: Callable[..., str], dtype: str, arity: int = 1, width: int | None = None) -> None:
        target = Target.host()
        self.dtype = np.dtype(f"f{int(dtype[1:]) // 8}")
        self.width = target.lanes(self.dtype.itemsize) if width is None else width
        self.text = _module_text(body, dtype, arity, self.width)
        calls = declared_functions(self.text.splitlines())
        self._library = link_native(emit_object(self.text, target), calls, target, ["loop"])
        self._entry = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (arity + 1))(
            self._library.address("loop")
        )

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """The results at any number of points."""
        n = arrays[0].size
        padded = [np.ones(-(-n // self.width) * self.width, self.dtype) for _ in arrays]
        for target, source in zip(padded, arrays, strict=True):
            target[:n] = source
        out = np.empty_like(padded[0])
        self.bind(out, *padded)()
        return out[:n]

    def bind(self, out: np.ndarray, *arrays: np.ndarray) -> Callable[[], None]:
        """One pass over these arrays, whose length is a multiple of ``width``, as a call with nothing around it."""
        return functools.partial(self._entry, out.size, out.ctypes.data, *(x.ctypes.data for x in arrays))


def _module_text(body: Callable[..., str], dtype: str, arity: int, width: int) -> str:
    lanes = Lanes(Lines(block="body"), width)
    ty, scalar = lanes.ty(dtype), Lanes(lanes.text, 1).ty(dtype)
    align = int(dtype[1:]) // 8
    operands = []
    for j in range(arity):
        address = lanes.emit(f"getelementptr {scalar}, ptr %x{j}, i64 %i")
        operands.append(lanes.emit(f"load {ty}, ptr {address}, align {align}"))
    result = body(lanes, dtype, *operands)
    address = lanes.emit(f"getelementptr {scalar}, ptr %out, i64 %i")
    parameters = "".join(f", ptr noalias %x{j}" for j in range(arity))
    declarations, loop = "\n".join(sorted(lanes.declarations)), "\n".join(lanes.text.lines)
    return f"""{declarations}
define void @loop(i64 %n, ptr noalias %out{parameters}) {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %body, label %exit
body:
  %i = phi i64 [ 0, %entry ], [ %next, %{lanes.text.block} ]
{loop}
  store {ty} {result}, ptr {address}, align {align}
  %next = add i64 %i, {width}
  %more = icmp slt i64 %next, %n
  br i1 %more, label %body, label %exit
exit:
  ret void
}}
"""
