"""What a jitted function reads beside its arguments is what it is when the function is called."""

from __future__ import annotations

import enum
import functools
import threading
import types

import numpy as np
import pytest

import functad as fd
from functad.identity import same
from functad.lower.compile import compile_count

pytestmark = pytest.mark.filterwarnings("ignore::functad.errors.RetraceWarning")

SOURCE = """
import numpy as np
import functad as fd

RATE = 2.0
SHAPE = (2, 3)
MODE = "plain"
FLAG = True
NOTHING = None
TABLE = {"rate": 2.0}


def helper(x):
    return RATE * x


def outer(x):
    return helper(x) + 1.0


def recursive(n, x):
    return x if n == 0 else recursive(n - 1, RATE * x)


def chosen(x):
    return np.sin(x) if MODE == "plain" else np.cos(x) if FLAG else x


def spread(x):
    return x * np.ones(SHAPE)


def late(x):
    return x * LATE


def inside(x):
    return sum([RATE * x for _ in range(2)]) + (lambda y: RATE * y)(x) + next(RATE * x for _ in range(1))


class Model:
    scale = 1.0

    def forward(self, x):
        return RATE * x * self.scale

    def loss(self, x):
        return self.forward(x) + 1.0

    @staticmethod
    def plain(x):
        return RATE * x

    @classmethod
    def of_class(cls, x):
        return RATE * x

    @property
    def rate(self):
        return RATE


model = Model()
layers = [lambda x: RATE * x, helper]


def object_method(x):
    return model.forward(x)


def object_property(x):
    return model.rate * x


def of_layers(x):
    for layer in layers:
        x = layer(x)
    return x


def makes(x):
    return Model().plain(x)
"""


@pytest.fixture
def module(tmp_path):
    """A fresh module, as a user writes one."""
    made = types.ModuleType("users_module")
    made.__file__ = str(tmp_path / "users_module.py")
    exec(compile(SOURCE, made.__file__, "exec"), vars(made))
    return made


def variable(value):
    """A function that multiplies by a closed-over variable, and one that sets it."""

    def f(x):
        return x * value

    def assign(new):
        nonlocal value
        value = new

    return f, assign


# -- where values come from --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("helper", lambda r: 3 * r),
        ("outer", lambda r: 3 * r + 1),
        ("inside", lambda r: 12 * r),
        ("object_method", lambda r: 3 * r),
        ("object_property", lambda r: 3 * r),
        ("of_layers", lambda r: 3 * r * r),
        ("makes", lambda r: 3 * r),
    ],
)
def test_globals(module, name, expected) -> None:
    f = fd.jit(getattr(module, name))
    for rate in (2.0, 5.0, 2.0, -1.0, 7.0):
        module.RATE = rate
        assert f(3.0) == expected(rate)
        assert f(3.0) == expected(rate)


@pytest.mark.parametrize("name", ["forward", "loss", "plain", "of_class"])
def test_methods(module, name) -> None:
    f = fd.jit(getattr(module.model, name))
    before = f(3.0)
    module.RATE = 4.0
    assert f(3.0) == before + 6.0


def test_closed_over_variables() -> None:
    f, assign = variable(2.0)
    g = fd.jit(f)
    assert g(3.0) == 6.0
    assign(4.0)
    assert g(3.0) == 12.0
    assign(2.0)
    assert g(3.0) == 6.0


