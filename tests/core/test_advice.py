"""What errors say to write instead of Python's control flow: the user's own statement by way of `functad.lax`, and it
must be right.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import functad as fd
from functad.errors import TracerConversionError


def conditional(x):
    return x if x > 0 else -x


def statement(x):
    y = x
    if x > 0 and x < 9:
        y = np.sin(x)
    return y


def two_names(x):
    y, z = x, 1.0
    if x > 0:
        y = np.sin(x)
    elif x < -1:
        z = x
    return y + z


def returns(x):
    if not x > 0:
        return np.sin(x)
    else:
        return x


def early_return(x):
    if 0 < x < 3:
        return np.sin(x)
    return x


def loop(x):
    while x < 10.0:
        x *= 2.0
    return x


def loop_of_two(x):
    k = 0
    while x < 10.0 or k < 3:
        x = x * 2.0
        k += 1
    return x


def counting(x):
    n = fd.numpy.asarray(x).astype(int)
    for i in range(2, n):
        x = x + i
    return x


def counting_two(x):
    n, y = fd.numpy.asarray(x).astype(int), 0.0
    for i in range(n):
        x, y = x + i, x
    return x + y


def element(x):
    return [1.0, 2.0, 3.0][fd.numpy.asarray(x).astype(int)]


def breaking(x):
    while x < 10.0:
        x = x + 1.0
        if x == 5.0:
            break
    return x


def filling(x):
    y = [x]
    while x < 10.0:
        x = x + 1.0
        y[0] = x
    return y[0]


def comprehending(x):
    while x < 10.0:
        x = x + sum([k * x for k in (1, 2)])
    return x


def asserted(x):
    assert x > 0
    return x


def formatting(x):
    label = f"{x:.3f}"
    return x if label else 0.0


FORMS = {
    conditional: "write fd.lax.cond(x > 0, lambda: x, lambda: -x)",
    statement: "write y = fd.lax.cond((x > 0) & (x < 9), lambda: np.sin(x), lambda: y)",
    two_names: "write y, z = fd.lax.cond(x > 0, then, other, y, z), where then(y, z) and other(y, z) return the new "
    "values",
    returns: "write return fd.lax.cond(np.logical_not(x > 0), lambda: np.sin(x), lambda: x)",
    early_return: "write return fd.lax.cond((0 < x) & (x < 3), lambda: np.sin(x), lambda: ...), with what follows in "
    "the second function",
    loop: "write x = fd.lax.while_loop(lambda x: x < 10.0, lambda x: x * 2.0, x)",
    loop_of_two: "write x, k = fd.lax.while_loop(lambda s: goes_on(*s), lambda s: body(*s), (x, k)), "
    "where goes_on(x, k) returns (x < 10.0) | (k < 3) and body(x, k) the next (x, k)",
    counting: "write x = fd.lax.fori_loop(2, n, lambda i, x: x + i, x)",
    counting_two: "write x, y = fd.lax.fori_loop(0, n, lambda i, s: body(i, *s), (x, y)), where body(i, x, y) returns "
    "the next (x, y)",
    element: "write fd.numpy.asarray([1.0, 2.0, 3.0])[fd.numpy.asarray(x).astype(int)]",
    breaking: "instead of if use fd.lax.cond(condition, lambda: x, lambda: y), instead of while",
    filling: "instead of if use fd.lax.cond(condition, lambda: x, lambda: y), instead of while",
    comprehending: "write x = fd.lax.while_loop(lambda x: x < 10.0, lambda x: x + sum([k * x for k in (1, 2)]), x)",
    asserted: "leave front on, which compiles an assert, or test what the function returns, or leave jit out",
    formatting: 'print with fd.debug.print("{:.3f}", x), which formats when the code runs, or leave jit out',
}


@pytest.mark.parametrize("f", FORMS, ids=lambda f: f.__name__)
def test_the_message_shows_the_line_and_its_other_form(f):
    with fd.config.front(False), pytest.raises(TracerConversionError, match=re.escape(FORMS[f])) as error:
        fd.jit(f)(2.0)
    assert re.search(rf"at {re.escape(__file__)}:\d+, `.+`: a function under jit", str(error.value))


@pytest.mark.parametrize(
    "f", [conditional, statement, returns, loop, comprehending, counting, element], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("x", [2.0, 0.5])
def test_the_other_form_does_the_same(f, x):
    names = {"fd": fd, "np": np, "x": x, "y": x, "n": int(x)}
    form = FORMS[f].removeprefix("write ").removeprefix("return ")
    value = form.split(" = ")[-1]
    np.testing.assert_allclose(eval(value, names), f(x))


def test_under_vmap_and_in_a_body():
    form = r"write fd\.lax\.cond\(x > 0, lambda: x, lambda: -x\)"
    with fd.config.front(False), pytest.raises(TracerConversionError, match=rf"under vmap .* {form}"):
        fd.vmap(conditional)(np.ones(2))
    with fd.config.front(False), pytest.raises(TracerConversionError, match=rf"no value while scan traces; {form}"):
        fd.lax.scan(lambda c, x: (conditional(c), None), 1.0, np.ones(2))


def test_without_the_source():
    names: dict = {}
    exec("def f(x):\n    return x if x > 0 else -x", names)
    with pytest.raises(
        TracerConversionError,
        match=r"has no value at <string>:2: a function under jit .* instead of if use fd\.lax\.cond",
    ):
        fd.jit(names["f"])(1.0)


@pytest.mark.parametrize(
    "run",
    [
        lambda f: fd.grad(f)(1.0),
        lambda f: fd.jit(f)(1.0),
        lambda f: fd.vmap(f)(np.ones(2)),
    ],
)
def test_in_scipy_the_line_that_calls_it_is_named(run):
    stats = pytest.importorskip("scipy.stats")

    def rank(x):
        return stats.percentileofscore([0.5, 1.5], x)

    line = rank.__code__.co_firstlineno + 1
    with pytest.raises(
        TracerConversionError, match=rf"scipy.*called at \S*test_advice\.py:{line}.*SciPy's takes plain"
    ):
        run(rank)
