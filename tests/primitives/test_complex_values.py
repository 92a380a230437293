"""Complex elementwise functions: holomorphic derivatives against mpmath, sides of branch cuts, and the convention du/dx
- i du/dy.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from functad.primitives.arithmetic import div, mul, reciprocal, square
from functad.primitives.complex import conj, imag, make_complex, real
from functad.primitives.convert import convert
from functad.primitives.exponential import exp, exp2, expm1, log, log1p, log2, log10
from functad.primitives.hyperbolic import arccosh, arcsinh, arctanh, cosh, sinh, tanh
from functad.primitives.powers import integer_power, power, sqrt
from functad.primitives.rounding import absolute, sign
from functad.primitives.trigonometric import arccos, arcsin, arctan, cos, sin, tan
from tests.primitives.strict_derivatives import FORWARD, MODES, REVERSE, derivative, partial

mp = mpmath.mp.clone()
mp.prec = 400

RTOL = 1e-12
"""Some hundred roundings, twice as many as for real numbers; NumPy's complex functions are right to a few eps."""

HOLOMORPHIC = [
    ("square", square, lambda z: z * z),
    ("reciprocal", reciprocal, lambda z: 1 / z),
    ("exp", exp, mp.exp),
    ("exp2", exp2, lambda z: mp.mpf(2) ** z),
    ("expm1", expm1, lambda z: mp.exp(z) - 1),
    ("log", log, mp.log),
    ("log2", log2, lambda z: mp.log(z) / mp.log(2)),
    ("log10", log10, lambda z: mp.log(z) / mp.log(10)),
    ("log1p", log1p, lambda z: mp.log(1 + z)),
    ("sin", sin, mp.sin),
    ("cos", cos, mp.cos),
    ("tan", tan, mp.tan),
    ("arcsin", arcsin, mp.asin),
    ("arccos", arccos, mp.acos),
    ("arctan", arctan, mp.atan),
    ("sinh", sinh, mp.sinh),
    ("cosh", cosh, mp.cosh),
    ("tanh", tanh, mp.tanh),
    ("arcsinh", arcsinh, mp.asinh),
    ("arccosh", arccosh, mp.acosh),
    ("arctanh", arctanh, mp.atanh),
    ("sqrt", sqrt, mp.sqrt),
    ("z**3", lambda z: integer_power(z, 3), lambda z: z**3),
    ("z**-2", lambda z: integer_power(z, -2), lambda z: z**-2),
    ("z**(2+i)", lambda z: power(z, np.complex128(2 + 1j)), lambda z: z ** mp.mpc(2, 1)),
    ("(2+i)**z", lambda z: power(np.complex128(2 + 1j), z), lambda z: mp.mpc(2, 1) ** z),
]

POINTS = [0.3 + 0.4j, -0.6 + 1.2j, -2.0 - 0.7j, 1.5 - 2.0j]

CUTS = [
    # functions that jump across a cut along the real axis, or the imaginary one
    ("sqrt", sqrt, mp.sqrt, "real", [-2.0]),
    ("arcsin", arcsin, mp.asin, "real", [-2.0, 2.0]),
    ("arccos", arccos, mp.acos, "real", [-2.0, 2.0]),
    ("arccosh", arccosh, mp.acosh, "real", [-2.0, 0.5]),
    ("arcsinh", arcsinh, mp.asinh, "imaginary", [-2.0, 2.0]),
]


def difference(f: Any, z: Any, order: int) -> Any:
    """The derivative along the real axis, by central differences; precise to about 2^-120."""
    step = mp.ldexp(1, -60)
    return (difference(f, z + step, order - 1) - difference(f, z - step, order - 1)) / (2 * step) if order else f(z)


def assert_near(found: Any, expected: Any, what: str) -> None:
    assert abs(mp.mpc(complex(found)) - expected) <= RTOL * abs(expected), (
        f"{what} is {found!r}, expected {mp.nstr(expected, 17)}"
    )