def test_lambdas_made_in_a_loop() -> None:
    functions = [fd.jit(lambda x: x * k) for k in range(3)]
    assert [f(2.0) for f in functions] == [4.0, 4.0, 4.0]
    functions = [fd.jit(lambda x, k=k: x * k) for k in range(3)]
    assert [f(2.0) for f in functions] == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("wrap", [
    lambda f: fd.jit(f),
    lambda f: fd.jit(functools.partial(lambda g, x: g(x), f)),
    lambda f: fd.jit(lambda x: fd.jit(f)(x)),
    lambda f: fd.jit(fd.grad(lambda x: f(x) * x / 2)),
    lambda f: fd.grad(fd.jit(lambda x: f(x) * x / 2)),
    lambda f: lambda x: fd.vmap(fd.jit(f))(np.array([x]))[0],
    lambda f: fd.jit(lambda x: fd.vmap(f)(np.array([1.0]) * x)[0]),
    lambda f: fd.jit(lambda x: fd.lax.fori_loop(0, 1, lambda i, y: f(y), x)),
    lambda f: fd.jit(lambda x: fd.lax.cond(x > 0, f, lambda y: y, x)),
    lambda f: fd.jit(lambda x: {"f": f}["f"](x)),
    lambda f: fd.jit(functools.lru_cache(lambda: f)()),
    lambda f: fd.jit(fd.checkpoint(f)),
    lambda f: (lambda g: lambda x: g(f, x))(fd.jit(lambda h, x: h(x), static_argnums=0)),
])  # fmt: skip
def test_ways_to_a_function(wrap) -> None:
    """However the function that reads the variable is reached."""
    f, assign = variable(2.0)
    g = wrap(f)
    for value in (2.0, 4.0, 2.0, 5.0, 6.0):
        assign(value)
        assert g(3.0) == 3.0 * value


def test_an_inner_jitted_function_is_inlined_with_its_guards(module) -> None:
    inner = fd.jit(module.helper)
    f = fd.jit(lambda x: inner(x) + 1.0)
    assert f(3.0) == 7.0
    module.RATE = 3.0
    assert f(3.0) == 10.0 and inner(3.0) == 9.0


def test_rules_of_custom_derivatives() -> None:
    value = 2.0

    @fd.custom_vjp
    def f(x):
        return x * 1.0

    f.defvjp(lambda x: (f(x), None), lambda _, ct: (ct * value,))
    g = fd.jit(fd.grad(lambda x: f(x)))
    assert g(3.0) == 2.0
    value = 5.0
    assert g(3.0) == 5.0


def test_module_attributes(module, tmp_path) -> None:
    config = types.ModuleType("users_config")
    config.__file__ = str(tmp_path / "users_config.py")
    config.rate, config.f = 2.0, module.helper
    f = fd.jit(lambda x: config.rate * config.f(x))
    assert f(3.0) == 12.0
    config.rate = 3.0
    assert f(3.0) == 18.0
    module.RATE = 1.0
    assert f(3.0) == 9.0
    config.f = lambda x: x * 0.0
    assert f(3.0) == 0.0


# -- what changes ------------------------------------------------------------------------------------------------------


def test_functions_that_are_defined_again(module) -> None:
    f = fd.jit(module.outer)
    assert f(3.0) == 7.0
    exec("def helper(x):\n    return x - 1.0", vars(module))
    assert f(3.0) == 3.0
    module.helper.__code__ = (lambda x: x - 2.0).__code__  # as tools that reload modules do
    assert f(3.0) == 2.0
    module.outer.__code__ = (lambda x: x - 3.0).__code__
    assert f(3.0) == 0.0


def test_strings_flags_shapes(module) -> None:
    f = fd.jit(module.chosen)
    assert f(0.5) == np.sin(0.5)
    module.MODE = "other"
    assert f(0.5) == np.cos(0.5)
    module.FLAG = False
    assert f(0.5) == 0.5
    module.MODE = "plain"
    assert f(0.5) == np.sin(0.5)
    g = fd.jit(module.spread)
    assert g(1.0).shape == (2, 3)
    module.SHAPE = (4,)
    assert g(1.0).shape == (4,)


def test_names_that_are_not_defined_yet(module) -> None:
    f = fd.jit(module.late)
    with pytest.raises(NameError):
        f(3.0)
    module.LATE = 2.0
    assert f(3.0) == 6.0
    del module.LATE
    with pytest.raises(NameError):
        f(3.0)


def test_a_builtin_that_is_shadowed(module) -> None:
    exec("def power(x):\n    return pow(x, 2)", vars(module))
    f = fd.jit(module.power)
    assert f(3.0) == 9.0
    vars(module)["pow"] = lambda x, n: x
    assert f(3.0) == 3.0
    del module.pow
    assert f(3.0) == 9.0


def test_types_are_told_apart() -> None:
    f, assign = variable(1)
    g = fd.jit(f)
    x = np.array([1, 2], np.int8)
    results = []
    for value in (1, True, np.int64(1), 1.0, np.float32(1), 1j):
        assign(value)
        results.append(g(x).dtype)
        assert results[-1] == f(x).dtype
    assert len(set(results)) == 5  # a Python int and bool leave int8 as it is


