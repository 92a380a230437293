"""Arguments that are no arrays: what is static by itself under ``jit``, and integers whose values Python asks for."""

from __future__ import annotations

import dataclasses
import enum
import fractions
import functools
import warnings

import numpy as np
import pytest

import functad as fd
from functad.errors import RetraceWarning, StructureError
from functad.lower.backends import backend

X = np.arange(1.0, 7.0).reshape(2, 3)


class Mode(enum.Enum):
    PLAIN = 1
    TWICE = 2


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 1


@dataclasses.dataclass
class Options:
    weights: np.ndarray
    act: str = "tanh"
    flag: bool = True


def with_match(x, mode):
    match mode:
        case Mode.PLAIN:
            return x
        case Mode.TWICE:
            return 2 * x


STATIC = {
    "string": (lambda x, m: np.sin(x) if m == "sin" else x, ["sin", "id", "sin"]),
    "bytes": (lambda x, m: x * m[0], [b"a", b"b"]),
    "None": (lambda x, m: x if m is None else x * m, [None, 2.0, None]),
    "bool": (lambda x, m: x if m else -x, [True, False, True]),
    "enum": (with_match, [Mode.PLAIN, Mode.TWICE]),
    "int enum": (lambda x, m: x[m] if m is Level.HIGH else x, [Level.HIGH, Level.LOW]),
    "function": (lambda x, m: m(x), [np.sin, np.cos, abs, functools.partial(np.sum, axis=0)]),
    "type": (lambda x, m: x.astype(m), [np.float32, np.float64, float]),
    "dtype": (lambda x, m: x.astype(m), [np.dtype("f4"), np.dtype("f8")]),
    "slice": (lambda x, m: x[:, m], [slice(0, 2), slice(1, None)]),
    "range": (lambda x, m: sum([x * i for i in m]), [range(3), range(2)]),
    "frozenset": (lambda x, m: x * len(m), [frozenset({1}), frozenset({1, 2})]),
    "fraction": (lambda x, m: x * float(m), [fractions.Fraction(1, 2), fractions.Fraction(1, 4)]),
    "containers": (
        lambda x, m: x * m["k"][1] if m["name"] == "a" and m["flags"][1] else x,
        [{"name": n, "flags": [None, b], "k": (0, 2.0)} for n in "ab" for b in (True, False)],
    ),
    "dataclass": (
        lambda x, m: x @ (np.tanh(m.weights) if m.act == "tanh" and m.flag else m.weights),
        [Options(X.T), Options(X.T, "id"), Options(2 * X.T, flag=False)],
    ),
}


@pytest.mark.parametrize("name", STATIC)
def test_what_is_static_by_itself(name) -> None:
    """Each value has its own Program, positional or by keyword; calls go straight to native code."""
    f, values = STATIC[name]
    fast, by_name = fd.jit(f), fd.jit(f)
    for value in values * 2:
        np.testing.assert_allclose(fast(X, value), f(X, value), rtol=1e-15)
        np.testing.assert_allclose(by_name(X, m=value), f(X, value), rtol=1e-15) if name != "enum" else None
    if backend().compiles:
        fast.call_without_entry = None  # type: ignore[method-assign,assignment]
    for value in values:
        np.testing.assert_allclose(fast(X, value), f(X, value), rtol=1e-15)


def test_types_are_told_apart() -> None:
    """1, 1.0 and True are three values, of which the bool alone is static; np.bool_ is data."""
    traced = []

    def f(x, m):
        traced.append(type(m).__name__)
        return x * m

    fast = fd.jit(f)
    for value in (True, False, 1, 2, 1.0, 2.0, np.True_, np.False_):
        assert fast(3.0, value) == 3.0 * value
    assert traced == ["bool", "bool", "int", "float", "bool"]


