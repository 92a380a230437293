"""Operators, properties and other special methods of the user's classes run as twins under jit."""

from __future__ import annotations

import functools
import linecache
import math
from collections import defaultdict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import functad as fd
from functad.errors import TracerConversionError, UnsupportedError

X = np.array([0.3, -0.7, 1.2, 2.1])


class Dual:
    """A number with a derivative, which changes nothing."""

    def __init__(self, value, slope):
        self.value, self.slope = value, slope

    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(other, 0.0)
        return Dual(self.value + other.value, self.slope + other.slope)

    __radd__ = __add__

    def __mul__(self, other):
        if not isinstance(other, Dual):
            return NotImplemented
        return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)

    def __rmul__(self, factor):
        return Dual(factor * self.value, factor * self.slope)

    def __neg__(self):
        return Dual(-self.value, -self.slope)

    def __lt__(self, other):
        return self.value < other

    def __abs__(self):
        sign = 1.0 if self.value > 0 else -1.0
        return Dual(sign * self.value, sign * self.slope)

    def __getitem__(self, i):
        return math.sin(self.value) if i == 0 else self.slope

    @property
    def size(self):
        return math.sqrt(self.value**2 + self.slope**2)

    @functools.cached_property
    def half(self):
        return 0.5 * self.value


def test_operators_on_traced_values():
    def f(x):
        d = abs(Dual(x[0], 1.0) * Dual(x[1], 0.0) + 2.0)
        d = 3.0 + 2.0 * -d
        return d.size + d[0] + d[1] * d.half + (1.0 if d < 0.5 else 2.0)

    for x in (X, -X):
        assert fd.jit(f)(x) == pytest.approx(f(x), rel=1e-14)


def test_they_may_stand_in_branches_and_loops():
    def f(x):
        d, n = Dual(x[0], 1.0), abs(x[1])
        if x[2] > 0:
            y = (d * d + d).size + abs(d).value
        else:
            y = d[0]
        while n < 30:
            n = n * 2 + (Dual(n, 0.0) + 1.0).value
        return y + n

    for x in (X, -X):
        assert fd.jit(f)(x) == pytest.approx(f(x), rel=1e-14)


class Counting:
    """Every method counts how often it was called."""

    def __init__(self):
        self.n = 0

    def _count(self, *_):
        self.n += 1
        return 1.0

    __add__ = __rmul__ = __neg__ = __getitem__ = __contains__ = __eq__ = __enter__ = __abs__ = _count
    used = property(_count)

    def __len__(self):
        return int(self._count())

    def __iter__(self):
        self.n += 1
        return iter([1.0, 2.0])

    def __exit__(self, *_):
        return True

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._count()

    __hash__ = None

    def ask(self, kind):
        """One use of the object."""
        if kind == "for":
            total = 0.0
            for v in self:
                total += v
            return total
        if kind == "with":
            with self:
                return 1.0
        return USES[kind](self)


USES = {
    "+": lambda c: c + 1, "*": lambda c: 2 * c, "-": lambda c: -c, "[]": lambda c: c[0], "in": lambda c: 1 in c,
    "==": lambda c: c == 1, "len": len, "abs": abs, "property": lambda c: c.used, "getattr": lambda c: c.other,
    "truth": lambda c: 1.0 if c else 2.0, "list": lambda c: sum(list(c)),
}  # fmt: skip


@pytest.mark.parametrize("kind", [*USES, "for", "with"])
def test_what_they_change_is_refused_in_a_branch(kind):
    counting = Counting()

    def f(x):
        if x[0] > 0:
            x = x * counting.ask(kind)
        return x

    with pytest.raises(UnsupportedError, match=r"of a Counting is assigned to at .*test_protocols"):
        fd.jit(f)(X)
    assert counting.n == 0


@pytest.mark.parametrize("kind", ["+", "property", "[]"])
def test_and_happens_step_by_step_in_a_loop_of_known_length(kind):
    def f(x):
        counting, s = Counting(), 0.0
        for i in range(300):
            s = s + USES[kind](counting) * x[i % 4]
        return s + counting.n

    assert fd.jit(f)(X) == pytest.approx(f(X), rel=1e-13)


def test_what_is_made_when_it_is_read():
    def cached(x):
        d = Dual(x[0], 1.0)
        if x[0] > 0:
            x = x * d.half
        return x

    def missing(x):
        d = defaultdict(float)
        if x[0] > 0:
            x = x + d["a"]
        return x * len(d)

    for f in (cached, missing):
        with pytest.raises(UnsupportedError, match="is assigned to at .*test_protocols"):
            fd.jit(f)(X)


