"""Modules that leave the process: what they compute, at other lengths and without functad, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, UnsupportedError
from functad.kernel_ir.ops import NUMPY
from functad.tree import flatten


def loss(w, x):
    """A recursive filter."""
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = w[0] * x[i]
        if i > 0:
            y[i] += w[1] * y[i - 1]
    return np.mean(np.tanh(y) ** 2)


def run(text: str, name: str = "f"):
    """The function of a module, as Python without Numba runs it: what is compiled is tested below."""
    plain = text.replace("from numba import njit", "njit = lambda **_: lambda f: f")
    plain = plain.replace("from numba.extending import intrinsic", "intrinsic = lambda _: fma")
    scope = {"fma": NUMPY.fma}
    exec(plain, scope)
    return scope[name]


X = np.random.default_rng(0).normal(size=40)
CASES = {
    "gradient": (fd.value_and_grad(loss), (np.array([0.5, -0.25]), X), (np.array([0.1, 0.3]), X[:7])),
    "complex": (lambda z: np.exp(z) * 1j, (X[:20] + 1j,), (X[:33] * 1j,)),
    "container": (lambda d, k: (d["a"] @ d["b"], k + 1), ({"a": np.outer(X, X[:7]), "b": X[:7]}, 3),
                  ({"a": np.outer(X[:9], X[:5]), "b": X[:5]}, 4)),
    "constants": (lambda x: x * np.arange(6.0)[:, None], (X[:30],), (X[:31],)),
    "single": (lambda x: np.cumsum(x, axis=0) > 1, (np.outer(X, X[:20]).astype(np.float32),),
               (np.outer(X[:8], X[:5]).astype(np.float32),)),
    "half a length": (lambda x: x * (1 / len(x)) + len(x) * 2, (X,), (X[:11],)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_values(case: str) -> None:
    f, args, others = CASES[case]
    open_, fixed = fd.export.numba(f, *args, sizes="any"), fd.export.numba(f, *args)
    name = "loss" if "def loss" in open_ else "f"
    for text, given in ((fixed, args), (open_, args), (open_, others)):
        with np.errstate(all="ignore"):
            found = run(text, name)(*[np.asarray(x)[()] for x in flatten(given)[0]])
        for got, want in zip(flatten(found)[0], flatten(f(*given))[0], strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-6 if np.asarray(want).dtype == np.float32 else 1e-12)


def test_lengths_and_ranks_are_checked() -> None:
    function = run(fd.export.numba(lambda x, y: x @ y, np.ones((20, 3)), np.ones(3)))
    with pytest.raises(ValueError, match="x: expected 2 axes"):
        function(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="x: expected length 20 along axis 0"):
        function(np.ones((21, 3)), np.ones(3))
    function = run(fd.export.numba(lambda x, y: x @ y, np.ones((20, 30)), np.ones(30), sizes="any"))
    with pytest.raises(ValueError, match="y: expected length n1 along axis 0"):
        function(np.ones((21, 8)), np.ones(9))


def test_errors_are_those_of_the_call() -> None:
    function = run(fd.export.numba(lambda x, i: x[i], X, 0, sizes="any"))
    assert function(X[:9], 8) == X[8]
    with pytest.raises(IndexError, match="index 9 is out of bounds for axis 0 with size 9"):
        function(X[:9], 9)


def test_what_cannot_leave_is_named(tmp_path) -> None:
    with pytest.raises(UnsupportedError, match=r"solved calls functad_d_getrf.*cannot leave this process"):
        fd.export.numba(solved, np.eye(20))
    large = np.arange(2000.0)
    with pytest.raises(UnsupportedError, match=r"array of shape \(2000,\), which is no text .* make it an argument"):
        fd.export.numba(lambda x: x * large, np.ones(2000))
    with pytest.raises(UnsupportedError, match="Numba computes no float16"):
        fd.export.numba(np.sin, np.ones(20, np.float16))
    with pytest.raises(ArgumentError, match='sizes is "examples" or "any", got "all"'.replace('"all"', "'all'")):
        fd.export.numba(np.sin, X, sizes="all")
    for f, why in ((branching, "another one at other lengths"), (squared, "an array of shape"), (logarithm, "product")):
        with pytest.raises(UnsupportedError, match=f"cannot leave its lengths open: .*{why}"):
            fd.export.numba(f, X[:20], sizes="any")


def solved(a):
    return np.linalg.solve(a, a[0])


def branching(x):
    return x * 2 if len(x) < 22 else np.sin(x)


def squared(x):
    return x[:5] * np.linspace(0, len(x), 5)


def logarithm(x):
    return x * np.log(len(x))


@pytest.mark.deep
def test_a_process_without_functad(tmp_path) -> None:
    path = tmp_path / "module.py"
    fd.export.numba(fd.value_and_grad(loss), np.array([0.5, -0.25]), X, path=path, sizes="any")
    script = f"""
        import sys
        sys.modules["functad"] = None
        sys.path.insert(0, {str(tmp_path)!r})
        import numpy as np
        from module import loss
        value, slope = loss(np.array([0.1, 0.3]), np.arange(7.0))
        print(repr(float(value)), *map(repr, map(float, slope)))
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    value, slope = fd.value_and_grad(loss)(np.array([0.1, 0.3]), np.arange(7.0))
    np.testing.assert_allclose([float(x) for x in out.stdout.split()], [value, *slope], rtol=1e-12)
