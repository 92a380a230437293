"""Of what kinds the params of a primitive are, those of its samples, and how many operands it takes.

A type rule looks at what types depend on. Code that is made for an equation counts on the rest, too: that a number is a
number, and that a flag is one of two. A trace gives nothing else; a text may.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from functad.core.primitive import Primitive
from functad.ir.forms import NAMES, form_of
from functad.ir.program import Program

__all__ = ["misfit", "strange_param"]


def strange_param(primitive: Primitive, params: Mapping[str, Any]) -> str | None:
    """What is wrong with params whose names or kinds no sample of the primitive has; None where nothing is.

    Examples
    --------
    >>> import functad.primitives
    >>> from functad.core.primitive import REGISTRY
    >>> strange_param(REGISTRY["sum"], {"axes": (0, 1)})
    >>> strange_param(REGISTRY["sum"], {"axes": ("0",)})
    "no axes is ('0',)"
    """
    known = _kinds_of_params(primitive)
    for name, value in params.items():
        if name not in known:
            return f"it has no param {name}"
        if not known[name].issuperset(_kinds(value)) and not (type(None) in known[name] and _is_declared(value)):
            return f"no {name} is {value!r}"
    return None


def misfit(primitive: Primitive, operands: int, params: Mapping[str, Any]) -> str | None:
    """Why a primitive is not called with so many operands and these params, as far as what evaluates it tells.

    Examples
    --------
    >>> import functad.primitives
    >>> from functad.core.primitive import REGISTRY
    >>> misfit(REGISTRY["add"], 2, {})
    >>> misfit(REGISTRY["add"], 1, {}), misfit(REGISTRY["sum"], 1, {})
    ('it takes 2 operands', "missing a required argument: 'axes'")
    """
    for function in (primitive.ufunc, primitive.evaluate):
        if isinstance(function, np.ufunc):
            return None if operands == function.nin else f"it takes {function.nin} operands"
    try:
        signature = inspect.signature(primitive.evaluate)
    except ValueError:  # a built-in one that does not say
        return None
    try:
        signature.bind(*range(operands), **params)
    except TypeError as error:
        return str(error)
    return None


def _is_declared(value: Any) -> bool:
    """Whether a value is an object that text can hold: which may be given where there may be none."""
    return form_of(value) is not None or NAMES.get(getattr(value, "__name__", "")) is value


@functools.cache
def _kinds_of_params(primitive: Primitive) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = {}
    for sample in primitive.samples():
        for name, value in sample.params.items():
            found.setdefault(name, set()).update(_kinds(value))
    return found


def _kinds(value: Any) -> Iterator[Any]:
    """What a value is, or holds; tuples may hold tuples where any of them does."""
    if type(value) is tuple:
        yield tuple
        for part in value:
            yield from _kinds(part)
    elif isinstance(value, Program):
        yield Program
    elif isinstance(value, np.dtype):
        yield np.dtype
    else:
        form = form_of(value)
        yield type(value) if form is None else form.name
