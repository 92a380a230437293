"""What a type checker sees of the functions that transforms make: the parameters of the function that they wrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

__all__ = ["P", "R", "Typed"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class Typed(Generic[P, R]):
    """A function of parameters P with result R, which is a method in the body of a class. At run time it is nothing:
    how calls are made is up to its subclasses.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __call__(self, *args: Any, out: Any, **kwargs: Any) -> R: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

        @overload
        def __get__(self, instance: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(self: Typed[Concatenate[S, Q], R], instance: S, owner: type | None = None) -> Callable[Q, R]: ...
        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            raise NotImplementedError
