"""Loops that append to lists: under jit what all steps append is written by one equation."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ImmutableError, UnsupportedError
from tests.front.test_iteration import A, X, check, eager, work  # noqa: F401


def results(x, a):
    ys, s = [], x[0]
    for u in x:
        s = work(s, u)
        ys.append(s)
    return np.array(ys), np.sum(ys), ys[-1], np.stack(ys), np.mean(ys), sum(ys), max(ys), ys[1:3], float(len(ys))


def several(x, a):
    ys, zs, v = [x[0]], [], a[0] * 1.0
    for u in x:
        v = v * np.sin(u) + work(v, u)
        ys.append(np.sum(v))
        zs.append(v)
        ys.append(u)
    return np.array(ys), np.array(zs), np.vstack(zs), np.concatenate(zs), zs[2][1], np.stack(zs, axis=1)


def iterated(x, a):
    ys, zs, t = [], [], 0.0
    for u in x:
        ys.append(work(u, u))
        zs.append(a[0] * u)
    for y, z in zip(ys, zs, strict=True):
        t = work(t, y) + np.sum(z)
    return t


def records(x, a):
    ys, v = [], a[0] * 1.0
    for u in x:
        v = work(v, u)
        ys.append((u, v, {"a": u * 2, "b": None}))
    return ys[3][1], ys[-1][2]["a"], np.array([y[0] for y in ys])


def rows(x, a):
    ys = []
    for i in range(12):
        row = []
        for j in range(12):
            row.append(work(x[i], x[j]))
        ys.append(row)
    return np.array(ys), ys[2][3], len(ys[1])


def flat(x, a):
    ys = []
    for i in range(12):
        for j in range(10):
            ys.append(work(x[i], x[j]))
    return np.array(ys), ys[14]


def by_a_function(x, a):
    ys = []

    def add(v):
        ys.append(v)

    for u in x:
        add(work(u, u))
    return np.array(ys)


def two_names(x, a):
    ys = []
    zs = ys
    for u in x:
        ys.append(work(u, u))
        zs.append(u)
    zs.append(3.0)
    return np.array(ys)


def comprehensions(x, a):
    return (
        np.array([work(u, i) for i, u in enumerate(x)]),
        np.array([[work(u, v) for v in x] for u in x]),
        sum(work(u, 2 * u) for u in x),
        tuple(work(u, 2 * u) for u in x)[2],
    )


@pytest.mark.parametrize(
    "f", [results, several, iterated, records, rows, flat, by_a_function, two_names, comprehensions]
)
def test_one_loop(f):
    check(f)


def test_no_equation_for_what_nobody_reads():
    def f(x):
        ys = []
        for i in range(500):
            ys.append(np.sin(x * i))
        return np.array(ys)

    assert len(fd.make_ir(f)(1.0).eqns) < 12


# -- aliases -----------------------------------------------------------------------------------------------------------


def the_same_array(x, a):
    v, ys = x[0] * a[0], []
    for u in x:
        v += work(v, u)
        ys.append(v)
    return np.array(ys), v


def written_in_the_step(x, a):
    v, ys = a[0] * 1.0, []
    for u in x:
        v = v + work(v, u)
        ys.append(v)
        v[0] = 1.0
    return np.array(ys), v * 1.0


def written_afterwards(x, a):
    ys = []
    for r in a:
        z = r * np.sin(r)
        ys.append(z)
    ys[2][1] = 100.0
    w = ys[2]
    w += 1
    return np.array(ys), ys[2], ys[3], w


def elements(x, a):
    a = a * x[0]
    ys = [r[:2] for r in a]
    a[1] = 2.0
    ys[0] *= 2
    return np.stack(ys), a


@pytest.mark.parametrize(
    ("f", "native"),
    [(the_same_array, False), (written_in_the_step, True), (written_afterwards, True), (elements, False)],
)
def test_aliases(f, native):
    check(f, native)


def test_an_array_that_a_variable_holds_too():
    def f(x, a):
        ys, v = [], a[0] * 1.0
        for u in x:
            v = v + u
            ys.append(v)
        ys[-1][0] = 5.0
        return v

    with pytest.raises(ImmutableError, match="an element of a list that shares its memory with others; append a copy"):
        fd.make_ir(f)(X, A)


# -- what is read in the body ------------------------------------------------------------------------------------------


def last(x, a):
    ys = [1.0]
    for u in x:
        ys.append(work(ys[-1], u))
    return np.array(ys)


def length(x, a):
    ys = []
    for u in x:
        ys.append(u if len(ys) < 3 else u * 2 + len(ys))
    return np.array(ys)


def truth(x, a):
    ys = []
    for u in x:
        ys.append(u if not ys else u * 2)
    return np.array(ys)


def unpacked(x, a):
    ys = [x[0]]
    for u in x:
        first, *rest = ys
        ys.append(work(u, first) + len([*ys, 1]))
    return np.array(ys), rest[0]


def as_an_array(x, a):
    ys, zs = [], []
    for u in x:
        ys.append(u * 2)
        zs.append(np.array(ys).shape[0] + np.size(ys))
    return np.array(ys), np.array(zs)


def handled(x, a):
    ys = []
    for u in x:
        try:
            ys.append(work(u, ys[-1]))
        except IndexError:
            ys.append(u)
    return np.array(ys)


@pytest.mark.parametrize("f", [last, length, truth, unpacked, as_an_array, handled])
def test_a_list_that_the_body_reads(f):
    check(f, native=False)


def test_a_list_that_the_body_changes_otherwise():
    def f(x, a):
        ys, zs = [], []
        for u in x:
            ys.append(u)
            zs.append(u)
            zs.insert(0, 2.0)
        return np.array(ys), np.array(zs)

    check(f, native=False)


def test_an_append_under_a_condition():
    def f(x):
        ys = []
        for u in x:
            if u > 0:
                ys.append(u)
        return len(ys)

    with pytest.raises(
        UnsupportedError, match=r"a list is appended to at .* in a branch, or in a loop .* to an array that is long"
    ):
        fd.make_ir(f)(X)


def test_what_is_not_traced_stays_pythons():
    def f(x, a):
        order, weights, names = [], [], {}
        for i in range(40):
            order.append((i * 7) % 40)
            weights.append(np.exp(-i * 0.1))
        for k in order:
            names[k] = k + 1
        return x[names[order[3]] % 12] * np.array(weights), float(len(np.zeros(order[3])))

    check(f, native=False)
    assert {n.reason for n in fd.explain(f)(X, A).notes[:1]} == {"nothing in it is traced, so that Python computes it"}
