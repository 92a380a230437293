"""The leaves that a function is differentiated with respect to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import leaf_name, leaf_of, leaves_of, name_of
from functad.api.wanted import Place, Wanted, place_name
from functad.core.capture import Leaf, own
from functad.core.tracer import PYTHON, Tracer
from functad.core.zeros import zeros
from functad.errors import DtypeError, StructureError
from functad.front.calls import twin
from functad.ir.types import array_type
from functad.primitives.convert import convert
from functad.tree.containers import TreeDef, flatten
from functad.tree.partition import Predicate, choices

__all__ = ["Differentiated"]

IN_PART = "wrt=fd.tree.is_inexact"


class Part:
    """An argument: its structure, and those of its leaves that are not differentiated, by their numbers."""

    __slots__ = ("others", "structure")

    def __init__(self, structure: TreeDef, others: dict[int, Any]) -> None:
        self.structure = structure
        self.others = others

    @property
    def count(self) -> int:
        return self.structure.num_leaves - len(self.others)

    def filled(self, leaves: Sequence[Any], with_others: bool) -> Any:
        """The container with these leaves, and its others or None in their places."""
        if not self.others:
            return self.structure.unflatten(leaves)
        left = iter(leaves)
        numbers = range(self.structure.num_leaves)
        return self.structure.unflatten(
            [(self.others[i] if with_others else None) if i in self.others else next(left) for i in numbers]
        )


class Differentiated:
    """The leaves that a transform differentiates with respect to, and how to call the function with new ones.

    Python integers become floats; arrays of integers and booleans are refused.
    """

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], wanted: Wanted, transform: str
    ) -> None:
        self.f = f
        self.args = args
        self.transform = transform
        self.is_one = wanted.is_one
        self.places, self.kwargs = wanted.places(f, args, kwargs, transform)
        self.leaves: list[Leaf] = []
        self.parts: list[Part] = []
        for place, mask in zip(self.places, wanted.masks(self.places, transform), strict=True):
            leaves, part = self._of(place, mask)
            self.parts.append(part)
            self.leaves.extend([own(self._inexact(leaf, place)) for leaf in leaves])
        if wanted.wrt is not None and not self.leaves:
            names = " and ".join([place_name(p) for p in self.places])
            raise StructureError(f"{transform}: wrt chooses no leaf of {names} of {name_of(f)}")

    def _of(self, place: Place, mask: Predicate | None) -> tuple[list[Leaf], Part]:
        """The leaves of an argument that are differentiated, and the rest of it."""
        argument = self.args[place] if isinstance(place, int) else self.kwargs[place]
        what = f"{place_name(place)} of {name_of(self.f)}"
        if mask is None:
            instead = f"differentiate the numbers alone, by {IN_PART}, or make it {self._apart}"
            leaves, structure = leaves_of(argument, what, instead)
            return leaves, Part(structure, {})
        found, structure = flatten(argument)
        flags = choices(mask, argument, f"{self.transform}: wrt")
        chosen = [
            leaf_of(x, functools.partial(leaf_name, what, structure, i))
            for i, (x, flag) in enumerate(zip(found, flags, strict=True))
            if flag
        ]
        return chosen, Part(structure, {i: found[i] for i, flag in enumerate(flags) if not flag})

    @property
    def _apart(self) -> str:
        named = "argnames" if isinstance(self.places[0], str) else "argnums"
        return f"an argument of its own, and leave that out of {named}"

    def _inexact(self, leaf: Leaf, place: Place) -> Leaf:
        if leaf.type.inexact:
            return leaf
        if leaf.kind == PYTHON and leaf.type.dtype.kind in "iu":
            if type(leaf.value) is Tracer:
                return Leaf(convert(leaf.value, np.dtype(np.float64)), array_type((), np.float64), PYTHON)
            return Leaf(np.float64(leaf.value), array_type((), np.float64), PYTHON)
        raise DtypeError(
            f"{self.transform} differentiates real or complex floating-point values, but {place_name(place)} of "
            f"{name_of(self.f)} holds {leaf.type}; convert it with x.astype(float), leave it out of "
            f"{'argnames' if isinstance(place, str) else 'argnums'}, or differentiate the rest, by {IN_PART}"
        )

    def call(self, leaves: Sequence[Any]) -> Any:
        """The function on new leaves in place of the differentiated ones."""
        args, kwargs = list(self.args), dict(self.kwargs)
        for place, value in zip(self.places, self._containers(leaves, True), strict=True):
            if isinstance(place, int):
                args[place] = value
            else:
                kwargs[place] = value
        return twin(self.f)(*args, **kwargs)

    def derivative(self, leaves: Sequence[Any]) -> Any:
        """What has a leaf for each differentiated one: a container like the argument, or a tuple of them."""
        containers = self._containers(leaves, False)
        return containers[0] if self.is_one else tuple(containers)

    def _containers(self, leaves: Sequence[Any], with_others: bool) -> list[Any]:
        containers, start = [], 0
        for part in self.parts:
            containers.append(part.filled(leaves[start : start + part.count], with_others))
            start += part.count
        return containers

    def cotangents(self, cts: Sequence[Any]) -> list[Any]:
        """Cotangents with zeros for what is structurally zero; a real argument gets a real one."""
        return [zeros(leaf.type) if c is None else c for c, leaf in zip(cts, self.leaves, strict=True)]
