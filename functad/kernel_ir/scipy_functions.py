"""Functions of ``scipy.special`` as native functions: C functions of doubles that SciPy's ``cython_special`` exports,
and loops of ufuncs over arrays of complex numbers.

A function with several results (``sici``) writes them to addresses; each result is a native function of its own, which
has memory for all of them.
"""

from __future__ import annotations

import ctypes
import functools
import re
from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.kernel_ir.native import Address, NativeFunction, Text, family, reads, writes
from functad.kernel_ir.numpy_routines import ufunc_loop

__all__ = ["special_function", "special_result", "ufunc_arrays", "ufunc_function"]

# They may note what went wrong, which nothing reads: to LLVM they are pure.
_PURE = "nounwind willreturn memory(none)"


@family
def special_function(name: str, arity: int) -> NativeFunction:
    """``scipy.special.<name>`` of doubles."""
    # Cython's last parameter tells a method that may be overridden from one that is called as it is.
    signature = f"double ({', '.join(['double'] * arity)}, i32) {_PURE}"
    pattern = rf"double \({', '.join(['double'] * arity)}, int __pyx_skip_dispatch\)"
    return NativeFunction(f"functad.scipy.{name}", Address(lambda: _address(name, pattern)), signature=signature)


@family
def special_result(name: str, arity: int, results: int, result: int) -> NativeFunction:
    """One of the results of ``scipy.special.<name>`` of doubles."""
    given, written = ["double"] * arity, [r"double \*"] * results
    pattern = rf"void \({', '.join([*given, *written])}\)"
    inner = _writing(name, arity, results, pattern)
    symbol = f"functad.scipy.{name}.{result}"
    parameters = ", ".join([f"double %x{k}" for k in range(arity)])
    cells = "\n".join([f"  %y{k} = alloca double" for k in range(results)])
    passed = ", ".join([*[f"double %x{k}" for k in range(arity)], *[f"ptr %y{k}" for k in range(results)]])
    text = f"""{inner.declaration}
define double @{symbol}({parameters}) {{
{cells}
  call void @{inner.symbol}({passed})
  %result = load double, ptr %y{result}
  ret double %result
}}
"""
    return NativeFunction(symbol, Text(text), signature=f"double ({', '.join(given)}) {_PURE}")


@family
def _writing(name: str, arity: int, results: int, pattern: str) -> NativeFunction:
    signature = f"void ({', '.join([*['double'] * arity, *['ptr'] * results])})"
    return NativeFunction(f"functad.scipy.{name}", Address(lambda: _address(name, pattern)), signature=signature)


@functools.cache
def _capsules() -> dict[str, Any]:
    """What ``cython_special`` exports; the functions for one dtype of several have prefixed names."""
    import scipy.special.cython_special as exporting

    return dict(exporting.__pyx_capi__)


def _address(name: str, pattern: str) -> int:
    """The pointer in the capsule of a function, whose name is its C signature."""
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    for exported, capsule in _capsules().items():
        if re.fullmatch(rf"(__pyx_fuse_[0-9_]+)?{name}", exported):
            signature = get_name(capsule)
            if re.fullmatch(pattern, signature.decode()):
                return int(get_pointer(capsule, signature) or 0)
    raise InternalError(f"SciPy's cython_special has no {name} of doubles, which compiled code calls")


@family
def _loop(symbol: str, address: int) -> NativeFunction:
    return NativeFunction(symbol, Address(lambda: address), signature="void (ptr, ptr, ptr, ptr)")


@family
def ufunc_function(name: str, arity: int) -> NativeFunction:
    """A ufunc of SciPy's that ``cython_special`` lacks, on one element: the loop that NumPy runs for doubles."""
    import scipy.special._ufuncs as ufuncs

    found = ufunc_loop(getattr(ufuncs, name), "d" * arity + "->d")
    if found is None:
        raise InternalError(f"SciPy's ufunc {name} has no loop for doubles that compiled code could call")
    address, data = found
    symbol, count = f"functad.scipy.{name}", arity + 1
    inner = _loop(f"{symbol}.loop", address)
    cells = [f"  %x{k} = alloca double" for k in range(count)]
    cells += [f"  store double %a{k}, ptr %x{k}" for k in range(arity)]
    for k in range(count):
        cells += [f"  %p{k} = getelementptr ptr, ptr %cells, i64 {k}", f"  store ptr %x{k}, ptr %p{k}"]
    own = f"{symbol}.data"
    pointer = f"ptr @{own}" if data else "ptr null"
    text = f"""{inner.declaration}
@{own} = external global i8

define double @{symbol}({", ".join([f"double %a{k}" for k in range(arity)])}) {{
  %cells = alloca [{count} x ptr]
  %steps = alloca [{count} x i64]
  %one = alloca i64
  store i64 1, ptr %one
  store [{count} x i64] zeroinitializer, ptr %steps
{chr(10).join(cells)}
  call void @{inner.symbol}(ptr %cells, ptr %one, ptr %steps, {pointer})
  %result = load double, ptr %x{arity}
  ret double %result
}}
"""
    signature = f"double ({', '.join(['double'] * arity)}) {_PURE}"
    return NativeFunction(symbol, Text(text, lambda: {own: data} if data else {}), signature=signature)


