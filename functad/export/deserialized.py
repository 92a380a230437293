"""A function that has been stored: a Program, and the containers that it takes and gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from functad.api.arguments import fresh_all, leaf_of
from functad.api.fastmath import fastmath_flags
from functad.core.capture import Leaf
from functad.core.statics import merged
from functad.core.trace import current_trace, escaped
from functad.core.tracer import PYTHON, Tracer
from functad.errors import DtypeError, ShapeError, StructureError
from functad.export.structures import LEAF, structure_text
from functad.identity import Immutable
from functad.ir.program import Program
from functad.ir.types import ArrayType
from functad.primitives.calls import Options, call
from functad.primitives.convert import convert
from functad.tree.containers import TreeDef, flatten, leaf_paths

__all__ = ["Deserialized", "argument_name"]


class Deserialized(Immutable):
    """What ``fd.export.deserialize`` gives: a function of arguments of given shapes, dtypes and containers."""

    def __init__(self, program: Program, name: str, fastmath: str, arguments: Any, result: Any) -> None:
        leaves, structure = flatten(arguments)
        if type(arguments) is not tuple or [type(x) for x in arguments] != [tuple, dict]:
            raise StructureError("the arguments are positional ones, and keywords")
        found, self._result = flatten(result)
        self._static = {i: x for i, x in enumerate(found) if x is not LEAF}
        if len(leaves) != len(program.inputs) or len(found) - len(self._static) != len(program.outputs):
            raise StructureError("the function takes or gives more, or fewer, than its Program")
        if any(x is not LEAF for x in leaves):
            raise StructureError("an argument is constant")
        self.program = program
        """What it computes, as it was traced; inputs and outputs are the leaves of arguments and results."""
        self._fastmath = fastmath_flags(set(fastmath.split()))
        self._arguments = structure_text(structure)
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result, as the function that was serialised gives it; in a trace, an equation ``jit``."""
        found, structure = flatten((args, kwargs))
        given = structure_text(structure)
        if given != self._arguments:
            raise StructureError(
                f"{self.__name__} was serialised for arguments {_shown(self._arguments)}, and is called with "
                f"{_shown(given)}"
            )
        leaves = [leaf_of(x, partial(self._name, structure, i)) for i, x in enumerate(found)]
        values = [
            self._checked(leaf, type, structure, i)
            for i, (leaf, type) in enumerate(zip(leaves, self.program.in_types, strict=True))
        ]
        if current_trace() is None:
            for v in values:
                if type(v) is Tracer:
                    raise escaped(v)
        outs = fresh_all(call(self.program, values, self.__name__, Options(self._fastmath)), values)
        return self._result.unflatten(merged(self._static, outs))

    def _name(self, structure: TreeDef, number: int) -> str:
        return f"{self.__name__}: {argument_name(leaf_paths(structure)[number])}"

    def _checked(self, leaf: Leaf, expected: ArrayType, structure: TreeDef, number: int) -> Any:
        """The value of an argument; narrower dtypes and Python's numbers are converted."""
        given = leaf.type
        if given is expected:
            return leaf.value
        if given.shape != expected.shape:
            raise ShapeError(
                f"{self._name(structure, number)} has shape {given.shape}, but the function was serialised for "
                f"{expected}; serialise it for this shape, too, or map it with fd.vmap"
            )
        weak = leaf.kind == PYTHON and "biufc".index(given.dtype.kind) <= "biufc".index(expected.dtype.kind)
        if weak or np.can_cast(given.dtype, expected.dtype, "safe"):
            return convert(leaf.value, expected.dtype)
        raise DtypeError(
            f"{self._name(structure, number)} has dtype {given.dtype}, but the function was serialised for {expected}; "
            f"convert it with .astype({expected.dtype.name!r})"
        )

    def __repr__(self) -> str:
        types, results = _listed(self.program.in_types), _listed(self.program.out_types)
        return f"<functad.export.deserialize of {self.__name__}: {types} -> {results}>"


def _listed(types: Sequence[ArrayType]) -> str:
    return str(types[0]) if len(types) == 1 else f"({', '.join(map(str, types))})"


def _shown(text: str) -> str:
    """The text of the structure of all arguments, as one writes a call: without keywords where there are none."""
    return text[1:].removesuffix(", {})") if text.endswith(", {})") else text


def argument_name(path: str) -> str:
    """How messages name a leaf of (positional arguments, keywords).

    Examples
    --------
    >>> argument_name("[0][1]['a']"), argument_name("[1]['rate']")
    ("argument 1['a']", "argument 'rate'")
    """
    return re.sub(r"^\[[01]\]\[([^]]*)\]", r"argument \1", path)
