"""Which classes are containers, and how they are taken apart and put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import optree

from functad.errors import StructureError
from functad.identity import identity_key

__all__ = [
    "NAMESPACE",
    "Child",
    "Statics",
    "data_and_meta",
    "knows",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_static",
]

Class = TypeVar("Class", bound=type)

NAMESPACE = "functad"
"""Under which optree keeps functad's classes apart from those of others."""

_registered: dict[type, tuple[tuple[str, ...], tuple[str, ...]] | None] = {}
"""The fields that are children, and the static ones, of what is taken apart by its attributes; None for others."""


class Child(optree.PyTreeEntry):
    """How to reach a child of a class that names its children: an attribute, or an item."""

    def __call__(self, container: Any, /) -> Any:
        return getattr(container, self.entry) if self._is_name else container[self.entry]

    def codify(self, /, node: str = "") -> str:
        return f"{node}.{self.entry}" if self._is_name else f"{node}[{self.entry!r}]"

    @property
    def _is_name(self) -> bool:
        return isinstance(self.entry, str) and self.entry.isidentifier()


class Statics:
    """What of a container is no child: equal to others of the same types and values."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statics):
            return NotImplemented
        try:
            return identity_key(self.values) == identity_key(other.values)
        except TypeError:  # what cannot be hashed can still be compared
            return self.values == other.values

    def __hash__(self) -> int:
        return hash(identity_key(self.values))

    def __repr__(self) -> str:
        return repr(self.values)


def knows(cls: type) -> bool:
    """Whether a class has been registered."""
    return cls in _registered


def data_and_meta(cls: Any) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The attributes that are children, and those that are static, where a class is taken apart by its attributes."""
    return _registered.get(cls)


