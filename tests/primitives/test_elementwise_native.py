"""Native code of elementwise functions and their derivatives against the evaluator at special values: zeros,
infinities, NaN, extremes.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from functad.core.evaluator import run_program
from functad.core.primitive import type_of
from functad.lower.backends import execute
from functad.primitives.rounding import fmod, remainder
from functad.primitives.selection import clip, maximum, minimum
from functad.primitives.special import lgamma
from functad.transforms.programs import trace_program
from tests.primitives.strict_derivatives import FORWARD, REVERSE, partial
from tests.primitives.test_elementwise_values import BINARY, UNARY

SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -1.5,
    3.0,
    1e-310,
    1e-200,
    1e200,
    -1e200,
    700.0,
    -700.0,
    1e4,
    -1e4,
    np.inf,
    -np.inf,
    np.nan,
]

RTOL = 5e-13
"""For the error of both, and for fused multiply-adds, in sums of a few products."""


def assert_native_equals_evaluator(f: Any, values: list[np.ndarray], rtol: float, scale: float) -> None:
    program = trace_program(lambda *xs: [f(*xs)], [type_of(x) for x in values])
    with np.errstate(all="ignore"):
        (expected,) = run_program(program, values)
    (found,) = execute(program, values)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=scale * rtol)


@pytest.mark.parametrize("modes", [(), (REVERSE,), (FORWARD, REVERSE)], ids=["value", "gradient", "second"])
@pytest.mark.parametrize("f", [c[1] for c in UNARY], ids=[c[0] for c in UNARY])
def test_unary(f: Any, modes: tuple[bool, ...]) -> None:
    given = f
    for mode in modes:
        f = partial(f, 0, mode)
    odd = (
        (1e-310, -np.inf) if given is lgamma else ()
    )  # where SciPy's, the evaluator's, is inf and -inf, and C's is right
    assert_native_equals_evaluator(f, [np.array([x for x in SPECIAL if x not in odd])], RTOL, scale=0)


CHOICES = [
    ("maximum", maximum),
    ("minimum", minimum),
    ("remainder", remainder),
    ("fmod", fmod),
    ("clip", lambda x, y: clip(x, -1, y)),
]


@pytest.mark.parametrize("positions", [(), (0,), (1,), (0, 1)], ids=["value", "in x", "in y", "mixed"])
@pytest.mark.parametrize("f", [c[1] for c in (*BINARY, *CHOICES)], ids=[c[0] for c in (*BINARY, *CHOICES)])
def test_binary(f: Any, positions: tuple[int, ...]) -> None:
    for position in positions:
        f = partial(f, position, REVERSE)
    x, y = np.array(list(itertools.product(SPECIAL, repeat=2))).T.copy()
    assert_native_equals_evaluator(
        f, [x, y], RTOL, scale=1 if len(positions) == 2 else 0
    )  # mixed derivatives are differences
