"""Compiled functions in Numba code: ``@njit`` functions call them without leaving native code."""

from __future__ import annotations

import ctypes
import linecache
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.errors import UnsupportedError
from functad.ir.types import ArrayType, SeqType
from functad.kernel_ir.codes import OUT_OF_MEMORY, RAISED, SIZE_OVERFLOW
from functad.lower.compile import Compiled

__all__ = ["njit_function"]


def njit_function(compiled: Compiled, hidden: Sequence[np.ndarray] = ()) -> Any:
    """A compiled Program as an ``@njit`` function of its inputs but the last, which are ``hidden``; it returns its
    output, or the tuple of them.

    Its types are fixed: arrays of the compiled dtypes and ranks in any layout, scalars of the compiled dtypes. Shapes
    are checked on each call. The memory of hidden arrays is read at each call.
    """
    import numba

    types = (*compiled.in_types, *compiled.out_types)
    if any(isinstance(t, SeqType) for t in types):
        raise UnsupportedError(
            f"a function that takes or returns a sequence of run-time length cannot be called from Numba: {types}"
        )
    if any(t.dtype == np.float16 for t in types):
        raise UnsupportedError(
            "a function that takes or returns float16 cannot be called from Numba, which has none; convert inside of "
            "the function"
        )
    for x in hidden:
        if not (isinstance(x, np.ndarray) and x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative):
            raise UnsupportedError(
                f"{compiled.name} closes over "
                f"{'an array that is not C-contiguous' if isinstance(x, np.ndarray) else type(x).__name__}, which "
                "Numba "
                "code cannot read: make it an argument, or an array np.ascontiguousarray(...)"
            )
    driver = compiled.driver
    pointer = ctypes.c_void_p
    scope: dict[str, Any] = {
        "np": np,
        "driver": ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, pointer)(compiled.code.foreign),
        "sizes": np.array([*driver.sizes, 0], np.int64),
        **{f"constant{i}": c for i, c in enumerate(driver.constants)},
        **{f"dtype{i}": t.dtype for i, t in enumerate(types)},
    }
    text = source(compiled, [int(x.__array_interface__["data"][0]) for x in hidden], len(driver.constants))
    name = f"<functad.{compiled.name}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), scope)
    signature = tuple([numba_type(t) for t in compiled.in_types[: len(compiled.in_types) - len(hidden)]])
    function = numba.njit([signature])(scope["call"])
    _called.append((driver, hidden))
    return function


_called: list[Any] = []
"""What Numba's code calls and reads: kept for good, as Numba keeps its machine code, into which the addresses have gone
and gone on (a ``cfunc`` forgets what it was made of)."""


def numba_type(type: ArrayType) -> Any:
    """The Numba type of an input: an array of any layout, or a scalar."""
    import numba

    scalar = numba.from_dtype(type.dtype)
    return numba.types.Array(scalar, type.ndim, "A", readonly=True) if type.ndim else scalar


def source(compiled: Compiled, hidden: Sequence[int], constants: int) -> str:
    """The Python source that Numba compiles: check shapes, collect pointers, call, give the results back; ``hidden``
    are addresses.
    """
    given = len(compiled.in_types)
    inputs, outputs = compiled.in_types[: given - len(hidden)], compiled.out_types
    lines = [f"def call({', '.join([f'x{i}' for i in range(len(inputs))])}):"]
    for i, t in enumerate(inputs):
        if t.ndim:
            lines.append(f"    if x{i}.shape != {t.shape!r}:")
            lines.append(f"        raise ValueError('argument {i} was compiled for shape {t.shape}')")
            lines.append(f"    a{i} = np.ascontiguousarray(x{i})")
        else:
            lines.append(f"    a{i} = np.full(1, x{i}, dtype{i})")
    for i, t in enumerate(outputs):
        lines.append(f"    y{i} = np.empty({t.shape if t.ndim else (1,)!r}, dtype{given + i})")
    lines.append(f"    given = np.zeros({given + constants + 1}, np.uintp)")
    lines.append(f"    results = np.zeros({len(outputs) + 1}, np.uintp)")
    lines += [f"    given[{i}] = a{i}.ctypes.data" for i in range(len(inputs))]
    lines += [f"    given[{len(inputs) + i}] = {place}" for i, place in enumerate(hidden)]
    lines += [f"    given[{given + i}] = constant{i}.ctypes.data" for i in range(constants)]
    lines += [f"    results[{i}] = y{i}.ctypes.data" for i in range(len(outputs))]
    lines.append("    code = driver(given.ctypes.data, results.ctypes.data, sizes.ctypes.data)")
    # what is only known by its address must outlive the call
    alive = [f"a{i}.size" for i in range(len(inputs))] + [f"y{i}.size" for i in range(len(outputs))]
    lines.append(f"    if code != 0 or {' + '.join([*alive, '0'])} < 0:")
    for number, error in (
        (OUT_OF_MEMORY, "MemoryError('{}: no memory for temporary arrays')"),
        (SIZE_OVERFLOW, "ValueError('{}: a matrix has more rows or columns than BLAS can count')"),
        (RAISED, "RuntimeError('{}: a Python function that it calls back has raised')"),
    ):
        lines += [f"        if code == {number}:", f"            raise {error.format(compiled.name)}"]
    lines.append(f"        raise IndexError('{compiled.name}: an index is out of bounds')")
    results = [f"y{i}" if t.ndim else f"y{i}[0]" for i, t in enumerate(outputs)]
    lines.append(f"    return {results[0] if len(results) == 1 else '(' + ', '.join(results) + ',)'}")
    return "\n".join(lines) + "\n"
