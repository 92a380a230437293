"""Calls of several kinds: what a call costs when the last one was of another kind, and kinds beside arrays by position.

Each row is the time of one call. Kinds that JAX has not (arrays of any layout, ``out=``) are compared with the plain
call of functad.
"""

from __future__ import annotations

import dataclasses
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Clock, Contender, Result, best_times, check_equal, compare
from functad import tree

__all__ = ["run"]

ABOVE_ONE_KIND = 150e-9
"""Seconds that a call may cost more where kinds alternate."""

READY = "[1].block_until_ready()"


class Point(NamedTuple):
    """A container that JAX knows, too."""

    x: Any
    y: Any


@dataclasses.dataclass
class Parameters:
    """A container that is registered with both."""

    x: Any
    y: Any


jax.tree_util.register_dataclass(Parameters, ["x", "y"], [])


class Registered:
    """A container that functions of Python take apart."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


tree.register_pytree_node(Registered, lambda r: ((r.x, r.y), None), lambda _, children: Registered(*children))
jax.tree_util.register_pytree_node(Registered, lambda r: ((r.x, r.y), None), lambda _, children: Registered(*children))


@dataclasses.dataclass(frozen=True)
class Options:
    """A static argument."""

    steps: int
    rate: float


@dataclasses.dataclass(frozen=True)
class InTurn:
    """Calls of one function with one argument after the other; the time is that of one of them."""

    name: str
    f: Callable[..., Any]
    arguments: Sequence[Any]
    ready: str = ""

    def value(self) -> Any:
        """All results."""
        return [self.f(x, x) for x in self.arguments]

    def timer(self) -> Clock:
        """All calls in a row."""
        names = {f"x{k}": x for k, x in enumerate(self.arguments)}
        calls = "; ".join([f"f({name}, {name}){self.ready}" for name in names])
        return Share(timeit.Timer(calls, globals={"f": self.f, **names}), len(names))


@dataclasses.dataclass(frozen=True)
class Share:
    """A clock of one out of so many calls."""

    clock: Clock
    calls: int

    def timeit(self, count: int, /) -> float:
        """The time of so many turns, a call."""
        return self.clock.timeit(count) / self.calls


def run(seconds: float) -> Iterator[Result]:
    """Kinds in turn, then kinds of arguments."""
    yield from in_turn(seconds)
    yield from of_arguments(seconds)
    yield from of_functad(seconds)


def sum_and_product(xp: Any) -> Callable[..., Any]:
    """A function of two arrays."""
    return lambda x, y: (xp.sum(x * y), x + y)


def in_turn(seconds: float) -> Iterator[Result]:
    """Sizes, ranks and dtypes that alternate."""
    arrays = [np.linspace(0.0, 1.0, n) for n in (8, 7, 6, 5)]
    kinds = [*arrays, *[a.astype(np.float32) for a in arrays[:2]], arrays[0].reshape(2, 4), arrays[1].astype(np.int64)]
    ours, theirs = sum_and_product(np), sum_and_product(jnp)
    alone = InTurn("one kind", fd.jit(ours), kinds[:1] * 8)
    for count in (2, 4, 8):
        name = f"kinds: {count} shapes and dtypes in turn"
        some = InTurn("functad", fd.jit(ours), kinds[:count])
        jax_kinds = InTurn("JAX", jax.jit(theirs), [jnp.asarray(x) for x in kinds[:count]], READY)
        check_equal(name, "JAX", jax_kinds.value(), some.value(), 1e-6)
        alone.value()
        time, single, peer = best_times([some, alone, jax_kinds], seconds)
        claim = {f"within {ABOVE_ONE_KIND * 1e9:.0f} ns of one kind": time - single <= ABOVE_ONE_KIND}
        yield Result(name, time, "one kind", single, None, "", claim)
        yield Result(name, time, "JAX", peer, 15)


def of_arguments(seconds: float) -> Iterator[Result]:
    """Keywords, static values, containers, methods."""
    x = np.linspace(0.0, 1.0, 8)

    def case(
        name: str,
        function: Callable[[Any], Callable[..., Any]],
        expression: str,
        names: Mapping[str, Any],
        target: float,
        **options: Any,
    ) -> Iterator[Result]:
        jax_names = {k: jax.tree_util.tree_map(jnp.asarray, v) if k in ("x", "p") else v for k, v in names.items()}
        ours = Contender("functad", expression, {"f": fd.jit(function(np), **options), **names})
        peer = Contender("JAX", expression, {"f": jax.jit(function(jnp), **options), **jax_names}, READY)
        yield from compare(f"kinds: {name}", ours, [peer], seconds, {"JAX": target})

    def of_pair(xp: Any) -> Callable[..., Any]:
        return lambda p: (xp.sum(p.x * p.y), p.x + p.y)

    def with_options(xp: Any) -> Callable[..., Any]:
        return lambda x, o: (xp.sum(x) * o.steps, x * o.rate)

    def with_mode(xp: Any) -> Callable[..., Any]:
        return lambda x, mode: (xp.sum(x), x * (2 if mode == "twice" else 1))

    yield from case("keywords", sum_and_product, "f(x=x, y=x)", {"x": x}, 15)
    strings = {"x": x, "end": "ce"}
    yield from case("a static string made anew", with_mode, "f(x, 'twi' + end)", strings, 15, static_argnums=1)
    made = {"x": x, "Options": Options}
    yield from case("static options made anew", with_options, "f(x, Options(2, 0.5))", made, 5, static_argnums=1)
    yield from case("a namedtuple", of_pair, "f(p)", {"p": Point(x, x)}, 15)
    yield from case("a dataclass", of_pair, "f(p)", {"p": Parameters(x, x)}, 15)
    yield from case("a registered class", of_pair, "f(p)", {"p": Registered(x, x)}, 15)
    nested = {"p": {"layers": [Point(x, x), Parameters(x, {"b": x})], "scale": (x,)}}
    yield from case("nested containers", of_nested, "f(p)", nested, 10)


def of_nested(xp: Any) -> Callable[..., Any]:
    """A function of a container of containers."""

    def f(p: Any) -> Any:
        first, second = p["layers"]
        return xp.sum(first.x * second.y["b"]), first.y * second.x + p["scale"][0]

    return f


class Model:
    """A function that is a method."""

    @fd.jit(static_argnums=0)
    def call(self, x: Any, y: Any) -> Any:
        """The same as the function."""
        return np.sum(x * y), x + y


def of_functad(seconds: float) -> Iterator[Result]:
    """Layouts, methods, and results in given arrays, beside the plain call."""
    f = fd.jit(sum_and_product(np))
    square = np.linspace(0.0, 1.0, 64).reshape(8, 8)
    plain = Contender("C order", "f(x, x)", {"f": f, "x": square})
    for name, array in (("Fortran order", np.asfortranarray(square)), ("strided", np.repeat(square, 2, 1)[:, ::2])):
        ours = Contender("functad", "f(x, y)", {"f": f, "x": square, "y": array})
        yield from compare(f"kinds: an 8 by 8 array, {name}", ours, [plain], seconds)
    model = Contender("functad", "m.call(x, x)", {"m": Model(), "x": square})
    function = Contender("a function", "f(x, x)", {"f": f, "x": square})
    yield from compare("kinds: a method", model, [function], seconds)
    for size in (8, 10_000):
        x = np.linspace(0.0, 1.0, size)
        given = Contender("functad", "f(x, x, out=out)", {"f": f, "x": x, "out": (np.empty(()), np.empty(size))})
        fresh = Contender("without out=", "f(x, x)", {"f": f, "x": x})
        yield from compare(f"kinds: out= of {size} numbers", given, [fresh], seconds, {"without out=": 0.9})
