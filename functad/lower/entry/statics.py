"""How an entry recognises a static value: a plan, in which machine code finds what to compare.

Two values are the same where their identity keys are (`functad.identity`): types and values, all the way down. A plan
says so without a key being made: what is compared by its identity, numbers by their bits, strings by ``==``, tuples and
the fields of dataclasses one by one; the rest by a function of Python.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np

from functad.identity import Weakly, compares_fields, identity_key

__all__ = ["Plan", "PlanItem", "plan_of", "same_as_plan"]


class PlanItem(IntEnum):
    """The items of the tuple that is a plan."""

    OBJECT = 0  # this very object is the same without a further look
    CLASS = 1  # others must be of this class
    COMPARE = 2  # None: are different; True: are compared by ==; False: by their bits; else a function of the other
    CHILDREN = 3  # the plans of the items of a tuple, or of fields; None elsewhere
    NAMES = 4  # the names of the fields; None elsewhere


Plan = tuple[Any, ...]

_BY_EQUALITY = (int, str, bytes)
_BY_BITS = (float, complex, np.float64, np.complex128, np.int64, np.uint64)


def plan_of(value: Any) -> Plan:
    """The plan that finds what is the same as a value, or is the object of a `Weakly`.

    Examples
    --------
    >>> same_as_plan((2, "x"), plan_of((2, "x"))), same_as_plan((2.0, "x"), plan_of((2, "x")))
    (True, False)
    """
    cls: Any = type(value)
    if cls is Weakly:  # by a function, since an address may be another object's by then
        return _plan(_NOTHING, lambda other: value.value is other, cls=type(value.value))
    if cls in _BY_EQUALITY:
        return _plan(value, True)
    if cls in _BY_BITS:
        return _plan(value, False)
    if isinstance(value, tuple):
        children = tuple([plan_of(v) for v in value])
        return _plan(value if _all_constant(children) else _NOTHING, True, children, cls=cls)
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and compares_fields(cls):
        names = tuple([f.name for f in dataclasses.fields(value) if f.compare])
        children = tuple([plan_of(getattr(value, name)) for name in names])
        constant = cls.__dataclass_params__.frozen and _all_constant(children)
        return _plan(value if constant else _NOTHING, True, children, names, cls)
    if cls.__eq__ is object.__eq__:
        return _plan(value, None)
    return _plan(value, _same_key(value))


_NOTHING = object()
"""Stands for an object that may have changed though it is the same: no argument is this."""


def _plan(
    value: Any,
    compare: Any,
    children: tuple[Plan, ...] | None = None,
    names: tuple[str, ...] | None = None,
    cls: type | None = None,
) -> Plan:
    items = {
        PlanItem.OBJECT: value,
        PlanItem.CLASS: cls or type(value),
        PlanItem.COMPARE: compare,
        PlanItem.CHILDREN: children,
        PlanItem.NAMES: names,
    }
    return tuple([items[item] for item in PlanItem])


def _all_constant(plans: tuple[Plan, ...]) -> bool:
    return all([plan[PlanItem.OBJECT] is not _NOTHING for plan in plans])


def _same_key(value: Any) -> Callable[[Any], bool]:
    key = identity_key(value)
    return lambda other: bool(identity_key(other) == key)


def same_as_plan(value: Any, plan: Plan) -> bool:
    """What the machine code does."""
    object, cls, compare, children, names = plan
    if value is object:
        return True
    if type(value) is not cls or compare is None:
        return False
    if children is not None:
        parts = tuple.__iter__(value) if names is None else [getattr(value, name) for name in names]
        found = list(parts)
        return len(found) == len(children) and all(map(same_as_plan, found, children))
    if compare is True:
        return bool(value == object)
    if compare is False:
        return np.array(value).tobytes() == np.array(object).tobytes()
    return bool(compare(value))
