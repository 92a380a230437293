"""From a Program to code that runs: passes, abstraction, a table of code by structure, fusion, emission, linking.

A ``Code`` is compiled once for each structure and target; a ``Compiled`` is one Program's use of it, with its own
sizes, constants and locations.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from functad import config, errors
from functad.core.seq import Seq
from functad.core.trace import not_native
from functad.errors import InternalError, ShapeError
from functad.ir.derived import derived
from functad.ir.key import structural_key
from functad.ir.program import Program, sub_programs
from functad.ir.types import ArrayType, SeqType
from functad.kernel_ir.checker import check_program
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import KernelProgram
from functad.kernel_ir.offender import take_offender
from functad.kernel_ir.printer import format_program
from functad.lower.abstract.abstract import Abstract, abstract
from functad.lower.cache import Cache
from functad.lower.emit import OFFENDER, OUT_OF_MEMORY, SIZE_OVERFLOW, emit_module, release_name
from functad.lower.entry.make import make_entry
from functad.lower.entry.signature import Driver, Signature
from functad.lower.fuse import Fused, Path, fuse
from functad.lower.llvm.link import link
from functad.lower.llvm.target import Target, assembly, emit_object
from functad.lower.native.blas import blas_symbols
from functad.lower.native.callbacks import function_address, native_callbacks, offender_address
from functad.lower.native.libm import libm_address
from functad.lower.native.shared import is_shared, shared_symbol
from functad.lower.native.threads import configure, parallel_symbols
from functad.lower.sequences import Cells, has_sequences
from functad.passes.pipeline import optimize
from functad.primitives.callback import CALLBACK_FAILED, take_exception

__all__ = ["Code", "Compiled", "compile_count", "compile_program", "compiled_of", "entry_for", "run", "run_kernels"]

DRIVER = "functad_driver"

C_LIBRARY = frozenset({"malloc", "realloc", "free"})
"""What the linker finds by itself."""

_codes: Cache[Code] = Cache()
_count = 0
_count_lock = threading.Lock()


def compile_count() -> int:
    """How often LLVM has compiled a Program in this process."""
    return _count


class Code:
    """Native code for all Programs of one structure."""

    __slots__ = ("__weakref__", "address", "kernels", "library", "llvm", "origins", "passes", "target")

    def __init__(self, abstracted: Abstract, target: Target) -> None:
        global _count
        fused = checked_fuse(abstracted)
        self.kernels: KernelProgram = fused.program
        self.origins = fused.origins
        self.target = target
        module = emit_module(self.kernels, target, DRIVER)
        self.llvm: str = module.text
        self.passes = module.passes
        callbacks = native_callbacks(module.externals)
        symbols = _addresses(module.externals - callbacks.keys(), target)
        symbols |= {name: function_address(f) for name, f in callbacks.items()}
        code = emit_object(self.llvm, target, passes=module.passes)
        self.library = link(code, symbols, [DRIVER, *module.releases], keep=callbacks.values())
        self.address = self.library.address(DRIVER)
        with _count_lock:
            _count += 1

    def free_sequence(self, cell: int, depth: int) -> None:
        """Free what a sequence that this code gave owns."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.library.address(release_name(depth)))(cell)

    def assembly(self) -> str:
        """The machine code as text."""
        return assembly(self.llvm, self.target, passes=self.passes)


