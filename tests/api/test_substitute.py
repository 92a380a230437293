"""Functions that read other values, while the user's stay as they are."""

from __future__ import annotations

import functools
import types

import pytest

import functad as fd
from functad.api.world.reach import Reach
from functad.api.world.substitute import Substitution


def other(f, name, value):
    """The function with another value for the places of this name, and whether that is possible."""
    found = Reach(f)
    values = {key: value for key, source in found.sources.items() if source.name == name}
    assert values
    substitution = Substitution(found, values)
    return substitution.of(f)[0] if substitution.obstacle() is None else None


def module_of(text, name="users_module", **names):
    made = types.ModuleType(name)
    made.__file__ = f"/users/{name}.py"
    vars(made).update(names)
    exec(compile(text, made.__file__, "exec"), vars(made))
    return made


MODULE = """
import functools
RATE = 2
OTHER = 1

def double(x, *, shift=0):
    "Doc."
    return RATE * x + shift

def outer(x):
    return double(x) + OTHER

def recursive(n, x):
    return x if n == 0 else RATE * recursive(n - 1, x)

def even(n, x):
    return x if n == 0 else odd(n - 1, RATE * x)

def odd(n, x):
    return even(n - 1, x)

def default(x, f=double):
    return f(x)

def inside(x):
    return [RATE * k for k in range(x)] + [(lambda: RATE)()]

def untouched(x):
    return x

def writes(x):
    global OTHER
    OTHER = RATE
    return x

part = functools.partial(double, shift=5)
pair = (double, untouched)
table = {"f": double}
listed = [double]

def of_part(x):
    return part(x)

def of_pair(x):
    return pair[0](x)

def of_table(x):
    return table["f"](x) + listed[0](x)

class Model:
    def __call__(self, x):
        return RATE * x

    def method(self, x):
        return double(x)

model = Model()

def of_model(x):
    return model(x)
"""


@pytest.mark.parametrize(("name", "args", "before", "after"), [
    ("double", (3,), 6, 30), ("outer", (3,), 7, 31), ("recursive", (3, 1), 8, 1000), ("even", (2, 1), 2, 10),
    ("default", (3,), 6, 30), ("inside", (2,), [0, 2, 2], [0, 10, 10]), ("part", (3,), 11, 35),
    ("of_part", (3,), 11, 35), ("of_pair", (3,), 6, 30), ("of_table", (3,), 12, 60),
])  # fmt: skip
def test_globals(name, args, before, after) -> None:
    m = module_of(MODULE)
    f = getattr(m, name)
    names = dict(vars(m))
    new = other(f, "RATE", 10)
    assert new(*args) == after
    assert f(*args) == before
    assert vars(m) == names


@pytest.mark.parametrize("name", ["writes", "of_model", "model"])
def test_what_cannot_be_made_anew(name) -> None:
    """Instances belong to the user; writes must reach the user's module."""
    assert other(getattr(module_of(MODULE), name), "RATE", 10) is None


def test_a_bound_method_is_made_anew_only_if_its_class_does_not_read_the_place() -> None:
    assert other(module_of(MODULE).model.method, "RATE", 10) is None


def test_a_function_keeps_its_looks() -> None:
    m = module_of(MODULE)
    m.double.attribute = 1
    new = other(m.double, "RATE", 10)
    assert (new.__name__, new.__qualname__, new.__doc__, new.__module__, new.attribute) == (
        "double",
        "double",
        "Doc.",
        "users_module",
        1,
    )
    assert new(1, shift=1) == 11


def test_cells() -> None:
    a, b = 2, 1

    def inner(x):
        return a * x

    def f(x, deep=3):
        return (lambda: inner(x))() + b if deep == 0 else f(x, deep - 1)

    assert other(f, "a", 10)(1) == 11 and f(1) == 3
    g = other(f, "b", 5)
    b = 7  # what is not replaced is shared
    assert g(1) == 7 and f(1) == 9
    h = other(f, "a", 10)
    b = 8
    assert h(1) == 18


def test_wrapped_functions() -> None:
    rate = 2.0

    def f(x):
        return rate * x

    for wrap in (
        lambda f: fd.grad(f),
        lambda f: fd.jit(fd.grad(f)),
        lambda f: functools.partial(fd.grad(f)),
        lambda f: fd.grad(fd.checkpoint(f)),
    ):
        assert other(wrap(f), "rate", 10.0)(1.0) == 10.0
        assert wrap(f)(1.0) == 2.0
    assert other(functools.lru_cache(f), "rate", 10.0) is None


def test_module_attributes() -> None:
    config = module_of("rate = 2\ndef g(x):\n    return rate * x", "users_config")
    package = module_of("", "users_package", config=config)
    m = module_of(
        "def f(x):\n    return config.rate * x + config.g(0) + fixed\n"
        "def deep(x):\n    return package.config.rate * x\n"
        "fixed = 1",
        config=config,
        package=package,
    )
    assert other(m.f, "rate", 10)(3) == 31
    assert other(m.deep, "rate", 10)(3) == 30
    assert m.f(3) == 7 and m.deep(3) == 6 and config.g(1) == 2
    assert other(lambda x: config.rate * x, "rate", 10)(3) == 30
