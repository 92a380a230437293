"""Every elementwise primitive's derivatives to third order against mpmath, over its whole range; natively to first
order.

An error is measured in roundings: 2^-53 of the derivative, and of what it changes by when an operand changes by half an
ulp, since no algorithm can be asked for more where terms of either sign must cancel (where a derivative is zero).
Beside that everything counts relatively, a derivative of 1e-200 too; only below the smallest normal number it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.primitive import REGISTRY, Primitive, Sample, type_of
from functad.ir.types import ArrayType
from functad.kernel_ir.rules import Pointwise
from functad.lower.backends import execute
from functad.primitives.scipy_special.library import DECLARED
from functad.transforms.programs import trace_program
from tests.primitives.derivative_references import (
    BINARY,
    COMPLEX,
    COMPLEX_POINTS,
    EXEMPT,
    REAL,
    SMALLEST_NORMAL,
    UNARY,
    Reference,
    mp,
)
from tests.primitives.strict_derivatives import MODES, REVERSE, derivative, partial

ROUNDINGS = {1: 6, 2: 12, 3: 24}
"""By order: a derivative is a sum of a few products of a few factors that are right to 2 ulp."""

NATIVE = 8

UNARY_CASES = [(name, r) for name, given in UNARY.items() for r in (given if isinstance(given, list) else [given])]
ORDERS = [(0,), (1,), (0, 0), (0, 1), (1, 1), (0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)]


def is_pointwise(primitive: Primitive, sample: Sample) -> bool:
    if not all(isinstance(o, ArrayType) for o in sample.operands):
        return False
    return isinstance(primitive.kernel_rule(sample.operands, sample.params), Pointwise)


def identify(value: Any) -> str:
    return value if isinstance(value, str) else "-".join(map(str, value.params.values()))


def test_every_differentiable_elementwise_primitive_is_compared() -> None:
    """A new primitive needs a line in ``derivative_references``, or a reason why not; those of SciPy's functions are in
    ``tests/scipy/test_special_accuracy``.
    """
    elementwise = {
        name for name, p in REGISTRY.items() if p.jvp is not None and any(is_pointwise(p, s) for s in p.samples())
    } - {*DECLARED}
    assert not {*UNARY, *BINARY} & {*EXEMPT}
    assert {*UNARY, *BINARY, *EXEMPT} == elementwise


def test_every_holomorphic_primitive_is_compared_at_complex_points() -> None:
    takes_complex = {
        name
        for name in UNARY
        if any(np.dtype(o.dtype).kind == "c" for s in REGISTRY[name].samples() for o in s.operands)
    }
    assert {*COMPLEX} == takes_complex - {"absolute", "sign", "integer_power"}  # of which the last is made of products


def applied(name: str, reference: Reference) -> Callable[..., Any]:
    return lambda *xs: REGISTRY[name].bind(*xs, **reference.params)


def compare(
    name: str,
    reference: Reference,
    points: Sequence[tuple[Any, ...]],
    found: np.ndarray,
    positions: tuple[int, ...],
    roundings: float,
) -> None:
    """Compare derivatives at points; where the exact one overflows, or its terms do, there is nothing to compare."""
    for point, got in zip(points, found.tolist(), strict=True):
        xs = tuple(map(mp.mpmathify, point))
        if reference.terms is not None and reference.terms(positions, *xs) >= 2**1022:
            continue
        exact = reference.exact(xs, positions)
        where = f"the derivative of {name} in {positions} at {point} is {got!r}, expected {mp.nstr(exact, 20)}"
        if mp.isnan(exact):  # a pole: among the special points
            continue
        if abs(exact) >= 2**1023:
            assert isinstance(got, complex) or abs(got) >= 2.0**1022, (
                where
            )  # the parts of a complex infinity may be NaN
            continue
        assert np.isfinite(got), where
        error, unit = abs(mp.mpmathify(got) - exact), mp.ldexp(abs(exact), -53) + SMALLEST_NORMAL
        if error > roundings * unit:
            change = sum(abs(x * reference.exact(xs, (*positions, i))) for i, x in enumerate(xs))
            assert error <= roundings * (unit + mp.ldexp(change, -54)), f"{where}: {mp.nstr(error / unit, 3)} roundings"


def columns(points: Sequence[tuple[Any, ...]]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*points, strict=True)]


def native(f: Callable[..., Any], arrays: Sequence[np.ndarray]) -> np.ndarray:
    (found,) = execute(trace_program(lambda *xs: [f(*xs)], [type_of(x) for x in arrays]), list(arrays))
    return found


@pytest.mark.one_in(9)
@pytest.mark.parametrize(("name", "reference"), UNARY_CASES, ids=identify)
def test_functions_of_one_operand(name: str, reference: Reference) -> None:
    f = applied(name, reference)
    candidates = dict.fromkeys((*REAL, *reference.points))
    points = [(x,) for x in candidates if reference.low <= x <= reference.high and x not in reference.special]
    for order in (1, 2, 3):
        found = derivative(f, (0,) * order, MODES["mixed"])(*columns(points))
        compare(name, reference, points, found, (0,) * order, ROUNDINGS[order] * reference.slack)
    compare(
        f"native {name}",
        reference,
        points,
        native(partial(f, 0, REVERSE), columns(points)),
        (0,),
        NATIVE * reference.slack,
    )


@pytest.mark.one_in(28)
@pytest.mark.parametrize(("name", "reference"), BINARY.items(), ids=identify)
def test_functions_of_two_operands(name: str, reference: Reference) -> None:
    f, arrays = applied(name, reference), columns(reference.points)
    for positions in ORDERS:
        found = derivative(f, positions, MODES["mixed"])(*arrays)
        compare(name, reference, reference.points, found, positions, ROUNDINGS[len(positions)] * reference.slack)
    for k in (0, 1):
        compare(
            f"native {name}",
            reference,
            reference.points,
            native(partial(f, k, REVERSE), arrays),
            (k,),
            NATIVE * reference.slack,
        )


@pytest.mark.parametrize(("name", "reference"), COMPLEX.items(), ids=identify)
def test_functions_of_a_complex_operand(name: str, reference: Reference) -> None:
    points = [(z,) for z in COMPLEX_POINTS]
    for order in (1, 2):
        found = derivative(applied(name, reference), (0,) * order)(*columns(points))
        compare(
            name, reference, points, found, (0,) * order, ROUNDINGS[order] * 2
        )  # a product of complex numbers rounds twice


SPECIAL = [
    *[
        (name, r, (x,), (0,) * k, values[k - 1])
        for name, r in UNARY_CASES
        for x, values in r.special.items()
        if values
        for k in (1, 2, 3)
    ],
    *[
        (name, r, point, positions, value)
        for name, r in BINARY.items()
        for point, v in r.special.items()
        for positions, value in v.items()
    ],
]


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_singular_points_and_infinities(name: str) -> None:
    """There derivatives are limits, or NaN where there is none; natively, too, at first order."""
    for primitive, reference, point, positions, value in SPECIAL:
        if primitive != name or value is None:
            continue
        f, arrays = applied(name, reference), columns([point])
        found = [derivative(f, positions, modes)(*arrays)[0] for modes in MODES.values()]
        if len(positions) == 1:
            found.append(native(partial(f, positions[0], REVERSE), arrays)[0])
        for got in found:
            assert got == value or (np.isnan(got) and np.isnan(value)), (
                f"the derivative of {name} in {positions} at {point} is {got}, not {value}"
            )
