"""Where the first number that is not finite came from: what the flag ``debug_nans`` tells.

While a ``Tracker`` is in force, equations are evaluated one by one, and each number that is not finite has an *origin*:
the equation that made it of finite operands, or the one that was first given it from outside. An equation that passes
it on gives its results the origin of what it was given. Results of native code are looked at as a whole; where they are
not finite, the Program runs once more, in the evaluator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from functad.core.advice import quoted
from functad.core.observing import Observer
from functad.core.seq import Seq
from functad.errors import NonFiniteError
from functad.ir.program import DerivedLocation, Location, Program
from functad.ir.regions import Kind, Regions
from functad.ir.types import array_type
from functad.tree.containers import flatten, leaf_paths

if TYPE_CHECKING:
    from functad.core.primitive import Primitive

__all__ = ["Origin", "Tracker"]

SHOWN = 6
"""Elements up to which an operand is shown whole."""


@dataclass(frozen=True)
class Origin:
    """An equation that made a number that is not finite, or was first given it."""

    made: bool
    primitive: str
    loc: Location | None
    steps: tuple[str, ...]
    value: str
    operands: str

    def __str__(self) -> str:
        way, loc = [], self.loc
        while isinstance(loc, DerivedLocation):
            way.append(f"the {loc.way} of {loc.of}")
            loc = loc.around
        where = f" in {' of '.join(way)}" if way else ""
        where += f" at {quoted(loc)}" if loc is not None else ""
        where += "".join([f", in {step}" for step in self.steps])
        if self.made:
            return f"the first number that is not finite was made by {self.primitive}{where}: {self.value}" + (
                f" from {self.operands}" if self.operands else ""
            )
        return (
            f"no operation made it: {self.primitive}{where} was given {self.operands}, from an argument or from what "
            "is computed outside of functad"
        )


class Running:
    """An equation with Programs that is being evaluated: in which step it is, and what it was given."""

    def __init__(self, form: Regions, primitive: Primitive, ins: Sequence[Any], loc: Location | None) -> None:
        self.form, self.name, self.ins, self.loc = form, primitive.name, ins, loc
        self.step = form.steps[0].program if form.kind.repeats else None
        self.runs = 0

    def __str__(self) -> str:
        form, number = self.form, self.runs - 1
        if form.kind is Kind.STEPS and form.reverse:
            count = form.count if form.heads == 0 else int(self.ins[0])
            number = count - 1 - number
        name = "loop" if self.name == "loop" else f"{self.name} loop"
        return f"step {number} of the {name}{f' at {self.loc}' if self.loc else ''}"


class Tracker(Observer):
    """Knows the origins of what is not finite."""

    stepwise = True

    def __init__(self) -> None:
        super().__init__()
        self.first: Origin | None = None
        self._origins: dict[int, tuple[Any, Origin]] = {}  # by identity, with the value, which keeps that
        self._running: list[Running] = []

    # -- evaluation ----------------------------------------------------------------------------------------------------

    def run(self, program: Program, args: Sequence[Any]) -> list[Any]:
        """The outputs of a Program, equation by equation."""
        top = self._running[-1] if self._running else None
        if top is not None:
            top.runs += program is top.step
            for x in args:  # an element of what it was given is another object
                self._pass_on(x, top.ins)
        return super().run(program, args)

    def equation(
        self, primitive: Primitive, ins: Sequence[Any], params: Any, loc: Location | None = None
    ) -> tuple[Any, ...]:
        """The results of an equation."""
        running, loc = None, loc or self.loc
        if primitive.control is not None:
            running = Running(primitive.control.regions(params), primitive, ins, loc)
            self._running.append(running)
        known = len(self._origins)
        try:
            results = super().equation(primitive, ins, params, loc)
        finally:
            if running is not None:
                self._running.pop()
        inside = None
        if running is not None and len(self._origins) > known:
            inside = list(self._origins.values())[known][1]
        for x in results:
            if is_not_finite(x) and self._origin(x) is None:
                self._keep(x, inside or self._origin_of_result(primitive, ins, x, loc))
        return results

    def native(
        self, program: Program, args: Sequence[Any], options: Any, run: Callable[[], Sequence[Any]]
    ) -> Sequence[Any]:
        """What native code gives; where that is not finite, the Program is evaluated, for the origins."""
        outs = run()
        if not any(map(is_not_finite, outs)):
            return outs
        again = self.run(program, args)
        for x, same in zip(outs, again, strict=True):
            if is_not_finite(x) and x is not same:
                value = f"{described(x)}, where NumPy gives what is finite"
                alone = Origin(True, f"native code of {program.name or 'a function'}", self.loc, (), value, "")
                self._keep(x, self._origin(same) or (self.first if is_not_finite(same) else None) or alone)
        return outs

    # -- origins -------------------------------------------------------------------------------------------------------

    def pass_on(self, x: Any, given: Sequence[Any]) -> Any:
        """A value that was made of others without an equation: a copy, a sum. It has the origin of theirs."""
        self._pass_on(x, given)
        return x

    def _pass_on(self, x: Any, given: Sequence[Any]) -> None:
        if is_not_finite(x) and self._origin(x) is None:
            found = next((o for y in given if (o := self._origin(y)) is not None), None)
            if found is not None:
                self._keep(x, found)

    def _origin(self, x: Any) -> Origin | None:
        found = self._origins.get(id(x))
        return None if found is None else found[1]

    def _keep(self, x: Any, origin: Origin) -> None:
        self._origins[id(x)] = x, origin
        if origin.made and self.first is None:
            self.first = origin

    def _origin_of_result(self, primitive: Primitive, ins: Sequence[Any], x: Any, loc: Location | None) -> Origin:
        """The origin of a result that is not finite: that of the first operand with one that a rule made."""
        given = [y for y in ins if is_not_finite(y)]
        known = [o for y in given if (o := self._origin(y)) is not None]
        for origin in known:
            if origin.made:
                return origin
        nan = has_nan(x)
        passes = [y for y in given if has_nan(y) or not nan]
        if passes and known:
            return known[0]
        steps = tuple([str(r) for r in reversed(self._running) if r.step is not None and r.runs])
        name = primitive.name.removeprefix("strong_")
        if passes:
            return Origin(False, name, loc, steps, "", described(passes[0]))
        index = () if type(x) is Seq else first_index(x)
        return Origin(True, name, loc, steps, described(x), listed([shown(y, np.shape(x), index) for y in ins]))

    # -- at the end ----------------------------------------------------------------------------------------------------

    def check(self, name: str, result: Any) -> None:
        """Raise where a result of a call holds what an operation made that is not finite, or NaN from anywhere."""
        if type(result) is tuple:  # a pullback holds values that nobody has asked for
            result = tuple([None if callable(x) else x for x in result])
        leaves, structure = flatten(result)
        for number, x in enumerate(leaves):
            if not is_not_finite(x):
                continue
            origin = self._origin(x) or self.first
            if (origin is None or not origin.made) and not has_nan(x):
                continue  # an infinity that was given is meant
            why = origin or "no operation made it: it was in an argument, or is computed outside of functad"
            raise NonFiniteError(f"the result{leaf_paths(structure)[number]} of {name} is {described(x)}; {why}")


def is_not_finite(x: Any) -> bool:
    """Whether a value is an array, a number, or a sequence of them, that is not finite everywhere."""
    if type(x) is Seq:
        return any(map(is_not_finite, x.elements))
    if type(x) is float or type(x) is complex:
        return not np.isfinite(x)
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "fc" and not np.isfinite(x).all()


def has_nan(x: Any) -> bool:
    """Whether there is NaN in what is not finite."""
    return any(map(has_nan, x.elements)) if type(x) is Seq else bool(np.isnan(x).any())


def first_index(x: Any) -> tuple[int, ...]:
    """The index of the first element that is not finite."""
    bad = ~np.isfinite(np.asarray(x))
    return tuple([int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape)])


def described(x: Any) -> str:
    """The first element that is not finite, where it is, and how many there are."""
    if type(x) is Seq:
        return described(next(filter(is_not_finite, x.elements)))
    x = np.asarray(x)
    index = first_index(x)
    if not index:
        return str(x[()])
    count = x.size - int(np.isfinite(x).sum())
    more = f" ({count} of {x.size} are not finite)" if count > 1 else ""
    return f"{x[index]} at {list(index)} of {array_type(x.shape, x.dtype)}{more}"


def shown(x: Any, shape: tuple[int, ...], index: tuple[int, ...]) -> str:
    """An operand, at an index of the result if it has elements there."""
    if not isinstance(x, np.ndarray | np.generic):
        return f"a {type(x).__name__}"
    x = np.asarray(x)
    if not x.ndim or x.shape == shape:
        return str(x[index] if x.ndim else x)
    if x.size <= SHOWN:
        return " ".join(str(x).split())
    kind = f"{array_type(x.shape, x.dtype)}"
    return kind if x.dtype.kind not in "fiu" else f"{kind} between {np.min(x)} and {np.max(x)}"


def listed(parts: Sequence[str]) -> str:
    """Words in a row."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else ""
