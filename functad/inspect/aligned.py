"""What a pass has changed, line by line: two Programs printed with the same names for what is the same in both.

A pass makes variables anew, and names are handed out in order, so that one equation less would rename all that follow.
Here equations are matched first: those that give the same variable; those that compute the same from the inputs; then,
in order, those that are alike but for their operands. What is matched has one name. A result that is no longer computed
and whose users all read something else now is said to be that (``# c is b``), so its users have not changed; where that
something is new, it takes over the name.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from functad.ir.printer import Naming, format_named, format_value, variable_names
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.scalars import format_scalar

__all__ = ["changed_lines"]


def changed_lines(before: Program, after: Program) -> list[str]:
    """The lines that differ: those taken away with ``- ``, those added with ``+ ``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> before = fd.make_ir(lambda x: np.sum(np.sin(x) + 0.0) * 2.0)(np.zeros(3))
    >>> after = fd.make_ir(lambda x: np.sum(np.sin(x)) * 2.0)(np.zeros(3))
    >>> changed_lines(before, after)
    ['-     c:f64[3] = add b 0.0  # c is b']
    """
    names = _Alignment()
    names.align(before, after)
    old, new = format_named(before, names.before).splitlines(), format_named(after, names.after).splitlines()
    return [line for line in difflib.ndiff(old, new, linejunk=None, charjunk=None) if line[0] in "+-"]


class _Alignment:
    """The names of the variables of two Programs, and of those in them."""

    def __init__(self) -> None:
        self.before = Naming()
        self.after = Naming()

    def align(self, before: Program, after: Program) -> None:
        """Name the variables of two Programs that do the same."""
        fresh = variable_names()
        old = dict(zip(_variables(before), fresh, strict=False))
        pairs = _matched(before, after)
        new = {b: old[a] for a, b in _same_inputs(before, after)}
        for one, other in pairs:
            new.update({b: old[a] for a, b in zip(one.outputs, other.outputs, strict=False)})
        reads = self._reads(before, after, pairs, old, new)
        read_as: dict[Var, str] = {}
        for variable, atom in reads.items():
            if isinstance(atom, Var) and atom not in new:
                new[atom] = old[variable]
            elif atom is not None:
                text = _text(atom, new)
                if text != old[variable]:
                    read_as[variable] = text
        taken = set(new.values())
        rest = (name for name in fresh if name not in taken)
        new.update({v: next(rest) for v in _variables(after) if v not in new})
        self.before.add(before, old, read_as)
        self.after.add(after, new, {})
        for one, other in pairs:
            for a, b in zip(sub_programs(one), sub_programs(other), strict=False):
                if not (self.before.knows(a) or self.after.knows(b)):
                    self.align(a, b)

    def _reads(
        self,
        before: Program,
        after: Program,
        pairs: Sequence[tuple[Eqn, Eqn]],
        old: dict[Var, str],
        new: dict[Var, str],
    ) -> dict[Var, Atom | None]:
        """What is read in place of results that are computed no longer; None where it differs from user to user."""
        kept = set(new.values())
        found: dict[Var, Atom | None] = {}
        uses = [(one.inputs, other.inputs) for one, other in pairs] + [(before.outputs, after.outputs)]
        for mine, others in uses:
            for a, b in zip(mine, others, strict=False):
                if isinstance(a, Var) and old[a] not in kept:
                    same = a not in found or found[a] is b or _equal(found[a], b)
                    found[a] = b if same else None
        return found


def _same_inputs(before: Program, after: Program) -> list[tuple[Var, Var]]:
    """The inputs that are the same: the same variables, where passes keep them; else those at one place, counted from
    the last, since what a pass adds or takes away are constants, which come first.
    """
    kept = [v for v in before.inputs if v in after.inputs]
    pairs = zip(kept, kept, strict=True) if kept else zip(before.inputs[::-1], after.inputs[::-1], strict=False)
    return [(a, b) for a, b in pairs if a.type is b.type]


def _equal(a: Atom | None, b: Atom) -> bool:
    """Whether two literals are the same scalar."""
    scalars = isinstance(a, Literal) and isinstance(b, Literal) and a.type is b.type and not a.type.ndim
    return scalars and format_scalar(a.value) == format_scalar(b.value)  # type: ignore[union-attr]


def _variables(program: Program) -> Iterator[Var]:
    yield from program.inputs
    for eqn in program.eqns:
        yield from eqn.outputs


def _text(atom: Atom, names: dict[Var, str]) -> str:
    if isinstance(atom, Var):
        return names[atom]
    return f"array({atom.type})" if atom.type.ndim else format_scalar(atom.value)


def _matched(before: Program, after: Program) -> list[tuple[Eqn, Eqn]]:
    """The equations that are the same in both, in the order of the first Program."""
    pairs: dict[Eqn, Eqn] = {}
    for keys in (_by_variable, _by_value):
        _match_unique(before, after, keys, pairs)
    _match_in_order(before, after, pairs)
    return [(one, pairs[one]) for one in before.eqns if one in pairs]


def _match_unique(before: Program, after: Program, keys: Any, pairs: dict[Eqn, Eqn]) -> None:
    """Match what has a key that one equation has in either Program."""
    taken = set(pairs.values())
    mine = _once((k, e) for k, e in keys(before) if e not in pairs)
    others = _once((k, e) for k, e in keys(after) if e not in taken)
    for key, one in mine.items():
        other = others.get(key)
        if one is not None and other is not None and one.primitive is other.primitive:
            pairs[one] = other


def _once(keyed: Iterable[tuple[Hashable, Eqn]]) -> dict[Hashable, Eqn | None]:
    found: dict[Hashable, Eqn | None] = {}
    for key, eqn in keyed:
        found[key] = None if key in found else eqn
    return found


def _by_variable(program: Program) -> Iterator[tuple[Hashable, Eqn]]:
    for eqn in program.eqns:
        if eqn.outputs:
            yield eqn.outputs, eqn


def _by_value(program: Program) -> Iterator[tuple[Hashable, Eqn]]:
    """Equations by what they compute of the inputs."""
    values: dict[Var, Hashable] = {v: ("input", i) for i, v in enumerate(program.inputs)}
    for eqn in program.eqns:
        operands = tuple([values[a] if isinstance(a, Var) else _text(a, {}) for a in eqn.inputs])
        key = hash((_alike(eqn), operands))
        values.update({v: (key, i) for i, v in enumerate(eqn.outputs)})
        yield key, eqn


def _match_in_order(before: Program, after: Program, pairs: dict[Eqn, Eqn]) -> None:
    """Match what is left and alike, between the same neighbours as far as can be."""
    taken = set(pairs.values())
    mine = [e for e in before.eqns if e not in pairs]
    others = [e for e in after.eqns if e not in taken]
    matcher = difflib.SequenceMatcher(None, [_alike(e) for e in mine], [_alike(e) for e in others], autojunk=False)
    for i, j, size in matcher.get_matching_blocks():
        pairs.update(zip(mine[i : i + size], others[j : j + size], strict=True))


def _alike(eqn: Eqn) -> str:
    """What equations have in common that differ in their operands alone."""
    programs = bool(sub_programs(eqn))
    params = "" if programs else ", ".join([f"{k}={format_value(v)}" for k, v in sorted(eqn.params.items())])
    return f"{eqn.primitive.name}[{params}] {[str(v.type) for v in eqn.outputs]}"