INTEGERS = {
    "shape": lambda x, n: np.zeros((n, 2)) + x[0, 0],
    "computed shape": lambda x, n: np.zeros(2 * n + 1) + x[0, 0],
    "slice": lambda x, n: x[:, :n],
    "table": lambda x, n: [x, 2 * x, 3 * x][n - 1],
    "key": lambda x, n: {3: x, 2: 2 * x, 1: -x}[n],
    "text": lambda x, n: {"a3": x, "a2": 2 * x}.get(f"a{n}", -x),
    "str": lambda x, n: x if str(n) == "3" else -x,
    "list": lambda x, n: np.stack([x] * n),
    "tuple": lambda x, n: np.stack((x,) * n),
    "method": lambda x, n: x * n.bit_length(),
    "ternary": lambda x, n: x if n > 2 else np.sum(x),
    "comprehension": lambda x, n: np.stack([x * i for i in range(n)]),
    "axis": lambda x, n: np.sum(x, axis=n - 2 if n < 3 else 0),
    "eye": lambda x, n: np.eye(n) * x[0, 0],
    "inner jit": lambda x, n: fd.jit(lambda y, m: y[0, 0] * np.ones(m))(x, n),
    "inner grad": lambda x, n: fd.grad(lambda y, m: np.sum(np.ones(m)) * y[0, 0])(x, n),
    "inner vmap": lambda x, n: fd.vmap(lambda y: y[:n])(x),
    "inner checkpoint": lambda x, n: fd.checkpoint(lambda y, m: y[:, :m])(x, n),
}


def recursive(x, n):
    return x if n == 0 else recursive(2 * x, n - 1)


def caught(x, n):
    try:
        y = np.zeros(n)
    except BaseException:
        y = np.ones(7)
    return y + x[0, 0]


def appended(x, n):
    out = []
    for i in range(n):
        out.append(x * i)
    return np.stack(out)


def asserted(x, n):
    assert n > 0
    if n > 5:
        raise ValueError("large")
    return x * n


def in_branch(x, n):
    if x[0, 0] > 0:
        y = np.zeros(n) + x[0, 0]
    else:
        y = np.ones(n)
    return y


for _f in (recursive, caught, appended, asserted, in_branch):
    INTEGERS[_f.__name__] = _f


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_that_python_asks_for(name) -> None:
    f = INTEGERS[name]
    fast = fd.jit(f)
    for n in (3, 2, 1, 3, 2):
        np.testing.assert_allclose(fast(X, n), f(X, n), rtol=1e-15)
    (found,) = fast.static_arguments(X, 2)
    assert (found.name, found.value) == ("n", 2)
    assert "test_static_arguments.py:" in str(found.location) and found.why == "Python needs its value"
    assert str(found).startswith("n = 2 is static: Python needs its value at ")


def loop(x, n):
    for _ in range(n):
        x = x * 1.5 + n
    return x


def while_loop(x, n):
    i = 0
    while i < n:
        x, i = x * 1.5, i + 1
    return x


RUN_TIME = {
    "computed with": lambda x, n: x * n + n**2,
    "index": lambda x, n: x[0, n - 1],
    "where": lambda x, n: np.where(n > 2, x, -x),
    "loop": loop,
    "while": while_loop,
}


@pytest.mark.parametrize("name", RUN_TIME)
def test_integers_that_stay_data(name) -> None:
    """Nothing is traced again for another value."""
    f = RUN_TIME[name]
    fast = fd.jit(f)
    fast(X, 3)
    before = list(fast._traced)
    for n in (1, 2, 3, 2):
        np.testing.assert_allclose(fast(X, n), f(X, n), rtol=1e-15)
    assert list(fast._traced) == before and not fast.static_arguments(X, 3)


def test_each_entry_has_its_own_value() -> None:
    """What one branch asks for is data in the other."""

    def f(x, flag, n):
        return x[0, :n] if flag else x * n

    fast = fd.jit(f)
    for n in (1, 2, 3):
        assert fast(X, True, n).shape == (n,)
        np.testing.assert_array_equal(fast(X, False, n), X * n)
    assert [a.name for a in fast.static_arguments(X, True, 2)] == ["flag", "n"]
    assert [a.name for a in fast.static_arguments(X, False, 2)] == ["flag"]


def test_many_integers_in_a_container() -> None:
    """They are not found one by one."""
    passes = []

    def f(x, sizes, k):
        passes.append(k)
        return sum([np.sum(np.ones(n)) for n in sizes]) * x * k

    fast, sizes = fd.jit(f), list(range(1, 41))
    assert fast(2.0, sizes, 3) == 2.0 * 3 * sum(sizes)
    assert len(passes) <= 5
    assert fast(2.0, sizes, 4) == 2.0 * 4 * sum(sizes) and len(passes) <= 5
    assert [a.name for a in fast.static_arguments(2.0, sizes, 3)] == [f"sizes[{i}]" for i in range(40)]