def test_context_managers_swallow_no_error_of_tracing():
    def f(x):
        y = x[2]
        with Counting():
            y = x[1] if bool(x[0] > 0) else x[3]
        return y

    with pytest.raises(TracerConversionError, match="the truth value of a traced bool"):
        fd.jit(f)(X)


@dataclass
class Record:
    a: float
    b: float


Pair = namedtuple("Pair", "p q")


def test_records_in_loops():
    def dataclasses(x):
        d = Record(abs(x[0]) + 1.0, 1.0)
        while d.a < 100:
            d = Record(d.a * 2.0, d.b + x[1])
        return d.a * d.b

    def tuples(x):
        d = Pair(abs(x[0]) + 1.0, 1.0)
        while d.p < 100:
            d = d._replace(p=d.p * 2.0, q=Pair(d.q, x[1])[0] + 1.0)
        return d.p * d.q

    for f in (dataclasses, tuples):
        assert fd.jit(f)(X) == pytest.approx(f(X), rel=1e-14)


def test_objects_and_lists_of_the_body_may_be_changed_there():
    def norms(v, n):
        found = []
        for i in range(n):
            found.append(v * i)
        table = {"first": found[0]}
        table["last"] = found[-1]
        found[1] += table["last"]
        return np.sum(np.array(found))

    def f(x):
        s = abs(x[0])
        while s < 100:
            d = Dual(s, 1.0)
            d.slope = d.slope * 2
            s = s * 2 + abs(norms(s, 3)) + d.slope
        return s

    assert fd.jit(f)(X) == pytest.approx(f(X), rel=1e-14)

    def kept(x):
        found, s = [], abs(x[0])
        while s < 100:
            s = s * 2 + 1
            found.append(s)
        return s

    with pytest.raises(UnsupportedError, match="a list is appended to"):
        fd.jit(kept)(X)


class Signal:
    """A class of which nothing works without a twin where a value is traced."""

    def __init__(self, values):
        self.values = values

    def __add__(self, other):
        y = np.zeros(len(self.values))
        for i in range(len(y)):
            y[i] = self.values[i] + (other.values[i] if isinstance(other, Signal) else other)
        return Signal(y)

    def __iadd__(self, other):
        self.values = np.array([v + math.sin(other) for v in self.values])
        return self

    def __getitem__(self, i):
        return math.exp(self.values[i])

    def __setitem__(self, i, v):
        y = np.zeros(len(self.values))
        y[:] = self.values
        y[i] = math.sqrt(v)
        self.values = y

    def __call__(self, x):
        y = np.zeros(2)
        y[0] = math.cos(x)
        return y

    @property
    def norm(self):
        y = np.zeros(1)
        y[0] = math.sqrt(float(np.sum(self.values**2)))
        return y[0]

    def __abs__(self):
        return math.hypot(self.norm, 1.0)

    def __len__(self):
        return int(math.fabs(len(self.values)))

    def __iter__(self):
        y = np.zeros(len(self.values))
        y[:] = self.values
        return iter(y)

    def __lt__(self, bound):
        return math.sin(self.values[0]) < bound


def signal_of(x):
    v = Signal(x) + Signal(x * 2) + 1.0
    v += x[0]
    v[1] = x[1] ** 2 * 3
    s = v.norm + abs(v) + v[0] + np.sum(v(x[0])) + len(v)
    for w in v:
        s += w
    return s * 2 if v < 0.5 else s


def test_they_run_as_twins_without_jit_too():
    step = 1e-6 * np.eye(4)
    expected = [(signal_of(X + h) - signal_of(X - h)) / 2e-6 for h in step]
    for made in (fd.grad(signal_of), fd.jit(fd.grad(signal_of))):
        np.testing.assert_allclose(made(X), expected, rtol=1e-6)
    assert fd.jit(signal_of)(X) == pytest.approx(signal_of(X), rel=1e-14)


def test_which_functions_operators_are_looked_at_in():
    assert "_functad_operate" in fd.front.source(signal_of, staged=False)
    made = {}
    path = "a_module_without_classes.py"
    text = "def f(x):\n    return x * x + x.size\n\n\ndef g(x):\n    class C:\n        def __add__(self, y):\n"
    text += "            return y\n    return C() + x\n\n\ndef of(c):\n    return lambda x: c + x\n"
    linecache.cache[path] = len(text), None, text.splitlines(True), path
    exec(compile(text, path, "exec"), made)
    assert "_functad_operate" not in fd.front.source(made["f"], staged=False)
    assert "_functad_operate" in fd.front.source(made["g"], staged=False)
    assert "_functad_operate" in fd.front.source(made["of"](Signal(X)), staged=False)
    assert fd.grad(lambda x: made["g"](x))(2.0) == 1.0
