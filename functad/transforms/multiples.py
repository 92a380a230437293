"""The linear Programs of loops' bodies with fewer products in a row: each value as a sum of multiples of others.

What the derivative of ``0.1 * y**4 + y * y`` does to a tangent t is, rule by rule, ``0.1 * (r * t) + 2 * t`` with r =
12 y^2; in a loop the next step waits for all of that. With numbers moved past what is linear to where coefficients are,
and the coefficients of one value added, it is ``(0.1 * r + 2) * t``: the coefficient does not depend on t, so nothing
waits for it. Two residuals are never multiplied by one another, nor by a number that is huge or tiny: their product
could overflow, and 0 times that is no longer 0. Where zero wins in a product, it does so in its multiples: 0 times r1
and 0 times r2 are 0 if 0 times their sum is.

A multiple of a sum that is needed anyway waits for the sum: of ``v = u + r * t`` and ``0.2 * v``, the second is ``0.2 *
u + (0.2 * r) * t`` where a small step, whose time is that of what waits for one another, has cycles to spare for more
operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.core.primitive import REGISTRY
from functad.ir.dce import dce
from functad.ir.derived import derived
from functad.ir.program import Atom, Eqn, Literal, Location, Program, Var, sub_programs
from functad.ir.types import SeqType
from functad.kernel_ir.rules import Pointwise

__all__ = ["collect_multiples"]


MODERATE = 2.0**20
"""Numbers that move are between this and its reciprocal."""


PRODUCTS = ("mul", "tangent_mul", "strong_mul", "strong_product")
"""Products of what is linear and a residual; what stands for two of them is the later one."""


@dataclass(frozen=True, slots=True)
class Multiple:
    """A number times, if there is one, a residual (of the shape of what it multiplies, or rank 0); ``product`` says how
    that multiplies.
    """

    number: Any
    residual: Atom | None = None
    product: str = "mul"


Sum = dict[Var, Multiple]
"""The sum of multiples of these variables, all of one type."""


def collect_multiples(program: Program, linear: Sequence[bool]) -> Program:
    """A Program that is linear in the inputs flagged, rewritten unless that makes it longer; what it calls is rewritten
    likewise."""
    collector = _Collector(program, linear)
    made = dce(collector.run())
    if _work(made) > _work(program):
        made = program
    if not collector.waited:
        return made
    distributed = dce(_Collector(program, linear, distributing=True).run())
    return distributed if _cycles(distributed, linear) < _cycles(made, linear) else made


@derived
def _other_than(program: Program, linear: tuple[bool, ...]) -> Program | None:
    """The Program rewritten; None if it stays as it is: it does not keep itself alive."""
    made = collect_multiples(program, linear)
    return None if made is program else made


def _work(program: Program) -> int:
    """How many elements the equations compute."""
    return sum([v.type.size for e in program.eqns for v in e.outputs if not isinstance(v.type, SeqType)])


LATENCY, PER_CYCLE = 4, 2
"""Cycles from the operands of an addition or a product to its result, and how many of them a core begins in one."""


def _cycles(program: Program, linear: Sequence[bool]) -> float:
    """About how long a step takes: as what waits for the linear inputs, or as all it has to do."""
    depth: dict[Atom, int] = {v: 0 for v, flag in zip(program.inputs, linear, strict=True) if flag}
    for e in program.eqns:
        found = [depth[a] for a in e.inputs if a in depth]
        if found:
            depth.update(dict.fromkeys(e.outputs, max(found) + 1))
    return max(LATENCY * max(depth.values(), default=0), _work(program) / PER_CYCLE)


class _Collector:
    """One walk over a Program. ``sums`` holds the linear variables; what is emitted computes residuals and, in the end,
    the sums that are needed.

    ``distributing`` makes a multiple of a sum the sum of multiples; ``waited`` tells whether there was any.
    """

    def __init__(self, program: Program, linear: Sequence[bool], distributing: bool = False) -> None:
        self.program = program
        self.distributing, self.waited = distributing, False
        self.parts: dict[Var, Sum] = {}  # what sums that are needed as a whole consist of
        self.eqns: list[Eqn] = []
        self.sums: dict[Var, Sum] = {v: _itself(v) for v, flag in zip(program.inputs, linear, strict=True) if flag}
        self.uses = Counter([a for e in program.eqns for a in e.inputs] + list(program.outputs))
        self.emitted: dict[Any, Var] = {}
        self.loc: Location | None = None
        self.numbers: dict[Atom, Literal] = {}  # what has one value in all its elements, made of literals

    def run(self) -> Program:
        for e in self.program.eqns:
            self.loc = e.loc
            if any([a in self.sums for a in e.inputs]):
                self._linear(e)
            else:
                self.eqns.append(e)
                self._note_number(e)
        return Program(
            self.program.inputs, self.eqns, [self._value(a) for a in self.program.outputs], self.program.name
        )

    def _note_number(self, eqn: Eqn) -> None:
        values = [a if isinstance(a, Literal) and not a.type.ndim else self.numbers.get(a) for a in eqn.inputs]
        if not values or eqn.primitive.may_raise or any([v is None for v in values]):
            return
        if eqn.primitive.name == "broadcast":
            self.numbers[eqn.outputs[0]] = values[0]  # type: ignore[assignment]
        elif isinstance(eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params), Pointwise):
            with np.errstate(all="ignore"):
                value = eqn.primitive.evaluate(*[v.value for v in values], **eqn.params)  # type: ignore[union-attr]
            self.numbers[eqn.outputs[0]] = Literal(np.asarray(value)[()])

    # ---- equations

    def _linear(self, eqn: Eqn) -> None:
        found = self._sum_of(eqn)
        if found is None:
            inputs = tuple([self._value(a) for a in eqn.inputs])
            self.eqns.append(Eqn(eqn.primitive, inputs, self._params(eqn), eqn.outputs, eqn.loc))
            self.sums.update([(v, _itself(v)) for v in eqn.outputs])
            return
        (out,) = eqn.outputs
        if self.uses[out] > 1 and any([len(found) > 1 or m.residual is not None for m in found.values()]):
            whole = self._total(found)
            self.parts[whole], found = found, _itself(whole)
        self.sums[out] = found

    def _params(self, eqn: Eqn) -> Mapping[str, Any]:
        """The params of an equation that is taken as it is; the Program of a call is rewritten."""
        if eqn.primitive.name != "jit":
            return eqn.params
        program: Program = eqn.params["program"]
        made = _other_than(program, tuple([a in self.sums for a in eqn.inputs]))
        return {**eqn.params, "program": made or program}

    def _sum_of(self, eqn: Eqn) -> Sum | None:
        """The result as a sum of multiples; None for what is taken as it is."""
        if (
            eqn.primitive.multiple_results
            or sub_programs(eqn)
            or any([a.type.dtype.kind != "f" for a in (*eqn.inputs, *eqn.outputs)])
        ):
            return None
        match eqn.primitive.name, eqn.inputs:
            case "neg", (x,):
                return self._negated(x)
            case "add", (x, y) if x.type is y.type and x in self.sums and y in self.sums:
                return self._added(self.sums[x], self.sums[y])  # type: ignore[index]
            case "sub", (x, y) if x.type is y.type and x in self.sums and y in self.sums:
                return self._added(self.sums[x], self._negated(y))  # type: ignore[index]
            case "mul", (x, y):
                t, r = (x, y) if x in self.sums else (y, x)
                if t.type is eqn.outputs[0].type and r not in self.sums:
                    return self._times(t, self.numbers.get(r, r), "mul")
            case name, (t, r) if name in PRODUCTS and t.type is eqn.outputs[0].type and r not in self.sums:
                return self._times(t, self.numbers.get(r, r), name)
            case _, (x,) if eqn.primitive.linear == "jointly" and x.type.dtype is eqn.outputs[0].type.dtype:
                return self._past(eqn)
        return None

    def _past(self, eqn: Eqn) -> Sum:
        """A linear operation on a multiple is a multiple of the operation."""
        terms = self.sums[eqn.inputs[0]]  # type: ignore[index]
        if len(terms) == 1:
            ((base, multiple),) = terms.items()
            x = base if multiple.residual is None else self._emit(multiple.product, base, multiple.residual)
            return {self._emit(eqn.primitive.name, x, **eqn.params): Multiple(multiple.number)}
        return _itself(self._emit(eqn.primitive.name, self._total(terms), **eqn.params))

    def _times(self, x: Atom, r: Atom, product: str) -> Sum:
        terms = self.sums[x]  # type: ignore[index]
        distributed = self._distributed(terms, r)
        if distributed is not None:
            return distributed
        if len(terms) > 1:
            terms = _itself(self._total(terms))
        ((base, m),) = terms.items()
        if isinstance(r, Literal) and not r.type.ndim:
            with np.errstate(all="ignore"):
                number = m.number * r.value
            if _is_moderate(number):
                return {base: Multiple(number, m.residual, m.product)}
            whole = self._total(terms)
            return {whole: Multiple(r.value)} if _is_moderate(r.value) else _itself(self._emit(product, whole, r))
        if m.residual is not None:
            base = self._emit(m.product, base, m.residual)
        return {base: Multiple(m.number, r, product)}

    def _distributed(self, terms: Sum, r: Atom) -> Sum | None:
        """A number times each term of a sum."""
        if not isinstance(r, Literal) or r.type.ndim:
            return None
        factor = r.value
        with np.errstate(all="ignore"):
            if len(terms) == 1:
                ((base, m),) = terms.items()
                terms, factor = self.parts.get(base, {}) if m.residual is None else {}, m.number * factor
            numbers = [m.number * factor for m in terms.values()]
        if len(terms) < 2:
            return None
        self.waited = True
        if not self.distributing or not all([_is_moderate(n) for n in numbers]):
            return None
        return {base: Multiple(n, m.residual, m.product) for n, (base, m) in zip(numbers, terms.items(), strict=True)}

    def _negated(self, x: Atom) -> Sum:
        return {base: Multiple(-m.number, m.residual, m.product) for base, m in self.sums[x].items()}  # type: ignore[index]

    def _added(self, x: Sum, y: Sum) -> Sum:
        total = dict(x)
        for base, m in y.items():
            total[base] = self._plus(total[base], m) if base in total else m
        return total

    def _plus(self, x: Multiple, y: Multiple) -> Multiple:
        if x.residual is None and y.residual is None:
            return Multiple(x.number + y.number)
        product = max(x.product, y.product, key=PRODUCTS.index)
        return Multiple(type(x.number)(1), self._emit("add", self._coefficient(x), self._coefficient(y)), product)

    # ---- values

    def _coefficient(self, m: Multiple) -> Atom:
        number = Literal(m.number)
        return number if m.residual is None else m.residual if m.number == 1 else self._emit("mul", m.residual, number)

    def _value(self, atom: Atom) -> Atom:
        terms = self.sums.get(atom)  # type: ignore[arg-type]
        return atom if terms is None else self._total(terms)

    def _total(self, terms: Sum) -> Var:
        total: Var | None = None
        ordered = list(terms.items())
        if len(ordered) > 1 and ordered[0][1].residual is None and ordered[0][1].number == -1:
            ordered[:2] = ordered[1::-1]  # b - a, not -a + b
        for base, m in ordered:
            subtracted = total is not None and m.number == -1
            if subtracted:
                m = Multiple(-m.number, m.residual, m.product)
            if m.residual is None and abs(m.number) == 1:
                term = base if m.number == 1 else self._emit("neg", base)
            else:
                term = self._emit(m.product, base, self._coefficient(m))
            total = term if total is None else self._emit("sub" if subtracted else "add", total, term)
        assert total is not None
        return total

    def _emit(self, name: str, *operands: Atom, **params: Any) -> Var:
        """The result of an equation, made once."""
        key = (
            name,
            *[(a.type, a.value.tobytes()) if isinstance(a, Literal) and not a.type.ndim else a for a in operands],
            *params.items(),
        )
        found = self.emitted.get(key)
        if found is None:
            primitive = REGISTRY[name]
            (type_,) = primitive.out_types(tuple([a.type for a in operands]), params)
            found = self.emitted[key] = Var(type_)
            self.eqns.append(Eqn(primitive, operands, params, (found,), self.loc))
        return found


def _is_moderate(number: Any) -> bool:
    return 1 / MODERATE <= float(abs(number)) <= MODERATE


def _itself(v: Var) -> Sum:
    one: Any = v.type.dtype.type(1) if not isinstance(v.type, SeqType) else 1
    return {v: Multiple(one)}