def test_a_warning_after_eight_values() -> None:
    fast = fd.jit(lambda x, n: x * np.ones(n))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(8):
            fast(2.0, n)
    with pytest.warns(RetraceWarning) as found:
        fast(2.0, 8)
    text = str(found[0].message)
    for words in ("argument n of <lambda>", "8 values", "test_static_arguments.py:", "Compute with it instead"):
        assert words in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(9, 12):
            assert fast(2.0, n).shape == (n,)
    apply = fd.jit(lambda x, g: g(x))
    with pytest.warns(RetraceWarning, match="argument g of <lambda>.*a function is static.*Define it once"):
        for k in range(9):
            assert apply(2.0, lambda x, k=k: k * x) == 2.0 * k


REFUSED = {
    "set": ({1, 2}, "pass a frozenset"),
    "iterator": (iter([1]), "pass a list or a tuple"),
    "generator": (np.random.default_rng(0), "draw before"),
    "list in partial": (functools.partial(np.sum, axis=[0]), "cannot be hashed.*with tuples"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name) -> None:
    value, message = REFUSED[name]
    with pytest.raises(StructureError, match=rf"argument m\['k'\] of <lambda> is a .*{message}"):
        fd.jit(lambda x, m: x)(X, {"k": value})


@pytest.mark.parametrize("jitted", [False, True], ids=["plain", "jit"])
def test_transforms_take_them_beside_what_is_differentiated(jitted) -> None:
    wrap = fd.jit if jitted else lambda f: f

    def f(x, mode, act, none=None, *, flag=True):
        return np.sum(act(x)) if mode == "a" and none is None and flag is True else 0.0 * np.sum(x)

    for transform in (fd.grad, fd.jacfwd, fd.jacrev, lambda f: fd.grad(fd.jit(f)), lambda f: fd.grad(fd.checkpoint(f))):
        np.testing.assert_allclose(wrap(transform(f))(X, "a", np.sin, flag=True), np.cos(X))
    mapped = wrap(fd.vmap(f))(X, "a", np.sin)
    np.testing.assert_allclose(mapped, np.sum(np.sin(X), axis=1))
    parameters = {"w": X, "name": "adam"}
    with pytest.raises(StructureError, match=r"argument 0 of <lambda>\['name'\] is a str, .*leave that out of argnums"):
        wrap(fd.grad(lambda p: np.sum(p["w"])))(parameters)
    with pytest.raises(StructureError, match=r"primals\[1\] is a str, .*close over it"):
        fd.vjp(lambda x, m: x, X, "a")
    rule = fd.custom_jvp(lambda x, m: x)
    rule.defjvp(lambda primals, tangents: (primals[0], tangents[0]))
    with pytest.raises(StructureError, match=r"is a str, .*nondiff_argnums"):
        fd.grad(rule)(2.0, "a")


def test_static_results_and_out() -> None:
    f = fd.jit(lambda state, x: {**state, "w": state["w"] + x})
    state = {"w": np.ones(3), "name": "adam", "mode": Mode.TWICE, "none": None}
    for _ in range(3):
        state = f(state, 1.0)
    assert state["w"].tolist() == [4.0] * 3 and state["name"] == "adam" and state["mode"] is Mode.TWICE
    out = {**state, "w": np.empty(3)}
    assert f(state, 1.0, out=out) is out and f(state, 1.0, out=out)["w"].tolist() == [5.0] * 3
    with pytest.raises(StructureError, match=r"out= of <lambda>\['name'\] is 'sgd'.*expected 'adam'"):
        f(state, 1.0, out={**out, "name": "sgd"})
    lowered = f.lower(state, 1.0)
    assert "f64[3]" in str(lowered.ir) and lowered.compile()(state, 1.0)["name"] == "adam"
    assert str(fd.eval_shape(f, state, 1.0)["w"]) == "f64[3]"
    assert "mul" in str(fd.make_ir(lambda x, n, m: x * np.ones(n))(2.0, 3, "a"))


def test_static_argnums_as_before() -> None:
    f = fd.jit(lambda x, n, mode="a": x * n if mode == "a" else x, static_argnums=1, static_argnames="mode")
    assert f(2.0, 3) == 6.0 and f(2.0, 3, mode="b") == 2.0 and f(2.0, n=4) == 8.0
    assert [(a.name, a.value) for a in f.static_arguments(2.0, 3, mode="b")] == [("n", 3), ("mode", "b")]
