"""From a Program to code that runs, stage by stage:

    passes        functad/passes      optimize
    abstraction   lower/abstract      sizes and constants become run-time data: one code serves many Programs
    fusion        lower/fuse          loop nests, in the kernel IR
    emission      lower/emit          LLVM text; arithmetic is in lower/math
    compilation   lower/llvm          object code
    linking       lower/native        with the native functions that it calls
    entry         lower/entry         what Python calls

A ``Code`` is compiled once for each structure and target; a ``Compiled`` is one Program's use of it, with its own
sizes, constants and locations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NoReturn

from functad import config, timing
from functad.core.trace import not_native
from functad.ir.derived import derived
from functad.ir.key import structural_key
from functad.ir.program import Program, sub_programs
from functad.kernel_ir.printer import format_program
from functad.lower.abstract.abstract import Abstract, abstract
from functad.lower.cache import Cache
from functad.lower.emit.module import emit_module
from functad.lower.emit.timer import TABLE, Timer
from functad.lower.emit.work import total_work
from functad.lower.entry.make import make_entry
from functad.lower.entry.signature import Driver, Signature
from functad.lower.failures import Failures
from functad.lower.kernels import dump, fused_kernels
from functad.lower.llvm.target import Target, assembly, emit_object
from functad.lower.native.machine import link_native
from functad.passes.pipeline import optimize
from functad.timing import stage

__all__ = ["Code", "Compiled", "compile_count", "compile_program", "compiled_of", "entry_for"]

DRIVER = "functad_driver"

RELEASE_WORK = 2**20
"""A call that is so much work, some hundred microseconds of vectors, gives the GIL away from the start, which costs
0.04 us."""

_codes: Cache[Code] = Cache()
_count = 0
_count_lock = threading.Lock()


def compile_count() -> int:
    """How often LLVM has compiled a Program in this process."""
    return _count


class Code:
    """Native code for all Programs of one structure."""

    __slots__ = ("__weakref__", "address", "apart", "foreign", "fused", "library", "passes", "target", "text")

    def __init__(self, abstracted: Abstract, target: Target, timer: Timer | None = None) -> None:
        global _count
        self.target = target
        with stage("fusion"):
            self.fused = fused_kernels(abstracted)
        with stage("text"):
            module = emit_module(self.fused.program, target, DRIVER, timer=timer)
        self.text, self.passes, self.apart = module.text, module.passes, module.apart
        with stage("LLVM"):
            code = emit_object(self.text, target, passes=self.passes, apart=self.apart)
        with stage("link"):
            variables = None if timer is None else {TABLE: timer.table.ctypes.data}
            self.library = link_native(code, module.calls, target, {DRIVER, module.called}, variables)
        timing.compiled()
        self.address = self.library.address(module.called)
        self.foreign = self.library.address(DRIVER)  # for C and Numba code
        with _count_lock:
            _count += 1

    @property
    def llvm(self) -> str:
        """The LLVM modules as text."""
        return f"{self.text}\n{self.apart}" if self.apart else self.text

    def assembly(self) -> str:
        """The machine code as text."""
        return assembly(self.text, self.target, passes=self.passes, apart=self.apart)


class Compiled:
    """A Program ready to run."""

    def __init__(
        self,
        program: Program,
        target: Target,
        make: Callable[[Abstract, Target], Code] = Code,
        shared: bool = True,
    ) -> None:
        refuse_unknown_dtypes(program)
        found = abstract(program)
        key = structural_key(found.program)
        # what calls Python functions keeps them, and all that they hold: it lives no longer than the Programs it is of
        self.code = (
            _codes.get((key, target, make, config.debug.value), lambda: make(found, target), keep=not key.objects)
            if shared
            else make(found, target)
        )
        dump("kernel", lambda: self.kernel_ir)
        dump("llvm", lambda: self.llvm)
        dump("asm", self.assembly)
        self.in_types = program.in_types
        self.out_types = program.out_types
        self.failures = Failures(program, self.code.fused, found.symbols)
        self.name = self.failures.name
        release = total_work(self.code.fused.program).evaluate(found.symbols) >= RELEASE_WORK
        self.driver = Driver(
            self.code.address,
            found.symbols,
            found.constants,
            keep=self.code.library,
            release_gil=True if release else None,
        )

    @property
    def kernel_ir(self) -> str:
        """The kernel IR as text."""
        return format_program(self.code.fused.program)

    @property
    def llvm(self) -> str:
        """The LLVM module as text."""
        return self.code.llvm

    def assembly(self) -> str:
        """The machine code as text."""
        return self.code.assembly()

    def raise_error(self, code: int) -> NoReturn:
        """Raise what an error code of the driver means."""
        raise self.failures.error(code)


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
    """Native code for a Program as it was traced, made once, by the backend in force; LLVM treats what the user
    computes as the flags ``fastmath`` say."""
    return _compiled_for(program, Target.host(fastmath), config.backend.value)


@derived
def _compiled_for(program: Program, target: Target, backend: str) -> Compiled:
    with stage("passes"):
        optimized = optimize(program)
    return Compiled(optimized, target, _by_numba() if backend == "numba" else Code)


def _by_numba() -> Any:
    from functad.lower.numba.compiled import NumbaCode

    return NumbaCode


def entry_for(
    compiled: Compiled, signature: Signature, slow_path: Callable[..., Any], name: str | None = None
) -> Callable[..., Any]:
    """What Python calls: compiled code for arguments that fit the signature, ``slow_path`` for all others."""
    with stage("entry"):
        return make_entry(signature, compiled.driver, slow_path, compiled.raise_error, name=name or compiled.name)
