"""Calls: what a twin calls in place of the function that the user names.

NumPy's functions that make arrays, those of ``math``, builtins and the like are replaced by functad's, each declared
beside its function (``numpy.dispatch.stands_for``); the user's own functions by their twins. What else belongs to
functad, NumPy, the standard library or is no Python function is called as it is. A function of an installed package has
a twin only where a traced value is among its arguments.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from types import BuiltinFunctionType, CellType, FunctionType, MethodDescriptorType, MethodType
from typing import Any

import numpy as np

from functad import config
from functad.core.capture import from_outside
from functad.core.tracer import Tracer
from functad.front.attempts import attempt, failed, failure
from functad.front.branches import Branch, known
from functad.front.drivers import by_python, eager, listed, reduced
from functad.front.effects import check_call, check_changed, check_outside, check_target, guarded, in_body, made
from functad.front.exact import divided, domain, exactly, overflow, zero
from functad.front.expressions import and_, choose, compare, not_, or_
from functad.front.failures import Handling, caught, caught_inside, managed, matched
from functad.front.iterators import ITERATORS
from functad.front.lists import appending
from functad.front.long_loops import LongSteps, is_long
from functad.front.loops import Steps
from functad.front.origin import FOREIGN, OWN, origin, own_method
from functad.front.protocols import SPECIAL, entered, go_over, operate, operate_now, read, specially
from functad.front.raising import failing
from functad.front.sources import identified
from functad.front.twin import Kind, is_twin_code, twin_of
from functad.front.unread import check_read
from functad.front.values import UNBOUND, decided, returned
from functad.front.vocabulary import (
    AND,
    ATTEMPT,
    BRANCH,
    BY_PYTHON,
    CAUGHT,
    CAUGHT_INSIDE,
    CHANGED,
    CHOOSE,
    COMPARE,
    DECIDED,
    DIVIDED,
    DOMAIN,
    EAGERLY,
    ENTERED,
    EXACTLY,
    FAILING,
    FAILS,
    FAILURE,
    GUARD,
    IDENTIFIED,
    ITEM,
    KNOWN,
    LISTED,
    LONG,
    LONG_STEPS,
    LOOP,
    MADE,
    MATCHED,
    NOT,
    OPERATE,
    OR,
    OUTSIDE,
    OVER,
    OVERFLOW,
    READ,
    RETURNED,
    ROUTE,
    SLICE,
    STEPS,
    STORE,
    TRYING,
    ZERO,
    in_long_loop,
)
from functad.front.vocabulary import UNBOUND as UNBOUND_NAME
from functad.front.while_loops import Loop
from functad.numpy.creation import asarray
from functad.numpy.dispatch import called_for
from functad.numpy.draws import check_draw
from functad.numpy.memory import into_plain
from functad.numpy.protocols import plain_values
from functad.numpy.ragged.items import has_unknown
from functad.numpy.traced import here, is_staging, is_traced

__all__ = ["route", "twin"]


def route(f: Any) -> Any:
    """What is called in place of ``f``."""
    return (_ROUTES.get(type(f)) or _other)(f)


def operating_route(f: Any) -> Any:
    """``route`` where classes of the user's have special methods."""
    found = route(f)
    return specially(operating_route, f, found) if type(f) in _BUILTINS and f in SPECIAL else found


_BUILTINS = (type, BuiltinFunctionType)


def staged_route(f: Any) -> Any:
    """``route`` in a staged twin."""
    found = route(f)
    if type(f) in _BUILTINS:
        if f in SPECIAL:
            found = specially(staged_route, f, found)
        elif f is map:
            found = functools.partial(_called_with_twin, ITERATORS[map], staged_route)
        elif f in ITERATORS:
            found = ITERATORS[f]
        elif f is functools.reduce:
            found = reduced(staged_route)
    if not in_body():
        return found
    if type(f) is BuiltinFunctionType:
        appends = appending(f)
        if appends is not None:
            return appends
    if type(f) is functools.partial:
        return functools.partial(staged_route(f.func), *f.args, **f.keywords)
    if found is f:
        check_call(f)
    return guarded(f, found, staged_route)


def _called_with_twin(f: Any, twin: Callable[[Any], Any], given: Any, /, *args: Any, **kwargs: Any) -> Any:
    """A function that calls another, which it is given first, by its twin: what that is, is decided at each call."""
    return f((lambda *xs: twin(given)(*xs)) if callable(given) else given, *args, **kwargs)


