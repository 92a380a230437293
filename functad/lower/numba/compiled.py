"""Compiling a printed module: a C function that functad's entries call as they call the quick backend's drivers."""

from __future__ import annotations

import ctypes
import itertools
import linecache
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad import timing
from functad.errors import UnsupportedError
from functad.kernel_ir.native import NativeFunction, Python
from functad.kernel_ir.nodes import Buffer, KernelProgram
from functad.kernel_ir.pending import note_offender
from functad.lower.abstract.abstract import Abstract
from functad.lower.fuse import Fused
from functad.lower.kernels import fused_kernels
from functad.lower.llvm.target import Target
from functad.lower.native.machine import machine_code
from functad.lower.numba.module import DRIVER, Printed, print_module
from functad.lower.numba.operations import dtype_text
from functad.timing import stage

__all__ = ["NumbaCode"]

_numbers = itertools.count()


class NumbaCode:
    """Code by Numba for all Programs of one structure: what ``lower.compile.Code`` is to LLVM text."""

    def __init__(self, abstracted: Abstract, target: Target) -> None:
        self.target = target
        with stage("fusion"):
            self.fused: Fused = fused_kernels(abstracted)
        refuse_half(self.fused.program)
        with stage("text"):
            self.printed = print_module(self.fused.program)
        with stage("LLVM"):
            self.library = _compiled(self.fused.program, self.printed, target)
        timing.compiled()
        self.address = self.foreign = int(self.library.function.address)

    @property
    def source(self) -> str:
        """The module as Python source."""
        return self.printed.text

    @property
    def llvm(self) -> str:
        """The LLVM module that Numba made, as text."""
        return str(self.library.function.inspect_llvm())

    def assembly(self) -> str:
        """The machine code as text."""
        return str(self.library.function._library.get_asm_str())


def refuse_half(program: KernelProgram) -> None:
    """Numba has no float16."""
    if any(b.dtype == np.float16 for b in (*program.inputs, *program.outputs)):
        raise UnsupportedError("Numba computes no float16; convert with .astype(np.float32), or use the native backend")


@dataclass(frozen=True)
class _Library:
    """A C function, and what must live as long: the native functions that it calls."""

    function: Any
    kept: object


def _compiled(program: KernelProgram, printed: Printed, target: Target) -> _Library:
    """The C function of a module: ``int32 driver(void **inputs, void **outputs, int64 *sizes, int64 caller)``."""
    import numba
    from numba import types

    scope = load(printed.text)
    kept = [define(name, function, scope, target) for name, function in printed.natives.items()]
    scope |= {"numba": numba, "note": ctypes.PYFUNCTYPE(None, ctypes.c_int64)(note_offender)}
    name = _remembered(_entry_text(program))
    exec(compile(_entry_text(program), name, "exec"), scope)
    pointers: Any = types.CPointer
    signature = types.int32(pointers(types.voidptr), pointers(types.voidptr), pointers(types.int64), types.int64)
    return _Library(numba.cfunc(signature, error_model="numpy")(scope["entry"]), (kept, scope))


def load(text: str) -> dict[str, Any]:
    """The names of a module, run from its text; tracebacks and Numba's errors show its lines."""
    scope: dict[str, Any] = {"__name__": "functad.printed"}
    exec(compile(text, _remembered(text), "exec"), scope)
    return scope


def _remembered(text: str) -> str:
    name = f"<functad.numba.{next(_numbers)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    return name


def _entry_text(program: KernelProgram) -> str:
    """The text of the C function: arrays over the memory that it is given."""

    def array(source: str, number: int, buffer: Buffer) -> str:
        shape = "".join([f"{size}, " for size in buffer.shape])
        return f"numba.carray({source}[{number}], ({shape}), {dtype_text(buffer.dtype)})"

    lines = ["def entry(inputs, outputs, sizes, caller):"]
    lines += [f"    n{k} = sizes[{k}]" for k in range(program.symbols)]
    lines.append("    status = np.zeros(2, np.int64)")
    given = [array("inputs", k, b) for k, b in enumerate(program.inputs)]
    given += [array("outputs", k, b) for k, b in enumerate(program.outputs)]
    given += [f"n{k}" for k in range(program.symbols)]
    lines.append(f"    {DRIVER}({''.join([f'{g}, ' for g in given])}status)")
    if program.checks:
        lines += ["    if status[0] > 0:", "        note(status[1])"]
    lines.append("    return numba.int32(status[0])")
    return "\n".join(lines) + "\n"


def define(name: str, function: NativeFunction, scope: dict[str, Any], target: Target) -> object:
    """Give a module a native function, as one of arrays; returns what must live as long."""
    import numba

    if isinstance(function.code, Python):
        scope[name] = numba.njit(error_model="numpy")(function.code.function)
        return None
    address, keep = machine_code(function, target)
    pointer = ctypes.c_void_p
    scope[f"{name}_address"] = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer)(address)
    parameters = [f"x{k}" for k in range(len(function.operands))]
    lines = ['@njit(error_model="numpy")', f"def {name}({', '.join(parameters)}):"]
    lines.append(f"    buffers = np.array([{', '.join([f'{x}.ctypes.data' for x in parameters])}], np.uintp)")
    sizes = [f"x{k}.shape[{axis}]" for k, o in enumerate(function.operands) for axis in range(o.rank)]
    lines.append(f"    sizes = np.array([{', '.join([*sizes, '0'])}], np.int64)")
    lines.append(f"    error = {name}_address(buffers.ctypes.data, sizes.ctypes.data)")
    # what is known by its address alone must outlive the call
    lines.append(f"    return error + 0 * ({' + '.join([f'{x}.size' for x in parameters])})")
    text = "\n".join(lines) + "\n"
    exec(compile(text, _remembered(text), "exec"), scope)
    return keep
