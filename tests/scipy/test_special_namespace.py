"""Every function of ``functad.scipy.special``: it gives SciPy's values natively and mapped, promotes as SciPy's does,
and is on the page of the docs; what it does not take, it says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import functad as fd
from functad.errors import ArgumentError, DtypeError, UnsupportedError
from functad.scipy import special

PAGE = (Path(__file__).parent.parent.parent / "docs" / "special.md").read_text()
LISTED = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}

UFUNCS = [name for name in special.__all__ if isinstance(getattr(sp, name), np.ufunc)]

COUNTS = {"bdtr": (2, 9), "bdtrc": (2, 9), "nbdtr": (2, 9), "nbdtrc": (2, 9), "expn": (2,), "kn": (2,), "yn": (2,)}
"""Functions whose first arguments are whole numbers."""


def arguments(name: str, dtype: Any) -> tuple[Any, ...]:
    """Operands that broadcast, in the domain."""
    rng = np.random.default_rng(0)
    counts = COUNTS.get(name, ())
    low, high = (-3.0, -0.1) if name == "ndtri_exp" else (0.15, 0.9)
    shapes = [(3, 1), (4,), (), (4,)][len(counts) : getattr(sp, name).nin]
    return (*[dtype(n) for n in counts], *[np.asarray(rng.uniform(low, high, s), dtype) for s in shapes])


def results(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def test_the_page_lists_what_there_is() -> None:
    assert {*special.__all__} == LISTED
    assert all(getattr(special, name).__module__ == "functad.scipy.special" for name in special.__all__)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", UFUNCS)
def test_values_and_dtypes_are_scipys(name: str) -> None:
    f = getattr(sp, name)
    for dtype, tolerance in ((np.float64, 3e-13), (np.float32, 3e-6)):
        args = arguments(name, dtype)
        mapped = fd.vmap(lambda x, args=args: f(*args[:-1], x))(np.stack([args[-1]]))
        for found in (fd.jit(f)(*args), mapped):
            exact = f(*[np.float64(a) for a in args])  # SciPy's own in float32 may have few digits
            for got, expected, own in zip(results(found), results(exact), results(f(*args)), strict=True):
                assert got.dtype == own.dtype
                np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape), rtol=tolerance)


def test_integers_become_floats() -> None:
    n = np.arange(1, 4)
    for f in (sp.gamma, sp.erfcx, sp.j0, sp.ellipe, sp.exp1):
        found = fd.jit(f)(n)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, f(n), rtol=1e-13)
    np.testing.assert_allclose(fd.jit(lambda x: sp.jv(2, x))(n), sp.jv(2, n), rtol=1e-13)


def test_bounds_and_beyond() -> None:
    """At the bounds of domains, and outside of them, values are SciPy's."""
    points = np.array([-np.inf, -1.0, -0.0, 0.0, 1.0, 2.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        for name in [
            "gamma",
            "rgamma",
            "loggamma",
            "gammasgn",
            "erfcx",
            "erfi",
            "dawsn",
            "log_ndtr",
            "ndtri",
            "exprel",
            "cosm1",
            "ellipk",
            "ellipe",
            "exp1",
            "expi",
            "k0",
            "y0",
            "i0e",
        ]:
            f = getattr(sp, name)
            np.testing.assert_allclose(fd.jit(f)(points), f(points), rtol=1e-13, err_msg=name)
        pairs = [v.ravel() for v in np.meshgrid(points, points)]
        for name in ["gammainc", "gammaincc", "huber", "xlogy"]:
            f = getattr(sp, name)
            np.testing.assert_allclose(fd.jit(f)(*pairs), f(*pairs), rtol=1e-13, err_msg=name)
        for name in ("boxcox", "boxcox1p", "inv_boxcox", "pseudo_huber"):
            f, some = getattr(sp, name), [v[np.isfinite(pairs[0]) & np.isfinite(pairs[1])] for v in pairs]
            np.testing.assert_allclose(fd.jit(f)(*some), f(*some), rtol=1e-13, err_msg=name)
    slopes = fd.vmap(fd.grad(sp.gammainc, argnums=(0, 1)))(np.full(3, 2.0), np.array([0.0, np.inf, -1.0]))
    np.testing.assert_array_equal(slopes[0], [0, 0, np.nan])
    np.testing.assert_array_equal(slopes[1], [0, 0, np.nan])
    slopes = fd.vmap(fd.grad(sp.betainc, argnums=(0, 1, 2)), in_axes=(None, None, 0))(
        2.0, 3.0, np.array([0.0, 1.0, 1.5])
    )
    np.testing.assert_array_equal(slopes, [[0, 0, np.nan]] * 3)


def test_functions_that_are_no_ufuncs() -> None:
    n, k = np.array([5.0, 7.5, 3.0, -1.0]), np.array([2.0, 3.0, 4.0, 2.0])
    calls = [
        (sp.comb, (n, k)), (sp.perm, (n, k)), (sp.factorial, (n,)), (lambda q: sp.zeta(k, q), (n[:1],)),
        (lambda n: sp.multigammaln(n, 3), (n[:2],)), (lambda x: sp.comb(x, 2.0, repetition=True), (n,)),
        (lambda x: sp.spherical_jn(2, x), (n[:3],)), (lambda x: sp.spherical_jn(2, x, derivative=True), (n[:3],)),
    ]  # fmt: skip
    for f, args in calls:
        expected = f(*args)
        np.testing.assert_allclose(fd.jit(f)(*args), expected, rtol=1e-12)
        np.testing.assert_allclose(fd.jvp(f, args, args)[0], expected, rtol=1e-12)
    np.testing.assert_allclose(fd.jit(sp.zeta)(np.array([-3.0, 0.5, 2.0])), sp.zeta([-3.0, 0.5, 2.0]), rtol=1e-14)
    np.testing.assert_allclose(fd.grad(sp.factorial)(4.0), 24 * sp.psi(5.0), rtol=1e-13)
    np.testing.assert_allclose(fd.grad(sp.comb)(6.0, 2.0), (2 * 6 - 1) / 2, rtol=1e-13)
    np.testing.assert_allclose(fd.grad(sp.perm)(6.0, 2.0), 2 * 6 - 1, rtol=1e-13)


@pytest.mark.parametrize(
    ("inverse", "function"),
    [(sp.gammaincinv, sp.gammainc), (sp.gammainccinv, sp.gammaincc), (sp.betaincinv, sp.betainc),
     (sp.betainccinv, sp.betaincc), (sp.ndtri_exp, sp.log_ndtr)],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_inverses(inverse: Any, function: Any) -> None:
    """f(a, inverse(a, p)) is p for every a: derivatives 1 in p, 0 in a, and 0 of second order."""
    point = (-1.3,) if inverse is sp.ndtri_exp else (1.7, 0.3) if inverse.nin == 2 else (1.7, 0.6, 0.3)
    identity = lambda *args: function(*args[:-1], inverse(*args))
    expected = [0.0] * (len(point) - 1) + [1.0]
    every = tuple(range(len(point)))
    np.testing.assert_allclose(fd.grad(identity, argnums=every)(*point), expected, atol=1e-12)
    np.testing.assert_allclose(
        fd.hessian(lambda v: identity(*v))(np.array(point)), np.zeros((len(point),) * 2), atol=1e-9
    )


def test_derivatives_that_are_not_known() -> None:
    here = r" at .*test_special_namespace.py:\d+"
    for name, f in (
        ("jv", lambda v: sp.jv(v, 1.0)), ("hyp1f1", lambda v: sp.hyp1f1(1.0, v, 0.5)),
        ("zeta", lambda v: sp.zeta(v, 2.0)), ("expn", lambda v: sp.expn(v, 2.0)),
    ):  # fmt: skip
        for g in (fd.grad(f), fd.jit(fd.grad(f))):
            with pytest.raises(
                UnsupportedError, match=rf"scipy.special.{name}{here}: its derivative in the argument '\w'"
            ):
                g(2.0)
    with pytest.raises(UnsupportedError, match="ellipkinc and ellipeinc, twice.*'m'"):
        fd.grad(fd.grad(sp.ellipkinc, argnums=1), argnums=1)(0.5, 0.5)
    assert fd.grad(lambda v: sp.jv(fd.stop_gradient(v), v))(2.0) == fd.grad(lambda x: sp.jv(2.0, x))(2.0)


def test_confluent_functions_of_huge_arguments_end() -> None:
    """SciPy's would take years."""
    f = fd.jit(sp.hyp1f1)
    for g in (f, lambda a, b, x: fd.jvp(lambda x: sp.hyp1f1(a, b, x), (x,), (1.0,))[0]):
        for x in (1e9, 1e300, np.inf):
            assert g(0.5, 1.5, x) == np.inf
            assert g(-0.5, 1.5, x) == -np.inf
            assert np.isnan(g(0.5, 1e7, x))
        np.testing.assert_allclose(g(-2.0, 3.0, 1e20), sp.hyp1f1(-2.0, 3.0, 1e20), rtol=1e-15)
        np.testing.assert_allclose(g(2.5, 1e12, 1e9), sp.hyp1f1(2.5, 1e12, 1e9), rtol=1e-15)


def test_what_is_not_taken() -> None:
    with pytest.raises(
        DtypeError, match=r"special.j0 at .*:\d+ takes real numbers where values are traced, got complex"
    ):
        fd.jit(sp.j0)(np.array([1j]))
    with pytest.raises(ArgumentError, match="scipy.special.comb at .*exact=True is of Python's integers"):
        fd.jit(lambda n: sp.comb(n, 2.0, exact=True))(3.0)
    with pytest.raises(ArgumentError, match="the argument 'd' must be a plain int, got"):
        fd.jit(lambda d: sp.multigammaln(3.0, d))(2)
    with pytest.raises(ArgumentError, match="factorial at .*extend='complex' is not available"):
        fd.jit(lambda n: sp.factorial(n, extend="complex"))(3.0)
    with pytest.raises(ArgumentError, match="spherical_jn at .*the order must be a plain integer"):
        fd.jit(lambda n: sp.spherical_jn(n, 1.0))(2.5)
    with pytest.raises(DtypeError, match=r"special.spherical_jn at .*:\d+ takes real numbers where values are traced"):
        fd.jit(lambda z: sp.spherical_jn(2, z))(1j)
    with (
        fd.config.backend("numba"),
        pytest.raises(UnsupportedError, match="the Numba backend has no j0, of scipy.special; use the native backend"),
    ):
        fd.jit(sp.j0)(1.0)