def item(x: Any, index: Any) -> Any:
    """``x[index]``: a plain array takes traced integers and slices with traced bounds, ``np.r_`` and ``np.c_`` traced
    values.
    """
    cls = type(x)
    if cls is np.ndarray and type(index) is not int and has_unknown(index, elements=True):
        given = from_outside(x)
        traced: Any = given if type(given) is Tracer else asarray(x)
        return traced[index]
    if cls in _CONCATENATORS:
        return called_for(cls.__getitem__)(x, index)
    return x[index]


_CONCATENATORS = frozenset({type(np.r_), type(np.c_)})


def operating_item(x: Any, index: Any) -> Any:
    """``x[index]`` by the twin of a method of the user's."""
    method = own_method(type(x), "__getitem__")
    return item(x, index) if method is None else route(method)(x, index)


def staged_item(x: Any, index: Any) -> Any:
    """``x[index]`` in a staged twin: by the twin of a method of the user's."""
    cls = type(x)
    if cls is list:
        check_read(x)
    if cls is Tracer or cls is np.ndarray or cls is list or cls is tuple:
        return item(x, index)
    method = own_method(cls, "__getitem__")
    if method is not None:
        return staged_route(method)(x, index)
    if hasattr(cls, "__missing__") and index not in x:
        check_target(x)
    return item(x, index)


def store(value: Any, x: Any, index: Any) -> None:
    """``x[index] = value``: a plain array takes no traced value."""
    if type(x) is not Tracer:
        check_target(x)
    if type(x) is np.ndarray and is_traced((value,)) and plain_values(value) is None:
        raise into_plain(f"x[index] = v{here()}")
    x[index] = value


def operating_store(value: Any, x: Any, index: Any) -> None:
    """``x[index] = value`` by the twin of a method of the user's."""
    method = own_method(type(x), "__setitem__")
    if method is None:
        store(value, x, index)
    else:
        check_target(x)
        route(method)(x, index, value)


def _function(f: FunctionType) -> Any:
    whose = origin(f.__code__.co_filename)
    if whose != OWN:
        declared = called_for(f)
        if declared is not f or whose == FOREIGN:
            return declared
    staged = is_staging()
    found = twin_of(f, _CELLS.__getitem__, staged)
    if found is None:
        return f
    if whose == OWN:
        return found.function(f)
    return _where_traced(f, found.function(f))


