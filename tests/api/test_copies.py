"""Functions that functad wraps are copied and pickled as Python's are."""

from __future__ import annotations

import copy
import functools
import pickle

import numpy as np
import pytest

import functad as fd


@functools.partial(fd.jit, static_argnums=1)
def scaled(x, n):
    return x * n


@fd.custom_jvp
def sine(x):
    return np.sin(x)


sine.defjvp(lambda primals, tangents: (sine(*primals), 2 * tangents[0]))


class Model:
    @fd.jit
    def method(self):
        return self


def cube(x):
    return x**3


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}
copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


@copies
def test_what_a_module_has_under_its_name_is_its_own_copy(copied) -> None:
    scaled(1.0, 2)
    assert all([copied(f) is f for f in (scaled, sine, Model.method)])


@copies
def test_other_jitted_functions_are_made_again(copied) -> None:
    f = fd.jit(functools.partial(scaled, n=3), static_argnames=(), fastmath=True)
    g = fd.jit(cube)
    assert f(2.0) == 6.0 and g(2.0) == 8.0
    again, same = copied([f, g])
    assert again(2.0) == 6.0 and same(2.0) == 8.0 and "fast" in again.lower(2.0).compile().llvm


def test_copies_of_local_functions_see_their_variables() -> None:
    rate = 2.0

    @fd.jit
    def f(x):
        return rate * x

    @fd.custom_vjp
    def g(x):
        return x

    g.defvjp(lambda x: (x, None), lambda _, ct: (rate * ct,))
    both = copy.deepcopy([f, g])
    for rate in (3.0, 4.0):
        assert [both[0](1.0), fd.grad(both[1])(1.0), f(1.0), fd.grad(g)(1.0)] == [rate] * 4
