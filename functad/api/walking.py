"""Working with the equations of a Program by hand: evaluating one, its derivative, its pullback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import functad.ir.walking  # noqa: F401  (the same)
from functad.api.linear import jvp, vjp
from functad.core.evaluator import interpret
from functad.core.primitive import bind_all
from functad.errors import ArgumentError
from functad.ir.masks import expand, select
from functad.ir.program import Atom, Eqn, Literal, Program, Var

__all__ = ["Values", "evaluate", "jvp_of_equation", "values", "vjp_of_equation"]


class Values(Mapping[Var, Any]):
    """What the variables of a Program are for given inputs. Literals are their own values: any atom may be asked for.

    Examples
    --------
    >>> import functad as fd
    >>> program = fd.make_ir(lambda x: x * x + 1.0)(2.0)
    >>> found = program.values(3.0)
    >>> found
    a = 3.0
    b = 9.0
    c = 10.0
    >>> [found[a] for a in program.eqns[1].inputs]
    [np.float64(9.0), np.float64(1.0)]
    """

    def __init__(self, program: Program, found: dict[Var, Any]) -> None:
        self._program = program
        self._found = found

    def __getitem__(self, atom: Atom) -> Any:
        return atom.value if isinstance(atom, Literal) else self._found[atom]

    def __iter__(self) -> Iterator[Var]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return "\n".join([f"{self._program.name_of(v)} = {x}" for v, x in self._found.items()])


def values(program: Program, *args: Any) -> Values:
    """The value of every variable for these inputs, by the NumPy evaluator: arrays, or numbers, one an input.

    Raises
    ------
    ArgumentError
        Where there are more inputs, or fewer.
    """
    if len(args) != len(program.inputs):
        raise ArgumentError(f"values: the Program has {len(program.inputs)} inputs, and is given {len(args)}")
    given = [_as_operand(x, v) for x, v in zip(args, program.inputs, strict=True)]
    whole = Program(program.inputs, program.eqns, program.variables, program.name)
    return Values(program, dict(zip(program.variables, interpret(whole, given), strict=True)))


def evaluate(eqn: Eqn, *operands: Any) -> Any:
    """The result of an equation for operands; a tuple where it has several, or none.

    Examples
    --------
    >>> import functad as fd
    >>> square = fd.make_ir(lambda x: x ** 2)(3.0).eqns[0]
    >>> square
    <square f64[] -> f64[]>
    >>> square.evaluate(3.0)
    np.float64(9.0)
    """
    found = _function(eqn)(*_checked(eqn, "evaluate", operands))
    return found if eqn.primitive.multiple_results else found[0]


def jvp_of_equation(eqn: Eqn, operands: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The result of an equation and its tangent; None is the tangent of operands that do not move.

    Examples
    --------
    >>> import functad as fd
    >>> product = fd.make_ir(lambda x, y: x * y)(3.0, 2.0).eqns[0]
    >>> product.jvp((3.0, 2.0), (1.0, None))
    (np.float64(6.0), np.float64(2.0))
    """
    given = _checked(eqn, "jvp", operands)
    if len(tangents) != len(given):
        raise ArgumentError(f"jvp: {eqn!r} takes {len(given)} tangents, or None for each, got {len(tangents)}")
    moving = [t is not None and a.type.inexact for t, a in zip(tangents, eqn.inputs, strict=True)]
    out, dot = jvp(_moving(eqn, given, moving), tuple(select(given, moving)), tuple(select(tangents, moving)))
    return (out, dot) if eqn.primitive.multiple_results else (out[0], dot[0])


def vjp_of_equation(eqn: Eqn, *operands: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The result of an equation, and its pullback: from the cotangent of the result (a tuple where there are several)
    to one cotangent an operand, None for literals, integers and booleans.

    Examples
    --------
    >>> import functad as fd
    >>> product = fd.make_ir(lambda x: 5.0 * x ** 2)(3.0).eqns[1]
    >>> product
    <mul 5.0 f64[] -> f64[]>
    >>> result, pullback = product.vjp(5.0, 9.0)
    >>> result, pullback(1.0)
    (np.float64(45.0), (None, np.float64(5.0)))
    """
    given = _checked(eqn, "vjp", operands)
    moving = [a.type.inexact and not isinstance(a, Literal) for a in eqn.inputs]
    several = eqn.primitive.multiple_results
    out, back = vjp(_moving(eqn, given, moving), *select(given, moving))

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return tuple(expand(back(tuple(cotangent) if several else (cotangent,)), moving))

    return (out if several else out[0]), pullback


def _checked(eqn: Eqn, what: str, operands: Sequence[Any]) -> list[Any]:
    if len(operands) != len(eqn.inputs):
        raise ArgumentError(f"{what}: {eqn!r} takes {len(eqn.inputs)} operands, got {len(operands)}")
    return [_as_operand(x, a) for x, a in zip(operands, eqn.inputs, strict=True)]


def _as_operand(x: Any, atom: Atom) -> Any:
    """A number as a scalar of the type that is expected; arrays and traced values as they are."""
    return atom.type.dtype.type(x) if type(x) in (bool, int, float, complex) else x


def _function(eqn: Eqn) -> Callable[..., tuple[Any, ...]]:
    return lambda *operands: bind_all(eqn.primitive, operands, eqn.params)


def _moving(eqn: Eqn, operands: Sequence[Any], moving: Sequence[bool]) -> Callable[..., tuple[Any, ...]]:
    """The equation as a function of some operands, the others as they are."""

    def f(*xs: Any) -> tuple[Any, ...]:
        rest = iter(xs)
        given = [next(rest) if m else x for x, m in zip(operands, moving, strict=True)]
        return bind_all(eqn.primitive, given, eqn.params)

    return f


Program.values = values
Eqn.evaluate = evaluate
Eqn.jvp = jvp_of_equation
Eqn.vjp = vjp_of_equation
