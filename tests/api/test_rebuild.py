"""Functions made again around other things: what holds itself, and what is reached twice."""

from __future__ import annotations

import functools

import numpy as np

import functad as fd
from functad.api.frozen import Freezer
from functad.api.world.reach import Reach
from functad.api.world.substitute import Substitution
from functad.tree import register_pytree_node


class Mark:
    """Something that is replaced."""


def rebuilt(x):
    """An object with 2.0 in place of each mark."""
    return Freezer({Mark: lambda _: 2.0})(x)


def test_a_function_that_is_its_own_default():
    mark = Mark()

    def power(n, again=None):
        return again(n - 1) * mark if n else 1.0

    power.__defaults__ = (power,)
    made = rebuilt(power)
    assert made(5) == 32.0 and made.__defaults__ == (made,) and made is not power


def test_a_function_without_anything_to_replace_stays():
    def f(x, g=abs, *, h=(1, 2)):
        return x

    held = [f, functools.partial(f, g=len), (f, {"f": f})]
    assert rebuilt(f) is f and rebuilt(held) is held


def test_what_is_reached_twice_is_made_once():
    mark = Mark()
    double = fd.jit(lambda x: x * mark)

    def first(x):
        return double(x)

    def second(x):
        return double(first(x)), first

    made, other = rebuilt([second, first])
    assert made(3.0) == (12.0, other)
    cells = [dict(zip(f.__code__.co_freevars, f.__closure__, strict=True)) for f in (made, other)]
    assert cells[0]["double"] is cells[1]["double"] and cells[0]["double"].cell_contents is not double
    assert cells[0]["double"].cell_contents.__wrapped__(3.0) == 6.0


def test_a_jitted_function_that_calls_itself():
    rate = 2.0

    @fd.jit
    def power(x, n=3):
        return rate * power(x, n=n - 1) if n > 0 else x

    power = fd.jit(power.__wrapped__, static_argnames="n")
    found = Reach(power)
    values = {key: 5.0 for key, source in found.sources.items() if source.name == "rate"}
    (made,) = Substitution(found, values).of(power)
    assert made(1.0, n=3) == 125.0 and power(1.0, n=3) == 8.0


def test_names_and_documentation():
    mark = Mark()

    def outer(x, *, scale=mark):
        """Doc."""
        return x * scale * mark

    outer.tag = "kept"
    outer.__qualname__ = "another.name"
    made = rebuilt(outer)
    assert (made.__qualname__, made.__doc__, made.__module__, made.tag) == ("another.name", "Doc.", __name__, "kept")
    assert made(1.0) == 4.0 and made.__kwdefaults__ == {"scale": 2.0} and outer.__kwdefaults__ == {"scale": mark}


def test_a_rule_that_closes_over_a_function_that_is_its_own_default():
    weights = np.array([1.0, 2.0])

    def power(x, n, again=None):
        return again(x, n - 1) * x * weights[0] if n else 1.0

    power.__defaults__ = (power,)

    @fd.custom_jvp
    def f(x):
        return power(x, 3)

    f.defjvps(lambda t, y, x: t * 3 * power(x, 2))
    assert fd.grad(lambda x: f(x))(2.0) == 12.0
    assert fd.grad(fd.grad(lambda x: f(x)))(2.0) == 12.0


class Scaled:
    """A container whose only part is made when it is asked for."""

    def __init__(self, number, mark):
        self.number, self.mark = number, mark

    def taken_apart(self):
        return (functools.partial(pow, self.number, self.mark),), None

    @staticmethod
    def put_together(_, parts):
        return Scaled(*parts[0].args)


register_pytree_node(Scaled, Scaled.taken_apart, Scaled.put_together)


def test_parts_that_do_not_outlive_their_container():
    """The next one may be where the last one was."""
    mark = Mark()

    def reader(number):
        scaled = Scaled(number, mark)
        return lambda: (scaled.number, scaled.mark)

    made = rebuilt([reader(k) for k in range(20)])
    assert [f() for f in made] == [(k, 2.0) for k in range(20)]
