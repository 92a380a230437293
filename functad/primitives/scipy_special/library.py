"""How a function of ``scipy.special`` is made a primitive: by its name and its derivatives (``library``), or by a
formula (``in_double``), in float64 whatever the dtype.

Values of the first kind are SciPy's own, natively too: compiled code calls the C function that SciPy exports, element
by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.special
import scipy.special._ufuncs

from functad.core.primitive import Sample
from functad.ir.types import array_type
from functad.kernel_ir.ops import library_operation
from functad.kernel_ir.rules import Pointwise
from functad.kernel_ir.scipy_functions import special_function, special_result, ufunc_function
from functad.primitives.elementwise import Op, TangentRule, Unknown, elementwise, formula

__all__ = [
    "DECLARED", "either", "in_double", "library", "library_result", "loop", "loop_operation", "operation", "polynomial",
    "unknown",
]  # fmt: skip

DECLARED: list[str] = []
"""The names of all that is declared here."""

Rules = Sequence[TangentRule | None] | TangentRule | None


def operation(name: str, count: int) -> str:
    """``scipy.special.<name>`` of numbers of float64 as an operation of the kernel IR, for formulas."""
    function: Any = getattr(scipy.special, name)
    return library_operation(f"scipy.{name}", count, function, lambda: special_function(name, count))


def library(name: str, jvp: Rules, **traits: Any) -> Op:
    """The primitive that ``scipy.special.<name>`` is; ``traits`` are those of ``elementwise``."""
    count = len(jvp) if isinstance(jvp, Sequence) else 1
    return _called(name, operation(name, count), getattr(scipy.special, name), count, jvp, traits)


def loop_operation(ufunc: str, count: int) -> str:
    """A private ufunc of SciPy's, of numbers of float64, as an operation of the kernel IR."""
    function: Any = getattr(scipy.special._ufuncs, ufunc)
    return library_operation(f"scipy.{ufunc}", count, function, lambda: ufunc_function(ufunc, count))


def library_result(name: str, results: int, result: int, as_name: str, jvp: Rules, **traits: Any) -> Op:
    """The primitive that one of several results of a function of one operand is."""
    function: Any = getattr(scipy.special, name)

    def one(x: Any) -> Any:
        return function(x)[result]

    called = library_operation(f"scipy.{as_name}", 1, one, lambda: special_result(name, 1, results, result))
    return _called(as_name, called, one, 1, jvp, traits)


def loop(name: str, ufunc: str, jvp: Rules, **traits: Any) -> Op:
    """The primitive that a private ufunc of SciPy's is: what its functions call that are no ufuncs."""
    count = len(jvp) if isinstance(jvp, Sequence) else 1
    return _called(name, loop_operation(ufunc, count), getattr(scipy.special._ufuncs, ufunc), count, jvp, traits)


def _called(name: str, called: str, function: Any, count: int, jvp: Rules, traits: dict[str, Any]) -> Op:
    def evaluate(*xs: Any) -> Any:
        dtype = xs[0].dtype
        if dtype == np.float64:
            return function(*xs)
        return function(*[np.asarray(x, np.float64) for x in xs]).astype(dtype)

    def kernel(b: Any, *xs: Any) -> Any:
        return b.cast(b.compute(called, *[b.cast(x, np.float64) for x in xs]), xs[0].dtype)

    return _elementwise(name, evaluate, count, jvp, Pointwise(kernel), traits)


def in_double(name: str, kernel: Callable[..., Any], jvp: Rules, static: tuple[str, ...] = (), **traits: Any) -> Op:
    """The primitive of a formula in operations of the kernel IR, on values of float64; its params are ``static``."""

    def wide(b: Any, *xs: Any, **params: Any) -> Any:
        return b.cast(kernel(b, *[b.cast(x, np.float64) for x in xs], **params), xs[0].dtype)

    count = len(jvp) if isinstance(jvp, Sequence) else 1
    return _elementwise(name, formula(wide), count, jvp, Pointwise(wide, static=static), traits)


def _elementwise(name: str, evaluate: Any, count: int, jvp: Rules, kernel: Pointwise, traits: dict[str, Any]) -> Op:
    samples = _samples(count, traits)
    DECLARED.append(name)
    traits = {"singular": True, "samples": samples, **traits}
    return elementwise(name, evaluate, kinds="f", operands=count, jvp=jvp, kernel=kernel, **traits)


def polynomial(b: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """``c[0] + c[1] x + c[2] x^2 + ...``."""
    *others, value = coefficients
    for c in reversed(others):
        value = b.add(b.mul(x, value), c)
    return value


def _samples(operands: int, traits: dict[str, Any]) -> Callable[[], list[Sample]]:
    """A rank-0 operand among arrays, no elements, and single precision: evaluation takes long, and no dtype has a loop
    of its own. ``largest`` is for functions of SciPy's that do not end at larger operands.
    """
    low, high, smooth = traits.get("low", 0.5), traits.get("high", 2.0), traits.get("smooth", True)
    params, largest = traits.pop("params", ({},)), traits.pop("largest", math.inf)

    def samples() -> list[Sample]:
        vector, scalar = array_type((2,), np.float64), array_type((), np.float64)
        shapes = [[scalar, *[vector] * (operands - 1)]] * len(params)
        shapes += [[array_type((0,), np.float64)] * operands, [array_type((2,), np.float32)] * operands]
        chosen = [*params, params[0], params[0]]
        return [
            Sample(tuple(s), dict(p), low, high, smooth, largest=largest) for s, p in zip(shapes, chosen, strict=True)
        ]

    return samples


def either(b: Any, p: Any, x: float, y: float) -> Any:
    """One number or the other."""
    return b.select(p, b.const(x, np.float64), y)


def unknown(function: str, argument: str, package: str = "scipy.special") -> Unknown:
    """The rule for an argument in which no derivative is known."""
    return Unknown(f"{package}.{function}", argument)
