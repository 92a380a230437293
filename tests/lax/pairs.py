"""Functions with control flow of `functad.lax`, each beside the same in plain Python: what the tests compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import functad as fd

lax = fd.lax
XS = np.array([0.3, -0.2, 0.5])
A = np.array([[0.2, 0.1, -0.3], [0.4, -0.2, 0.1], [0.3, 0.3, 0.2]])
LARGE = np.random.default_rng(0).normal(size=(40, 40)) / 8

PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}


def pair(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        PAIRS[f.__name__] = f, plain
        return f

    return register


def scan_plain(x):
    c, total = x, 0
    for v in XS:
        c, y = np.sin(c) * v + x, c * v
        total = total + y**2
    return c + total


@pair(scan_plain)
def scan(x):
    c, ys = lax.scan(lambda c, v: (np.sin(c) * v + x, c * v), x, XS)
    return c + np.sum(ys**2)


def reverse_scan_plain(x):
    c = x
    for v in XS[::-1]:
        c = np.sin(c * v) + x
    return c


@pair(reverse_scan_plain)
def reverse_scan(x):
    return lax.scan(lambda c, v: (np.sin(c * v) + x, None), x, XS, reverse=True)[0]


@pair(lambda x: x * x)
def scan_of_no_steps(x):
    return lax.scan(lambda c, v: (np.sin(c * v), None), x * x, np.zeros(0))[0]


@pair(lambda x: np.sin(x * x * 0.5))
def scan_of_one_step(x):
    return lax.scan(lambda c, v: (np.sin(c * v), None), x * x, np.array([0.5]))[0]


def vectors_plain(x):
    c, total = np.zeros(3) + x, 0
    for v in XS:
        c = np.tanh(A @ c + v * x)
        total = total + np.sum(c) * v
    return np.sum(c * c) + total


@pair(vectors_plain)
def vectors(x):
    def body(c, v):
        c = np.tanh(A @ c + v * x)
        return c, np.sum(c) * v

    c, ys = lax.scan(body, np.zeros(3) + x, XS)
    return np.sum(c * c) + np.sum(ys)


def large_carry_plain(x):
    c = np.zeros(40) + x
    for _ in range(5):
        c = np.tanh(LARGE @ c) + x
    return np.sum(c)


@pair(large_carry_plain)
def large_carry(x):
    return np.sum(
        lax.while_loop(lambda s: s[1] < 5, lambda s: (np.tanh(LARGE @ s[0]) + x, s[1] + 1), (np.zeros(40) + x, 0))[0]
    )


def while_plain(x):
    a, b = x, 1.0
    while a < 10.0:
        a, b = a * 1.5 + x * x, b * np.sin(a)
    return b


@pair(while_plain)
def while_scalars(x):
    return lax.while_loop(lambda s: s[0] < 10.0, lambda s: (s[0] * 1.5 + x * x, s[1] * np.sin(s[0])), (x, 1.0))[1]


@pair(lambda x: x * 3)
def while_of_no_steps(x):
    return lax.while_loop(lambda t: t > 100.0, lambda t: np.sin(t) * x, x * 3)


def complex_while_plain(x):
    z = x + 0.5j * x
    while np.abs(z) < 4.0:
        z = z * z + (1.9 + 0.5j) * x + 1.0
    return np.real(z) * np.imag(z)


@pair(complex_while_plain)
def complex_while(x):
    z = lax.while_loop(lambda z: np.abs(z) < 4.0, lambda z: z * z + (1.9 + 0.5j) * x + 1.0, x + 0.5j * x)
    return np.real(z) * np.imag(z)


def while_in_scan_plain(x):
    c = x
    for v in XS:
        t = c * 0.1 + x * x
        while np.abs(t) < 3.0:
            t = np.sin(t) * 1.3 + t * 1.2 + v * v
        c = t
    return c


@pair(while_in_scan_plain)
def while_in_scan(x):
    def body(c, v):
        return lax.while_loop(
            lambda t: np.abs(t) < 3.0, lambda t: np.sin(t) * 1.3 + t * 1.2 + v * v, c * 0.1 + x * x
        ), c

    return lax.scan(body, x, XS)[0]


def while_in_while_plain(x):
    t, k = x, 0.0
    while k < 4.0:
        u = t * 0.2 + 0.1
        while u < 2.0 + x:
            u = u * (1.2 + 0.1 * np.sin(u))
        t, k = t * np.sin(u) + u, k + 1.0
    return t


@pair(while_in_while_plain)
def while_in_while(x):
    def outer(s):
        t, k = s
        u = lax.while_loop(lambda u: u < 2.0 + x, lambda u: u * (1.2 + 0.1 * np.sin(u)), t * 0.2 + 0.1)
        return t * np.sin(u) + u, k + 1.0

    return lax.while_loop(lambda s: s[1] < 4.0, outer, (x, 0.0))[0]


@pair(lambda x: np.sin(x) * x if x > 0.5 else x**3)
def cond(x):
    return lax.cond(x > 0.5, lambda y: np.sin(y) * x, lambda y: y**3, x)


@pair(lambda x: (x * 1.5) ** 3 if x > 0.5 else np.exp(-x * 1.5))
def switch(x):
    return lax.switch(lax.cond(x > 0.5, lambda: 1, lambda: 2), [np.sin, lambda y: y**3, lambda y: np.exp(-y)], x * 1.5)


def dynamic_fori_plain(x):
    v = 1.0
    for i in range(3 if x > 0.5 else 5):
        v = np.sin(v) * x + i
    return v


@pair(dynamic_fori_plain)
def dynamic_fori(x):
    return lax.fori_loop(0, lax.cond(x > 0.5, lambda: 3, lambda: 5), lambda i, v: np.sin(v) * x + i, 1.0)


def loops_in_branches_plain(x):
    if x > 0.5:
        t = x
        while t < 4.0:
            t = t * t + 1 + 0.1 * np.sin(t)
        return t
    for v in XS:
        x = np.sin(x * v)
    return x


@pair(loops_in_branches_plain)
def loops_in_branches(x):
    return lax.cond(
        x > 0.5,
        lambda y: lax.while_loop(lambda t: t < 4.0, lambda t: t * t + 1 + 0.1 * np.sin(t), y),
        lambda y: lax.scan(lambda c, v: (np.sin(c * v), None), y, XS)[0],
        x,
    )
