"""Constants of a trace: values that are computed of no input, so that Python may see them under any transform.

A table that a function makes for itself (``mask = np.zeros(n, bool); mask[:2] = True``) is traced, since a traced value
may be written into it; as long as none is, ``if mask[0]`` or ``np.flatnonzero(mask)`` is answered by computing it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.ir.program import Eqn, Literal, Var

__all__ = ["Constants"]


class Constants:
    """What is known of the variables of one trace."""

    __slots__ = ("_eqns", "_made", "_seen", "_values")

    def __init__(self, eqns: list[Eqn]) -> None:
        self._eqns = eqns
        self._made: dict[Var, Eqn] = {}
        self._seen = 0  # equations among those that ``made`` knows
        self._values: dict[Var, Any] = {}  # None: it depends on an input

    def value(self, var: Var, outer: Callable[[Var], Any]) -> Any:
        """The value of a variable; None if it depends on an input. ``outer`` gives that of an input, or None."""
        self._look()
        todo = [var]
        while todo:
            v = todo[-1]
            if v in self._values:
                todo.pop()
                continue
            if v not in self._made:
                self._values[v] = outer(v)
                continue
            eqn = self._made[v]
            operands = [a for a in eqn.inputs if type(a) is Var]
            if any([a in self._values and self._values[a] is None for a in operands]):
                self._values.update(dict.fromkeys(eqn.outputs))
                continue
            missing = [a for a in operands if a not in self._values]
            if missing:
                todo += missing
            else:
                self._compute(eqn)
        return self._values[var]

    def made_by(self, var: Var) -> Eqn | None:
        """The equation that has a variable as a result; None for inputs."""
        self._look()
        return self._made.get(var)

    def _look(self) -> None:
        for eqn in self._eqns[self._seen :]:
            self._made.update(dict.fromkeys(eqn.outputs, eqn))
        self._seen = len(self._eqns)

    def _compute(self, eqn: Eqn) -> None:
        """Evaluate an equation; what raises has no value, and raises where it is needed."""
        operands = [a.value if type(a) is Literal else self._values[a] for a in eqn.inputs]  # type: ignore[index]
        try:
            result = eqn.primitive.evaluate(*operands, **eqn.params)
        except Exception:
            self._values.update(dict.fromkeys(eqn.outputs))
            return
        results = result if eqn.primitive.multiple_results else (result,)
        self._values.update(zip(eqn.outputs, results, strict=True))
