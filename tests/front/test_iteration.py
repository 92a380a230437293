"""``for`` over what Python makes of ranges, arrays and lists, under jit: one native loop each, with Python's values."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import functad as fd
from functad.core.evaluator import run_program
from functad.errors import ImmutableError, UnsupportedError
from functad.front import loops
from functad.tree import flatten

RNG = np.random.default_rng(0)
X, A = RNG.normal(size=12), RNG.normal(size=(12, 3))


def work(s, a):
    return np.sin(s * 0.5 + a) * np.cos(a) - 0.1 * s


def check(f, native=True, args=(X, A)):
    """The loops of f become native ones, or are all unrolled, and give what NumPy gives; so do derivatives."""
    made = [n for n in fd.explain(f)(*args).notes if n.what in ("for", "comprehension", "reduce")]
    assert made and all([n.outcome.startswith("one native loop") == native for n in made]), made
    program = fd.make_ir(f)(*args)
    expected = flatten(f(*args))[0]
    for value, right in zip(run_program(program, args), expected, strict=True):
        assert np.shape(value) == np.shape(right)
        np.testing.assert_allclose(value, right, rtol=1e-12, atol=1e-12)

    def total(*args):
        return sum([np.sum(np.sin(y)) for y in flatten(f(*args))[0]])

    gradient = fd.make_ir(fd.grad(total))(*args)
    np.testing.assert_allclose(run_program(gradient, args)[0], fd.grad(total)(*args), rtol=1e-9, atol=1e-12)


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """A loop of any number of equations is one, from three steps on."""
    monkeypatch.setattr(loops, "MUCH", 0)
    monkeypatch.setattr(loops, "FEW", 3)


def zipped(x, a):
    s = 0.0
    for u, v in zip(x, a, strict=True):
        s = work(s, u) + np.sum(v) * u
    return s


def shortest_first(x, a):
    s = 0.0
    for u, v, k in zip(x, a, range(3, 9), strict=False):
        s = work(s, u) + np.sum(v) * k
    return s, k


def enumerated(x, a):
    s = 0.0
    for i, (u, v) in enumerate(zip(x, a, strict=True), start=3):
        s = work(s, u) + np.sum(v) * i
    return s, i


def backwards(x, a):
    s = 0.0
    for u in reversed(x):
        s = work(s, u)
    for v in reversed(a):
        s = work(s, v[1])
    for k in reversed(range(2, 14)):
        s = work(s, k * 0.1)
    for v in reversed([a[0], a[1] * 2, a[2], a[3]]):
        s = work(s, v[2])
    return s


def ranges(x, a):
    s = 0.0
    for k in range(11, -1, -2):
        s = work(s, x[k])
    for k in range(1, 12, 3):
        s = work(s, a[k, 1] * k)
    return s


def lists(x, a):
    rows = [a[i] * 2 for i in range(4)]
    s = 0.0
    for r in rows:
        s = work(s, np.sum(r))
    for r, u in zip(rows, (x[0], x[1], 0.5 * x[2], x[3]), strict=True):
        s = work(s, np.sum(r) * u)
    for u, v in [(x[0], a[0]), (x[1], a[1]), (x[2], a[2])]:
        s = work(s, np.sum(v) * u)
    return s


def dicts(x, a):
    d = {"p": x[0], "q": x[1] * 2, "r": x[2]}
    s = 0.0
    for _, v in d.items():
        s = work(s, v)
    for v in d.values():
        s = work(s, v)
    return s


def chosen(x, a):
    s = 0.0
    for i, j in itertools.product(range(3), range(4)):
        s = work(s, x[i + j])
    for u, v in itertools.pairwise(x):
        s = work(s, u - v)
    for u, v in itertools.combinations(x[:4], 2):
        s = work(s, u * v)
    for v in itertools.islice(a, 1, 12, 2):
        s = work(s, v[0])
    for k, u in zip(itertools.count(2, 3), x, strict=False):
        s = work(s, u * k)
    for k, u in zip(itertools.repeat(2.5), x, strict=False):
        s = work(s, u * k)
    return s


def mapped(x, a):
    s = 0.0
    for u in map(np.exp, x):
        s = work(s, u)
    for u in map(lambda v, w: v * w[0], x, a):
        s = work(s, u)
    return s


def reduced(x, a):
    return functools.reduce(work, x, 0.5) + functools.reduce(work, x)


def written(x, a):
    a, y = a * x[0], x * 1.0
    for i, (r, u) in enumerate(zip(a, x, strict=True)):
        r[1] = u * i
        y[i] = np.sum(r) + work(u, u)
    for r in a:
        r *= 2.0
        a[0] += r * 0.1
    return a, y


def of_one_step(x, a):
    """``t``, ``v`` and the targets go round in no loop."""
    s = 0.0
    for u in x:
        t = work(u, u)
        v = t * a[0]
        s = s + np.sum(v)
    return s


def defined_in_a_step(x, a):
    s = 0.0
    for u in x:

        def slope(v, rate: float = 2.0):
            return work(v, u) * rate

        half: float = slope(s) / 2
        s = s + half * np.sum(a[0])
    return s


FORMS = [
    zipped,
    shortest_first,
    enumerated,
    backwards,
    ranges,
    lists,
    dicts,
    chosen,
    mapped,
    reduced,
    written,
    defined_in_a_step,
]


@pytest.mark.parametrize("f", [*FORMS, of_one_step])
def test_one_loop_each(f):
    check(f)


def test_what_is_of_one_step_does_not_go_round():
    (loop,) = [e for e in fd.make_ir(of_one_step)(X, A).eqns if e.primitive.name == "loop"]
    assert loop.params["carry"] == 1


# -- what only Python can go over --------------------------------------------------------------------------------------


def begun(x, a):
    pairs, s = zip(x, a, strict=True), 0.0
    next(pairs)
    for u, v in pairs:
        s = work(s, u) + np.sum(v)
    return s


def in_turns(x, a):
    its, numbered, s = iter(x), enumerate(x), 0.0
    for u, v in zip(its, its, strict=True):
        s = work(s, u - v)
    for (i, u), (j, v) in zip(numbered, numbered, strict=True):
        s = work(s, u - v) + i - j
    return s


def by_key(x, a):
    d, s = {"p": x[0], "q": x[1], "r": x[2]}, 0.0
    for k in d:
        s = work(s, d[k])
    for k, v in d.items():
        s = work(s, v) + len(k)
    return s


def of_many_kinds(x, a):
    s = 0.0
    for v in [x[0], a[0], 2, "abc", a]:
        s = s + np.sum(len(v) if isinstance(v, str) else v)
    return s


def by_identity(x, a):
    rows, s = [a[0] * 1, a[1] * 1, a[2] * 1], 0.0
    for r in rows:
        s = work(s, np.sum(r)) + (100 if r is rows[1] else 0)
    return s


@pytest.mark.parametrize("f", [begun, in_turns, by_key, of_many_kinds, by_identity])
def test_step_by_step(f):
    check(f, native=False)


def writes_to_a_list(x, a):
    rows = [a[0] * x[0], a[1] * x[1], a[2] * 1.0]
    for r in rows:
        r[0] += work(r[1], r[2])
    return np.stack(rows), rows[2]


def test_elements_of_a_list_that_are_written_to():
    check(writes_to_a_list, native=False)


def test_an_element_that_is_kept_is_a_view():
    def f(x, a, write):
        a = a * x[0]
        for r in a:
            last = r
        if write:
            a[-1] = 7.0
        return np.sum(a) + last * 1.0

    check(lambda x, a: f(x, a, False))
    with pytest.raises(ImmutableError, match="may share its memory with others, one of which was written to"):
        fd.make_ir(lambda x, a: f(x, a, True))(X, A)


def test_an_iterator_has_ended_with_the_loop():
    def f(x, a):
        pairs, s = zip(x, a, strict=True), 0.0
        for u, v in pairs:
            s = work(s, u) + np.sum(v)
        return s, len(list(pairs))

    check(f)


def test_an_iterator_without_end_that_a_loop_has_gone_over():
    def f(x):
        numbers, s = itertools.count(), 0.0
        for k, u in zip(numbers, x, strict=False):
            s = work(s, u * k)
        return s + next(numbers)

    with pytest.raises(UnsupportedError, match=r"count\(.*\), which a compiled loop has gone over, .*; make a new one"):
        fd.make_ir(f)(X)


def test_functions_of_lists_of_traced_values():
    def f(x):
        return np.sum([x[0], x[1]]), np.maximum((x[0], x[1]), 0.5), np.mean([[x[0], 2.0], [x[1], x[2]]], axis=0)

    for value, right in zip(fd.vjp(f, X)[0], f(X), strict=True):
        np.testing.assert_array_equal(value, right)
    for value, right in zip(run_program(fd.make_ir(f)(X), [X]), f(X), strict=True):
        np.testing.assert_array_equal(value, right)


def test_slices_with_traced_bounds_are_gone_over():
    def f(x, i, j):
        y, s = np.outer(x, x), 0.0
        for row in y[i:j]:
            row *= 2
            if row[0] > 1:
                break
        for v in x[i:j:2]:
            for u in x[:j]:
                s += v * u
        return y, s

    x = np.array([0.3, -0.7, 1.2, 2.1, 0.5])
    compiled = fd.jit(f)
    for bounds in ((0, 3), (1, 5), (-3, -1), (4, 2), (0, 99)):
        for found, expected in zip(compiled(x, *map(np.int64, bounds)), f(x, *bounds), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-13)
