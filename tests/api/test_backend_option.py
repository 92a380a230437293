"""``jit(f, backend=...)``: what runs a function is chosen for it alone, for its derivatives, and for what it calls."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import ArgumentError
from functad.lower import backends

X = np.linspace(-1.0, 2.0, 7)


def f(x):
    return np.sum(np.sin(x) * x)


@pytest.fixture
def ran(monkeypatch):
    """The names of the backends that run something, one after the other."""
    seen: list[str] = []
    for name, backend in backends.BACKENDS.items():

        def run(program, args, options, name=name, backend=backend):
            seen.append(name)
            return backend.run(program, args, options)

        monkeypatch.setitem(backends.BACKENDS, name, backends.Backend(name, run, backend.compiles))
    return seen


@pytest.mark.parametrize("name", ["evaluator", "kernel"])
def test_a_function_has_its_own(ran, name):
    jitted = fd.jit(f, backend=name)
    np.testing.assert_allclose(jitted(X), f(X), rtol=1e-14)
    np.testing.assert_allclose(fd.grad(jitted)(X), X * np.cos(X) + np.sin(X), rtol=1e-13)
    np.testing.assert_allclose(fd.vmap(jitted)(X), np.sin(X) * X, rtol=1e-14)
    assert len(ran) >= 3 and set(ran) == {name}


def test_it_wins_over_the_flag(ran):
    with config.backend("kernel"):
        assert fd.jit(f, backend="native")(X) == fd.jit(f)(X)
        fd.jit(f, backend="evaluator")(X)
    assert ran == ["kernel", "evaluator"]


def test_the_outermost_decides(ran):
    inner = fd.jit(f, backend="evaluator")
    np.testing.assert_allclose(fd.jit(lambda x: 2 * inner(x))(X), 2 * f(X), rtol=1e-14)
    assert not ran
    assert "backend='evaluator'" in str(fd.make_ir(lambda x: 2 * inner(x))(X))


@pytest.mark.deep
def test_numba_and_native_code_are_two():
    jitted = fd.jit(fd.grad(f), backend="numba")
    np.testing.assert_allclose(jitted(X), fd.jit(fd.grad(f))(X), rtol=1e-14)
    assert "numba" in jitted.lower(X).compile().llvm and "numba" not in fd.jit(fd.grad(f)).lower(X).compile().llvm
    copied = pickle.loads(pickle.dumps(fd.jit(np.sin, backend="evaluator")))
    assert "backend='evaluator'" in str(fd.make_ir(lambda x: 2 * copied(x))(1.0))


def test_the_decorator_and_methods():
    class Model:
        @fd.jit(backend="evaluator")
        def twice(self, x):
            return 2 * x

        @fd.jit(backend="evaluator")
        @staticmethod
        def thrice(x):
            return 3 * x

    assert (Model().twice(2.0), Model.thrice(2.0)) == (4.0, 6.0)


@pytest.mark.parametrize("given", ["cuda", "", 3, ["numba"]])
def test_an_unknown_name(given):
    with pytest.raises(ArgumentError) as error:
        fd.jit(f, backend=given)
    assert str(error.value).startswith(f"jit: backend={given!r}; expected native, numba, kernel or evaluator")
