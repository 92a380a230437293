"""Passes over equations with sub-Programs: the pipeline inside them, and dropping what of a loop nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import REGISTRY
from functad.ir.dce import dce
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.types import SeqType, array_type
from functad.primitives.loop_body import Layout

__all__ = ["expand_sequences", "inside", "trim"]


def inside(program: Program, f: Callable[[Program], Program]) -> Program:
    """The Program with ``f`` of each sub-Program in its place; ``f`` keeps the types of inputs and outputs."""
    if not any(sub_programs(e) for e in program.eqns):
        return program
    return Program(program.inputs, [_mapped(e, f) for e in program.eqns], program.outputs, program.name)


def _mapped(eqn: Eqn, f: Callable[[Program], Program]) -> Eqn:
    if not sub_programs(eqn):
        return eqn

    def value(v: Any) -> Any:
        return f(v) if isinstance(v, Program) else tuple([value(x) for x in v]) if type(v) is tuple else v

    return Eqn(eqn.primitive, eqn.inputs, {k: value(v) for k, v in eqn.params.items()}, eqn.outputs, eqn.loc)


# -- arithmetic of sequences -------------------------------------------------------------------------------------------


def expand_sequences(program: Program) -> Program:
    """Sums and zeros of sequences as loops over them."""
    if not any(e.primitive.name in _ELEMENTS for e in program.eqns):
        return program
    eqns: list[Eqn] = []
    for e in program.eqns:
        eqns += _by_elements(e) if e.primitive.name in _ELEMENTS else [e]
    return Program(program.inputs, eqns, program.outputs, program.name)


def _sum(x: Var, y: Var, out: Var) -> Eqn:
    return Eqn(REGISTRY["add"], (x, y), {}, (out,), None)


def _zeros(x: Var, out: Var) -> Eqn:
    return Eqn(
        REGISTRY["broadcast"], (Literal(out.type.dtype.type(0)),), {"shape": out.type.shape, "axes": ()}, (out,), None
    )


_ELEMENTS: dict[str, Callable[..., Eqn]] = {"seq_add": _sum, "seq_zeros": _zeros}


def _by_elements(eqn: Eqn) -> list[Eqn]:
    type, name = eqn.outputs[0].type, eqn.primitive.name
    assert isinstance(type, SeqType)
    xs, out = [Var(type.element) for _ in eqn.inputs], Var(type.element)
    inner = (
        Eqn(eqn.primitive, tuple(xs), {}, (out,), eqn.loc)
        if isinstance(type.element, SeqType)
        else _ELEMENTS[name](*xs, out)
    )
    body = expand_sequences(Program(xs, [inner], (out,)))
    steps = Var(array_type((), np.int64))
    params = {"body": body, "length": None, "reverse": False, "unroll": 1, "consts": 0, "carry": 0}
    length = Eqn(REGISTRY["seq_length"], eqn.inputs[:1], {}, (steps,), eqn.loc)
    return [length, Eqn(REGISTRY["loop"], (steps, *eqn.inputs), params, eqn.outputs, eqn.loc)]


# -- what nobody reads -------------------------------------------------------------------------------------------------


def trim(program: Program) -> Program:
    """The Program without results of loops and branches that are not read, nor the operands and work that only those
    need.
    """
    if not any(sub_programs(e) for e in program.eqns):
        return program
    needed = {a for a in program.outputs if type(a) is Var}
    eqns: list[Eqn] = []
    for e in reversed(program.eqns):
        rule = _TRIM.get(e.primitive.name)
        made = e if rule is None else rule(e, [v in needed for v in e.outputs])
        needed.update([a for a in made.inputs if type(a) is Var])
        eqns.append(made)
    return Program(program.inputs, reversed(eqns), program.outputs, program.name)


def _kept(values: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    return [v for v, flag in zip(values, flags, strict=True) if flag]


def _used(program: Program) -> list[bool]:
    """Which inputs a Program reads."""
    read = {a for e in program.eqns for a in e.inputs if type(a) is Var} | {
        a for a in program.outputs if type(a) is Var
    }
    return [v in read for v in program.inputs]


def _cut(program: Program, outputs: Sequence[Atom]) -> Program:
    return dce(Program(program.inputs, program.eqns, outputs, program.name))


def _taking(program: Program, flags: Sequence[bool]) -> Program:
    return Program(_kept(program.inputs, flags), program.eqns, program.outputs, program.name)


def _needed_carry(
    body: Program, first: int, wanted: list[bool], written: Sequence[bool], also: Callable[[], Sequence[bool]]
) -> list[bool]:
    """The parts of a carry, inputs of the body from number ``first``, that are wanted, or that what is wanted depends
    on.
    """
    n = len(wanted)
    wanted = [w or t for w, t in zip(wanted, also(), strict=True)]
    while True:
        made = _cut(body, [*_kept(body.outputs[:n], wanted), *_kept(body.outputs[n:], written)])
        larger = [w or u for w, u in zip(wanted, _used(made)[first : first + n], strict=True)]
        if larger == wanted:
            return wanted
        wanted = larger


def _trim_loop(eqn: Eqn, wanted: Sequence[bool]) -> Eqn:
    p, body = eqn.params, eqn.params["body"]
    layout = Layout.of(p)
    n, m = layout.carry, layout.consts
    written = list(wanted[n:])
    carry = _needed_carry(body, m, list(wanted[:n]), written, lambda: [False] * n)
    made = _cut(body, [*_kept(body.outputs[:n], carry), *_kept(body.outputs[n:], written)])
    used = _used(made)
    taken = [*used[:m], *carry, *used[m + n :]]
    if all(taken) and all(written):
        return eqn
    params = {**p, "body": _taking(made, taken), "consts": sum(used[:m]), "carry": sum(carry)}
    inputs = (*eqn.inputs[: layout.dynamic], *_kept(eqn.inputs[layout.dynamic :], taken))
    return Eqn(eqn.primitive, inputs, params, tuple(_kept(eqn.outputs, [*carry, *written])), eqn.loc)


def _trim_while(eqn: Eqn, wanted: Sequence[bool]) -> Eqn:
    cond, body = eqn.params["cond"], eqn.params["body"]
    tests, m = eqn.params["cond_consts"], eqn.params["body_consts"]
    n = len(eqn.inputs) - tests - m
    written = list(wanted[n + 1 :])
    tested = _used(cond)
    carry = _needed_carry(body, m, list(wanted[:n]), written, lambda: tested[tests:])
    made = _cut(body, [*_kept(body.outputs[:n], carry), *_kept(body.outputs[n:], written)])
    used = _used(made)
    consts, test_consts = used[:m], tested[:tests]
    if all(carry) and all(consts) and all(written) and all(test_consts):
        return eqn
    params: Mapping[str, Any] = {
        "cond": _taking(cond, [*test_consts, *carry]), "body": _taking(made, [*consts, *carry]),
        "cond_consts": sum(test_consts), "body_consts": sum(consts),
    }  # fmt: skip
    inputs = tuple(_kept(eqn.inputs, [*test_consts, *consts, *carry]))
    return Eqn(eqn.primitive, inputs, params, tuple(_kept(eqn.outputs, [*carry, True, *written])), eqn.loc)


def _trim_cond(eqn: Eqn, wanted: Sequence[bool]) -> Eqn:
    branches = [_cut(b, _kept(b.outputs, wanted)) for b in eqn.params["branches"]]
    taken = [any(flags) for flags in zip(*map(_used, branches), strict=True)]
    if all(taken) and all(wanted):
        return eqn
    params = {"branches": tuple([_taking(b, taken) for b in branches])}
    return Eqn(
        eqn.primitive,
        (eqn.inputs[0], *_kept(eqn.inputs[1:], taken)),
        params,
        tuple(_kept(eqn.outputs, wanted)),
        eqn.loc,
    )


_TRIM: dict[str, Callable[[Eqn, Sequence[bool]], Eqn]] = {"loop": _trim_loop, "while": _trim_while, "cond": _trim_cond}
