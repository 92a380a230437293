"""NumPy's functions that call a function for each element, line or place: these map it, as ``vmap`` does."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.api.vectorize import vmap
from functad.core.tracer import Tracer
from functad.errors import ArgumentError
from functad.front.calls import twin
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import implements, stands_for
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here, is_traced

__all__: list[str] = []

# -- vectorize ---------------------------------------------------------------------------------------------------------


@stands_for(np.vectorize)
class vectorize(np.vectorize):
    """``numpy.vectorize``, of traced values, too: the function is mapped over all elements at once.

    The dtype of its results is that of the mapped function, not of its value for the first element.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return of_elements(self, *args, **kwargs)


_plain_call = np.vectorize.__call__


@stands_for(_plain_call)
def of_elements(v: np.vectorize, *args: Any, **kwargs: Any) -> Any:
    """A call of a vectorized function."""
    if not is_traced(args) and not is_traced(kwargs.values()):
        return _plain_call(v, *args, **kwargs)
    places = [k for k in range(len(args)) if k not in v.excluded]
    names = [k for k in kwargs if k not in v.excluded]

    def f(*mapped: Any) -> Any:
        given, named = list(args), dict(kwargs)
        for k, x in zip(places, mapped, strict=False):
            given[k] = x
        named.update(zip(names, mapped[len(places) :], strict=True))
        return twin(v.pyfunc)(*given, **named)

    xs = [as_array(x, "vectorize") for x in (*[args[k] for k in places], *[kwargs[k] for k in names])]
    core = [0] * len(xs) if v.signature is None else _core_axes(v.signature, len(xs))
    found = _over_lead(f, xs, core)
    if v.otypes is None:
        return found
    several = isinstance(found, tuple)
    typed = [cast(y, np.dtype(t)) for y, t in zip(found if several else (found,), v.otypes, strict=True)]
    return tuple(typed) if several else typed[0]


def _core_axes(signature: str, count: int) -> list[int]:
    """How many axes of each argument the function takes."""
    groups = re.findall(r"\(([^)]*)\)", signature.split("->")[0])
    if len(groups) != count:
        raise ArgumentError(f"np.vectorize{here()}: {count} arguments for the signature {signature!r}")
    return [len([n for n in group.split(",") if n.strip()]) for group in groups]


def _over_lead(f: Callable[..., Any], xs: list[Any], core: list[int]) -> Any:
    """The function mapped over all axes in front of those that it takes, which are broadcast."""
    leads = [shape_of(x)[: len(shape_of(x)) - n] for x, n in zip(xs, core, strict=True)]
    lead = np.broadcast_shapes(*leads)
    if not lead:
        return f(*xs)
    rows = []
    for x, own in zip(xs, leads, strict=True):
        rest = shape_of(x)[len(own) :]
        rows.append(fnp.reshape(fnp.broadcast_to(x, (*lead, *rest)), (prod(lead), *rest)))
    found = vmap(f)(*rows)
    several = isinstance(found, tuple)
    shaped = [fnp.reshape(y, (*lead, *shape_of(y)[1:])) for y in (found if several else (found,))]
    return tuple(shaped) if several else shaped[0]


# -- lines and axes ----------------------------------------------------------------------------------------------------


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``numpy.apply_along_axis``: a function mapped over all lines along an axis."""
    x = as_array(arr, "apply_along_axis")
    axis = normal_axis(axis, len(shape_of(x)), "apply_along_axis")
    lines = fnp.moveaxis(x, axis, -1)
    y = _over_lead(lambda line: fnp.asarray(twin(func1d)(line, *args, **kwargs)), [lines], [1])
    new = len(shape_of(y)) - (len(shape_of(x)) - 1)
    last = range(len(shape_of(y)) - new, len(shape_of(y)))
    return fresh_array(fnp.moveaxis(y, tuple(last), tuple(range(axis, axis + new))))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """``numpy.apply_over_axes``: a function applied over one axis after the other, all of which are kept."""
    x = as_array(a, "apply_over_axes")
    ndim = len(shape_of(x))
    for axis in np.atleast_1d(axes).tolist():
        place = normal_axis(axis, ndim, "apply_over_axes")
        y = twin(func)(x, place)
        x = y if len(shape_of(y)) == ndim else fnp.expand_dims(y, place)
        if len(shape_of(x)) != ndim:
            raise ArgumentError(f"np.apply_over_axes{here()}: the function does not return an array of the right shape")
    return x


# -- choices and places ------------------------------------------------------------------------------------------------


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """``numpy.piecewise``: each function is called with all elements, and counts where its condition holds."""
    at = as_array(x, "piecewise")
    conditions = _conditions(condlist, at)
    if len(conditions) == len(funclist) - 1:
        conditions.append(~fnp.any(fnp.stack(conditions), 0))
    if len(conditions) != len(funclist):
        raise ArgumentError(
            f"np.piecewise{here()}: {len(conditions)} conditions go with as many functions, or one more; got "
            f"{len(funclist)}"
        )
    y = fnp.zeros_like(at)
    for condition, f in zip(conditions, funclist, strict=True):
        value = twin(f)(at, *args, **kw) if callable(f) else f
        y = fnp.where(condition, cast(as_array(value, "piecewise"), at.dtype), y)
    return fresh_array(y)


def _conditions(condlist: Any, x: Any) -> list[Any]:
    several = isinstance(condlist, list | tuple) or (
        isinstance(condlist, np.ndarray | Tracer) and condlist.ndim > x.ndim
    )
    if several and not (x.ndim and not isinstance(condlist[0], list | tuple | np.ndarray | Tracer)):
        return [cast(as_array(c, "piecewise"), np.dtype(np.bool_)) for c in condlist]
    return [cast(as_array(condlist, "piecewise"), np.dtype(np.bool_))]


@stands_for(np.fromfunction)
def fromfunction(function: Callable[..., Any], shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """``numpy.fromfunction``: a function of the indices of all elements."""
    return twin(function)(*np.indices(shape, dtype=dtype), **kwargs)