class Compiled:
    """A Program ready to run."""

    def __init__(self, program: Program, target: Target) -> None:
        refuse_unknown_dtypes(program)
        found = abstract(program)
        key = structural_key(found.program)
        # what calls Python functions keeps them, and all that they hold: it lives no longer than the Programs it is of
        self.code = _codes.get((key, target, config.debug.value), lambda: Code(found, target), keep=not key.objects)
        _dump("kernel", lambda: self.kernel_ir)
        _dump("llvm", lambda: self.llvm)
        _dump("asm", self.assembly)
        self.name = program.name or "function"
        self.in_types = program.in_types
        self.out_types = program.out_types
        self.symbols = found.symbols
        self._locations = [location(program, path) for path in self.code.origins]
        self.driver = Driver(self.code.address, found.symbols, found.constants, keep=self.code.library)

    @property
    def kernel_ir(self) -> str:
        """The kernel IR as text."""
        return format_program(self.code.kernels)

    @property
    def llvm(self) -> str:
        """The LLVM module as text."""
        return self.code.llvm

    def assembly(self) -> str:
        """The machine code as text."""
        return self.code.assembly()

    def raise_error(self, code: int) -> NoReturn:
        """Raise what an error code of the driver means."""
        if code == OUT_OF_MEMORY:
            raise MemoryError(f"no memory for the temporary arrays of {self.name}")
        if code == SIZE_OVERFLOW:
            raise ShapeError(
                f"{self.name} multiplies matrices with more rows or columns than BLAS can count (2**31 - 1)"
            )
        if code == CALLBACK_FAILED:
            raise take_exception()
        raise failure(self.code.kernels, code, self.symbols, self._locations[code - 1])


def location(program: Program, path: Path) -> object:
    """The user's line that an equation comes from; if it has none, that of the equation around it."""
    eqn = program.eqns[path[0]]
    return (location(sub_programs(eqn)[path[1]], path[2:]) if len(path) > 1 else None) or eqn.loc


def failure(kernels: KernelProgram, code: int, symbols: Sequence[int], location: object) -> Exception:
    """The error for a failed check of a kernel program."""
    info = kernels.checks[code - 1]
    message = info.message.format(*[size.evaluate(symbols) for size in info.sizes], value=take_offender())
    error: errors.FunctadError = getattr(errors, info.error)(message)
    return error.at(location)


def refuse_unknown_dtypes(program: Program) -> None:
    """What is traced under ``jit`` has none; a rule that was traced before may."""
    for eqn in program.eqns:
        for atom in (*eqn.inputs, *eqn.outputs):
            if not atom.type.native:
                raise not_native(f"{eqn.primitive.name}{f' at {eqn.loc}' if eqn.loc else ''} takes or gives", atom.type)
        for inner in sub_programs(eqn):
            refuse_unknown_dtypes(inner)


def compile_program(program: Program, target: Target | None = None) -> Compiled:
    """Native code for a Program that has gone through the passes."""
    return Compiled(program, target or Target.host())


def compiled_of(program: Program, fastmath: str = "") -> Compiled:
    """Native code for a Program as it was traced, made once; LLVM treats what the user computes as the flags
    ``fastmath`` say."""
    return _compiled_for(program, Target.host(fastmath))


@derived
def _compiled_for(program: Program, target: Target) -> Compiled:
    return compile_program(optimize(program), target)


def entry_for(
    compiled: Compiled, signature: Signature, slow_path: Callable[..., Any], name: str | None = None
) -> Callable[..., Any]:
    """What Python calls: compiled code for arguments that fit the signature, ``slow_path`` for all others."""
    return make_entry(signature, compiled.driver, slow_path, compiled.raise_error, name=name or compiled.name)


# -- running without an entry ------------------------------------------------------------------------------------------


def run(compiled: Compiled, args: Sequence[Any]) -> list[Any]:
    """Call native code through ctypes."""
    configure()
    if has_sequences((*compiled.in_types, *compiled.out_types)):
        return _run_with_sequences(compiled, args)
    inputs = [np.require(x, t.dtype, ["C", "A"]) for x, t in zip(args, compiled.in_types, strict=True)]
    for x, t in zip(inputs, compiled.in_types, strict=True):
        if x.shape != t.shape:
            raise InternalError(f"an array of shape {x.shape} was given to code that was compiled for {t}")
    outputs = [np.empty(t.shape, t.dtype) for t in compiled.out_types]
    driver = compiled.driver
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(driver.address)
    sizes = (ctypes.c_int64 * max(1, len(driver.sizes)))(*driver.sizes)
    code = function(_pointers([*inputs, *driver.constants]), _pointers(outputs), sizes)
    if code:
        compiled.raise_error(code)
    return [x if x.ndim else x[()] for x in outputs]


