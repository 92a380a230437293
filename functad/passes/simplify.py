"""Algebraic simplification: tables of rules, one line each, by primitive.

A rule takes a ``Match`` (an equation whose operands have been simplified) and gives what its result equals: an atom, or
None if it does not apply. Every rule is exact in IEEE arithmetic, signed zeros and NaN included; that is why there is
no ``x + 0 -> x`` (it would turn -0.0 + 0.0 into -0.0) and no ``x * 0 -> 0``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import REGISTRY
from functad.ir.program import Atom, Eqn, Literal, Program, Var
from functad.ir.rewrite import Rewriting, rewrite
from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Pointwise, Pull
from functad.primitives.slicing import slice_padding

__all__ = ["RULES", "Match", "simplify"]


class Match:
    """An equation seen by a rule: its operands, their definitions, and a way to emit what replaces it."""

    __slots__ = ("definitions", "eqn", "ins", "made", "out", "params")

    def __init__(self, eqn: Eqn, definitions: dict[Var, Eqn], made: Rewriting) -> None:
        self.eqn = eqn
        self.ins = eqn.inputs
        self.params = eqn.params
        self.out: ArrayType = eqn.outputs[0].type
        self.definitions = definitions
        self.made = made

    def scalar(self, i: int) -> Any:
        """The value of operand i if it is a rank-0 literal, else None."""
        a = self.ins[i]
        return a.value if type(a) is Literal and not a.type.ndim else None

    def made_by(self, i: int, name: str) -> Eqn | None:
        """The equation of operand i if it is one of this primitive."""
        a = self.ins[i]
        e = self.definitions.get(a) if type(a) is Var else None
        return e if e is not None and e.primitive.name == name else None

    def keep(self, i: int) -> Atom | None:
        """Operand i, if it has the result's type."""
        return self.ins[i] if self.ins[i].type is self.out else None

    def emit(self, name: str, *operands: Atom, **params: Any) -> Atom:
        """The result of a new equation in place of this one."""
        (var,) = self.made.emit(REGISTRY[name], operands, params, self.eqn.loc)
        self.definitions[var] = self.made.eqns[-1]
        return var

    def literal(self, value: Any) -> Literal:
        """A rank-0 literal of the result's dtype."""
        return Literal(self.out.dtype.type(value))


Rule = Callable[[Match], Atom | None]


def is_value(m: Match, i: int, value: float) -> bool:
    """Whether operand i is the rank-0 literal ``value``, not complex: times 1 + 0i, infinities become NaN and -0
    becomes 0.
    """
    v = m.scalar(i)
    return v is not None and v.dtype.kind != "c" and bool(v == value)


def is_integer(m: Match, i: int, value: int) -> bool:
    """Whether operand i is this integer, as a rank-0 literal."""
    v = m.scalar(i)
    return v is not None and v.dtype.kind in "iu" and bool(v == value)


def is_nonzero(m: Match, i: int) -> bool:
    """Whether operand i is a rank-0 literal other than 0 (maybe NaN)."""
    v = m.scalar(i)
    return v is not None and bool(v != 0)


def same_shape(m: Match) -> Atom | None:
    """An operation that changes nothing."""
    return m.keep(0)


def unary_pair(outer: str, inner: str) -> Rule:
    """``outer(inner(x)) -> x``."""
    del outer
    return lambda m: e.inputs[0] if (e := m.made_by(0, inner)) is not None and e.inputs[0].type is m.out else None


def spread_literal(m: Match) -> Atom | None:
    """``f(broadcast(rank-0 a), y) -> f(a, y)``: rank-0 operands broadcast by themselves, as long as another operand has
    the shape.
    """
    new = list(m.ins)
    for i in range(len(new)):
        e = m.made_by(i, "broadcast")
        if e is None or e.inputs[0].type.ndim or not m.out.ndim:
            continue
        if any(j != i and new[j].type.ndim for j in range(len(new))):
            new[i] = e.inputs[0]
    if all(a is b for a, b in zip(new, m.ins, strict=True)):
        return None
    return m.emit(m.eqn.primitive.name, *new, **m.params)


def compose_broadcasts(m: Match) -> Atom | None:
    """``broadcast(broadcast(x)) -> broadcast(x)``."""
    e = m.made_by(0, "broadcast")
    if e is None:
        return None
    inner, outer = e.params["axes"], m.params["axes"]
    return m.emit("broadcast", e.inputs[0], shape=m.params["shape"], axes=tuple([outer[a] for a in inner]))


def compose_transposes(m: Match) -> Atom | None:
    """``transpose(transpose(x)) -> transpose(x)``."""
    e = m.made_by(0, "transpose")
    if e is None:
        return None
    axes = tuple([e.params["axes"][a] for a in m.params["axes"]])
    return e.inputs[0] if axes == tuple(range(len(axes))) else m.emit("transpose", e.inputs[0], axes=axes)


