"""Numbers and arrays that keep changing become operands of the Program."""

from __future__ import annotations

import fractions
import functools
import threading
import types
import warnings

import numpy as np
import pytest

import functad as fd
from functad.errors import RetraceWarning

pytestmark = pytest.mark.filterwarnings("error")


class Counted:
    """Counts how often it is traced."""

    def __init__(self) -> None:
        self.traced = 0

    def __call__(self):
        self.traced += 1


def variable(value, body=lambda x, value: x * value):
    """A function of a closed-over variable, one that sets it, and how often it was traced."""
    count = Counted()

    def f(x):
        count()
        return body(x, value)

    def assign(new):
        nonlocal value
        value = new

    return f, assign, count


def module_of(text):
    made = types.ModuleType("users_module")
    made.__file__ = "/users/users_module.py"
    exec(compile("import numpy as np\nimport functad as fd\n" + text, made.__file__, "exec"), vars(made))
    return made


VALUES = {
    "float": [0.5 * k for k in range(12)],
    "int": [*range(2, 14)],
    "complex": [k * 1j for k in range(12)],
    "float64": [np.float64(k) for k in range(12)],
    "float32": [np.float32(k) for k in range(12)],
    "int8": [np.int8(k) for k in range(12)],
    "array": [np.arange(3.0) * k for k in range(12)],
    "array without axes": [np.array(1.0 * k) for k in range(12)],
    "transposed": [(np.arange(6.0) * k).reshape(3, 2).T[0] for k in range(12)],
}


@pytest.mark.parametrize("entry", ["native", "ctypes"])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize(
    "x",
    [2.0, np.float32(2.0), np.array([1.0, 2.0, 3.0]), np.array([1, 2, 3], np.int8)],
    ids=["number", "f4", "f8[3]", "i1[3]"],
)
def test_a_value_that_has_changed_twice_is_an_operand(values, x, entry) -> None:
    with fd.config.entry(entry):
        f, assign, count = variable(values[0])
        g = fd.jit(f)
        for value in values:
            assign(value)
            for _ in range(2):
                found, expected = g(x), x * value
                assert np.asarray(found).dtype == np.asarray(expected).dtype
                np.testing.assert_array_equal(found, expected)
        assert count.traced == 3


def test_globals_of_helpers_and_modules() -> None:
    m = module_of(
        "RATE = 1.0\ndef helper(x):\n    return RATE * x\ndef f(x):\n    return helper(x) + [RATE for _ in range(2)][1]"
    )
    traced = Counted()

    def outer(x):
        traced()
        return m.f(x) + m.RATE

    f = fd.jit(outer)
    for k in range(10):
        m.RATE = float(k)
        assert f(3.0) == 5.0 * k
    assert traced.traced == 3


