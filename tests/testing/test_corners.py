"""What finite differences cannot tell is said, with the user's line."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import functad as fd
from functad.core.primitive import REGISTRY
from functad.testing import check_grads
from functad.testing.corners import KINKS

X = np.array([-1.0, 0.0, 1.0])


def message(f, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        check_grads(f, args, **kwargs)
    first, heading, *places = str(caught.value).split("\n")
    assert "finite differences give" in first and heading == "finite differences cannot tell here:"
    return places


def leaky(x):
    return np.sum(np.where(x > 0, x, 0.3 * x))


CASES = [
    (lambda x: np.sum(np.abs(x) * np.exp(x)), X, "absolute at {at} has a kink at 0, and is given 0.0 at [1]"),
    (lambda x: np.sum(np.abs(x)), X + 1e-5, "absolute at {at} has a kink at 0, and is given 1e-05 at [1]"),
    (
        lambda x: np.sum(np.maximum(2 * x, x) * np.exp(x)),
        X,
        "maximum at {at} has a kink where its operands are equal, and is given 0.0 at [1], 0.0 at [1]",
    ),
    (lambda x: np.max(x), np.ones(3), "max at {at} has a tie, and is given 1.0 at [0]"),
    (lambda x: np.min(np.sin(x)), np.ones(3), "min at {at} has a tie, and is given 0.8414709848078965 at [0]"),
    (lambda x: np.sort(x)[0] * 2, np.ones(3), "sort at {at} has ties, and is given f64[3]"),
    (lambda x: np.sum(np.floor(x)), X, "floor at {at} jumps at integers, and is given -1.0 at [0]"),
    (lambda x: np.sum(x % 0.5), X, "remainder at {at} jumps at multiples, and is given -1.0 at [0], 0.5"),
]


@pytest.mark.parametrize(("f", "x", "expected"), CASES)
def test_places(f, x, expected):
    lines, first = inspect.getsourcelines(f)
    places = message(f, x, order=1)
    assert any(p.startswith("- " + expected.split(" at {at}")[0] + f" at {__file__}:{first}") for p in places), places
    assert any(p.endswith(expected.partition("{at}")[2]) for p in places), places


def test_a_branch():
    (place,) = message(leaky, X, order=1)
    assert "gt at " in place and "`return np.sum(np.where(x > 0, x, 0.3 * x))` changes where its operands are" in place


def test_rounding():
    (place,) = message(lambda x: np.sum(x) + 1e13, X)
    assert place.startswith("- result is as large as 1e+13, so that its rounding alone makes the differences uncertain")


def test_saturation():
    @fd.custom_jvp
    def squashed(x):
        return np.tanh(x)

    squashed.defjvp(lambda primals, tangents: (np.tanh(primals[0]), tangents[0]))
    (place,) = message(squashed, 40.0)
    assert place == "- result does not change within the step: it is saturated, or constant, as far as digits go"


def test_a_wrong_derivative_of_a_smooth_function_is_just_wrong():
    @fd.custom_jvp
    def sine(x):
        return np.sin(x)

    sine.defjvp(lambda primals, tangents: (np.sin(primals[0]), tangents[0]))
    with pytest.raises(AssertionError) as caught:
        check_grads(sine, (0.5,))
    assert "\n" not in str(caught.value)


def test_all_kinks_are_those_of_primitives():
    assert KINKS.keys() <= REGISTRY.keys()
