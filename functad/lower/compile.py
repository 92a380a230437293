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

import numpy as np

from functad import config, timing
from functad.core.trace import not_native
from functad.errors import InternalError
from functad.ir.derived import derived
from functad.ir.key import structural_key
from functad.ir.program import Program, sub_programs
from functad.kernel_ir.nodes import CheckInfo
from functad.kernel_ir.printer import format_program
from functad.kernel_ir.sizes import poly
from functad.lower.abstract.abstract import Abstract, abstract
from functad.lower.cache import Cache
from functad.lower.disk.natives import is_portable
from functad.lower.disk.objects import object_code, stored_object
from functad.lower.disk.records import Record, read_record, record_key, write_record
from functad.lower.emit.clock import clocked_name
from functad.lower.emit.module import emit_module
from functad.lower.emit.timer import TABLE, Timer
from functad.lower.emit.work import total_work
from functad.lower.entry.make import make_entry
from functad.lower.entry.signature import Driver, Signature
from functad.lower.failures import Failures, failures_of
from functad.lower.kernels import dump, fused_kernels
from functad.lower.llvm.target import Target, assembly
from functad.lower.native.machine import link_native
from functad.passes.pipeline import optimize
from functad.timing import stage

__all__ = ["Code", "Compiled", "compile_count", "compile_program", "compiled_of", "entry_for", "with_stages"]

DRIVER = "functad_driver"

RELEASE_WORK = 2**20
"""A call that is so much work, some hundred microseconds of vectors, gives the GIL away from the start, which costs
0.04 us."""

_codes: Cache[Any] = Cache()
_count = 0
_count_lock = threading.Lock()


def compile_count() -> int:
    """How often LLVM has compiled a Program in this process."""
    return _count


class Code:
    """Native code for all Programs of one structure."""

    __slots__ = (
        "__weakref__", "address", "apart", "calls", "foreign", "fused", "key", "library", "passes", "target", "text",
    )  # fmt: skip

    def __init__(self, abstracted: Abstract, target: Target, timer: Timer | None = None) -> None:
        global _count
        self.target = target
        with stage("fusion"):
            self.fused = fused_kernels(abstracted)
        with stage("text"):
            module = emit_module(self.fused.program, target, DRIVER, timer=timer)
        self.text, self.passes, self.apart, self.calls = module.text, module.passes, module.apart, module.calls
        with stage("LLVM"):
            keep = timer is None and all(map(is_portable, module.calls))
            made = object_code(self.text, target, passes=self.passes, apart=self.apart, label="code", keep=keep)
        self.key = made.key
        with stage("link"):
            variables = None if timer is None else {TABLE: timer.table.ctypes.data}
            self.library = link_native(made.code, module.calls, target, {DRIVER, module.called}, variables)
        self.address = self.library.address(module.called)
        self.foreign = self.library.address(DRIVER)  # for C and Numba code
        if made.found:
            timing.loaded()
            return
        timing.compiled()
        with _count_lock:
            _count += 1

    @property
    def called(self) -> str:
        """The name of the function that Python calls."""
        return clocked_name(DRIVER) if self.address != self.foreign else DRIVER

    @property
    def llvm(self) -> str:
        """The LLVM modules as text."""
        return f"{self.text}\n{self.apart}" if self.apart else self.text

    def assembly(self) -> str:
        """The machine code as text."""
        return assembly(self.text, self.target, passes=self.passes, apart=self.apart)


class LoadedCode:
    """Native code that an earlier process made; of its stages nothing is known."""

    __slots__ = ("__weakref__", "address", "foreign", "library")

    def __init__(self, code: bytes, record: Record, target: Target) -> None:
        self.library = link_native(code, record.calls, target, {DRIVER, record.called})
        self.address, self.foreign = self.library.address(record.called), self.library.address(DRIVER)
        timing.loaded()


