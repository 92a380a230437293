"""What it costs a call that the function closes over what can change: arrays, which are read as they are or compared,
numbers and functions.

In JAX what a jitted function closes over is a constant: changing it has no effect.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

TARGET = 0.9  # times as fast as without anything to look at


def run(seconds: float) -> Iterator[Result]:
    """Arrays, names that stay, a number that keeps changing."""
    yield from arrays(seconds)
    yield from names(seconds)
    yield from operands(seconds)


def weighted(xp: Any, w: Any) -> Any:
    """A function that closes over an array."""
    return lambda x: xp.sum(w * x)


def many_weighted(xp: Any, ws: Any) -> Any:
    """A function that closes over a list of arrays."""

    def f(x: Any) -> Any:
        for w in ws:
            x = x * w
        return xp.sum(x)

    return f


def arrays(seconds: float) -> Iterator[Result]:
    """Against the same arrays as arguments, a function without them, JAX and NumPy."""
    for size, targets in (
        (8, {"JAX, constant": 15}),
        (1000, {"JAX, constant": 15}),
        (1_000_000, {"as an argument": 0.8}),
    ):
        w, x = np.linspace(0.5, 1.5, size), np.linspace(1.0, 2.0, size)
        ours = Contender("functad", "f(x)", {"f": fd.jit(weighted(np, w)), "x": x})
        peers = [
            Contender("as an argument", "f(w, x)", {"f": fd.jit(lambda w, x: np.sum(w * x)), "w": w, "x": x}),
            Contender(
                "JAX, constant", "f(x)", {"f": jax.jit(weighted(jnp, w)), "x": jnp.asarray(x)}, ".block_until_ready()"
            ),
        ]
        yield from compare(
            f"closure: an array of {size:g} numbers",
            ours,
            peers,
            seconds,
            targets,
            note="compared, too" if size < 8000 else "",
        )
    ws, x = [np.linspace(0.5, 1.5, 100) + k for k in range(10)], np.linspace(1.0, 2.0, 100)
    ours = Contender("functad", "f(x)", {"f": fd.jit(many_weighted(np, ws)), "x": x})
    peers = [
        Contender(
            "as an argument", "f(ws, x)", {"f": fd.jit(lambda ws, x: many_weighted(np, ws)(x)), "ws": ws, "x": x}
        ),
        Contender(
            "JAX, constant", "f(x)", {"f": jax.jit(many_weighted(jnp, ws)), "x": jnp.asarray(x)}, ".block_until_ready()"
        ),
    ]
    yield from compare("closure: a list of 10 arrays of 100 numbers", ours, peers, seconds, note="compared, too")
    w = np.linspace(0.5, 1.5, 1_000_000)
    ours = Contender("functad", "w.fill(2.0) or f(x)", {"f": fd.jit(weighted(np, w)), "w": w, "x": np.ones(w.size)})
    peer = Contender(
        "as an argument",
        "w.fill(2.0) or f(w, x)",
        {"f": fd.jit(lambda w, x: np.sum(w * x)), "w": w, "x": np.ones(w.size)},
    )
    yield from compare("closure: 1e+06 numbers, written before each call", ours, [peer], seconds, {peer.name: 0.8})
    for size in (1, 100, 8000):
        w, x = np.linspace(0.5, 1.5, size), np.linspace(1.0, 2.0, 8)
        ours = Contender("functad", "f(x)", {"f": fd.jit(lambda x, w=w: np.sum(x) * w[0]), "x": x})
        plain = Contender("a literal", "f(x)", {"f": fd.jit(lambda x: np.sum(x) * 0.5), "x": x})
        yield from compare(f"guard: an element of {size:g} numbers", ours, [plain], seconds)


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
        ("closure: a float in a closure cell", "f(0.5)", one, constant, TARGET),
        ("closure: five floats in globals", "f(0.5)", five, constants, TARGET),
        (
            "closure: the same, a global set each time",
            "(names.update(other=object()), f(0.5))[1]",
            five,
            constants,
            None,
        ),
    )
    for case, expression, ours, theirs, target in cases:
        contender, peer = [
            Contender(who, expression, {"f": f, "names": vars(module)})
            for who, f in (("functad", ours), ("as constants", theirs))
        ]
        yield from compare(case, contender, [peer], seconds, {"as constants": target} if target else None)


def operands(seconds: float) -> Iterator[Result]:
    """A number and an array that have become operands, beside arguments."""
    f, assign = variable(0.0)
    promoted = fd.jit(f)
    for k in range(4):
        assign(float(k))
        promoted(0.5)
    contender = Contender("functad", "f(0.5)", {"f": promoted})
    peer = Contender("as an argument", "f(0.5, 3.0)", {"f": fd.jit(lambda x, value: x * value)})
    yield from compare("closure: a float that keeps changing", contender, [peer], seconds, {peer.name: TARGET})
    w, x = np.linspace(0.5, 1.5, 1000), np.linspace(1.0, 2.0, 1000)
    written = fd.jit(weighted(np, w))
    for _ in range(4):
        w += 0.25
        written(x)
    contender = Contender("functad", "f(x)", {"f": written, "x": x})
    peer = Contender("as an argument", "f(w, x)", {"f": fd.jit(lambda w, x: np.sum(w * x)), "w": w, "x": x})
    yield from compare("closure: 1000 numbers that keep changing", contender, [peer], seconds, {peer.name: TARGET})
