"""Functions of ``scipy.special`` as native functions: C functions of doubles that SciPy's ``cython_special`` exports.

A function with several results (``sici``) writes them to addresses; each result is a native function of its own, which
has memory for all of them.
"""

from __future__ import annotations

import ctypes
import functools
import re
from typing import Any

from functad.errors import InternalError
from functad.kernel_ir.native import Address, NativeFunction, Text, family
from functad.kernel_ir.numpy_routines import ufunc_loop

__all__ = ["special_function", "special_result", "ufunc_function"]

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