def test_two_that_change_at_different_times() -> None:
    m = module_of("A = 1.0\nB = 1.0\nC = 1.0\nTRACED = 0\ndef f(x):\n    return A * x + B * C")
    f = fd.jit(m.f)
    for k in range(30):
        m.A = float(k)
        m.B = float(k // 5)
        m.C = float(k // 25)
        assert f(2.0) == m.A * 2.0 + m.B * m.C
    (versions,) = f._traced.values()
    assert len(versions) <= 3 and len(versions[0].hidden) == 2


@pytest.mark.parametrize(("wrap", "factor"), [
    (lambda f: fd.jit(fd.grad(lambda x: f(x) * x)), 2.0),
    (lambda f: fd.grad(fd.jit(lambda x: f(x) * x)), 2.0),
    (lambda f: fd.jit(fd.grad(fd.grad(lambda x: f(x) * x * x))), 6.0),
    (lambda f: (lambda g: lambda x: g(np.array([x, x]))[1])(fd.vmap(fd.jit(f))), 1.0),
    (lambda f: (lambda g: lambda x: g(np.array([x, x]))[1])(fd.jit(fd.vmap(f))), 1.0),
    (lambda f: (lambda g: fd.jit(lambda x: g(x)))(fd.jit(f)), 1.0),
    (lambda f: (lambda g: fd.jit(lambda x: fd.lax.fori_loop(0, 2, lambda i, y: g(y) / f(1.0), x) * g(1.0)))(fd.jit(f)),
        1.0),
    (lambda f: fd.jit(lambda x: fd.lax.scan(lambda c, _: (f(c) / f(1.0), f(c)), x, None, 2)[1][1]), 1.0),
    (lambda f: fd.jit(functools.partial(lambda g, x: g(x), f)), 1.0),
    (lambda f: (lambda g: lambda x: g(f, x))(fd.jit(lambda h, x: h(x), static_argnums=0)), 1.0),
    (lambda f: fd.jit(fd.checkpoint(lambda x: f(x))), 1.0),
])  # fmt: skip
def test_transforms(wrap, factor) -> None:
    f, assign, _ = variable(1.0)
    g = wrap(f)
    for value in (2.0, 4.0, 5.0, 7.0, -1.0, 8.0):
        assign(value)
        x = 1.0 if factor == 6.0 else 3.0
        np.testing.assert_allclose(g(x), factor * value * x, rtol=1e-14)


def test_an_inner_function_whose_value_is_an_operand_already() -> None:
    """It is read anew at each call of the outer one, even where that cannot see it."""
    f, assign, _ = variable(1.0)
    inner = fd.jit(f)
    for value in (2.0, 3.0, 4.0, 5.0):
        assign(value)
        assert inner(1.0) == value

    class Foreign:
        __slots__ = ("f",)

    holder = Foreign()
    holder.f = inner
    outer = fd.jit(lambda x: holder.f(x))
    for value in (6.0, 7.0, 8.0, 9.0):
        assign(value)
        assert outer(1.0) == value


def test_types_may_change_afterwards() -> None:
    f, assign, _ = variable(1.0)
    g = fd.jit(f)
    x = np.arange(3, dtype=np.float32)
    for value in (
        1.0,
        2.0,
        3.0,
        4,
        5,
        6,
        np.float64(7),
        np.float64(8),
        9.0,
        10,
        np.arange(3.0),
        np.arange(1.0),
        2j,
        11.0,
    ):
        assign(value)
        assert g(x).dtype == (x * value).dtype
        np.testing.assert_array_equal(g(x), x * value)


def test_an_array_that_is_replaced_and_written_to() -> None:
    w = np.arange(3.0)
    f, assign, count = variable(w, lambda x, w: np.sum(x * (2 * w)) + w[1])
    g = fd.jit(f)
    for k in range(6):
        w = np.arange(3.0) + k
        assign(w)
        assert g(1.0) == f(1.0)
        w[1] = -k
        assert g(1.0) == f(1.0)
    before = count.traced
    for k in range(6):
        assign(np.arange(3.0) - k)
        assert g(2.0) == 2.0 * np.sum(2 * (np.arange(3.0) - k)) + 1 - k
    assert count.traced == before


class Holder:
    """An object that belongs to the user."""

    def __init__(self, w) -> None:
        self.w = w

    def f(self, x):
        return np.sum(self.w * x)


def default(w):
    def f(x, w=w):
        return np.sum(x * w)

    return f


@pytest.mark.parametrize(("make", "traces"), [
    (lambda w: lambda x: np.sum(w * x), 3),
    (lambda w: lambda x: np.sum(2 * w) * x, 3),
    (lambda w: lambda x: w[0] * x + np.sum(w[1:]), 3),
    (lambda w: lambda x: np.sum(np.sqrt(w) * x) + w.T[1] + np.max(w), 3),
    (lambda w: (lambda ws: lambda x: np.sum(ws[0] * x) + ws[1]["w"][1])([w, {"w": w}]), 3),
    (default, 3),
    (lambda w: functools.partial(lambda w, x: np.sum(w * x), w), 3),
    (lambda w: (lambda h: lambda x: h(x) + h(1.0))(lambda x: np.sum(2 * w) * x), 3),
    (lambda w: (lambda v: lambda x: np.sum(v * x) + w[0])(w[1:]), 3),
    (lambda w: fd.jit(lambda x: np.sum(w) * x), 3),
    (lambda w: fd.grad(lambda x: np.sum(w * x) * x), 3),
    (lambda w: lambda x: fd.lax.fori_loop(0, 3, lambda i, y: y + fd.numpy.asarray(w)[i], x), 3),
    (lambda w: Holder(w).f, 12),
    (lambda w: lambda x: np.sum(x * np.linalg.norm(w)), 3),
    (lambda w: lambda x: x * float(w[0]) + np.sum(w), 12),
    (lambda w: lambda x: x if w[0] > 3 else -x, 12),
])  # fmt: skip
def test_an_array_that_is_written_to_is_an_operand(make, traces) -> None:
    """Whatever Python or NumPy does with it, from the third content on; unless Python needs the values."""
    w = np.array([1.0, 2.0, 3.0])
    f = make(w)
    count = Counted()

    def counted(x):
        count()
        return f(x)

    g = fd.jit(counted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetraceWarning)
        for k in range(12):
            w[:] = [k, k + 0.5, k + 0.25]
            for _ in range(2):
                np.testing.assert_allclose(g(2.0), f(2.0), rtol=1e-14)
    assert count.traced <= traces + 2
    if traces == 3:
        (versions,) = g._traced.values()
        assert count.traced == 3 and len(versions) == 1


def test_arrays_that_are_written_to_and_replaced() -> None:
    w = np.ones(3)
    g = fd.jit(lambda x: np.sum(2 * w) * x)
    for k in range(20):
        if k % 4:
            w[k % 3] = k
        else:
            w = np.full(3, float(k))
        assert g(2.0) == 4.0 * np.sum(w)


# -- where Python needs the value --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "values"), [
    (lambda x, n: x * np.ones(n), [1, 2, 3, 4, 5, 6]),
    (lambda x, n: x + sum(range(n)), [1, 2, 3, 4, 5, 6]),
    (lambda x, a: x if a > 2.5 else -x, [1.0, 2.0, 3.0, 4.0, 5.0]),
    (lambda x, a: x * len(f"{a:g}"), [1.0, 2.5, 3.25, 4.0, 5.5]),
    (lambda x, a: x * fractions.Fraction(a).numerator, [1.0, 2.0, 3.0, 4.0, 5.0]),
    (lambda x, a: x * {1.0: 2.0}.get(a, 3.0), [1.0, 2.0, 3.0, 4.0, 5.0]),
    (lambda x, a: np.sum(x * np.arange(12.0).reshape(-1, a)), [1, 2, 3, 4, 6]),
    (lambda x, mode: x if mode.startswith("a") else -x, ["a", "b", "ab", "ba", "c"]),
    (lambda x, pair: x * pair[0], [(1.0,), (2.0,), (3.0,), (4.0,)]),
    (lambda x, big: x * (big % 7), [10**30, 10**31, 10**32, 10**33]),
])  # fmt: skip
def test_what_decides_is_traced_anew_with_one_warning(body, values) -> None:
    f, assign, _ = variable(values[0], body)
    g = fd.jit(f)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for value in values:
            assign(value)
            np.testing.assert_array_equal(g(2.0), f(2.0))
    (warning,) = [w for w in seen if w.category is RetraceWarning]
    text = str(warning.message)
    assert text.startswith(
        "the closed-over variable 'value', which variable.<locals>.f reads, has changed again, and jit traces f anew "
        "for each"
    )
    assert "Make it an argument of f, or one of static_argnames" in text
    assert warning.filename == __file__