def _where_traced(f: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
    """``f``, and the other function where a traced value is among the arguments."""

    @functools.wraps(f)
    def chosen(*args: Any, **kwargs: Any) -> Any:
        return (other if is_traced(args) or is_traced(kwargs.values()) else f)(*args, **kwargs)

    return chosen


def _method(f: MethodType) -> Any:
    if type(f.__self__) in _DRAWS:
        return _drawn(f)
    inner = route(f.__func__)
    return f if inner is f.__func__ else MethodType(inner, f.__self__)


def _partial(f: functools.partial[Any]) -> Any:
    inner = route(f.func)
    return f if inner is f.func else functools.partial(inner, *f.args, **f.keywords)


def _class(cls: type) -> Any:
    found = called_for(cls)
    if found is not cls:
        return found
    init: Any = cls.__init__  # type: ignore[misc]
    new: Any = cls.__new__
    if type(init) is not FunctionType or new is not object.__new__ or type(cls).__call__ is not type.__call__:
        return cls
    inner = _function(init)
    if inner is init:
        return cls

    def construct(*args: Any, **kwargs: Any) -> Any:
        object_ = made(cls.__new__(cls, *args, **kwargs))
        inner(object_, *args, **kwargs)
        return object_

    return construct


def _builtin(f: Any) -> Any:
    owner = type(f.__self__)
    if owner is np.ndarray or owner is np.ufunc:
        method = getattr(owner, f.__name__)
        found = called_for(method)
        return f if found is method else functools.partial(found, f.__self__)
    found = called_for(f)
    if found is not f:
        return found
    return _drawn(f) if owner in _DRAWS else f


def _drawn(f: Any) -> Any:
    """A method that draws random numbers: refused in compiled code."""
    check_draw(f"{f.__self__!r}.{f.__name__}")
    return f


_DRAWS = frozenset({np.random.Generator, np.random.RandomState, random.Random})


def _other(f: Any) -> Any:
    """An object that can be called: by its class's ``__call__``, if that is the user's."""
    cls = type(f)
    if issubclass(cls, type):
        return _class(f)
    if cls.__module__ == "numba.core.registry" and hasattr(f, "py_func"):
        return _where_traced(f, route(f.py_func))
    call = getattr(cls, "__call__", None)  # noqa: B004  what a call looks up
    if type(call) is not FunctionType:
        return called_for(f) if cls.__module__ == "uarray" else f  # a function of scipy.fft
    if origin(call.__code__.co_filename) == OWN:
        return MethodType(_function(call), f)
    declared = called_for(call)
    return f if declared is call else MethodType(declared, f)


_ROUTES: dict[type, Callable[[Any], Any]] = {
    FunctionType: _function,
    MethodType: _method,
    functools.partial: _partial,
    type: _class,
    BuiltinFunctionType: _builtin,
    MethodDescriptorType: called_for,
    np.ufunc: called_for,
    type(np.sum): called_for,  # what NumPy wraps its Python functions in
    Tracer: lambda f: f,
}


_PLAIN_CELLS = {
    ROUTE: CellType(route),
    ITEM: CellType(item),
    STORE: CellType(store),
    SLICE: CellType(slice),
    OUTSIDE: CellType(check_outside),
    CAUGHT: CellType(caught),
    MATCHED: CellType(matched),
    MADE: CellType(made),
    OVER: CellType(lambda x: x),
    ENTERED: CellType(managed),
    ZERO: CellType(zero),
    DOMAIN: CellType(domain),
    OVERFLOW: CellType(overflow),
    DIVIDED: CellType(functools.partial(divided, route)),
    EXACTLY: CellType(functools.partial(exactly, route)),
}

_OPERATING_CELLS = {
    **_PLAIN_CELLS,
    ROUTE: CellType(operating_route),
    ITEM: CellType(operating_item),
    STORE: CellType(operating_store),
    OVER: CellType(functools.partial(go_over, operating_route)),
    OPERATE: CellType(functools.partial(operate_now, operating_route)),
    READ: CellType(functools.partial(read, operating_route)),
}

_STAGED_CELLS = {
    **_OPERATING_CELLS,
    ROUTE: CellType(staged_route),
    ITEM: CellType(staged_item),
    OVER: CellType(functools.partial(go_over, staged_route)),
    ENTERED: CellType(entered),
    OPERATE: CellType(functools.partial(operate, staged_route)),
    DIVIDED: CellType(functools.partial(divided, staged_route)),
    EXACTLY: CellType(functools.partial(exactly, staged_route)),
    READ: CellType(functools.partial(read, staged_route)),
    BRANCH: CellType(Branch),
    LOOP: CellType(Loop),
    STEPS: CellType(Steps),
    CHOOSE: CellType(choose),
    AND: CellType(and_),
    OR: CellType(or_),
    NOT: CellType(not_),
    COMPARE: CellType(compare),
    GUARD: CellType(check_target),
    CHANGED: CellType(check_changed),
    DECIDED: CellType(decided),
    RETURNED: CellType(returned),
    IDENTIFIED: CellType(identified),
    LISTED: CellType(listed),
    BY_PYTHON: CellType(by_python),
    EAGERLY: CellType(eager),
    UNBOUND_NAME: CellType(UNBOUND),
    FAILING: CellType(failing),
    KNOWN: CellType(known),
    TRYING: CellType(Handling),
    ATTEMPT: CellType(attempt),
    FAILS: CellType(failed),
    FAILURE: CellType(failure),
    CAUGHT_INSIDE: CellType(caught_inside),
}

_LOOP_CELLS = {
    **_STAGED_CELLS,
    **{in_long_loop(name): cell for name, cell in _STAGED_CELLS.items() if name in _OPERATING_CELLS},
    LONG: CellType(is_long),
    LONG_STEPS: CellType(LongSteps),
}
"""What the staged forms of loops close over in the twins of other kinds."""

_CELLS = {
    Kind.PLAIN: {**_LOOP_CELLS, **_PLAIN_CELLS},
    Kind.OPERATING: {**_LOOP_CELLS, **_OPERATING_CELLS},
    Kind.STAGED: _STAGED_CELLS,
}


def twin(f: Callable[..., Any]) -> Callable[..., Any]:
    """What a transform runs in place of the user's function."""
    if not config.front.value:
        return f
    found = route(f)
    if found is f and type(f) is FunctionType:
        code = f.__code__
        if origin(code.co_filename) == OWN and not is_twin_code(code):
            return _without_source(f)
    return found  # type: ignore[no-any-return]


def _without_source(f: FunctionType) -> Callable[..., Any]:
    """A function that runs as it is, and whose errors say so."""

    @functools.wraps(f)
    def noted(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except Exception as error:
            place = f.__code__.co_filename
            mend = "use functad.numpy's"
            if place == "<stdin>":
                mend = "write it in a file, a notebook or IPython: Python's own prompt keeps no source before 3.13"
            error.add_note(
                f"there is no source of {f.__qualname__} ({place}), so functad runs it as it is: np.zeros, math.sin,"
                f" if, for and while know no traced values there; {mend}"
            )
            raise

    return noted