@pytest.mark.parametrize(("f", "reference"), [c[1:] for c in HOLOMORPHIC], ids=[c[0] for c in HOLOMORPHIC])
def test_holomorphic(f: Any, reference: Any) -> None:
    for z in POINTS:
        for order in range(4):
            expected = difference(reference, mp.mpc(z), order)
            for mode, modes in MODES.items():
                assert_near(
                    derivative(f, (0,) * order, modes)(np.complex128(z)),
                    expected,
                    f"derivative {order} at {z}, {mode},",
                )


@pytest.mark.parametrize(("f", "reference", "axis", "points"), [c[1:] for c in CUTS], ids=[c[0] for c in CUTS])
def test_sign_of_zero_tells_the_side_of_a_cut(f: Any, reference: Any, axis: str, points: list[float]) -> None:
    for x in points:
        for side in (1.0, -1.0):
            edge = mp.ldexp(side, -150)  # beside the cut, far closer than a difference steps along it
            z = complex(x, side * 0.0) if axis == "real" else complex(side * 0.0, x)
            beside = mp.mpc(x, edge) if axis == "real" else mp.mpc(edge, x)
            along = 1 if axis == "real" else mp.j
            step = mp.ldexp(1, -60)
            expected = (reference(beside + step * along) - reference(beside - step * along)) / (2 * step * along)
            assert_near(derivative(f)(np.complex128(z)), expected, f"the derivative at {z!r}")


def gradient(f: Any, z: complex, mode: bool = REVERSE) -> complex:
    """The gradient of a real function of a complex number: the pullback of 1, or two tangents."""
    if mode == REVERSE:
        return complex(partial(f, 0, REVERSE)(np.complex128(z)))

    def of_parts(x: Any, y: Any) -> Any:
        return f(make_complex(x, y))

    x, y = np.float64(z.real), np.float64(z.imag)
    return complex(partial(of_parts, 0, FORWARD)(x, y), -partial(of_parts, 1, FORWARD)(x, y))


REAL_VALUED = [
    # f, and du/dx - i du/dy of it
    ("real", real, lambda z: 1),
    ("imag", imag, lambda z: -1j),
    ("real conj", lambda z: real(conj(z)), lambda z: 1),
    ("imag conj", lambda z: imag(conj(z)), lambda z: 1j),
    ("abs", absolute, lambda z: z.conjugate() / abs(z)),
    ("abs squared", lambda z: real(mul(z, conj(z))), lambda z: 2 * z.conjugate()),
    ("square of abs", lambda z: square(absolute(z)), lambda z: 2 * z.conjugate()),
    ("real square", lambda z: real(square(z)), lambda z: 2 * z),
    ("imag square", lambda z: imag(square(z)), lambda z: -2j * z),
    ("real exp", lambda z: real(exp(z)), np.exp),
    ("log abs", lambda z: log(absolute(z)), lambda z: 1 / z),
    ("real sign", lambda z: real(sign(z)), lambda z: z.imag * (z.imag + 1j * z.real) / abs(z) ** 3),
    ("imag sign", lambda z: imag(sign(z)), lambda z: -z.real * (z.imag + 1j * z.real) / abs(z) ** 3),
    ("angle by log", lambda z: imag(log(z)), lambda z: -1j / z),
    (
        "real part of a converted real part",
        lambda z: real(mul(convert(real(z), np.complex128), z)),
        lambda z: 2 * z.real,
    ),
    ("real of a quotient", lambda z: real(div(conj(z), z)), lambda z: 1 / z.conjugate() - z.conjugate() / z**2),
]


@pytest.mark.parametrize("mode", [REVERSE, FORWARD], ids=["reverse", "forward"])
@pytest.mark.parametrize(("f", "expected"), [c[1:] for c in REAL_VALUED], ids=[c[0] for c in REAL_VALUED])
def test_gradient_is_du_dx_minus_i_du_dy(f: Any, expected: Any, mode: bool) -> None:
    for z in POINTS:
        assert gradient(f, z, mode) == pytest.approx(expected(z), rel=1e-14)
