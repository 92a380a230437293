"""Room for temporaries: on the stack where it is little and its size is known, else one allocation."""

from __future__ import annotations

from functad.kernel_ir.codes import OUT_OF_MEMORY
from functad.kernel_ir.nodes import Buffer
from functad.kernel_ir.sizes import Poly
from functad.lower.emit.code import Code
from functad.lower.emit.plan import ALIGNMENT, Plan
from functad.lower.native.c_library import FREE, MALLOC

__all__ = ["STACK", "make_room", "release", "room_in", "room_needed", "stack"]

STACK = 16 * 1024
"""Workspaces of at most this many bytes are on the stack."""


def stack(code: Code, bytes: int, alignment: int = 8) -> str:
    """Memory on the stack for the whole call."""
    name = code.name()
    code.prologue.append(f"  {name} = alloca [{max(bytes, 1)} x i8], align {alignment}")
    return name


def make_room(code: Code, plan: Plan) -> tuple[dict[Buffer, str], str | None]:
    """The address of each temporary, and what to release at the end."""
    if not plan.sizes:
        return {}, None
    offsets, total = [], "0"
    for size in plan.sizes:
        offsets.append(total)
        total = code.add(total, _rounded(code, size))
    allocated = None
    if total[0] != "%" and int(total) <= STACK:
        base = stack(code, int(total), ALIGNMENT)
    else:
        allocated, base = _allocate(code, plan, total)
    starts = [code.offset("i8", base, offset) for offset in offsets]
    addresses = {b: code.offset("i8", starts[place], str(8 * slot)) for b, (place, slot) in plan.place.items()}
    return addresses, allocated


def room_needed(plan: Plan) -> Poly | None:
    """The size of a workspace for a plan that comes from outside; None if ``make_room`` would take it from the
    stack.
    """
    total = sum([size + (ALIGNMENT - 1) for size in plan.sizes], Poly({}))
    return None if total.constant is not None and total.constant <= STACK else total


def room_in(code: Code, plan: Plan, base: str) -> dict[Buffer, str]:
    """The address of each temporary in a workspace of that size, which is aligned."""
    starts, total = [], "0"
    for size in plan.sizes:
        starts.append(code.offset("i8", base, total))
        total = code.add(total, _rounded(code, size))
    return {b: code.offset("i8", starts[place], str(8 * slot)) for b, (place, slot) in plan.place.items()}


def release(code: Code, allocated: str | None) -> None:
    """Give back what ``make_room`` allocated."""
    if allocated is not None:
        code.call(FREE, allocated)


def _rounded(code: Code, size: Poly) -> str:
    """A number of bytes, rounded up so that the next place is aligned."""
    bytes = code.size(size)
    if bytes[0] != "%":
        return str(-(-int(bytes) // ALIGNMENT) * ALIGNMENT)
    return code.emit(f"and i64 {code.add(bytes, str(ALIGNMENT - 1))}, {-ALIGNMENT}")


def _allocate(code: Code, plan: Plan, total: str) -> tuple[str, str]:
    """Memory from ``malloc``, and its first aligned address; the driver returns if there is none."""
    allocated = code.call(MALLOC, _refused_if_huge(code, plan, code.add(total, str(ALIGNMENT))))
    failed, go = code.label(), code.label()
    code.line(f"br i1 {code.emit(f'icmp eq ptr {allocated}, null')}, label %{failed}, label %{go}")
    code.begin(failed)
    code.line(f"ret i32 {OUT_OF_MEMORY}")
    code.begin(go)
    number = code.emit(f"ptrtoint ptr {allocated} to i64")
    aligned = code.emit(f"and i64 {code.add(number, str(ALIGNMENT - 1))}, {-ALIGNMENT}")
    return allocated, code.offset("i8", allocated, code.sub(aligned, number))


def _refused_if_huge(code: Code, plan: Plan, total: str) -> str:
    """The size is also computed in floating point, where it cannot wrap around: more than any address space has is
    asked for as -1 bytes.
    """
    if total[0] != "%":
        return total
    lanes = code.scalar
    estimate = lanes.const("f64", 0.0)
    for size in plan.sizes:
        for monomial, coefficient in size.terms:
            term = lanes.const("f64", float(abs(coefficient)))
            for symbol in monomial:
                term = lanes.fmul("f64", term, code.emit(f"sitofp i64 {code.size(Poly({(symbol,): 1}))} to double"))
            estimate = lanes.fadd("f64", estimate, term)
    huge = lanes.fcmp("oge", "f64", estimate, lanes.const("f64", 2.0**62))
    return code.emit(f"select i1 {huge}, i64 -1, i64 {total}")
