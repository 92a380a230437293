"""Where singular primitives are so: points at which a value, or a factor of a derivative, is infinite or NaN though the
operands are finite.
"""

from __future__ import annotations

import itertools

import numpy as np

import functad as fd
import functad.primitives.scipy_special
from functad.core.primitive import REGISTRY
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pointwise

__all__ = ["ELEMENTWISE", "POINTS", "gives_up", "is_declared", "known", "points_of"]

GRID = (0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 1100.0, -1100.0, 1e-310)
"""Zeros and poles, ends of domains, where exponentials overflow, and the reciprocal of what is subnormal."""

HUGE = (1e16, -1e16, 1e300, -1e300)
"""Where functions of a library give up: there NaN is singular, an infinity is not, for any product overflows."""

NUMBER = array_type((), np.float64)


def params_of(name):
    """The params of the samples of an elementwise primitive, each once."""
    found = {}
    for sample in REGISTRY[name].samples():
        found.setdefault(tuple(sample.params.items()), sample.params)
    return list(found.values())


def is_elementwise(p):
    """Whether a primitive maps floating-point numbers to one."""
    samples = list(p.samples())
    numbers = samples and all(isinstance(o, ArrayType) and o.dtype.kind == "f" for o in samples[0].operands)
    if not numbers or not isinstance(p.kernel_rule(tuple(samples[0].operands), samples[0].params), Pointwise):
        return False
    return len(p.out_types((NUMBER,) * len(samples[0].operands), samples[0].params)) == 1


ELEMENTWISE = [name for name, p in sorted(REGISTRY.items()) if p.jvp is not None and is_elementwise(p)]


def arity(name):
    """How many operands it takes."""
    return len(next(iter(REGISTRY[name].samples())).operands)


def is_declared(name, params):
    """Whether a primitive is declared singular for numbers."""
    return bool(REGISTRY[name].signature((NUMBER,) * arity(name), params).singular)


def known(name):
    """The operands in which a derivative is known."""
    return [k for k in range(arity(name)) if k not in REGISTRY[name].undifferentiated]


def refused(p, point, params):
    """Whether evaluation raises."""
    try:
        if p.may_raise:
            p.evaluate(*map(np.float64, point), **params)
    except fd.errors.FunctadError:
        return True
    return False


def values_and_slopes(name, params, numbers):
    """All points of a grid, and for each the value and the derivatives that are known."""
    p = REGISTRY[name]
    points = np.array([x for x in itertools.product(numbers, repeat=arity(name)) if not refused(p, x, params)])

    def f(*moved):
        operands = [*points.T]
        for k, x in zip(known(name), moved, strict=True):
            operands[k] = x
        return p.bind(*operands, **params)

    with np.errstate(all="ignore"):
        value, pullback = fd.vjp(f, *[points[:, k] for k in known(name)])
        slopes = pullback(np.ones_like(value)) if known(name) else ()
    return points, np.stack([value, *slopes], axis=1)


def points_of(name, params):
    """The points of the grid that are singular, as (point, value)."""
    points, found = values_and_slopes(name, params, GRID)
    for i in np.flatnonzero(~np.all(np.isfinite(found), axis=1)):
        yield tuple(points[i].tolist()), found[i, 0]


def gives_up(name, params):
    """Whether a value or a derivative is NaN at huge numbers."""
    return bool(np.any(np.isnan(values_and_slopes(name, params, HUGE)[1])))


def chosen(name, params):
    """One singular point for each kind of value: a finite one, an infinite one of either sign, NaN."""
    kinds = {}
    for point, value in points_of(name, params):
        kinds.setdefault("finite" if np.isfinite(value) else str(value), point)
    return list(kinds.values())


POINTS = [(name, params, point) for name in ELEMENTWISE for params in params_of(name) for point in chosen(name, params)]
"""Primitives, params, and operands at which they are singular."""
