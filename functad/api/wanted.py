"""With respect to what a function is differentiated: arguments by position or name, and which of their leaves."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from functad.api.arguments import name_of, normal_argnums
from functad.errors import StructureError
from functad.tree.partition import Predicate, is_inexact

__all__ = ["Place", "Wanted", "place_name"]

Place = int | str
"""The position of an argument, or its name if it is given by keyword."""


class Wanted(NamedTuple):
    """What the user says of it: the options of `grad` and the Jacobians."""

    argnums: int | Sequence[int] = 0
    argnames: str | Sequence[str] | None = None
    wrt: Predicate | None = None

    @staticmethod
    def of(
        argnums: int | Sequence[int], argnames: str | Sequence[str] | None, wrt: Predicate | None, allow_int: bool
    ) -> Wanted:
        """That of the options; where integers are allowed, what is no number with a derivative is left out."""
        return Wanted(argnums, argnames, is_inexact if allow_int and wrt is None else wrt)

    @property
    def is_one(self) -> bool:
        """Whether one argument is named, and the derivative is no tuple."""
        named = self.argnums if self.argnames is None else self.argnames
        return isinstance(named, int | np.integer | str)

    def places(
        self, f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], transform: str
    ) -> tuple[tuple[Place, ...], dict[str, Any]]:
        """Where the arguments are in a call, and its keywords, with defaults that are differentiated."""
        if self.argnames is None:
            return normal_argnums(self.argnums, len(args), transform), kwargs
        if self.argnums != 0:
            raise StructureError(f"{transform}: give argnums or argnames, not both")
        names = (self.argnames,) if isinstance(self.argnames, str) else tuple(self.argnames)
        if len(set(names)) != len(names):
            raise StructureError(f"{transform}: argnames={self.argnames} names one argument twice")
        places: list[Place] = []
        given = dict(kwargs)
        for name in names:
            if name not in kwargs:
                position, default = _declared(f, name, len(args), transform)
                if position is not None:
                    places.append(position)
                    continue
                given[name] = default
            places.append(name)
        return tuple(places), given

    def masks(self, places: Sequence[Place], transform: str) -> list[Predicate | None]:
        """What decides of the leaves of each argument; None where all are differentiated."""
        if self.wrt is None or callable(self.wrt) or self.is_one:
            return [self.wrt] * len(places)
        if not isinstance(self.wrt, tuple | list) or len(self.wrt) != len(places):
            raise StructureError(
                f"{transform}: {len(places)} arguments are differentiated, so wrt is a function of a leaf, or a tuple "
                f"with one, or with a container of booleans, for each; got {type(self.wrt).__name__}"
            )
        return list(self.wrt)


def _declared(f: Callable[..., Any], name: str, count: int, transform: str) -> tuple[int | None, Any]:
    """The position of a parameter in a call with ``count`` positional arguments; None, and its default, where it has
    none there.
    """
    parameters = _parameters(f)
    found = parameters.get(name)
    kinds = inspect.Parameter
    if found is None or found.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD):
        known = [p.name for p in parameters.values() if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
        raise StructureError(
            f"{transform}: argnames names {name!r}, but {name_of(f)} "
            + (f"has the arguments {', '.join(known)}" if known else "names none of its arguments")
        )
    positional = [p.name for p in parameters.values() if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    if name in positional and operator.indexOf(positional, name) < count:
        return operator.indexOf(positional, name), None
    if found.default is kinds.empty or found.kind is kinds.POSITIONAL_ONLY:
        raise StructureError(
            f"{transform}: argnames names {name!r}, but this call of {name_of(f)} does not give it"
            + ("" if found.kind is kinds.POSITIONAL_ONLY else f"; write {name}=...")
        )
    return None, found.default


def _parameters(f: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What a function says of its parameters; nothing where it does not."""
    try:
        return dict(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return {}


def place_name(place: Place) -> str:
    """How messages name an argument."""
    return f"argument {place}" if isinstance(place, int) else f"argument {place!r}"