def _run_with_sequences(compiled: Compiled, args: Sequence[Any]) -> list[Any]:
    """Call native code that takes or gives sequences."""
    cells = Cells(compiled.code.free_sequence)
    inputs: list[Any] = [
        x if isinstance(t, SeqType) else np.require(x, t.dtype, ["C", "A"])
        for x, t in zip(args, compiled.in_types, strict=True)
    ]
    addresses = [
        cells.given(x, t) if isinstance(t, SeqType) else x.ctypes.data
        for x, t in zip(inputs, compiled.in_types, strict=True)
    ]
    outputs: list[Any] = [
        cells.made() if isinstance(t, SeqType) else np.empty(t.shape, t.dtype) for t in compiled.out_types
    ]
    results = [ctypes.addressof(x) if isinstance(x, ctypes.Structure) else x.ctypes.data for x in outputs]
    driver = compiled.driver
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(driver.address)
    sizes = (ctypes.c_int64 * max(1, len(driver.sizes)))(*driver.sizes)
    pointers = [*addresses, *[c.ctypes.data for c in driver.constants]]
    code = function(
        (ctypes.c_void_p * max(1, len(pointers)))(*pointers), (ctypes.c_void_p * max(1, len(results)))(*results), sizes
    )
    if code:
        for x, t in zip(outputs, compiled.out_types, strict=True):
            if isinstance(t, SeqType):
                cells.free(x, t)
        compiled.raise_error(code)
    return [
        cells.taken(x, t) if isinstance(t, SeqType) else x[()] for x, t in zip(outputs, compiled.out_types, strict=True)
    ]


def run_kernels(program: Program, args: Sequence[Any]) -> list[Any]:
    """Run a Program by the evaluator of the kernel IR."""
    abstracted, fused, optimized = _kernels_of(program)
    _dump("kernel", lambda: format_program(fused.program))
    outputs, code = evaluate_program(fused.program, [*args, *abstracted.constants], abstracted.symbols)
    if code == CALLBACK_FAILED:
        raise take_exception()
    if code:
        raise failure(fused.program, code, abstracted.symbols, location(optimized, fused.origins[code - 1]))
    return [_unpaired(x, t) for x, t in zip(outputs, program.out_types, strict=True)]


@derived
def _kernels_of(program: Program) -> tuple[Abstract, Fused, Program]:
    """What the kernel evaluator runs: the Program abstracted and fused, and as it was before."""
    optimized = optimize(program)
    abstracted = abstract(optimized)
    return abstracted, checked_fuse(abstracted), optimized


def checked_fuse(abstracted: Abstract) -> Fused:
    """Fusion, its result checked in debug mode."""
    fused = fuse(abstracted.program, len(abstracted.symbols))
    if config.debug.value:
        check_program(fused.program)
    return fused


def _unpaired(x: Any, type: ArrayType) -> Any:
    """An output of the kernel IR, where complex arrays are pairs of reals and sequences lists."""
    if isinstance(type, SeqType):
        return Seq(type, [_unpaired(element, type.element) for element in x])
    whole = x if x.dtype == type.dtype else x.reshape(-1).view(type.dtype)
    return whole.reshape(type.shape)[()]


def _pointers(arrays: Sequence[np.ndarray]) -> Any:
    return (ctypes.c_void_p * max(1, len(arrays)))(*[x.ctypes.data for x in arrays])


def _addresses(externals: frozenset[str], target: Target) -> dict[str, int]:
    """Where the functions that a module calls are."""
    own = {**parallel_symbols(), OFFENDER: offender_address()}
    found = {}
    for name in externals - C_LIBRARY:
        if name in own:
            found[name] = own[name]
        elif is_shared(name):
            found[name] = shared_symbol(name, target)
        elif name.startswith("functad_"):
            found[name] = blas_symbols()[name]
        else:
            found[name] = libm_address(name)
    return found


def _dump(stage: str, text: Callable[[], str]) -> None:
    stages = config.dump.value
    if stage in stages or "all" in stages:
        print(f"-- {stage}\n{text()}", file=sys.stderr)
