"""What it costs a call that compiled code sees whether what the function closes over has changed: beside the same function of constants."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

TARGET = 0.9  # times as fast as without anything to look at


def run(seconds: float) -> Iterator[Result]:
    """Names that stay, and a number that keeps changing."""
    yield from names(seconds)
    yield from operands(seconds)


def module_of_five() -> types.ModuleType:
    """A module with five numbers, and a function of them."""
    module = types.ModuleType("closures_of_a_benchmark")
    module.__file__ = __file__
    text = "A, B, C, D, E = 0.5, 2.0, 0.25, 4.0, 1.5\ndef five(x):\n    return x * A * B * C * D * E\n"
    exec(compile(text, __file__, "exec"), vars(module))
    return module


def variable(value: float) -> tuple[Any, Any]:
    """A function of a closed-over number, and one that sets it."""

    def f(x: Any) -> Any:
        return x * value

    def assign(new: float) -> None:
        nonlocal value
        value = new

    return f, assign


def names(seconds: float) -> Iterator[Result]:
    """Numbers in a closure cell and in a module, the module changed between calls or not."""
    module = module_of_five()
    one, five = fd.jit(variable(2.0)[0]), fd.jit(module.five)
    constant, constants = fd.jit(lambda x: x * 2.0), fd.jit(lambda x: x * 0.5 * 2.0 * 0.25 * 4.0 * 1.5)
    cases = (
        ("call: a float in a closure cell", "f(0.5)", one, constant, TARGET),
        ("call: five floats in globals", "f(0.5)", five, constants, TARGET),
        ("call: the same, a global set each time", "(names.update(other=object()), f(0.5))[1]", five, constants, None),
    )
    for case, expression, ours, theirs, target in cases:
        contender, peer = [Contender(who, expression, {"f": f, "names": vars(module)}) for who, f in (("functad", ours), ("constants", theirs))]
        yield from compare(case, contender, [peer], seconds, {"constants": target} if target else None)


def operands(seconds: float) -> Iterator[Result]:
    """A number that has become an operand, beside an argument."""
    f, assign = variable(0.0)
    promoted = fd.jit(f)
    for k in range(4):
        assign(float(k))
        promoted(0.5)
    contender = Contender("functad", "f(0.5)", {"f": promoted})
    peer = Contender("an argument", "f(0.5, 3.0)", {"f": fd.jit(lambda x, value: x * value)})
    yield from compare("call: a float in a cell that keeps changing", contender, [peer], seconds, {"an argument": TARGET})