def compose_reshapes(m: Match) -> Atom | None:
    """``reshape(reshape(x)) -> reshape(x)``."""
    e = m.made_by(0, "reshape")
    if e is None:
        return None
    x = e.inputs[0]
    return x if x.type is m.out else m.emit("reshape", x, shape=m.params["shape"])


def negated_operand(m: Match) -> Atom | None:
    """``x + -y -> x - y``, ``-x + y -> y - x``."""
    for i in (1, 0):
        e = m.made_by(i, "neg")
        if e is not None and _fits(m, e.inputs[0], m.ins[1 - i]):
            return m.emit("sub", m.ins[1 - i], e.inputs[0])
    return None


def subtract_negated(m: Match) -> Atom | None:
    """``x - -y -> x + y``."""
    e = m.made_by(1, "neg")
    return m.emit("add", m.ins[0], e.inputs[0]) if e is not None else None


def _fits(m: Match, *operands: Atom) -> bool:
    return not m.out.ndim or any(a.type.ndim for a in operands)


def square_as_product(m: Match) -> Atom | None:
    """``x ** 1 -> x``, ``x ** 2 -> square(x)``."""
    n = m.params["exponent"] if m.params["coefficient"] == 1 else 0
    return m.ins[0] if n == 1 else m.emit("square", m.ins[0]) if n == 2 else None


def known_predicate(m: Match) -> Atom | None:
    """``select(True, x, y) -> x``."""
    p = m.scalar(0)
    return None if p is None else m.keep(1 if p else 2)


def same_branches(m: Match) -> Atom | None:
    """``select(p, x, x) -> x``."""
    return m.keep(1) if m.ins[1] is m.ins[2] else None


def spread_update(m: Match) -> Atom | None:
    """``slice_add(x, y) -> x + pad(y, -0.0)``, where x is computed in a loop that can do so on the way: then no array
    need be in memory.

    Every x + -0.0 is x. One or two masks cost less than going over memory again; more do not.
    """
    a, pads = m.ins[0], 0
    e = m.definitions.get(a) if type(a) is Var else None
    if e is None or not _fuses(e):
        return None
    while e is not None and pads < 2 and e.primitive.name in ("add", "pad"):
        makers = [m.definitions.get(v) if type(v) is Var else None for v in e.inputs]
        pads += e.primitive.name == "pad" or any(d is not None and d.primitive.name == "pad" for d in makers)
        e = makers[0] if e.primitive.name == "add" else None
    if pads == 2:
        return None
    zero = -0.0 if m.out.dtype.kind == "f" else complex(-0.0, -0.0) if m.out.dtype.kind == "c" else 0
    return m.emit("add", a, m.emit("pad", m.ins[1], m.literal(zero), widths=slice_padding(m.out.shape, **m.params)))


def _fuses(eqn: Eqn) -> bool:
    """Whether an equation's result is computed where it is read."""
    rule = eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)
    return isinstance(rule, Pointwise | Pull)


def plain(name: str) -> Rule:
    """``strong_mul(t, f) -> t f`` where t is not 0."""
    return lambda m: m.emit(name, *m.ins) if is_nonzero(m, 0) else None


def half_strong(m: Match) -> Atom | None:
    """``strong_product(x, y) -> strong_mul(x, y)`` where y is not 0."""
    x, y = m.ins
    return m.emit("strong_mul", x, y) if is_nonzero(m, 1) else m.emit("strong_mul", y, x) if is_nonzero(m, 0) else None


# -- elements of arrays, read and written one after the other


def read_what_was_written(m: Match) -> Atom | None:
    """``gather(scatter_set(x, v, i), i) -> v``, and ``gather(x, j)`` where j is another place."""
    e = m.made_by(0, "scatter_set")
    if e is None:
        return None
    same = _same_place(m.ins[0].type, m.ins[1:], m.params, e)
    if same is None:
        return None
    return e.inputs[1] if same else m.emit("gather", e.inputs[0], *m.ins[1:], **m.params)


def read_what_was_added(m: Match) -> Atom | None:
    """``gather(scatter_add(scatter_set(x, v, i), w, i), i) -> v + w``: in reverse, of two updates of one element.

    What is not read need not be kept, so that the loop updates its array in place.
    """
    e = m.made_by(0, "scatter_add")
    if e is None or not _same_place(m.ins[0].type, m.ins[1:], m.params, e):
        return None
    first = m.definitions.get(e.inputs[0]) if type(e.inputs[0]) is Var else None
    if (
        first is None
        or first.primitive.name != "scatter_set"
        or not _same_place(m.ins[0].type, m.ins[1:], m.params, first)
    ):
        return None
    return m.emit("add", first.inputs[1], e.inputs[1])