class Compiled:
    """A Program ready to run, by ``code`` of its structure; ``long`` says that a call is much work."""

    def __init__(
        self,
        program: Program,
        code: Any,
        failures: Failures,
        sizes: tuple[int, ...],
        constants: tuple[np.ndarray, ...],
        long: bool,
    ) -> None:
        self.code = code
        self.in_types = program.in_types
        self.out_types = program.out_types
        self.failures = failures
        self.name = failures.name
        self.driver = Driver(code.address, sizes, constants, keep=code.library, release_gil=True if long else None)

    @property
    def kernel_ir(self) -> str:
        """The kernel IR as text."""
        return format_program(self.code.fused.program)

    @property
    def llvm(self) -> str:
        """The LLVM module as text."""
        return str(self.code.llvm)

    def assembly(self) -> str:
        """The machine code as text."""
        return str(self.code.assembly())

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


def compile_program(
    program: Program, target: Target | None = None, make: Callable[[Abstract, Target], Any] = Code
) -> Compiled:
    """Native code for a Program that has gone through the passes."""
    refuse_unknown_dtypes(program)
    target = target or Target.host()
    found = abstract(program)
    key = structural_key(found.program)
    # what calls Python functions keeps them, and all that they hold: it lives no longer than the Programs it is of
    code = _codes.get((key, target, make, config.debug.value), lambda: make(found, target), keep=not key.objects)
    long = total_work(code.fused.program).evaluate(found.symbols) >= RELEASE_WORK
    failures = failures_of(program, code.fused, found.symbols)
    compiled = Compiled(program, code, failures, found.symbols, found.constants, long)
    dump("kernel", lambda: compiled.kernel_ir)
    dump("llvm", lambda: compiled.llvm)
    dump("asm", compiled.assembly)
    return compiled


def compiled_of(program: Program, fastmath: str = "") -> Compiled:
    """Native code for a Program as it was traced, made once, by the backend in force; LLVM treats what the user
    computes as the flags ``fastmath`` say."""
    return _compiled_for(program, Target.host(fastmath), config.backend.value)


def with_stages(program: Program, compiled: Compiled, fastmath: str = "") -> Compiled:
    """Compiled code of which all stages are known, to be shown: what was loaded is compiled again for that."""
    if not isinstance(compiled.code, LoadedCode):
        return compiled
    return compile_program(optimize(program), Target.host(fastmath))


@derived
def _compiled_for(program: Program, target: Target, backend: str) -> Compiled:
    key = None if backend == "numba" else record_key(program, target)
    if key is not None:
        with stage("load"):
            recalled = _recalled(key, program, target)
        if recalled is not None:
            return recalled
    with stage("passes"):
        optimized = optimize(program)
    compiled = compile_program(optimized, target, _by_numba() if backend == "numba" else Code)
    if key is not None and compiled.code.key is not None:
        write_record(key, program, _record_of(compiled))
    return compiled


def _record_of(compiled: Compiled) -> Record:
    code, failures, driver = compiled.code, compiled.failures, compiled.driver
    checks = [(c.error, c.message, tuple([s.evaluate(failures.sizes) for s in c.sizes])) for c in failures.checks]
    return Record(
        code.key,
        code.called,
        code.calls,
        driver.sizes,
        driver.constants,
        tuple(checks),
        tuple(failures.locations),
        driver.release_gil is True,
    )


def _recalled(key: str, program: Program, target: Target) -> Compiled | None:
    """What an earlier process made of a Program; None where it made nothing, or what there is does not fit."""
    record = read_record(key, program)
    code = None if record is None else stored_object(record.object)
    if record is None or code is None:
        return None
    try:
        found = _codes.get((record.object, target), lambda: LoadedCode(code, record, target))
    except InternalError:  # a native function that it calls is not there
        return None
    checks = [CheckInfo(error, message, None, tuple(map(poly, sizes))) for error, message, sizes in record.checks]
    failures = Failures(program.name, checks, (), record.locations)
    return Compiled(program, found, failures, record.sizes, record.constants, record.long)


def _by_numba() -> Any:
    from functad.lower.numba.compiled import NumbaCode

    return NumbaCode


def entry_for(
    compiled: Compiled, signature: Signature, slow_path: Callable[..., Any], name: str | None = None
) -> Callable[..., Any]:
    """What Python calls: compiled code for arguments that fit the signature, ``slow_path`` for all others."""
    with stage("entry"):
        return make_entry(signature, compiled.driver, slow_path, compiled.raise_error, name=name or compiled.name)
