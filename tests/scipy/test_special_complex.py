"""Functions of ``scipy.special`` of complex numbers: SciPy's values to the last bit, derivatives against mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import functad as fd
from functad.errors import ArgumentError, DtypeError, UnsupportedError

mp = mpmath.mp.clone()
mp.dps = 40

POINTS = np.array([0.7 + 0.4j, -2.3 + 1.1j, -1.4 - 0.02j, 3.1 - 2.7j, 0.1 - 4.0j, 9.0 + 1.5j, -7.0 - 0.5j, 1e-3j])


def of_order(f: Any, v: float) -> Callable[..., Any]:
    return lambda z: f(v, z)


def result(f: Any, k: int) -> Callable[..., Any]:
    return lambda z: f(z)[k]


def faddeeva(z: Any) -> Any:
    return mp.exp(-z * z) * mp.erfc(-1j * z)


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "gamma": (sp.gamma, mp.gamma),
    "loggamma": (sp.loggamma, mp.loggamma),
    "rgamma": (sp.rgamma, mp.rgamma),
    "psi": (sp.psi, mp.psi0 if hasattr(mp, "psi0") else lambda z: mp.psi(0, z)),
    "erf": (sp.erf, mp.erf),
    "erfc": (sp.erfc, mp.erfc),
    "erfcx": (sp.erfcx, lambda z: mp.exp(z * z) * mp.erfc(z)),
    "erfi": (sp.erfi, mp.erfi),
    "dawsn": (sp.dawsn, lambda z: mp.sqrt(mp.pi) / 2 * mp.exp(-z * z) * mp.erfi(z)),
    "wofz": (sp.wofz, faddeeva),
    "ndtr": (sp.ndtr, lambda z: mp.erfc(-z / mp.sqrt(2)) / 2),
    "exp1": (sp.exp1, mp.e1),
    "expi": (sp.expi, mp.ei),
    "si": (result(sp.sici, 0), mp.si),
    "ci": (result(sp.sici, 1), mp.ci),
    "shi": (result(sp.shichi, 0), mp.shi),
    "chi": (result(sp.shichi, 1), mp.chi),
    "fresnel s": (result(sp.fresnel, 0), mp.fresnels),
    "fresnel c": (result(sp.fresnel, 1), mp.fresnelc),
    "spence": (sp.spence, lambda z: mp.polylog(2, 1 - z)),
    "airy ai": (result(sp.airy, 0), mp.airyai),
    "airy bi'": (result(sp.airy, 3), lambda z: mp.airybi(z, derivative=1)),
    "jv": (of_order(sp.jv, 1.5), of_order(mp.besselj, 1.5)),
    "yv": (of_order(sp.yv, 0.5), of_order(mp.bessely, 0.5)),
    "iv": (of_order(sp.iv, 2.0), of_order(mp.besseli, 2.0)),
    "kv": (of_order(sp.kv, 0.3), of_order(mp.besselk, 0.3)),
    "kve": (of_order(sp.kve, 0.3), lambda z: mp.besselk(0.3, z) * mp.exp(z)),
    "hankel1": (of_order(sp.hankel1, 1.0), of_order(mp.hankel1, 1.0)),
    "hankel2e": (of_order(sp.hankel2e, 0.5), lambda z: mp.hankel2(0.5, z) * mp.exp(1j * z)),
    "hyp0f1": (of_order(sp.hyp0f1, 1.5), of_order(mp.hyp0f1, 1.5)),
    "hyp1f1": (lambda z: sp.hyp1f1(0.5, 1.5, z), lambda z: mp.hyp1f1(0.5, 1.5, z)),
    "hyp2f1": (lambda z: sp.hyp2f1(0.5, 1.5, 2.5, 0.2 * z), lambda z: mp.hyp2f1(0.5, 1.5, 2.5, mp.mpf(0.2) * z)),
    "lambertw": (sp.lambertw, mp.lambertw),
    "lambertw -1": (lambda z: sp.lambertw(z, -1), lambda z: mp.lambertw(z, -1)),
    "lambertw 2": (lambda z: sp.lambertw(z, k=2), lambda z: mp.lambertw(z, 2)),
    "wrightomega": (sp.wrightomega, lambda z: mp.lambertw(mp.exp(z), mp.ceil((mp.im(z) - mp.pi) / (2 * mp.pi)))),
}


def slope(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda z: fd.jvp(f, (z,), (np.ones_like(z),))[1]


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name: str) -> None:
    f, exact = CASES[name]
    expected = f(POINTS)
    for g in (fd.jit(f), lambda z: fd.jvp(f, (z,), (z,))[0], fd.jit(fd.vmap(f))):
        np.testing.assert_array_equal(g(POINTS), expected)
    single = POINTS.astype(np.complex64)
    np.testing.assert_array_equal(fd.jit(f)(single), f(single))
    first, second = fd.jit(slope(f))(POINTS), slope(slope(f))(POINTS)
    for z, d1, d2 in zip(POINTS, first, second, strict=True):
        at = mp.mpc(z)
        for order, found in ((1, d1), (2, d2)):
            value = mp.diff(exact, at, order)
            size = abs(value) + abs(at * mp.diff(exact, at, order + 1))
            assert abs(found - value) <= 10.0 ** (order - 13) * size, f"{name}, order {order}, at {z}: {found}, {value}"
    pulled = fd.vjp(f, POINTS)[1](np.ones_like(expected))[0]
    np.testing.assert_allclose(pulled, first, rtol=1e-12)


def test_faddeeva_far_from_zero() -> None:
    """Where w' is small beside its two terms."""
    points = np.array([40.0 + 3.0j, 1e4 - 1e-3j, -300.0 + 0.5j, 8.0 - 1.0j])
    for z, found in zip(points, fd.jit(slope(sp.wofz))(points), strict=True):
        value = mp.diff(faddeeva, mp.mpc(z))
        assert abs(found - value) <= 1e-13 * abs(value), f"{z}: {found}, {value}"