def write_once(m: Match) -> Atom | None:
    """``scatter_set(scatter_set(x, v, i), w, i) -> scatter_set(x, w, i)``."""
    e = m.made_by(0, "scatter_set") or m.made_by(0, "scatter_add")
    if e is None or not _same_place(m.ins[0].type, m.ins[2:], m.params, e):
        return None
    return m.emit("scatter_set", e.inputs[0], *m.ins[1:], **m.params)


def _same_place(x: ArrayType, indices: Sequence[Atom], params: Any, write: Eqn) -> bool | None:
    """Whether single elements or rows are those that an equation writes; None where that is not known."""
    others = write.inputs[2:]
    if params["batch"] or write.params["batch"] or len(indices) != len(others) or not x.size:
        return None
    if any([a.type.ndim for a in (*indices, *others)]):
        return None
    pairs = [
        (int(a.value), int(b.value)) if type(a) is Literal and type(b) is Literal else (a, b)
        for a, b in zip(indices, others, strict=True)
    ]
    if all([a is b or (type(a) is int and a == b) for a, b in pairs]):
        return True
    apart = [
        type(a) is int and type(b) is int and a != b and min(a, b) >= 0 and max(a, b) < n
        for (a, b), n in zip(pairs, x.shape, strict=False)
    ]
    return False if any(apart) else None


RULES: dict[str, tuple[Rule, ...]] = {
    "neg": (unary_pair("neg", "neg"),),
    "conj": (unary_pair("conj", "conj"),),
    "add": (
        spread_literal,
        negated_operand,
        lambda m: m.keep(1) if is_integer(m, 0, 0) else None,
        lambda m: m.keep(0) if is_integer(m, 1, 0) else None,
    ),
    "sub": (
        spread_literal,
        lambda m: m.emit("neg", m.ins[1]) if is_integer(m, 0, 0) and m.keep(1) is not None else None,
        lambda m: m.keep(0) if is_value(m, 1, 0) and not np.signbit(m.scalar(1)) else None,
        subtract_negated,
    ),
    "mul": (
        spread_literal,
        lambda m: m.keep(0) if is_value(m, 1, 1) else None,
        lambda m: m.keep(1) if is_value(m, 0, 1) else None,
        lambda m: (
            m.emit("neg", m.ins[0])
            if m.out.dtype.kind == "f" and is_value(m, 1, -1) and m.keep(0) is not None
            else None
        ),
        lambda m: (
            m.emit("neg", m.ins[1])
            if m.out.dtype.kind == "f" and is_value(m, 0, -1) and m.keep(1) is not None
            else None
        ),
    ),
    "div": (spread_literal, lambda m: m.keep(0) if is_value(m, 1, 1) else None),
    "floor_divide": (lambda m: m.keep(0) if is_integer(m, 1, 1) else None,),
    "strong_mul": (spread_literal, plain("mul")),
    "strong_product": (spread_literal, half_strong),
    "strong_div": (spread_literal, plain("div")),
    "tangent_mul": (lambda m: m.emit("mul", *m.ins),),  # nothing is differentiated after the passes
    "integer_power": (square_as_product,),
    "select": (spread_literal, known_predicate, same_branches),
    "broadcast": (same_shape, compose_broadcasts),
    "reshape": (same_shape, compose_reshapes),
    "transpose": (compose_transposes,),
    "convert": (same_shape,),
    "stop_gradient": (same_shape,),
    "slice_add": (spread_update,),
    "gather": (read_what_was_written, read_what_was_added),
    "scatter_set": (write_once,),
    **dict.fromkeys(
        ("softmax_of", "log_softmax_of", "logsumexp_of", "norm_of", "direction_of"), (same_shape,)
    ),  # once differentiated
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), (spread_literal,)),
    **dict.fromkeys(
        ("power", "maximum", "minimum", "arctan2", "hypot", "logaddexp", "clip", "copysign"), (spread_literal,)
    ),
}


def simplify(program: Program) -> Program:
    """Apply the rules once, from the first equation to the last, until none applies to an equation."""
    definitions: dict[Var, Eqn] = {}

    def rule(eqn: Eqn, made: Rewriting) -> Eqn | Sequence[Atom]:
        result = _rewritten(eqn, definitions, made)
        if result is not None:
            return [result]
        definitions.update(dict.fromkeys(eqn.outputs, eqn))
        return eqn

    return rewrite(program, rule)


def _rewritten(eqn: Eqn, definitions: dict[Var, Eqn], made: Rewriting) -> Atom | None:
    rules = RULES.get(eqn.primitive.name)
    if rules is None:
        return None
    eqns = made.eqns
    start = len(eqns)
    match = Match(eqn, definitions, made)
    for rule in rules:
        result = rule(match)
        if result is None:
            continue
        # what a rule emitted may be simplified again: take its last equation back and try once more
        if len(eqns) > start and type(result) is Var and eqns[-1].outputs[0] is result:
            last = eqns.pop()
            again = _rewritten(last, definitions, made)
            if again is not None:
                return again
            eqns.append(last)
        return result
    return None
