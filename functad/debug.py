"""Looking at values while compiled, mapped and differentiated code runs.

>>> import functad as fd, numpy as np
>>> @fd.jit
... def f(x):
...     fd.debug.print("x = {x:.2f}", x=x)
...     return x * x
>>> f(3.0)
x = 3.00
np.float64(9.0)
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from string import Formatter
from typing import Any

from functad.api.callbacks import call_once
from functad.caches import cached
from functad.errors import ArgumentError
from functad.numpy.traced import here

__all__ = ["callback", "print"]


def print(fmt: str, *args: Any, ordered: bool = True, **kwargs: Any) -> None:
    """``print(fmt.format(*args, **kwargs))``, with the values that the arguments have when the code runs.

    Lines come in the order in which the code runs, one for each step of a loop and for each element of a mapped axis;
    in a branch, where it is taken. Derivatives print what the function prints, in its run forward.

    Parameters
    ----------
    fmt
        A format string, as of ``str.format``.
    args, kwargs
        Containers of arrays and of anything else.
    ordered
        Taken for the sake of JAX's signature: the order is kept in any case.

    Raises
    ------
    ArgumentError
        If the format string and the arguments do not belong together.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.jit
    ... def newton(a):
    ...     x = a
    ...     while abs(x * x - a) > 1e-6:
    ...         fd.debug.print("{:.4f}", x)
    ...         x = (x + a / x) / 2
    ...     return x
    >>> newton(2.0)
    2.0000
    1.5000
    1.4167
    1.4142
    np.float64(1.4142135623746899)
    """
    _check_format(fmt, args, kwargs)
    call_once("debug.print", _printer(fmt), args, kwargs)


def callback(callback: Callable[..., Any], *args: Any, ordered: bool = True, **kwargs: Any) -> None:
    """Call a Python function with the values that the arguments have when the code runs; what it returns is dropped.

    It is called in order, and as often as `print` prints. What it raises is raised by the call that runs the code.

    Parameters
    ----------
    callback
        Takes containers of NumPy arrays (copies that it may keep), and scalars where their rank is 0.
    args, kwargs
        Containers of arrays and of anything else.
    ordered
        Taken for the sake of JAX's signature: the order is kept in any case.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> seen = []
    >>> @fd.jit
    ... def f(x):
    ...     for k in range(3):
    ...         x = x / 2
    ...         fd.debug.callback(seen.append, x)
    ...     return x
    >>> f(4.0), seen
    (np.float64(0.5), [np.float64(2.0), np.float64(1.0), np.float64(0.5)])
    """
    call_once("debug.callback", callback, args, kwargs)


@cached(256)
def _printer(fmt: str) -> Callable[..., None]:
    """What prints by a format string: one function for each, so that equal code is compiled once."""

    def show(*args: Any, **kwargs: Any) -> None:
        builtins.print(fmt.format(*args, **kwargs))

    return show


def _check_format(fmt: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse arguments that are missing, or not used; at once, rather than when the code runs."""
    names: list[str] = []
    try:
        for _, field, spec, _ in Formatter().parse(fmt):
            inner = [f for _, f, _, _ in Formatter().parse(spec or "")]
            names += [_first(f) for f in (field, *inner) if f is not None]
    except ValueError as error:
        raise ArgumentError(
            f"debug.print{here()}: {fmt!r} is no format string ({error}); write {{{{ and }}}} for braces"
        ) from None
    used = {
        names[:k].count("") if name == "" else int(name) if name.isdigit() else name for k, name in enumerate(names)
    }
    given = {*range(len(args)), *kwargs}
    if used != given:
        missing, unused = [sorted(map(str, x)) for x in (used - given, given - used)]
        raise ArgumentError(
            f"debug.print{here()}: the format string {fmt!r} "
            + (f"asks for {', '.join(missing)}, which is not given" if missing else f"does not use {', '.join(unused)}")
            + "; it is a plain string, which print formats when the values are there: no f-string"
        )


def _first(field: str) -> str:
    """The argument that a replacement field names."""
    return field.split(".")[0].split("[")[0]


def __dir__() -> list[str]:
    return sorted(__all__)
