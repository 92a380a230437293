"""Every form of control flow under every pair of transforms, natively and in the evaluator, against the same pair
applied to plain Python.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import StructureError
from tests.lax.pairs import PAIRS

lax = fd.lax
SPREAD = np.array([1.0, 0.8])
POINT = 0.7


@fd.custom_jvp
def softplus(x):
    return np.log1p(np.exp(x))


softplus.defjvps(lambda t, ans, x: t / (1.0 + np.exp(-x)))


@fd.custom_vjp
def cube(x):
    return x * x * x


cube.defvjp(lambda x: (x * x * x, x), lambda x, g: (3.0 * x * x * g,))


def grown(t):
    x = t
    while t < 9.0:
        t = t * 1.5 + np.sin(x)
    return t


FORMS = {
    **{
        name: PAIRS[name]
        for name in ("scan", "vectors", "while_scalars", "while_in_scan", "cond", "switch", "dynamic_fori")
    },
    "map": (lambda x: np.sum(lax.map(lambda e: np.sin(e * x), SPREAD)), lambda x: np.sin(x) + np.sin(0.8 * x)),
    "associative_scan": (
        lambda x: np.sum(lax.associative_scan(np.multiply, np.sin(x) * np.array([1.0, 2.0, 3.0]))),
        lambda x: np.sin(x) + 2 * np.sin(x) ** 2 + 6 * np.sin(x) ** 3,
    ),
    "select": (lambda x: lax.select(x > 0.5, np.sin(x), np.cos(x)), lambda x: np.sin(x) if x > 0.5 else np.cos(x)),
    "checkpointed_scan": (
        lambda x: lax.scan(
            lambda c, v: (np.sin(c) + v * x, None), x, np.array([0.3, 0.1, -0.7, 0.2]), checkpoint="sqrt"
        )[0],
        lambda x: np.sin(np.sin(np.sin(np.sin(x) + 0.3 * x) + 0.1 * x) - 0.7 * x) + 0.2 * x,
    ),
    "checkpointed_while": (
        lambda x: lax.while_loop(lambda t: t < 9.0, lambda t: t * 1.5 + np.sin(x), x, checkpoint="sqrt"),
        grown,
    ),
    "custom_jvp": (lambda x: softplus(x) * x, lambda x: np.log1p(np.exp(x)) * x),
    "custom_vjp": (lambda x: cube(x) + cube(2 * x), lambda x: 9.0 * x**3),
}


# each makes a function of one number of another
TRANSFORMS = {
    "grad": fd.grad,
    "jvp": lambda f: lambda x: fd.jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: fd.vjp(f, x)[1](1.0)[0],
    "linearize": lambda f: lambda x: fd.linearize(f, x)[1](1.0),
    "jacobian": lambda f: lambda x: np.sum(fd.jacobian(lambda v: fd.vmap(f)(v))(x * SPREAD)),
    "vmap": lambda f: lambda x: np.sum(fd.vmap(f)(x * SPREAD)),
    "jit": fd.jit,
    "checkpoint": fd.checkpoint,
}
# and the same for a function of plain Python, with what it decides at each number
PLAIN = {
    **dict.fromkeys(("grad", "jvp", "vjp", "linearize"), fd.grad),
    "jacobian": lambda f: lambda x: sum(fd.grad(f)(x * s) for s in SPREAD),
    "vmap": lambda f: lambda x: sum(f(x * s) for s in SPREAD),
    **dict.fromkeys(("jit", "checkpoint"), lambda f: f),
}
FORWARD, REVERSE = {"jvp", "linearize"}, {"grad", "vjp", "jacobian"}


@cache
def expected(form, outer, inner):
    return PLAIN[outer](PLAIN[inner](FORMS[form][1]))(POINT)


@pytest.mark.one_in(27)
@pytest.mark.parametrize("backend", ["native", "evaluator"])
@pytest.mark.parametrize("inner", TRANSFORMS)
@pytest.mark.parametrize("outer", TRANSFORMS)
@pytest.mark.parametrize("form", FORMS)
def test_pair(form, outer, inner, backend):
    made = TRANSFORMS[outer](TRANSFORMS[inner](FORMS[form][0]))
    if form == "custom_vjp" and (inner in FORWARD or (outer in FORWARD and inner not in REVERSE)):
        with pytest.raises(StructureError, match=r"custom_vjp function cube has a rule for reverse mode only"):
            made(POINT)
        return
    with config.backend(backend):
        found = fd.jit(made)(POINT) if backend == "native" else made(POINT)
    np.testing.assert_allclose(found, expected(form, outer, inner), rtol=1e-10)
