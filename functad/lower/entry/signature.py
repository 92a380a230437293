"""What an entry takes and gives: the structure of a call's arguments and result, for one specialisation of a compiled
function.

An entry is valid for exactly this: containers of these types and keys, leaves of these kinds, dtypes and shapes, static
values. Everything else goes to its slow path. Leaves count from left to right, those that no call gives (``hidden``)
behind the arguments', and that is the order of the driver's inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.lower.entry.places import Check, Place, Unwritten

__all__ = ["DTYPES", "KINDS", "Container", "Driver", "Hidden", "Leaf", "Signature", "Spec", "Static", "statics_of"]

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip

# Which dtypes the driver may see behind a leaf of each kind; None: any of a native array.
KINDS: dict[str, frozenset[str] | None] = {
    "array": None,
    "numpy_scalar": None,
    "python_bool": frozenset({"bool"}),
    "python_int": frozenset({"int64", "float64"}),  # as float64 where it is to be differentiated; results are int64
    "python_float": frozenset({"float64"}),
    "python_complex": frozenset({"complex128"}),
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """An array or a scalar; ``kind`` is a key of ``KINDS``."""

    kind: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        dtypes = KINDS[self.kind]
        if dtypes is not None and self.dtype.name not in dtypes:
            raise InternalError(f"a {self.kind} leaf has dtype {' or '.join(sorted(dtypes))}, not {self.dtype}")
        if self.dtype.name not in DTYPES or not self.dtype.isnative:
            raise InternalError(f"native code has no dtype {self.dtype!r}")
        if self.shape and self.kind != "array":
            raise InternalError(f"a {self.kind} leaf has shape (), not {self.shape}")


@dataclass(frozen=True, slots=True)
class Container:
    """Children in a container of exactly this class.

    ============== ==================================================================================================
    ``kind``       ``parts``
    ============== ==================================================================================================
    ``tuple``      none
    ``list``       none
    ``dict``       the keys, in the order of the children: strings, or ints that are no bools
    ``namedtuple`` the class, which is called with the children
    ``fields``     a class, and the names of the attributes in which its instances have the children
    ``custom``     a class, the function that takes an instance apart (children and rest), the one that puts it
                   together (of rest and children), and the rest
    ============== ==================================================================================================
    """

    kind: str
    children: tuple[Spec, ...]
    parts: tuple[Any, ...] = ()
    order: tuple[int, ...] = ()  # in which the children of a result are put into a dict; () for their own

    @property
    def has_int_keys(self) -> bool:
        """Whether a look-up would also find keys of other types: 1 is True and 1.0."""
        return self.kind == "dict" and bool(self.parts) and all([type(k) is int for k in self.parts])


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """None, or an argument that the code was specialised for: this object or one that is the same, by its plan."""

    value: Any


Spec = Leaf | Container | Static


@dataclass(frozen=True, slots=True)
class Hidden:
    """A leaf that no call gives: the object in ``place`` at each call, checked as an argument is."""

    place: Place
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a call, its result, what it reads besides, and what must hold for the code to be valid.

    With ``gives_out`` the call has another keyword, ``out``: the container of the result with arrays to write it to.
    """

    args: tuple[Spec, ...]
    result: Spec
    hidden: tuple[Hidden, ...] = ()
    checks: tuple[Check, ...] = ()
    keywords: tuple[tuple[str, Spec], ...] = ()
    gives_out: bool = False

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Those of the arguments by position, then of those by keyword."""
        return (*self.args, *[spec for _, spec in self.keywords])

    @property
    def names(self) -> tuple[str, ...]:
        """The keywords of the call."""
        return (*[name for name, _ in self.keywords], *(["out"] if self.gives_out else []))

    @property
    def inputs(self) -> tuple[Leaf, ...]:
        """The leaves of the arguments, then the hidden ones."""
        return (*[leaf for spec in self.specs for leaf in _leaves(spec)], *[h.leaf for h in self.hidden])

    @property
    def structure(self) -> Signature:
        """What is left when everything that an entry's code does not depend on is made equal: sizes, keys, values,
        objects.
        """
        hidden = tuple([Hidden(h.place.structure, _structure(h.leaf)) for h in self.hidden])  # type: ignore[arg-type]
        one_by_one = [c.structure for c in self.checks if not isinstance(c, Unwritten)]
        together = dict.fromkeys([c.structure for c in self.checks if isinstance(c, Unwritten)])
        keywords = tuple([("", _structure(spec)) for _, spec in self.keywords])
        checks = (*one_by_one, *together)
        args, result = tuple(map(_structure, self.args)), _structure(self.result, is_made=True)
        return Signature(args, result, hidden, checks, keywords, self.gives_out)

    @property
    def outputs(self) -> tuple[Leaf, ...]:
        """The leaves of the result."""
        return tuple(_leaves(self.result))


@dataclass(frozen=True, slots=True)
class Driver:
    """The function that an entry calls, ``i32 driver(ptr inputs, ptr outputs, ptr sizes, i64 caller)``, with all that
    it takes besides the arguments.

    ``inputs`` points to the data pointers of the argument leaves and then of ``constants`` (C-contiguous arrays);
    ``outputs`` to those of the result leaves, whose memory is fresh and uninitialised; ``sizes`` to the int64
    ``sizes``. A complex element is two reals, a boolean one byte. The driver gives 0, or the code of an error. ``keep``
    is what must live as long as the entry: the library with the code. The GIL is released during the call if
    ``release_gil``; None lets the size of arguments and result decide.
    """

    address: int
    sizes: tuple[int, ...] = ()
    constants: tuple[np.ndarray[Any, Any], ...] = ()
    keep: object = None
    release_gil: bool | None = None


_ANY = Static(None)


def _structure(spec: Spec, is_made: bool = False) -> Spec:
    """What code depends on; on the order of keys only where it makes the dict."""
    match spec:
        case Static():
            return _ANY
        case Leaf():
            return Leaf(spec.kind, spec.dtype, (0,) * len(spec.shape)) if spec.shape else spec
        case Container():
            children = tuple([_structure(child, is_made) for child in spec.children])
            return Container(spec.kind, children, (0,) if spec.has_int_keys else (), spec.order if is_made else ())


def statics_of(spec: Spec) -> Iterator[Static]:
    """The statics of a container, from left to right."""
    match spec:
        case Static():
            yield spec
        case Container():
            for child in spec.children:
                yield from statics_of(child)


def _leaves(spec: Spec) -> Iterator[Leaf]:
    match spec:
        case Leaf():
            yield spec
        case Container():
            for child in spec.children:
                yield from _leaves(child)
