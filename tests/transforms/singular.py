"""Where singular primitives are so: points at which a value, or a factor of a derivative, is infinite or NaN though the
operands are finite.
"""

from __future__ import annotations

import itertools

import numpy as np

import functad as fd
from functad.core.primitive import REGISTRY
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pointwise

__all__ = ["ELEMENTWISE", "POINTS", "is_declared", "points_of"]

GRID = (0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 1100.0, -1100.0, 1e-310)
"""Zeros and poles, ends of domains, where exponentials overflow, and the reciprocal of what is subnormal."""

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


def points_of(name, params):
    """The points of the grid that are singular, as (point, value)."""
    n = arity(name)
    for point in itertools.product(GRID, repeat=n):
        with np.errstate(all="ignore"):
            try:
                value, slopes = fd.value_and_grad(lambda *x: REGISTRY[name].bind(*x, **params), range(n))(*point)
            except fd.errors.FunctadError:
                continue
        if not np.all(np.isfinite([value, *slopes])):
            yield point, value


def chosen(name, params):
    """One singular point for each kind of value: a finite one, an infinite one of either sign, NaN."""
    kinds = {}
    for point, value in points_of(name, params):
        kinds.setdefault("finite" if np.isfinite(value) else str(value), point)
    return list(kinds.values())


POINTS = [(name, params, point) for name in ELEMENTWISE for params in params_of(name) for point in chosen(name, params)]
"""Primitives, params, and operands at which they are singular."""
