"""What functad makes of functions (``grad(f)``, ``jit(f)``): objects that look like the function, and are copied and
pickled as Python's functions are.

A copy of a function is the function itself. A pickled one is found again by its name, where a module has it under that;
else what it wraps is pickled, with the options of the transform, and it is made anew. So cloudpickle, and what builds
on it (joblib, Dask), takes what it would take of a Python function.
"""

from __future__ import annotations

import copy
import functools
import pickle
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from operator import attrgetter
from types import MethodType
from typing import Any, SupportsIndex

from functad.config import settings
from functad.core.tracebacks import shortened
from functad.core.watched import watched

__all__ = ["Transformed", "Wrapper", "look_like", "own_attributes"]


class Wrapper(ABC):
    """A callable of functad's that calls functions, which may close over something, and can be made anew around others.

    It is its own copy, and the same object wherever it is unpickled, if a module has it under its name.

    Examples
    --------
    >>> import copy, functad as fd, numpy as np
    >>> sine = fd.jit(lambda x: np.sin(x))
    >>> copy.deepcopy(sine) is sine
    True
    """

    closes_over: tuple[str, ...] = ("_f",)
    """The attributes that hold these functions."""

    keeps_its_closure = False
    """Whether what is not traced in it stays the variable that it is: made again, it would be compiled again."""

    runs_later = False
    """Whether it calls them after it has returned, too, as it does rules."""

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Itself, as of any function, unless what it wraps has copies: a method of an object that is copied."""
        held = [getattr(self, name) for name in self.closes_over]
        copies = [copy.deepcopy(x, memo) for x in held]
        return self if all([a is b for a, b in zip(copies, held, strict=True)]) else self.around(*copies)

    @abstractmethod
    def around(self, *held: Any) -> Any:
        """One like this around others, in the order of ``closes_over``."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        name, module = getattr(self, "__qualname__", None), getattr(self, "__module__", "")
        try:
            found = attrgetter(name)(sys.modules[module]) if name else None
        except (AttributeError, KeyError):
            found = None
        if found is self and not (module == "__main__" and pickled_by_value()):
            return str(name)
        return super().__reduce_ex__(protocol)


def pickled_by_value() -> bool:
    """Whether who pickles now takes functions of ``__main__`` by value, since it is another program that unpickles
    them: so do cloudpickle and its relatives, picklers with a ``reducer_override`` that decides about functions.
    """
    frame = sys._getframe(2)
    while frame is not None:
        pickler = frame.f_locals.get("self")
        if isinstance(pickler, pickle.Pickler | pickle._Pickler):  # type: ignore[attr-defined]
            return hasattr(pickler, "reducer_override")
        frame = frame.f_back  # type: ignore[assignment]
    return False


def look_like(made: Any, f: Any) -> None:
    """Give what wraps a function its name, signature and documentation, as ``functools.wraps`` does, and the attributes
    that the user has given it.
    """
    functools.update_wrapper(made, f, updated=())
    given = getattr(f, "__dict__", {})
    vars(made).update({k: v for k, v in given.items() if not (k.startswith("_") and isinstance(f, Wrapper))})
    made.__wrapped__ = f


def own_attributes(made: Any, f: Any) -> dict[str, Any] | None:
    """The attributes of what wraps a function that are the user's, and not the function's."""
    names = {k: v for k, v in vars(made).items() if k in functools.WRAPPER_ASSIGNMENTS and getattr(f, k, None) != v}
    given = {k: v for k, v in vars(made).items() if not k.startswith("_") and getattr(f, k, None) is not v}
    return {**names, **given} or None


class Transformed(Wrapper):
    """What a transform makes of a function: ``grad(f)``, ``vmap(f)``, ``checkpoint(f)``.

    ``run(f, args, kwargs, *options)`` is what a call does; it is a function that a module has under its name.

    Examples
    --------
    >>> import functad as fd, pickle
    >>> import functad.numpy as fnp
    >>> slope = pickle.loads(pickle.dumps(fd.grad(fnp.sin)))
    >>> slope(0.0), slope.__name__, slope
    (np.float64(1.0), 'sin', <functad.grad of sin>)
    """

    def __init__(self, run: Callable[..., Any], f: Callable[..., Any], *options: Any) -> None:
        look_like(self, f)
        self._run = run
        self._f = f
        self._options = options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the transformed function."""
        try:
            if settings().watched:
                return watched(self._name(), self._f, self._run, self._f, args, kwargs, *self._options)
            return self._run(self._f, args, kwargs, *self._options)
        except Exception as error:
            raise shortened(error)  # noqa: B904  # the same one

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None or isinstance(self._f, staticmethod) else MethodType(self, instance)

    def around(self, f: Callable[..., Any]) -> Transformed:
        """The same around another function."""
        return Transformed(self._run, f, *self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        return Transformed, (self._run, self._f, *self._options), own_attributes(self, self._f)

    def __repr__(self) -> str:
        name = getattr(self._f, "__name__", type(self._f).__name__)
        return f"<functad.{self._name()} of {name}>"

    def _name(self) -> str:
        return self._run.__name__.removeprefix("run_")
