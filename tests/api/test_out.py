"""``out=``: what is written to which arrays, natively and not, and what is refused."""

from __future__ import annotations

import gc
import sys
from typing import NamedTuple

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.api.jitted import Jitted
from functad.errors import DtypeError, IndexOutOfBoundsError, ShapeError, StructureError

X = np.arange(3.0)


@pytest.fixture(params=["native", "ctypes", "evaluator"], autouse=True)
def how(request):
    """Every test runs with both entries, and without."""
    with config.backend("evaluator") if request.param == "evaluator" else config.entry(request.param):
        yield request.param


class Pair(NamedTuple):
    total: object
    rest: object


def statistics(x):
    return Pair(np.sum(x), {"b": [x * 2, None], "a": (x > 1, x.astype(np.float32))})


def buffers():
    return Pair(np.empty(()), {"b": [np.empty(3), None], "a": (np.empty(3, bool), np.empty(3, np.float32))})


def test_results_in_containers_of_arrays(how, monkeypatch):
    f, out = fd.jit(statistics), buffers()
    assert f(X, out=out) is out
    if how == "native":
        monkeypatch.setattr(Jitted, "call_without_entry", None)
    assert f(X, out=out) is out
    assert out.total == 3.0 and out.rest["b"][0].tolist() == [0.0, 2.0, 4.0] and out.rest["b"][1] is None
    assert out.rest["a"][0].tolist() == [False, False, True] and out.rest["a"][1].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(TypeError) if how == "native" else config.debug(False):
        f(X)  # calls without out= are another kind


def test_one_array():
    f, out = fd.jit(fd.grad(lambda x: np.sum(np.sin(x)))), np.empty(3)
    for k in range(3):
        x = X + k
        assert f(x, out=out) is out
        np.testing.assert_allclose(out, np.cos(x), rtol=1e-14)
        assert f(x) is not out


def test_a_function_with_a_parameter_out():
    f = fd.jit(lambda x, out=1.0: x * out)
    assert f(2.0, out=3.0) == 6.0 and f(2.0) == 2.0

    @fd.jit(static_argnames="out")
    def g(x, *, out):
        return x if out == "same" else -x

    assert g(2.0, out="same") == 2.0 and g(2.0, out="other") == -2.0


def test_keywords_of_any_name_leave_out_to_jit():
    f, out = fd.jit(lambda **words: words["x"] * 2), np.empty(3)
    for _ in range(2):
        assert f(x=X, out=out) is out and out.tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("layout", ["strided", "Fortran", "misaligned"])
def test_buffers_of_any_layout(layout):
    f = fd.jit(lambda x: x * 2)
    x = np.arange(6.0).reshape(2, 3)
    buffer = {
        "strided": np.zeros((4, 6))[::2, 1::2],
        "Fortran": np.zeros((3, 2)).T,
        "misaligned": np.zeros(49, np.int8)[1:].view(np.float64).reshape(2, 3),
    }[layout]
    for k in range(3):
        assert f(x + k, out=buffer) is buffer and buffer.tolist() == ((x + k) * 2).tolist()
        assert f(x[::1, ::-1], out=buffer)[0].tolist() == (2 * x[0, ::-1]).tolist()


REFUSED = {
    "structure": (lambda f: f(X, out=[np.empty(3), np.empty(())]), StructureError,
                  r"out= of f is a container of structure .*\[\*, \*\].* expected one of structure .*\(\*, \*\)"),
    "one for two": (lambda f: f(X, out=np.empty(3)), StructureError, "out= of f is a container of structure"),
    "None": (lambda f: f(X, out=None), StructureError, "expected one of structure"),
    "list": (lambda f: f(X, out=("abc", np.empty(3))), StructureError,
             r"out= of f\[0\] is a str, .*expected an array, such as np.empty\(\(\), 'float64'\)"),
    "scalar": (lambda f: f(X, out=(np.float64(1), np.empty(3))), StructureError, r"out= of f\[0\] is a .*float64"),
    "subclass": (lambda f: f(X, out=(np.empty(()), np.empty(3).view(np.memmap))), StructureError, "is a .*memmap"),
    "shape": (lambda f: f(X, out=(np.empty(()), np.empty(4))), ShapeError,
              r"out= of f\[1\] has shape \(4,\).*expected that of the result, np.empty\(\(3,\), 'float64'\)"),
    "dtype": (lambda f: f(X, out=(np.empty((), "f4"), np.empty(3))), DtypeError,
              r"out= of f\[0\] has dtype float32.*np.empty\(\(\), 'float64'\)"),
    "byte order": (lambda f: f(X, out=(np.empty(()), np.empty(3, ">f8"))), DtypeError, "has dtype >f8"),
    "read-only": (lambda f: f(X, out=(np.empty(()), np.frombuffer(bytes(24)))), StructureError, "is read-only"),
    "repeated": (lambda f: f(X, out=(np.empty(()), np.lib.stride_tricks.as_strided(np.empty(1), (3,), (0,)))),
                 StructureError, "elements that share memory"),
    "overlapping elements": (
        lambda f: f(X, out=(np.empty(()), np.lib.stride_tricks.as_strided(np.empty(4), (3,), (4,)))),
        StructureError, "elements that share memory"),
    "argument": (lambda f: f(A, out=(np.empty(()), A)), StructureError,
                 r"out= of f\[1\] shares memory with an argument.*write x\[...\] = f\(x\)"),
    "part of an argument": (lambda f: f(B[:3], out=(np.empty(()), B[2:5])), StructureError, "shares memory with"),
    "its base": (lambda f: f(B[::2][:3], out=(B[2:3].reshape(()), np.empty(3))), StructureError, "shares memory"),
    "each other": (lambda f: f(X, out=(B[0:1].reshape(()), B[:3])), StructureError,
                   r"out= of f\[1\] shares memory with out= of f\[0\].*expected separate arrays"),
    "closed over": (lambda f: f(X, out=(np.empty(()), W)), StructureError, "or with an array that f closes over"),
}  # fmt: skip
A, B, W = np.ones(3), np.arange(6.0), np.ones(3)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    def f(x):
        return np.sum(x), x * W

    call, error, message = REFUSED[name]
    fast = fd.jit(f)
    good = np.empty(()), np.empty(3)
    for _ in range(2):  # before there is an entry, and after
        before = B.copy()
        with pytest.raises(error, match=message) as raised:
            call(fast)
        assert "test_out.py" in str(raised.value)
        np.testing.assert_array_equal(B, before)
        assert fast(X, out=good) is good


