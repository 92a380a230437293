"""Static arguments of a jitted function: values that its Program is made for.

A call's arguments are arrays and numbers, which each call gives anew, and *static* values: those that
``static_argnums`` and ``static_argnames`` name, and what cannot be anything else, also inside containers: strings,
booleans, enums, functions, types, objects of the user's classes. A Python integer whose value Python has asked for
while the function was traced (a shape, a slice, ``if n > 3``) becomes static, too.

Static values are the same where their types and values are, all the way down (`functad.identity`); objects of classes
are the same if they are one object, and are held weakly.
"""

from __future__ import annotations

import functools
import inspect
import operator
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from functad.api.arguments import name_of, normal_argnums
from functad.api.world.whose import package_of, package_of_class
from functad.caches import Recent
from functad.core.capture import Leaf, as_leaf
from functad.core.demand import Integers
from functad.core.foreign import is_foreign, is_sparse
from functad.core.location import user_stack_level
from functad.core.statics import is_constant, is_object, merged
from functad.core.trace import type_name
from functad.core.tracer import PYTHON, Tracer
from functad.errors import RetraceWarning, StructureError
from functad.identity import Weakly, identity_key
from functad.ir.program import Location
from functad.tree.containers import TreeDef, flatten, structure_key, unflatten

__all__ = ["Arguments", "Call", "StaticArgument", "complete_static", "is_gone"]


MOST_VALUES = 8
"""So many values of one argument are no reason to warn."""


SEVERAL = 3
"""From so many integers on that have been asked for, others beside them are not waited for."""


