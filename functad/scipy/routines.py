"""How a function is declared to stand for one of SciPy's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from functad.errors import ArgumentError, UnsupportedError
from functad.numpy.dispatch import CALLS, stands_for
from functad.numpy.traced import here, is_traced

__all__ = ["choice", "public_name", "refuse_others", "routine"]

IGNORED = frozenset({
    "blocksize", "check_finite", "disp", "lapack_driver", "lwork", "overwrite_a", "overwrite_ab", "overwrite_b",
    "overwrite_c", "overwrite_data", "overwrite_x", "plan", "workers",
})  # fmt: skip
"""Arguments that change how SciPy computes, and not what; nothing is overwritten, and NaNs are not looked for."""


def routine(scipy_function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare what a function of SciPy's does on traced values, with those of its arguments that make a difference.

    The result is the function for ``functad.scipy``: the declared one if an argument is traced, else SciPy's.
    """
    signature = inspect.signature(scipy_function)
    name = public_name(scipy_function)

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(f).parameters
        several = any(p.kind is p.VAR_POSITIONAL for p in own.values())

        def traced(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            if several:
                return f(*bound.args)
            given = {}
            for key, value in bound.arguments.items():
                if key in own:
                    given[key] = value
                elif key not in IGNORED and value is not signature.parameters[key].default:
                    raise UnsupportedError(f"{name}{here()}: the argument {key}= is not available for traced values")
            return f(**given)

        @stands_for(scipy_function)
        @functools.wraps(f)
        def public(*args: Any, **kwargs: Any) -> Any:
            if is_traced(args) or is_traced(kwargs.values()):
                return traced(*args, **kwargs)
            return scipy_function(*args, **kwargs)

        return public

    return declare


def public_name(scipy_function: Any) -> str:
    """The name under which users know a function: that of its package, without the file."""
    return f"{'.'.join(scipy_function.__module__.split('.')[:2])}.{scipy_function.__name__}"


def refuse_others(module: Any) -> None:
    """Declare that no other function of a module takes traced values."""
    for name in module.__all__:
        function = getattr(module, name)
        if isinstance(function, FunctionType) and function not in CALLS:
            stands_for(function)(functools.partial(_of_values, function, f"{module.__name__}.{name}"))


def _of_values(function: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    """A function of SciPy's that only takes values."""
    if is_traced(args) or is_traced(kwargs.values()):
        raise UnsupportedError(
            f"{name}{here()} is not available for traced values; docs/linear_algebra.md lists what is. Compute it "
            "before tracing, or compose it of these"
        )
    return function(*args, **kwargs)


def choice(value: Any, allowed: tuple[Any, ...], name: str, argument: str, package: str = "linalg") -> None:
    """Refuse a value that is none of those that there are."""
    if value not in allowed:
        one_of = ", ".join([repr(v) for v in allowed])
        raise ArgumentError(f"scipy.{package}.{name}{here()}: {argument} must be one of {one_of}, got {value!r}")