def test_neighbours_do_not_overlap():
    f = fd.jit(lambda x: (np.sum(x), x * 2))
    memory = np.arange(8.0)
    for _ in range(3):
        total, doubled = f(memory[:3], out=(memory[3:4].reshape(()), memory[4:7]))
        assert total == 3.0 and doubled.tolist() == [0.0, 2.0, 4.0] and memory[7] == 7.0
        memory[:] = np.arange(8.0)
    empty = fd.jit(lambda x: x * 2)
    x = np.empty(0)
    assert empty(x, out=x) is x and empty(x, out=x) is x


def test_under_a_transform():
    f, out = fd.jit(lambda x: x * 2), np.empty(())
    for call in (lambda: fd.grad(lambda x: f(x, out=out))(1.0), lambda: fd.jit(lambda x: f(x, out=out))(1.0)):
        with pytest.raises(StructureError, match=r"out= of .*test_out.py.* where the call is traced.*write y = "):
            call()
    y = f(1.0, out=out)
    assert y is out and fd.grad(f)(1.0) == 2.0


def test_an_error_in_the_middle(how):
    f, out = fd.jit(lambda x, i: (x * 2, x[i])), (np.zeros(3), np.zeros(()))
    f(X, 1, out=out)
    before = [sys.getrefcount(a) for a in out]
    for _ in range(3):
        with pytest.raises(IndexOutOfBoundsError):
            f(X, 7, out=out)
    f(X, 2, out=out)
    gc.collect()
    assert out[1] == 2.0
    assert all(now <= then + 1 for now, then in zip([sys.getrefcount(a) for a in out], before))  # the last traceback


@pytest.mark.one_in(3)
def test_large_results_and_no_leak(how):
    n = 200_000
    f, x, out = fd.jit(lambda x: np.sin(x) * 2), np.linspace(0.0, 1.0, n), np.empty(n)
    before = None
    for k in range(60):
        f(x, out=out)
        if k == 10:
            gc.collect()
            before = sys.getallocatedblocks(), sys.getrefcount(out), sys.getrefcount(x)
    gc.collect()
    np.testing.assert_allclose(out, np.sin(x) * 2, rtol=1e-15)
    assert sys.getallocatedblocks() - before[0] < (50 if how == "native" else 500)
    assert before[1:] == (sys.getrefcount(out), sys.getrefcount(x))


def test_arrays_of_a_call_are_not_resized_meanwhile(how):
    """NumPy refuses to move the memory of an array that more than a container, and who asks, refers to."""

    containers: list = []
    refused: list = []

    def resize(y):
        for container in containers:
            try:
                container[-1].resize(1_000_000)
            except ValueError as error:
                refused.append(error)
        return y * 2.0

    f = fd.jit(lambda x, y: (fd.pure_callback(resize, np.zeros(3), x[0]) + x[0] + y,))
    for _ in range(3):
        args, out = ((X.copy(),), X.copy()), (np.empty(3),)
        containers[:], refused[:] = (args, args[0], out), ()
        assert f(*args, out=out) is out and out[0].tolist() == (4 * X).tolist()
        assert len(refused) == 3 or how != "native"
        containers.pop()
        assert f(*args)[0].tolist() == (4 * X).tolist()
