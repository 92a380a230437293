"""``jit``: trace a function once for each kind of argument, compile it to native code, and call that."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from functad import config
from functad.api.arguments import fresh_all, leaves_of, name_of, normal_argnums
from functad.api.closures import Held, held_arrays, unchanged
from functad.api.fastmath import FastMath, fastmath_flags
from functad.api.signatures import entry_signature
from functad.api.stages import Lowered
from functad.core.capture import Leaf, capture
from functad.core.evaluator import run_program
from functad.core.trace import current_trace, escaped, type_name
from functad.core.tracer import Tracer
from functad.errors import StructureError
from functad.ir.dce import dce
from functad.ir.program import Program
from functad.primitives.calls import call, set_executor
from functad.tree import TreeDef, unflatten

__all__ = ["Jitted", "Traced", "jit"]


@dataclass(eq=False)
class Traced:
    """A Program traced from one kind of call, what it is valid for, and how to call it natively."""

    program: Program
    in_tree: TreeDef
    leaves: list[Leaf]  # types and kinds of the dynamic arguments; no values
    out_tree: TreeDef
    captures: list[Tracer]
    arrays: tuple[Held, ...]  # closed-over arrays that can be written to
    entry: Callable[..., Any] | None = None  # takes the arguments of a positional call as they are; None: take them apart in Python

    def valid(self) -> bool:
        """Whether the closed-over arrays still hold what they held."""
        return unchanged(self.arrays)


class Jitted:
    """A function compiled on its first call with each kind of arguments; what `jit` returns."""

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnums: tuple[int, ...],
        static_argnames: tuple[str, ...],
        fastmath: str = "",
    ) -> None:
        functools.update_wrapper(self, f)
        self._f = f
        self._fastmath = fastmath
        self._static_argnums = static_argnums
        self._static_argnames = frozenset(static_argnames)
        self._traced: dict[Any, list[Traced]] = {}
        self._lock = threading.RLock()

    def __new__(cls, *args: Any) -> Jitted:
        # each function has a class of its own: its __call__ becomes the native entry of the last kind of call, which no Python code then precedes
        return super().__new__(type("Jitted", (Jitted,), {"__doc__": cls.__doc__}) if cls is Jitted else cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._dispatch(args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<functad.jit of {name_of(self._f)}>"

    # -- the slow path: from arguments to a traced Program --------------------------------------------------------------------------

    def _dispatch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        traced, leaves = self.trace(args, kwargs)
        values = [*traced.captures, *[leaf.value for leaf in leaves]]
        if current_trace() is None and config.backend.value == "native":
            for v in values:
                if type(v) is Tracer:
                    raise escaped(v)
            return traced.out_tree.unflatten(self.native(traced, args, kwargs, leaves)(*values))
        outs = call(traced.program, values, name_of(self._f), self._fastmath)
        return traced.out_tree.unflatten(fresh_all(outs, values))

    def native(self, traced: Traced, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Leaf]) -> Callable[..., Any]:
        """The native call of the leaves; as a side effect, calls like this one go straight to native code from now on."""
        from functad.lower.compile import compiled_of, entry_for
        from functad.lower.execute import native_call

        compiled = compiled_of(traced.program, self._fastmath)
        if traced.entry is None and not kwargs:
            dynamic, static = self.split_static(args, kwargs)
            fixed = {i: value.value for i, value in static[0]}
            signature = entry_signature(dynamic[0], fixed, leaves, traced.out_tree, traced.program.out_types)
            if signature is not None:
                traced.entry = self._guarded(traced.arrays, entry_for(compiled, signature, self._slow, name_of(self._f)))
        if traced.entry is not None:
            type(self).__call__ = staticmethod(traced.entry)  # type: ignore[method-assign]
        return native_call(traced.program, self._fastmath)

    def _guarded(self, arrays: tuple[Held, ...], entry: Callable[..., Any]) -> Callable[..., Any]:
        """The entry behind a look at the closed-over arrays, where there are any."""
        if not arrays:
            return entry

        def call(*args: Any, **kwargs: Any) -> Any:
            return entry(*args, **kwargs) if unchanged(arrays) else self._dispatch(args, kwargs)

        return call

    def _slow(self, *args: Any, **kwargs: Any) -> Any:
        """What the entry calls with arguments that are not those it was made for."""
        return self._dispatch(args, kwargs)

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The stages of compiling this function for such arguments, to be looked at one by one."""
        traced, _ = self.trace(args, kwargs)
        if traced.captures:
            raise StructureError(f"lower: {name_of(self._f)} closes over traced values; make them arguments")
        return Lowered(traced.program, self, self._fastmath)

    def trace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Traced, list[Leaf]]:
        """The Program for these arguments, traced now if there is none yet, and the leaves of the dynamic arguments."""
        dynamic, static = self.split_static(args, kwargs)
        leaves, structure = leaves_of(dynamic, f"arguments of {name_of(self._f)}: ")
        key = (structure, static, *[(leaf.type, leaf.kind) for leaf in leaves])
        try:
            candidates = self._traced.setdefault(key, [])
        except TypeError:
            raise self.unhashable(static) from None
        for traced in candidates:
            if traced.valid():
                return traced, leaves
        with self._lock:
            for traced in candidates:
                if traced.valid():
                    return traced, leaves
            traced = self.trace_now(structure, static, leaves)
            if not traced.captures:  # what closes over tracers of an enclosing function serves this call only
                candidates.append(traced)
        return traced, leaves

    def trace_now(self, structure: TreeDef, static: Any, leaves: Sequence[Leaf]) -> Traced:
        """Run the Python function on tracers."""

        def call(xs: Sequence[Any]) -> Any:
            args, kwargs = self.join_static(unflatten(structure, xs), static)
            return self._f(*args, **kwargs)

        captured = capture(call, leaves, "jit", concrete=False)
        program = dce(captured.program)
        name = name_of(self._f)
        program.name = "" if name == "<lambda>" else name
        kept = [Leaf(None, leaf.type, leaf.kind) for leaf in leaves]
        return Traced(program, structure, kept, captured.out_tree, captured.captures, held_arrays(captured.trace.arrays))

    # -- static arguments ---------------------------------------------------------------------------------------------------------

    def split_static(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Dynamic arguments as (args, kwargs), and static ones as ((position, value), ...), ((name, value), ...)."""
        if not self._static_argnums and not self._static_argnames:
            return (args, kwargs), ((), ())
        positions: set[int] = set()
        for p in self._static_argnums:
            if -len(args) <= p < len(args):
                positions.update(normal_argnums(p, len(args), "jit"))
        names = {k for k in kwargs if k in self._static_argnames}
        dynamic = tuple([a for i, a in enumerate(args) if i not in positions]), {k: v for k, v in kwargs.items() if k not in names}
        static = tuple([(i, Static(args[i])) for i in sorted(positions)]), tuple([(k, Static(kwargs[k])) for k in sorted(names)])
        return dynamic, static

    def join_static(self, dynamic: Any, static: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the Python function."""
        args, kwargs = list(dynamic[0]), dict(dynamic[1])
        for i, value in static[0]:
            args.insert(i, value.value)
        kwargs.update((k, value.value) for k, value in static[1])
        return args, kwargs

    def unhashable(self, static: Any) -> Exception:
        """The error that names the static argument that cannot be hashed."""
        for where, value in (*static[0], *static[1]):
            try:
                hash(value)
            except TypeError:
                return StructureError(
                    f"static argument {where!r} of {name_of(self._f)} is a {type_name(value.value)}, which cannot be hashed; "
                    "static arguments select the compiled code and must be hashable: pass a tuple, or leave it out of static_argnums"
                )
        return StructureError(f"the arguments of {name_of(self._f)} have a structure that cannot be hashed")


class Static:
    """A static argument: equal to another if type and value are (1, 1.0 and True are different programs)."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and type(self.value) is type(other.value) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@overload
def jit(
    f: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
) -> Jitted: ...
@overload
def jit(
    f: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
) -> Callable[[Callable[..., Any]], Jitted]: ...
def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
) -> Any:
    """Compile a function to native code; also a decorator, with or without arguments.

    The function is traced once for each structure, dtype, shape and kind of its arguments; it must be pure. What it closes over is part of the
    Program: arrays are compared on each call, so writing to one traces again.

    Parameters
    ----------
    static_argnums, static_argnames
        Arguments that are Python values (hashable), not traced: a new value traces again. Given by position they are static by name too, and
        the other way round, where the signature tells.
    fastmath
        By default compiled arithmetic is NumPy's to the last bit: ``+ - * /`` and ``sqrt`` round once each. A set of
        LLVM's flags, with Numba's meaning (``"contract"``: products may be fused with sums; ``"reassoc"``, ``"arcp"``,
        ``"nsz"``, ``"nnan"``, ``"ninf"``, ``"afn"``, and ``"fast"`` for all), or True for ``{"fast"}``, lets LLVM
        change it: in this function, its derivatives, and the jitted functions that it calls, whose own flags then do
        not count. Elementary functions keep their accuracy.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.jit
    ... def f(x, y):
    ...     return np.sum(np.sin(x) * y)
    >>> f(np.zeros(3), np.ones(3))
    np.float64(0.0)
    """
    if f is None:
        return functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames, fastmath=fastmath)
    if not callable(f):
        raise StructureError(f"jit takes a function, got {type_name(f)}")
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    nums, names = complete_static(f, nums, names)
    return Jitted(f, nums, names, fastmath_flags(fastmath))


def complete_static(f: Callable[..., Any], nums: tuple[int, ...], names: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Static positions with their names, and the other way round."""
    if not nums and not names:
        return nums, names
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return nums, names
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    unknown = [n for n in names if n not in {p.name for p in parameters} and not any(p.kind is p.VAR_KEYWORD for p in parameters)]
    if unknown:
        raise StructureError(f"jit: static_argnames names {unknown[0]!r}, but {name_of(f)} has no such parameter")
    more_names = {positional[n] for n in nums if -len(positional) <= n < len(positional)}
    more_nums = {positional.index(n) for n in names if n in positional}
    return tuple(sorted({*nums, *more_nums})), tuple(sorted({*names, *more_names}))


def execute_jit(program: Program, args: Sequence[Any], fastmath: str = "") -> Sequence[Any]:
    """Run a ``jit`` equation by the chosen backend, which is imported now."""
    if config.backend.value == "evaluator":
        return run_program(program, args)
    from functad.lower.execute import execute

    return execute(program, args, fastmath)


set_executor(execute_jit)