def test_bits_are_compared() -> None:
    f, assign = variable(0.0)
    g = fd.jit(f)
    assert np.copysign(1.0, g(1.0)) == 1.0
    assign(-0.0)
    assert np.copysign(1.0, g(1.0)) == -1.0
    assign(float("nan"))
    assert np.isnan(g(1.0))
    traced = len(next(iter(g._traced.values())))
    assign(float("-nan") * -1)
    assert np.isnan(g(1.0))
    assign(float("nan"))
    assert np.isnan(g(1.0)) and len(next(iter(g._traced.values()))) <= traced + 1


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(("a", "b", "alike"), [
    (1, 1, True), (1, True, False), (1, 1.0, False), (0.0, -0.0, False), (float("nan"), float("nan"), True),
    (1 + 0j, complex(1, -0.0), False), ((1, (2.0, "a")), (1, (2.0, "a")), True), ((1, 2), (1, 2.0), False),
    ((0.0,), (-0.0,), False), ((1,), (1, 1), False), (frozenset({1}), frozenset({1}), True),
    (frozenset({1}), frozenset({1.0}), False), (b"a", b"a", True), ("a", "b", False),
    (np.float64(1), np.float64(1), True), (np.float64(0.0), np.float64(-0.0), False),
    (np.float32(1), np.float64(1), False), (Colour.RED, Colour.RED, True), (Colour.RED, Colour.BLUE, False),
    (None, None, True), (range(3), range(3), True), ([1], [1], False),
])  # fmt: skip
def test_constants_that_are_the_same(a, b, alike) -> None:
    assert same(a, b) is alike


def test_an_equal_constant_does_not_trace_again() -> None:
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        return x * value[0] if type(value) is tuple else x * value

    g = fd.jit(f)
    for make in (lambda: float("2.5"), lambda: (float("2.5"), "".join(["a", "b"])), lambda: int("1000")):
        value = make()
        g(1.0)
        before = calls
        for _ in range(3):
            value = make()
            assert g(2.0) == 2.0 * (value[0] if type(value) is tuple else value)
        assert calls == before


# -- what a function does to its own state -----------------------------------------------------------------------------


def test_a_counter_does_not_trace_for_ever() -> None:
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        return x * 2.0

    g = fd.jit(f)
    for _ in range(5):
        assert g(3.0) == 6.0
    assert calls == 1
    calls = 10
    assert g(3.0) == 6.0
    assert calls <= 11


def test_a_counter_that_plain_calls_change_too() -> None:
    calls = traced = 0

    def f(x):
        nonlocal calls, traced
        calls += 1
        traced += isinstance(x, fd.core.tracer.Tracer)
        return x * 2.0

    g = fd.jit(f)
    for _ in range(10):
        assert f(3.0) == g(3.0) == 6.0
    assert traced <= 3


@pytest.mark.parametrize("nested", [False, True])
def test_what_callbacks_read_and_write_is_theirs(nested) -> None:
    count, traced, rate = 0, 0, 2.0

    def callback(x):
        nonlocal count
        count += 1
        return x * count * rate

    def f(x):
        nonlocal traced
        traced += 1
        return fd.pure_callback(callback, 0.0, x)

    g = fd.jit(f)
    if nested:
        inner = g
        g = fd.jit(lambda x: 1.0 * inner(x))
    for k in range(1, 10):
        rate = float(k)
        assert g(1.0) == k * k
    assert traced == 1


@pytest.mark.filterwarnings("ignore::functad.errors.RetraceWarning")
def test_what_runs_later_reads_no_operand() -> None:
    rate, weights = 1, np.ones(2)

    def helper(v):
        return v * rate * weights

    f = fd.jit(lambda x: fd.pure_callback(lambda v: v * rate * weights, np.zeros(2), x))
    g = fd.jit(lambda x: fd.pure_callback(helper, np.zeros(2), x) + rate)
    for rate in range(6):  # from the third value on the number would be an operand, and so the array
        weights[:] = rate // 2
        assert np.array_equal(f(np.ones(2)), rate * weights)
        assert np.array_equal(g(np.ones(2)), rate * weights + rate)