def test_the_warning_says_where() -> None:
    m = module_of("N = 1\ndef shape():\n    return (N, 2)\ndef f(x):\n    return x * np.ones(shape())")
    f = fd.jit(m.f)
    with pytest.warns(RetraceWarning, match=r"the global users_module\.N, which shape reads, .* a branch") as seen:
        for m.N in (1, 2, 3, 4):
            assert f(1.0).shape == (m.N, 2)
    assert len(seen) == 1
    rate = 0.0
    g = fd.jit(lambda x: x * {1.0: 2.0}.get(rate, 3.0))
    with pytest.warns(RetraceWarning, match=r"Python needs the value at .*test_operands\.py:\d+\. Make"):
        for rate in (1.0, 2.0, 3.0):  # noqa: B007  which g reads
            g(1.0)


def test_only_what_decides_is_traced_anew() -> None:
    m = module_of("A = 1.0\nB = 1.0\nN = 1\ndef f(x):\n    return A * x * (B if N > 2 else 1.0) * float(B)")
    f = fd.jit(m.f)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for k in range(6):
            m.A, m.B, m.N = k + 0.5, k + 0.25, k
            assert f(2.0) == m.f(2.0)
        m.A = 17.0
        (versions,) = f._traced.values()
        assert f(2.0) == m.f(2.0)
        assert len(versions[0].hidden) == 1
    names = sorted(str(w.message).split(",")[0] for w in seen)
    assert names == ["the global users_module.B", "the global users_module.N"], [str(w.message) for w in seen]