def register_pytree_node(
    nodetype: type,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Sequence[Any]], Any],
    flatten_with_keys_func: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Make a class a container.

    Parameters
    ----------
    nodetype
        The class. Its subclasses are not registered with it.
    flatten_func
        Gives the children of an instance, and what else is needed to make it again; that must be hashable.
    unflatten_func
        Makes an instance of that and of children. These may be traced values, or anything else: it must not look at
        them.
    flatten_with_keys_func
        Gives ``((name, child), ...)`` in place of the children: how paths name them.

    Raises
    ------
    StructureError
        If the class is a container already.

    Examples
    --------
    >>> import functad as fd
    >>> class Interval:
    ...     def __init__(self, low, high):
    ...         self.low, self.high = low, high
    >>> fd.tree.register_pytree_node(Interval, lambda x: ((x.low, x.high), None), lambda _, ends: Interval(*ends))
    >>> fd.grad(lambda x: x.high**2 - x.low**2)(Interval(1.0, 3.0)).high
    np.float64(6.0)
    """
    if flatten_with_keys_func is None:
        _register(nodetype, flatten_func, unflatten_func)
        return
    with_keys = flatten_with_keys_func

    def take_apart(x: Any) -> tuple[Sequence[Any], Any, Sequence[Any]]:
        pairs, rest = with_keys(x)
        pairs = list(pairs)
        return [child for _, child in pairs], rest, [key for key, _ in pairs]

    _register(nodetype, take_apart, unflatten_func, Child)


def register_pytree_node_class(cls: Class) -> Class:
    """Make a class a container, as a decorator; it has a method ``tree_flatten()``, which gives children and the rest,
    and a class method ``tree_unflatten(rest, children)``.

    Examples
    --------
    >>> import functad as fd
    >>> @fd.tree.register_pytree_node_class
    ... class Scaled:
    ...     def __init__(self, values, unit):
    ...         self.values, self.unit = values, unit
    ...     def tree_flatten(self):
    ...         return (self.values,), self.unit
    ...     @classmethod
    ...     def tree_unflatten(cls, unit, children):
    ...         return cls(*children, unit)
    >>> fd.tree.map(lambda x: 2 * x, Scaled(1.5, "m")).values
    3.0
    """
    methods: Any = cls
    for name in ("tree_flatten", "tree_unflatten"):
        if not callable(getattr(methods, name, None)):
            raise StructureError(f"tree.register_pytree_node_class: {cls.__name__} has no method {name}")
    _register(cls, methods.tree_flatten, methods.tree_unflatten)
    return cls


def register_dataclass(
    nodetype: Class,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> Class:
    """Make a class a container whose children are attributes.

    Dataclasses need not be registered: all of their fields are children, but those that are declared with
    ``dataclasses.field(metadata={"static": True})``. Instances are made again without ``__init__``, which might convert
    or check what is a traced value.

    Parameters
    ----------
    nodetype
        A dataclass, or with ``data_fields`` and ``meta_fields`` any class.
    data_fields
        The names of the attributes that are children.
    meta_fields
        The names of those that are static: part of the structure, compared by type and value.
    drop_fields
        Names of a dataclass's fields that are neither; copies do not have them.

    Raises
    ------
    StructureError
        If the class is a container already, or its fields are not the named ones.

    Examples
    --------
    >>> import dataclasses, functad as fd
    >>> @dataclasses.dataclass
    ... class Spring:
    ...     stiffness: float
    ...     name: str
    >>> _ = fd.tree.register_dataclass(Spring, data_fields=["stiffness"], meta_fields=["name"])
    >>> fd.grad(lambda s: s.stiffness**2)(Spring(3.0, "left"))
    Spring(stiffness=np.float64(6.0), name='left')
    """
    data, meta = _fields(nodetype, data_fields, meta_fields, drop_fields)

    def take_apart(x: Any) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
        return tuple([getattr(x, n) for n in data]), Statics(tuple([getattr(x, n) for n in meta])), data

    def put_together(static: Statics, children: Sequence[Any]) -> Any:
        made: Any = object.__new__(nodetype)
        for name, value in (*zip(data, children, strict=True), *zip(meta, static.values, strict=True)):
            object.__setattr__(made, name, value)
        return made

    _register(nodetype, take_apart, put_together, optree.GetAttrEntry, (data, meta))
    return nodetype


def register_static(cls: Class) -> Class:
    """Make a class a container of nothing, as a decorator: its instances are part of the structure, compared by ``==``.

    Examples
    --------
    >>> import functad as fd
    >>> @fd.tree.register_static
    ... class Options(frozenset):
    ...     pass
    >>> fd.tree.leaves({"options": Options(["fast"]), "x": 1.0})
    [1.0]
    """
    if cls.__hash__ is None:
        raise StructureError(
            f"tree.register_static: {cls.__name__} is not hashable; define __eq__ and __hash__, or, for a dataclass, "
            "write @dataclass(frozen=True)"
        )
    _register(cls, lambda x: ((), x), lambda x, _: x)
    return cls


def _fields(
    cls: type, data: Sequence[str] | None, meta: Sequence[str] | None, drop: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of children and of static attributes."""
    if (data is None) != (meta is None):
        raise StructureError("tree.register_dataclass: data_fields and meta_fields are given together, or neither")
    fields = {f.name: f for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else None
    if data is None or meta is None:
        if fields is None:
            raise StructureError(
                f"tree.register_dataclass: {cls.__name__} is no dataclass; name its data_fields and meta_fields"
            )
        kept = [f for f in fields.values() if f.name not in drop]
        static = [bool(f.metadata.get("static", False)) for f in kept]
        data = [f.name for f, flag in zip(kept, static, strict=True) if not flag]
        meta = [f.name for f, flag in zip(kept, static, strict=True) if flag]
    elif fields is not None:
        named = [*data, *meta, *drop]
        known = [name for name, f in fields.items() if f.init or name in named]
        if sorted(named) != sorted(known):
            raise StructureError(
                f"tree.register_dataclass: {cls.__name__} has the fields {', '.join(known)}; data_fields, meta_fields "
                f"and drop_fields must name each of them once, got {', '.join(named)}"
            )
    return tuple(data), tuple(meta)


def _register(
    cls: type,
    take_apart: Callable[[Any], Any],
    put_together: Callable[[Any, Sequence[Any]], Any],
    entry: type[optree.PyTreeEntry] = optree.AutoEntry,
    attributes: tuple[tuple[str, ...], tuple[str, ...]] | None = None,
) -> None:
    if not isinstance(cls, type):
        raise StructureError(f"tree: only a class can be registered as a container, got {cls!r}")
    try:
        optree.register_pytree_node(cls, take_apart, put_together, path_entry_type=entry, namespace=NAMESPACE)  # type: ignore[arg-type]
    except ValueError:
        raise StructureError(
            f"tree: {cls.__name__} is a container already"
            + ("; register a dataclass before it is first used" if dataclasses.is_dataclass(cls) else "")
        ) from None
    _registered[cls] = attributes