# -- of complex arrays -------------------------------------------------------------------------------------------------


@family
def ufunc_arrays(
    name: str, types: str, dtype: np.dtype, ranks: tuple[int, ...], result: int, constants: tuple[int | float, ...]
) -> NativeFunction:
    """One of the results of a ufunc of SciPy's, of whole arrays: the loop that NumPy runs.

    Parameters
    ----------
    types
        The loop, ``"dD->D"``. Operands that it takes as real numbers are the real parts of complex ones.
    dtype, ranks
        That of all arrays, complex; each operand has the rank of the result, or rank 0.
    result
        Which result.
    constants
        What the last operands are instead.
    """
    import scipy.special._ufuncs as ufuncs

    ufunc = getattr(ufuncs, name)
    taken, given = types.split("->")
    rank = max(ranks)
    symbol = f"functad.scipy.{name}.{dtype.char}.{''.join(map(str, ranks))}.{result}." + "_".join(
        [str(c).replace("-", "m").replace("+", "p") for c in constants]
    )

    def evaluate(*arrays: Any) -> None:
        *xs, out = arrays
        xs = [x.real if kind in "fd" else x for x, kind in zip(xs, taken, strict=False)]
        found = ufunc(*xs, *constants)
        out[...] = found[result] if len(given) > 1 else found

    operands = (*[reads(dtype, r) for r in ranks], writes(dtype, rank))
    found = ufunc_loop(ufunc, types)
    if found is None:
        return NativeFunction(symbol, operands=operands, evaluate=evaluate)
    inner = _loop(f"{symbol}.loop", found[0])
    places = [(f"%p{k}", dtype.itemsize if r else 0) for k, r in enumerate((*ranks, rank))]
    fixed = [_bits(c, kind) for c, kind in zip(constants, taken[len(ranks) :], strict=True)]
    cells = [*places[:-1], *[(f"%c{k}", 0) for k in range(len(fixed))]]
    cells += [places[-1] if k == result else ("%scratch", 0) for k in range(len(given))]
    own = {f"{symbol}.data": found[1]} if found[1] else {}
    text = _over_arrays(symbol, inner, [*own], ranks, fixed, cells)
    return NativeFunction(symbol, Text(text, lambda: own), operands, evaluate)


def _bits(number: int | float, kind: str) -> int:
    """The 64 bits that a loop finds where it looks for a number of a kind, of 32 bits or 64 (little-endian)."""
    value = np.array(number, kind)
    return int(value.view(f"i{value.itemsize}"))


def _over_arrays(
    symbol: str,
    loop: NativeFunction,
    data: list[str],
    ranks: tuple[int, ...],
    fixed: list[int],
    cells: list[tuple[str, int]],
) -> str:
    """A native function that runs a ufunc's loop once, over as many elements as the result has; ``cells`` are where the
    loop finds and leaves its operands and results, and how far apart elements are; ``data`` the variable of its data.
    """
    rank, size = max(ranks), "1"
    lines = ["  %n = alloca i64", "  %scratch = alloca [2 x double]"]
    lines += [f"  %cells = alloca [{len(cells)} x ptr]", f"  %steps = alloca [{len(cells)} x i64]"]
    for axis in range(rank):
        lines += [
            f"  %a{axis} = getelementptr i64, ptr %sizes, i64 {sum(ranks) + axis}",
            f"  %l{axis} = load i64, ptr %a{axis}",
            f"  %n{axis} = mul i64 {size}, %l{axis}",
        ]
        size = f"%n{axis}"
    lines.append(f"  store i64 {size}, ptr %n")
    for k in range(len(ranks) + 1):
        lines += [f"  %b{k} = getelementptr ptr, ptr %buffers, i64 {k}", f"  %p{k} = load ptr, ptr %b{k}"]
    for k, bits in enumerate(fixed):
        lines += [f"  %c{k} = alloca i64", f"  store i64 {bits}, ptr %c{k}"]
    for k, (place, step) in enumerate(cells):
        lines += [
            f"  %q{k} = getelementptr ptr, ptr %cells, i64 {k}",
            f"  store ptr {place}, ptr %q{k}",
            f"  %s{k} = getelementptr i64, ptr %steps, i64 {k}",
            f"  store i64 {step}, ptr %s{k}",
        ]
    variables = "".join([f"@{name} = external global i8\n" for name in data])
    pointer = f"ptr @{data[0]}" if data else "ptr null"
    return f"""{loop.declaration}
{variables}
define i32 @{symbol}(ptr %buffers, ptr %sizes) {{
{chr(10).join(lines)}
  call void @{loop.symbol}(ptr %cells, ptr %n, ptr %steps, {pointer})
  ret i32 0
}}
"""