def test_zeros_and_poles() -> None:
    zero = np.zeros(1, complex)
    np.testing.assert_allclose(slope(sp.lambertw)(zero), 1)
    np.testing.assert_allclose(slope(slope(sp.lambertw))(zero), -2)
    np.testing.assert_allclose(slope(slope(slope(result(sp.sici, 0))))(zero), -1 / 3)
    np.testing.assert_allclose(slope(slope(sp.spence))(zero + 1), 0.5)
    np.testing.assert_allclose(slope(sp.rgamma)(np.array([0j, -1, -2])), [1, -1, 2])
    np.testing.assert_array_equal(fd.jit(sp.xlogy)(zero, zero), sp.xlogy(zero, zero))


def test_lambertw() -> None:
    """Real numbers become complex ones; every branch; branches that differ between elements."""
    x = np.array([0.3, 2.0, -0.2])
    found = fd.jit(sp.lambertw)(x)
    assert found.dtype == np.complex128
    np.testing.assert_array_equal(found, sp.lambertw(x))
    k = np.array([[-1], [0], [3]])
    np.testing.assert_array_equal(fd.jit(lambda z: sp.lambertw(z, k))(x), sp.lambertw(x, k))
    w = fd.jit(fd.grad(lambda x: np.real(sp.lambertw(x, -1))))(-0.2)
    exact = sp.lambertw(-0.2, -1).real
    np.testing.assert_allclose(w, exact / (-0.2 * (1 + exact)), rtol=1e-14)
    with pytest.raises(ArgumentError, match="lambertw at .*: the branches must be plain integers, got Tracer"):
        fd.jit(lambda k: sp.lambertw(1.0, k))(1)


def test_real_numbers_where_values_are_complex() -> None:
    x = np.array([0.5, 2.0])
    for f in (sp.wofz, of_order(sp.hankel1, 1.0)):
        np.testing.assert_array_equal(fd.jit(f)(x), f(x))
    slopes = fd.grad(lambda x: np.sum(np.imag(sp.wofz(x))))(x)  # 2 / sqrt(pi) times Dawson's integral
    np.testing.assert_allclose(slopes, 2 / np.sqrt(np.pi) * (1 - 2 * x * sp.dawsn(x)), rtol=1e-13)


def test_what_is_not_taken() -> None:
    with pytest.raises(DtypeError, match=r"jv at .*:\d+ takes real numbers before the last one where"):
        fd.jit(lambda v: sp.jv(v, 1.0 + 1j))(1j)
    with pytest.raises(UnsupportedError, match="scipy.special.jv at .*its derivative in the argument 'v'"):
        fd.grad(lambda v: np.real(sp.jv(v, 1.0 + 1j)))(0.5)
    with pytest.raises(DtypeError, match=r"special.ive at .*:\d+ takes real numbers where values are traced"):
        fd.jit(lambda z: sp.ive(1.0, z))(1j)
