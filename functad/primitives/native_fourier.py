"""NumPy's Fourier transforms, which are pocketfft's: as functions of arrays, and called from native code.

Natively, the loops of the ufuncs that ``numpy.fft`` consists of are called, with strides, so no axis is moved:

    loop(args, [lines, n, m], [step from line to line of each operand ..., step along the axis of x, of y])
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from functad.kernel_ir.native import NativeFunction, family, reads, writes
from functad.kernel_ir.numpy_routines import Routine, routine, ufunc_loop

__all__ = ["native_transform", "transform"]

LOOPS = {"fft": ("fft",), "ifft": ("ifft",), "rfft": ("rfft_n_even", "rfft_n_odd"), "irfft": ("irfft",)}
"""The ufuncs of each transform; of two, the second is for odd lengths."""


def transform(kind: str, x: np.ndarray, out: np.ndarray, axis: int) -> None:
    """Fill ``out`` with a transform of x along an axis, without a factor."""
    if not x.size:
        return
    match kind:
        case "fft":
            np.fft.fft(x, axis=axis, out=out)
        case "ifft":
            np.fft.ifft(x, axis=axis, norm="forward", out=out)
        case "rfft":
            np.fft.rfft(x, axis=axis, out=out)
        case _:
            np.fft.irfft(x, out.shape[axis], axis=axis, norm="forward", out=out)


@family
def native_transform(kind: str, dtype: np.dtype, out: np.dtype, rank: int, axis: int) -> NativeFunction:
    """What native code calls for ``transform``."""
    symbol = f"functad_{kind}_{dtype.name}_{rank}_{axis}"
    real = np.dtype(np.float64 if max(dtype.itemsize, out.itemsize) == 16 else np.float32)
    types = f"{dtype.char}{real.char}->{out.char}"
    loops = [_loop(name, types) for name in LOOPS[kind]]
    called = {f"loop{k}": Routine(loop and loop[0], "void (ptr, ptr, ptr, ptr)") for k, loop in enumerate(loops)}
    data = {f"{symbol}_data{k}": loop[1] for k, loop in enumerate(loops) if loop and loop[1]}
    kinds = (reads(dtype, rank), writes(out, rank))

    def evaluate(x: np.ndarray, y: np.ndarray) -> None:
        transform(kind, x, y, axis)

    calls = _calls(symbol, [f"{symbol}_data{k}" in data for k in range(len(loops))])
    return routine(symbol, kinds, evaluate, called, _body(dtype, out, real, rank, axis, calls), data)


def _loop(name: str, types: str) -> tuple[int, int] | None:
    try:
        module: Any = importlib.import_module("numpy.fft._pocketfft_umath")
    except ImportError:
        return None
    ufunc = getattr(module, name, None)
    return ufunc_loop(ufunc, types) if isinstance(ufunc, np.ufunc) else None


def _calls(symbol: str, has_data: list[bool]) -> str:
    def call(k: int) -> str:
        data = f"@{symbol}_data{k}" if has_data[k] else "null"
        return f"  call void @{symbol}.loop{k}(ptr %args, ptr %dims, ptr %steps, ptr {data})"

    if len(has_data) == 1:
        return f"{call(0)}\n  br label %next"
    return f"""  %parity = and i64 %n, 1
  %odd = icmp ne i64 %parity, 0
  br i1 %odd, label %is.odd, label %is.even

is.odd:
{call(1)}
  br label %next

is.even:
{call(0)}
  br label %next"""


def _body(dtype: np.dtype, out: np.dtype, real: np.dtype, rank: int, axis: int, calls: str) -> str:
    """A loop over what is before the axis, of loops over what is behind it; with nothing behind, one loop over what is
    before.
    """
    text = ["entry:"]
    for k in range(2 * rank):
        text += [f"  %z{k}.at = getelementptr i64, ptr %sizes, i64 {k}", f"  %z{k} = load i64, ptr %z{k}.at"]

    def product(name: str, factors: list[str]) -> str:
        total = "1"
        for k, factor in enumerate(factors):
            text.append(f"  %{name}{k} = mul i64 {total}, {factor}")
            total = f"%{name}{k}"
        return total

    n, m = f"%z{axis}", f"%z{rank + axis}"
    before = product("before", [f"%z{k}" for k in range(axis)])
    behind = product("behind", [f"%z{k}" for k in range(axis + 1, rank)])
    kind, size, out_size = "double" if real.itemsize == 8 else "float", dtype.itemsize, out.itemsize
    last = axis == rank - 1
    text.append(f"""  %n = add i64 {n}, 0
  %in.along = mul i64 {behind}, {size}
  %out.along = mul i64 {behind}, {out_size}
  %in.block = mul i64 %in.along, {n}
  %out.block = mul i64 %out.along, {m}
  %args = alloca [3 x ptr]
  %dims = alloca [3 x i64]
  %steps = alloca [5 x i64]
  %factor = alloca {kind}
  store {kind} 1.0, ptr %factor
  %x = load ptr, ptr %buffers
  %y.slot = getelementptr ptr, ptr %buffers, i64 1
  %y = load ptr, ptr %y.slot""")
    values = [
        *[("dims", 0, before if last else behind), ("dims", 1, n), ("dims", 2, m)],
        *[("steps", 0, "%in.block" if last else str(size)), ("steps", 1, "0")],
        *[("steps", 2, "%out.block" if last else str(out_size)), ("steps", 3, "%in.along"), ("steps", 4, "%out.along")],
    ]
    for array, k, value in values:
        text += [
            f"  %{array}{k} = getelementptr i64, ptr %{array}, i64 {k}",
            f"  store i64 {value}, ptr %{array}{k}",
        ]
    text.append(f"""  %some = icmp sgt i64 %in.block, 0
  %blocks = select i1 %some, i64 {"1" if last else before}, i64 0
  %any = icmp sgt i64 {before}, 0
  %count = select i1 %any, i64 %blocks, i64 0
  br label %head

head:
  %block = phi i64 [ 0, %entry ], [ %following, %next ]
  %more = icmp slt i64 %block, %count
  br i1 %more, label %work, label %done

work:
  %in.from = mul i64 %block, %in.block
  %out.from = mul i64 %block, %out.block
  %in.row = getelementptr i8, ptr %x, i64 %in.from
  %out.row = getelementptr i8, ptr %y, i64 %out.from
  %args1 = getelementptr ptr, ptr %args, i64 1
  %args2 = getelementptr ptr, ptr %args, i64 2
  store ptr %in.row, ptr %args
  store ptr %factor, ptr %args1
  store ptr %out.row, ptr %args2
{calls}

next:
  %following = add i64 %block, 1
  br label %head

done:
  ret i32 0""")
    return "\n".join(text)