def test_one_of_many_is_found_soon() -> None:
    """Each trial is a trace."""
    names = [f"A{k}" for k in range(32)]
    m = module_of(
        "\n".join(f"{n} = 1.0" for n in names)
        + f"\ndef f(x):\n    COUNT()\n    return x * ({' + '.join(names)}) * float(A13)"
    )
    m.COUNT = Counted()
    f = fd.jit(m.f)
    with pytest.warns(RetraceWarning, match="A13") as seen:
        for k in range(5):
            vars(m).update({n: float(k + i) for i, n in enumerate(names)})
            assert f(2.0) == 2.0 * sum(k + i for i in range(32)) * (k + 13)
    assert len(seen) == 1 and m.COUNT.traced <= 4 + 2 + 2 * 5
    (versions,) = f._traced.values()
    assert len(versions[0].hidden) == 31


def test_an_error_of_the_function_is_its_own() -> None:
    f, assign, _ = variable(1.0, lambda x, a: x * a if a != 3.0 else {}[a])
    g = fd.jit(f)
    for value in (1.0, 2.0):
        assign(value)
        assert g(2.0) == 2 * value
    assign(3.0)
    with pytest.raises(KeyError, match=r"3\.0"):
        g(2.0)


def test_methods_are_traced_anew() -> None:
    """A class belongs to the user: its functions cannot be made anew."""
    m = module_of("RATE = 1.0\nclass Model:\n    def f(self, x):\n        return RATE * x\nmodel = Model()")
    f = fd.jit(lambda x: m.model.f(x))
    with pytest.warns(
        RetraceWarning, match=r"users_module\.RATE, which Model\.f reads, .*by way of the class Model, which"
    ):
        for m.RATE in (1.0, 2.0, 3.0, 4.0):
            assert f(2.0) == 2.0 * m.RATE


def test_what_is_defined_again_does_not_warn() -> None:
    m = module_of("def helper(x):\n    return x\ndef f(x):\n    return helper(x)")
    f = fd.jit(m.f)
    for k in range(6):
        exec(f"def helper(x):\n    return x * {k}", vars(m))
        assert f(2.0) == 2.0 * k
        m.helper.__code__ = (lambda x: -x).__code__
        assert f(2.0) == -2.0


def test_no_growth() -> None:
    f, assign, _ = variable("a", lambda x, s: x + len(s))
    g = fd.jit(f)
    with pytest.warns(RetraceWarning):
        for k in range(30):
            assign("a" * k)
            assert g(1.0) == 1.0 + k
    (versions,) = g._traced.values()
    assert len(versions) <= 8


def test_threads() -> None:
    f, assign, _ = variable(1.0, lambda x, a: x * a + a)
    g = fd.jit(f)
    stop = threading.Event()
    wrong = []

    def call() -> None:
        while not stop.is_set():
            found = g(1.0) / 2
            if not (found == int(found) and 0 <= found < 300):
                wrong.append(found)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for t in threads:
        t.start()
    for k in range(300):
        assign(float(k))
        assert g(1.0) == 2.0 * k
    stop.set()
    for t in threads:
        t.join()
    assert not wrong