@pytest.mark.filterwarnings("ignore::functad.errors.RetraceWarning")
def test_rules_that_are_made_inside_read_globals_later(module) -> None:
    exec(
        "import functad as fd, numpy as np\nrate = 1.0\n"
        "def f(x):\n"
        "    g = fd.custom_jvp(lambda y: 2 * y)\n"
        "    g.defjvp(lambda p, t: (g(*p), rate * t[0]))\n"
        "    return g(x) + rate",
        vars(module),
    )
    f = fd.jit(module.f)
    reverse, forward = fd.grad(f), fd.jit(fd.grad(module.f))
    for k in range(6):
        module.rate = float(k)
        assert (f(1.0), reverse(1.0), forward(1.0)) == (2.0 + k, k, k)


def test_a_global_that_is_made_when_first_used(module) -> None:
    exec(
        "CACHE = None\nMADE = 0\n"
        "def table():\n    global CACHE, MADE\n    if CACHE is None:\n        CACHE, MADE = 3.0, MADE + 1\n    return "
        "CACHE\n"
        "def cached(x):\n    return x * table()",
        vars(module),
    )
    f = fd.jit(module.cached)
    for _ in range(4):
        assert f(2.0) == 6.0
    assert module.MADE == 1
    module.CACHE = 5.0
    assert f(2.0) == 10.0
    module.CACHE = None
    assert f(2.0) == 6.0
    module.CACHE = 7.0
    assert f(2.0) == 14.0
    for _ in range(3):
        module.CACHE = None
        assert f(2.0) == 6.0
    module.CACHE = 9.0
    assert f(2.0) == 18.0


def test_a_global_that_is_made_again_each_time(module) -> None:
    """What is made from nothing is no counter, however often."""
    exec("def make(x):\n    global CACHE\n    CACHE = CACHE or 3.0\n    return x * CACHE", vars(module))
    f = fd.jit(module.make)
    for _ in range(5):
        module.CACHE = None
        assert f(2.0) == 6.0
    module.CACHE = 4.0
    assert f(2.0) == 8.0


def test_values_that_alternate_keep_their_programs(module) -> None:
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        return x if module.FLAG else -x

    g = fd.jit(f)
    for k in range(40):
        module.FLAG = bool(k % 2)
        assert g(1.0) == (1.0 if k % 2 else -1.0)
    assert calls <= 3


def test_a_change_while_tracing_is_seen(module) -> None:
    """Another thread changes what the function has read, before the trace ends."""

    def f(x):
        y = x * module.RATE
        thread = threading.Thread(target=lambda: setattr(module, "RATE", 3.0))
        thread.start()
        thread.join()
        return y

    module.RATE = 2.0
    g = fd.jit(f)
    assert g(1.0) == 2.0
    assert g(1.0) == 3.0


def test_threads_call_while_another_changes_a_value(module) -> None:
    f = fd.jit(module.outer)
    values = {1.0 + k for k in range(5)}
    stop = threading.Event()
    wrong = []

    def call() -> None:
        while not stop.is_set():
            found = f(1.0)
            if found - 1.0 not in values | {2.0}:
                wrong.append(found)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for t in threads:
        t.start()
    for k in range(200):
        module.RATE = 1.0 + k % 5
        if k % 20 == 0:  # nobody else changes it: what this thread sets, it sees
            assert f(1.0) == 2.0 + k % 5
    stop.set()
    for t in threads:
        t.join()
    assert not wrong
    module.RATE = 4.0
    assert f(1.0) == 5.0


@pytest.mark.parametrize("entry", ["native", "ctypes"])
def test_both_entries(module, entry) -> None:
    f, assign = variable(2.0)
    with fd.config.entry(entry):
        g = fd.jit(lambda x: f(x) + module.RATE)
        assert g(3.0) == 8.0
        assign(4.0)
        assert g(3.0) == 14.0
        module.RATE = 3.0
        assert g(3.0) == 15.0
        assign(2.0)
        module.RATE = 2.0
        assert g(3.0) == 8.0
        del module.RATE
        with pytest.raises(AttributeError):
            g(3.0)


def test_no_compilation_for_a_constant_of_the_same_structure(module) -> None:
    f = fd.jit(module.spread)
    f(1.0)
    f(np.float64(2.0))
    count = compile_count()
    for _ in range(3):
        f(1.0)
    assert compile_count() == count