class Call:
    """The arguments of one call.

    ``structure`` is that of ``(args, kwargs)`` without what ``static_argnums`` names (``positions``, ``names``). Of its
    leaves those in ``fixed`` are static, by their numbers; ``leaves`` are the others.
    """

    __slots__ = ("fixed", "leaves", "names", "objects", "positions", "structure")

    def __init__(
        self,
        structure: TreeDef,
        objects: Sequence[Any],
        leaves: list[Leaf],
        fixed: Sequence[tuple[int, Any]] = (),
        positions: Sequence[tuple[int, Any]] = (),
        names: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.structure = structure
        self.objects = objects  # the leaves as they were given
        self.leaves = leaves
        self.fixed = tuple(fixed)
        self.positions = tuple(positions)
        self.names = tuple(names)

    @property
    def numbers(self) -> list[int]:
        """Which leaves of the structure are not static."""
        if not self.fixed:
            return list(range(len(self.leaves)))
        static = dict(self.fixed)
        return [i for i in range(self.structure.num_leaves) if i not in static]

    def with_leaves(self, leaves: list[Leaf]) -> Call:
        """The same with other values of the leaves that are not static."""
        return Call(self.structure, self.objects, leaves, self.fixed, self.positions, self.names)

    def integers(self) -> Integers:
        """The leaves that are Python integers."""
        found = [k for k, leaf in enumerate(self.leaves) if leaf.kind == PYTHON and leaf.type.dtype.kind == "i"]
        return Integers(self, found)

    def fixing(self, numbers: Iterable[int]) -> Call:
        """The same with more static leaves: Python integers."""
        chosen = set(numbers)
        leaves, fixed = [], dict(self.fixed)
        for i, leaf in zip(self.numbers, self.leaves, strict=True):
            if i in chosen:
                fixed[i] = operator.index(leaf.value)
            else:
                leaves.append(leaf)
        return Call(self.structure, self.objects, leaves, sorted(fixed.items()), self.positions, self.names)

    @property
    def static(self) -> list[Any]:
        """All static values."""
        return [value for _, value in (*self.positions, *self.names, *self.fixed)]

    def with_static(self, values: Sequence[Any]) -> Call:
        """The same with other values in the place of the static ones."""
        rest = iter(values)
        positions, names, fixed = [
            [(where, next(rest)) for where, _ in part] for part in (self.positions, self.names, self.fixed)
        ]
        return Call(self.structure, self.objects, self.leaves, fixed, positions, names)  # type: ignore[arg-type]

    def join(self, xs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the Python function, ``xs`` in the place of the leaves that are not static."""
        return self._of(self.all_leaves(xs, [value for _, value in self.fixed]))

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments as they were at the call."""
        objects = list(self.objects)
        for i, leaf in zip(self.numbers, self.leaves, strict=True):
            if type(objects[i]) is np.ndarray:
                objects[i] = leaf.value
        return self._of(objects)

    def _of(self, leaves: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        args, kwargs = unflatten(self.structure, leaves)
        args, kwargs = list(args), dict(kwargs)
        for i, value in self.positions:
            args.insert(i, value)
        kwargs.update(self.names)
        return args, kwargs

    def all_leaves(self, xs: Iterable[Any], static: Iterable[Any]) -> list[Any]:
        """All leaves of the structure: those that are not static, and those that are."""
        return merged(dict(zip([i for i, _ in self.fixed], static, strict=True)), list(xs))

    @property
    def compared(self) -> list[Any]:
        """The static leaves, as an entry compares them: objects as what does not keep them."""
        return [Weakly(value) if is_object(type(value)) else value for _, value in self.fixed]

    @property
    def held_weakly(self) -> list[Any]:
        """The static leaves that are objects."""
        return [value for _, value in self.fixed if is_object(type(value))]

    def key(self) -> tuple[Hashable, ...]:
        """What two calls share exactly if one Program serves both; raises TypeError where there is none."""
        structure = self.structure
        # containers other than the pair of args and kwargs, whose keys are strings
        containers = structure.num_nodes > structure.num_leaves + 3
        return (
            structure_key(structure) if containers else structure,
            *[(where, identity_key(value)) for where, value in (*self.positions, *self.names)],
            *[(i, _key(value)) for i, value in self.fixed],
            *[(leaf.type, leaf.kind) for leaf in self.leaves],
        )


def is_gone(key: Any) -> bool:
    """Whether a key of a call is of an object that is there no more."""
    return any([type(p) is tuple and len(p) == 2 and type(p[1]) is Weakly and p[1].value is None for p in key])


def _key(value: Any) -> Hashable:
    return Weakly(value) if is_object(type(value)) else identity_key(value)


class StaticArgument(NamedTuple):
    """An argument, or a part of one, that is static for a kind of call: its name, its value, why it is, and the user's
    line that has asked for it.
    """

    name: str
    value: Any
    why: str
    location: Location | None = None

    def __str__(self) -> str:
        where = f" at {self.location}" if self.location else ""
        return f"{self.name} = {self.value!r} is static: {self.why}{where}"


class Arguments:
    """The arguments of a function: which are static by position and by name, which integers have been asked for in
    which kind of call, and what they are called.

    Examples
    --------
    >>> arguments = Arguments(lambda x, mode: x, (), ())
    >>> call = arguments.call((np.zeros(3), "fast"), {})
    >>> [leaf.type for leaf in call.leaves], call.fixed, arguments.name(call, 1)
    ([f64[3]], ((1, 'fast'),), 'mode')
    """

    def __init__(self, f: Callable[..., Any], positions: tuple[int, ...], names: tuple[str, ...]) -> None:
        self.f = f
        self.positions = positions
        self.names = frozenset(names)
        self._asked = Recent[dict[int, Location | None]]()  # by kind of call: integers that decide, and where
        self._values = Recent[dict[Hashable, None]]()  # that a leaf has had

    # -- from the arguments of a call ----------------------------------------------------------------------------------

    def call(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        leaf: Callable[[Any, Callable[[], str]], Leaf] = as_leaf,
    ) -> Call:
        """The arguments of a call, told apart."""
        dynamic, positions, names = self.split(args, kwargs)
        found, structure = flatten(dynamic)
        made = Call(structure, found, [], (), positions, names)
        leaves, fixed = made.leaves, []
        for i, x in enumerate(found):
            cls = type(x)
            if cls is Tracer:
                leaves.append(Leaf(x, x._variable.type, x._kind))
            elif cls is not np.ndarray and self._is_static(cls):
                fixed.append((i, x))
            else:
                try:
                    leaves.append(leaf(x, functools.partial(self.where, made, i)))
                except StructureError:
                    if hasattr(x, "shape") or is_foreign(type(x)):
                        raise
                    raise self._unfit(made, i, x) from None
        made.fixed = tuple(fixed)
        return made

    def split(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        """The arguments without those that are named as static, as ``(args, kwargs)``; those by position, and by
        name.
        """
        if not self.positions and not self.names:
            return (tuple(args), kwargs), (), ()
        positions: set[int] = set()
        for p in self.positions:
            if -len(args) <= p < len(args):
                positions.update(normal_argnums(p, len(args), "jit"))
        names = {k for k in kwargs if k in self.names}
        dynamic = (
            tuple([a for i, a in enumerate(args) if i not in positions]),
            {k: v for k, v in kwargs.items() if k not in names},
        )
        return dynamic, [(i, args[i]) for i in sorted(positions)], [(k, kwargs[k]) for k in sorted(names)]

    def _is_static(self, cls: type) -> bool:
        return is_constant(cls) or (is_object(cls) and self._is_own(cls))

    def _is_own(self, cls: type) -> bool:
        """Whether the class of an object is the user's: what its methods read can be told."""
        if cls is SimpleNamespace or is_sparse(cls) or any(["__call__" in base.__dict__ for base in cls.__mro__]):
            return True
        package = package_of_class(cls)
        return package is None or (package != "" and package == package_of(self.f))

    # -- integers that decide, and values that keep changing -----------------------------------------------------------

    def asked(self, kind: Hashable) -> Mapping[int, Location | None]:
        """The leaves of a kind of call whose values have been asked for, and where."""
        return self._asked.get(kind) or {}

    def note(self, call: Call, kind: Hashable, integers: Integers) -> None:
        """Note that integers have been asked for; where there are several, all in the containers that hold the last
        ones, since tracing begins anew for each.
        """
        numbers, asked = call.numbers, self._asked.setdefault(kind, {})
        asked.update({numbers[k]: where for k, where in integers.asked.items()})
        if len(asked) < SEVERAL:
            return
        holders = [tuple(path[:-1]) for path in call.structure.accessors()]
        for k, where in integers.asked.items():
            holder = holders[numbers[k]]
            if len(holder) > 1:  # it is not that of all arguments
                beside = [numbers[i] for i in integers.numbers if holders[numbers[i]] == holder]
                asked.update({n: where for n in beside if n not in asked})

    def count(self, call: Call, kind: Hashable) -> None:
        """Note that a function has been traced for the static values of a call, and warn, once, where one argument has
        had many.
        """
        for number, value in call.fixed:
            values = self._values.setdefault((call.structure, number), {})
            if len(values) > MOST_VALUES:
                continue
            values.setdefault(_key(value))
            if len(values) > MOST_VALUES:
                why, where = self._why(kind, number, value)
                name = f"argument {self.name(call, number)} of {name_of(self.f)}"
                warnings.warn(
                    f"{name} has had more than {MOST_VALUES} values, and jit traces {name_of(self.f)} anew for each: "
                    f"{why}{f' at {where}' if where else ''}. {_advice(value)}",
                    RetraceWarning,
                    stacklevel=user_stack_level(),
                )

    def _why(self, kind: Hashable, number: int, value: Any) -> tuple[str, Location | None]:
        asked = self.asked(kind)
        if number in asked:
            return "Python needs its value", asked[number]
        return f"a {type_name(value)} is static{', by its identity' if is_object(type(value)) else ''}", None

    def static_arguments(self, call: Call, kind: Hashable) -> list[StaticArgument]:
        """The static arguments of a call, for `explain`."""
        named = [(self._parameter(i), value) for i, value in call.positions] + list(call.names)
        return [
            *[StaticArgument(name, value, "static_argnums or static_argnames names it") for name, value in named],
            *[StaticArgument(self.name(call, i), v, *self._why(kind, i, v)) for i, v in call.fixed],
        ]

    def forget(self) -> None:
        """Forget which integers decide."""
        self._asked.clear()
        self._values.clear()

    # -- what arguments are called -------------------------------------------------------------------------------------

    def name(self, call: Call, number: int) -> str:
        """What a leaf is called: ``x``, ``params['w']``, ``args[2]``."""
        part, which, *rest = call.structure.accessors()[number]
        path = "".join([entry.codify("") for entry in rest])
        if part.entry == 1:
            return f"{which.entry}{path}"
        position = int(which.entry)
        for static, _ in call.positions:
            position += static <= position
        return self._parameter(position) + path

    def _parameter(self, position: int) -> str:
        try:
            parameters = list(inspect.signature(self.f).parameters.values())
        except (TypeError, ValueError):
            return f"number {position}"
        for i, p in enumerate(parameters):
            if p.kind is p.VAR_POSITIONAL:
                return f"{p.name}[{position - i}]"
            if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                break
            if i == position:
                return p.name
        return f"number {position}"

    def where(self, call: Call, number: int) -> str:
        """How messages name a leaf."""
        return f"argument {self.name(call, number)} of {name_of(self.f)}"

    def _unfit(self, call: Call, number: int, x: Any) -> Exception:
        return StructureError(
            f"{self.where(call, number)} is a {type_name(x)}; expected an array, a number, a container of them, or a "
            "value that is static by itself (a string, a bool, None, an enum, a function, a type, an object of a class "
            f"of yours): {_instead(x)}"
        )

    def unhashable(self, call: Call) -> Exception:
        """The error that names the static argument that cannot be hashed."""
        named = [
            (f"static argument {where!r} of {name_of(self.f)}", value)
            for where, value in (*call.positions, *call.names)
        ]
        for what, value in (*named, *[(self.where(call, i), value) for i, value in call.fixed]):
            try:
                identity_key(value)
            except TypeError:
                by_itself = any([value is v for _, v in call.fixed])
                instead = "with tuples in the place of lists" if by_itself else "or leave it out of static_argnums"
                return StructureError(
                    f"{what} is a {type_name(value)}, which cannot be hashed; static arguments select the compiled "
                    f"code and must be hashable: pass a tuple, {instead}"
                )
        return StructureError(f"the arguments of {name_of(self.f)} have a structure that cannot be hashed")


def _advice(value: Any) -> str:
    """What to write where a static argument keeps changing."""
    if type(value) is int:
        return (
            "Compute with it instead (a loop over range(n), np.where), call it with few different sizes, or pass a "
            "NumPy integer, np.int64(n), whose value is never asked for"
        )
    if callable(value):
        return "Define it once, outside of the loop that calls, and pass what changes as arguments"
    if isinstance(value, bool):
        return "Pass np.bool_(flag), which is data"
    if is_object(type(value)):
        return "Make the object once, or a dataclass of its arrays and numbers, which are data"
    return "Pass what changes as numbers or arrays, which are data"


def _instead(x: Any) -> str:
    if isinstance(x, set):
        return "pass a frozenset"
    if hasattr(type(x), "__next__"):
        return "pass a list or a tuple of what it gives"
    if isinstance(x, np.random.Generator | np.random.RandomState):
        return "draw before, and pass the draws"
    return "pass its arrays and numbers, or name it in static_argnames to have it taken for a constant"


def complete_static(
    f: Callable[..., Any], nums: tuple[int, ...], names: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Static positions with their names, and the other way round."""
    if not nums and not names:
        return nums, names
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return nums, names
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    unknown = [
        n
        for n in names
        if n not in {p.name for p in parameters} and not any(p.kind is p.VAR_KEYWORD for p in parameters)
    ]
    if unknown:
        raise StructureError(f"jit: static_argnames names {unknown[0]!r}, but {name_of(f)} has no such parameter")
    more_names = {positional[n] for n in nums if -len(positional) <= n < len(positional)}
    more_nums = {positional.index(n) for n in names if n in positional}
    return tuple(sorted({*nums, *more_nums})), tuple(sorted({*names, *more_names}))
