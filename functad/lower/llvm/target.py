"""What LLVM compiles for, and compiling: LLVM text in, object code out."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import llvmlite.binding as llvm

from functad import config
from functad.caches import cached
from functad.errors import InternalError
from functad.lower.llvm.half import half_text

__all__ = ["PIPELINE", "Target", "assembly", "emit_linked", "emit_object", "target_machine"]

# The x86-64 levels by which a user may name a CPU in FUNCTAD_CPU, and their vectors; 128 bits is right, if slow, on
# every other.
_NAMED_VECTOR_BITS = {"x86-64-v3": 256, "x86-64-v4": 512}

_PARSE_ERROR = re.compile(r":(\d+):(\d+): error: (.*)")


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A machine to compile for, and how; all of it is part of the key of compiled code.

    ``opt_level`` is the code generator's (0 to 3); 0 takes a fraction of the time, and its code is slower.
    ``vector_bits`` is the width that kernels are written for; LLVM splits vectors that the CPU does not have.
    ``fastmath`` are LLVM's flags on what the user computes, as text (``"contract reassoc"``).
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    opt_level: int = 2
    fastmath: str = ""

    @staticmethod
    def host(fastmath: str = "") -> Target:
        """This machine, or the CPU that the flags ``cpu`` and ``vector_bits`` ask for."""
        named = config.cpu.value
        cpu, features = (named, "") if named else _host_cpu()
        bits = config.vector_bits.value or (_NAMED_VECTOR_BITS.get(named, 128) if named else _vector_bits(features))
        triple = _host_triple()
        if bits >= 512 and triple.startswith("x86_64"):
            # LLVM treats 512-bit vectors as illegal on the Intel CPUs that it tunes for 256, however explicit the text
            # is.
            features = ",".join(filter(None, (features, "-prefer-256-bit")))
        return Target(triple, cpu, features, bits, fastmath=fastmath)

    def lanes(self, itemsize: int) -> int:
        """How many elements of ``itemsize`` bytes a vector holds."""
        return max(1, self.vector_bits // (8 * itemsize))


def emit_object(text: str, target: Target, *, passes: tuple[str, ...] = (), apart: str = "") -> bytes:
    """Object code of LLVM text; see ``assembly`` for ``passes`` and ``apart``."""
    return _emitted(text, target, passes, _one(apart), lambda machine, module: bytes(machine.emit_object(module)))


def emit_linked(
    text: str, target: Target, passes: tuple[str, ...], others: Sequence[str], public: Collection[str]
) -> bytes:
    """Object code of several modules in one, of which only the ``public`` functions are seen from outside; the passes
    are run on the first, before it meets the others.
    """

    def emit(machine: llvm.TargetMachine, module: llvm.ModuleRef) -> bytes:
        for value in (*module.functions, *module.global_variables):
            if not value.is_declaration and value.name not in public:
                value.linkage = "internal"
        _run(module, machine, "global_dead_code_eliminate")
        return bytes(machine.emit_object(module))

    return _emitted(text, target, passes, others, emit)


def assembly(text: str, target: Target, *, passes: tuple[str, ...] = (), apart: str = "") -> str:
    """The same as assembly, for people to read.

    ``passes`` names passes of LLVM's optimiser to run before code generation, in order: ``sroa``, ``new_gvn``,
    ``instruction_combine``, ``always_inliner``, ... (the ``add_*_pass`` methods of llvmlite's ``ModulePassManager``),
    or ``PIPELINE``. They see nothing of ``apart``, text that is added to the module after them.
    """
    return _emitted(text, target, passes, _one(apart), lambda machine, module: str(machine.emit_assembly(module)))


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _emitted(
    text: str,
    target: Target,
    passes: tuple[str, ...],
    apart: Sequence[str],
    emit: Callable[[llvm.TargetMachine, Any], T],
) -> T:
    """What is emitted for a module, whose memory is freed, and then that of its context."""
    machine = target_machine(target)
    # A context of its own: types and constants of LLVM's global one are never freed. Where a handler of a signal raises
    # meanwhile, frames in a traceback keep module and context, and the collector finalizes these in any order; but LLVM
    # crashes if a context is freed before its modules. So it is freed here, and nowhere else.
    context = llvm.create_context()
    context._owned = True
    module = _module(text, target, machine, context, passes, apart)
    result = emit(machine, module)
    module.close()
    context._owned = False
    context.close()
    return result


def _module(
    text: str,
    target: Target,
    machine: llvm.TargetMachine,
    context: llvm.ContextRef,
    passes: tuple[str, ...],
    apart: Sequence[str],
) -> llvm.ModuleRef:
    module = _parsed(text, target, machine, context)
    for name in passes:
        _run(module, machine, name)
    for other in apart:
        module.link_in(_parsed(other, target, machine, context))
    if apart:
        _run(module, machine, "global_dead_code_eliminate")  # what both have declared, and one uses
    return module


def _parsed(text: str, target: Target, machine: llvm.TargetMachine, context: llvm.ContextRef) -> llvm.ModuleRef:
    # The parser already needs the layout, for default alignments. No newline: line numbers in errors stay those of the
    # text.
    header = f'target datalayout = "{machine.target_data}" target triple = "{target.triple}" '
    try:
        module = llvm.parse_assembly(header + text + half_text(text, target.triple, target.features), context)
        module.verify()
    except RuntimeError as error:
        raise InternalError(_explain(text, str(error))) from None
    return module


PIPELINE = "pipeline"
"""LLVM's passes for level 2, the vectorizer of loops among them."""


def _run(module: llvm.ModuleRef, machine: llvm.TargetMachine, name: str) -> None:
    options = llvm.create_pipeline_tuning_options(2)
    options.loop_vectorization = True
    options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    if name == PIPELINE:
        manager = builder.getModulePassManager()
    else:
        manager = llvm.create_new_module_pass_manager()
        getattr(manager, f"add_{name}_pass")()
    manager.run(module, builder)


def _explain(text: str, error: str) -> str:
    """The message for text that LLVM refuses, with the offending line among its neighbours."""
    found = _PARSE_ERROR.search(error)
    if found is None:  # from the verifier, which quotes the instruction itself
        return f"functad emitted invalid LLVM text: {error.strip()}"
    line, message = int(found[1]), found[3]
    lines = text.splitlines()
    shown = [
        f"{'>' if n == line else ' '} {n:5d} | {lines[n - 1]}"
        for n in range(max(1, line - 3), min(len(lines), line + 2) + 1)
    ]
    return f"functad emitted invalid LLVM text: {message} (line {line})\n" + "\n".join(shown)


@cached(16)
def target_machine(target: Target) -> llvm.TargetMachine:
    """LLVM's code generator for a target; llvmlite's own lock makes it safe to share between threads."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # Position-independent code reaches symbols anywhere in memory through a table that the linker fills.
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=target.opt_level, reloc="pic", codemodel="small", jit=True
    )


@functools.lru_cache(maxsize=1)
def _host_cpu() -> tuple[str, str]:
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.lru_cache(maxsize=1)
def _host_triple() -> str:
    triple: str = llvm.get_process_triple()
    return triple


def _vector_bits(features: str) -> int:
    present = set(features.split(","))
    return 512 if "+avx512f" in present else 256 if "+avx" in present else 128
