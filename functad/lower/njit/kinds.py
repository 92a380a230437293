"""What Numba is told of jitted functions: that they are functions, typed and compiled for what they are called with."""

from __future__ import annotations

import inspect
import itertools
import linecache
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numba
from numba import types
from numba.core.errors import NumbaError, NumbaTypeError
from numba.core.typing.templates import make_overload_template
from numba.extending import NativeValue, models, register_model, unbox
from numba.np.numpy_support import as_dtype

from functad.errors import FunctadError
from functad.lower.njit.intrinsics import address_of, calling_python, invoke, load, loaded, value_at
from functad.lower.njit.table import Callee, Leaf, Table
from functad.lower.njit.text import source

__all__ = ["type_of"]

_numbers = itertools.count()


class JittedType(types.Function):  # type: ignore[misc]
    """The type of one jitted function."""


register_model(JittedType)(models.OpaqueModel)


@unbox(JittedType)  # type: ignore[untyped-decorator]
def _unbox(type: Any, value: Any, context: Any) -> Any:
    return NativeValue(context.context.get_dummy_value())


_known: dict[int, tuple[Any, JittedType]] = {}
"""The type of each function that Numba code has met, with the function: kept for good, as Numba keeps code that calls
it."""


def type_of(callee: Any) -> JittedType:
    """The type of a jitted function, the same each time."""
    if id(callee) not in _known:
        parameters = _parameters(callee)
        names: dict[str, Any] = {"compiled": lambda *args: _implementation(callee, parameters, args)}
        given = ", ".join([f"*{p}" if p.startswith("*") else p.partition("=")[0] for p in parameters])
        text = f"def typed({', '.join(parameters)}):\n    return compiled({given.replace('**', '*')})\n"
        exec(text, names)
        template = make_overload_template(callee, names["typed"], {}, False, "never")
        _known[id(callee)] = callee, JittedType(template)
    return _known[id(callee)][1]


def _parameters(callee: Any) -> list[str]:
    """The parameters as text, with those defaults that Numba code may have."""
    try:
        found = list(inspect.signature(callee).parameters.values())
    except (TypeError, ValueError):
        return ["*args"]
    shown = []
    for p in found:
        if p.kind is p.VAR_POSITIONAL:
            shown.append(f"*{p.name}")
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            plain = p.default is None or type(p.default) in (bool, int, float, str)
            if p.default is not p.empty and not plain:
                break
            shown.append(p.name if p.default is p.empty else f"{p.name}={p.default!r}")
    return shown


def _implementation(callee: Callee, parameters: Sequence[str], args: Sequence[Any]) -> Callable[..., Any]:
    """The code of a call with arguments of these types."""
    given = [a.value if isinstance(a, types.Omitted) else a for a in args]
    while given and not isinstance(given[-1], types.Type):  # a default
        given.pop()
    leaves: list[tuple[Leaf, str, bool]] = []
    names = [p.partition("=")[0] for p in parameters]
    rest = names[-1] if names and names[-1].startswith("*") else None
    plain = names[:-1] if rest else names
    places = [*plain, *[f"{rest[1:]}[{i}]" for i in range(len(args) - len(plain))]] if rest else plain
    structure = [_taken(t, p, leaves, callee.__name__) for t, p in zip(given, places, strict=False)]

    def arguments(values: Sequence[Any]) -> tuple[Any, ...]:
        left = iter(values)
        return tuple([make(left) for make in structure])

    try:
        table = Table(callee, [leaf for leaf, _, _ in leaves], arguments)
        text, scope = source(
            table, ", ".join(parameters), [place for _, place, _ in leaves], [aligned for _, _, aligned in leaves]
        )
    except FunctadError as error:
        raise NumbaTypeError(f"{type(error).__name__}: {error}") from error
    missing, failed = table.missing, table.failed
    _kept.append((table, missing, failed))
    scope |= {"address_of": address_of, "value_at": value_at, "load": load, "invoke": invoke}
    scope |= {"first": loaded(table.address), "missing": calling_python(missing), "failed": calling_python(failed)}
    name = f"<functad.njit.{next(_numbers)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), scope)
    return scope["call"]  # type: ignore[no-any-return]


_kept: list[Any] = []
"""What Numba's code calls and reads: kept for good, as Numba keeps its machine code."""


def _taken(kind: Any, place: str, leaves: list[tuple[Leaf, str, bool]], name: str) -> Callable[[Iterator[Any]], Any]:
    """Note the leaves of an argument of a type; how it is made of their values."""
    given: Any = types.unliteral(kind if isinstance(kind, types.Type) else numba.typeof(kind))
    if isinstance(given, types.NoneType):
        return lambda values: None
    if isinstance(given, types.BaseTuple):
        inner: Any = given
        parts = [_taken(t, f"{place}[{i}]", leaves, name) for i, t in enumerate(inner)]
        cls = getattr(given, "instance_class", None)

        def container(values: Iterator[Any]) -> Any:
            made = [part(values) for part in parts]
            return tuple(made) if cls is None else cls(*made)

        return container
    scalar = isinstance(given, types.Number | types.Boolean)
    if not scalar and not isinstance(given, types.Array):
        raise NumbaTypeError(
            f"{name} is given a {given} in @njit code; expected arrays, numbers, None, or tuples and namedtuples of "
            "them"
        )
    try:
        dtype = as_dtype(given if scalar else given.dtype)
    except (NotImplementedError, NumbaError):
        dtype = None
    if dtype is None or dtype.kind not in "fciub" or dtype.name == "float16":
        raise NumbaTypeError(f"{name} is given a {given} in @njit code; functad computes numbers, and Numba no float16")
    leaves.append((Leaf(dtype, 0 if scalar else given.ndim, scalar), place, scalar or given.aligned))
    return next
