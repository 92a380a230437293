"""``jit``: trace a function once for each kind of argument, compile it to native code, and call that."""

from __future__ import annotations

import functools
import inspect
import random
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload
from weakref import WeakValueDictionary

import numpy as np

from functad import config
from functad.api.arguments import fresh_all, leaf_name, leaves_of, name_of, normal_argnums
from functad.api.fastmath import FastMath, fastmath_flags
from functad.api.out import check_out, has_out, refuse_out
from functad.api.signatures import entry_signature
from functad.api.stages import Lowered
from functad.api.world.guards import Guards
from functad.api.world.hidden import HiddenOperand
from functad.api.world.operands import Operand, Operands, compared_arrays
from functad.api.world.outside import Outside
from functad.api.world.substitute import Substitution
from functad.api.world.watch import Watch
from functad.caches import Recent, on_clearing
from functad.core.capture import Captured, Leaf, capture, own
from functad.core.location import user_location
from functad.core.trace import current_trace, escaped, not_native, type_name
from functad.core.tracer import Tracer
from functad.core.wrapping import Wrapper, look_like, own_attributes
from functad.errors import StructureError
from functad.front.calls import twin
from functad.identity import identity_key
from functad.ir.dce import dce
from functad.ir.derived import derived
from functad.ir.key import structural_key
from functad.ir.program import Program, sub_programs
from functad.lower.backends import backend, execute
from functad.lower.entry.called import MISMATCH, CalledNatively, called_natively, mismatch
from functad.lower.entry.places import ABSENT, Fixed, InForce, Unwritten
from functad.lower.entry.unchanged import Unchanged
from functad.primitives.calls import call, set_executor
from functad.tree import TreeDef, flatten, structure_key, unflatten

__all__ = ["Jitted", "Traced", "jit"]

Static = tuple[tuple[tuple[Any, Any], ...], tuple[tuple[Any, Any], ...]]
"""Static arguments by position and by name."""


@dataclass(eq=False)
class Traced:
    """A Program traced from one kind of call, what it is valid for, and how to call it natively."""

    program: Program  # inputs: captures, then the arguments' leaves, then the hidden operands
    in_tree: TreeDef
    leaves: list[Leaf]  # types and kinds of the dynamic arguments; no values
    out_tree: TreeDef
    captures: list[Tracer]
    hidden: tuple[HiddenOperand, ...]
    guards: Guards
    entries: dict[tuple[config.Settings, bool], Callable[..., Any] | None] = field(
        default_factory=dict
    )  # take the arguments of a call as they are, with out= and without; None where Python has to take them apart

    def valid(self) -> bool:
        """Whether the world is as the Program takes it to be."""
        return self.guards.holds() and all([h.fits() for h in self.hidden])

    def supersedes(self, other: Traced) -> bool:
        """Whether this reads at each call what the other holds one value of."""
        compared = {id(g.array) for g in self.guards.guards if isinstance(g, Unwritten) and g.content is not None}
        read = {
            h.place.identity for h in self.hidden if not (isinstance(h.place, Fixed) and id(h.place.value) in compared)
        }
        for guard in other.guards.guards:
            if isinstance(guard, Unchanged) and any([guard.held_at(identity) is not ABSENT for identity in read]):
                return True
            if isinstance(guard, Unwritten) and guard.content is not None and Fixed(guard.array).identity in read:
                return True
        return False


MOST_VERSIONS = 8
"""Programs for one kind of call that are kept: for worlds that come back."""


MOST_KINDS = 64
"""Kinds of call that go straight to native code; so many are searched before a call is given to Python."""

REPLACED = 1 / 8
"""How often another kind takes the place of one of so many: to make a table of entries anew costs three calls by way of
Python.
"""


@called_natively
class Jitted(CalledNatively, Wrapper):
    """A function compiled on its first call with each kind of arguments; what `jit` returns.

    A call goes straight to machine code, to the entry made for its kind. Where there is none, `call_without_entry`
    traces and compiles, and makes one.
    """

    closes_over = ("_f",)
    keeps_its_closure = True

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnums: tuple[int, ...],
        static_argnames: tuple[str, ...],
        fastmath: str = "",
        front: bool = True,
    ) -> None:
        super().__init__()
        look_like(self, f)
        self._f = f
        self._fastmath = fastmath
        self._front = front
        self._static_argnums = static_argnums
        self._static_argnames = frozenset(static_argnames)
        self._traced = Recent[list[Traced]]()  # by kind of call
        self._kinds: list[tuple[Traced, Callable[..., Any]]] = []  # with their entries
        self._operands = Operands(name_of(f))
        self._lock = threading.RLock()
        _functions[id(self)] = self

    def around(self, f: Callable[..., Any]) -> Jitted:
        """The same around another function."""
        return Jitted(f, *self._options())

    def _options(self) -> tuple[tuple[int, ...], tuple[str, ...], str, bool]:
        return self._static_argnums, tuple(sorted(self._static_argnames)), self._fastmath, self._front

    def __reduce__(self) -> tuple[Any, ...]:
        return Jitted, (self._f, *self._options()), own_attributes(self, self._f)  # what has been compiled stays

    def __repr__(self) -> str:
        return f"<functad.jit of {name_of(self._f)}>"

    # -- the slow path: from arguments to a traced Program -------------------------------------------------------------

    def call_without_entry(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given, own = self._split_out(kwargs)
        traced, leaves, positional, words = self.trace(args, own)
        around = current_trace()
        outside = None if around is None else around.outside
        hidden = [
            h.value() if outside is None or isinstance(h.place, Fixed) else outside.hide(h.place, h.type, h.kind)
            for h in traced.hidden
        ]
        values = [*traced.captures, *[leaf.value for leaf in leaves], *hidden]
        if around is not None:
            if given is not None:
                refuse_out(name_of(self._f))
            if outside is not None:
                outside.inherit(traced.guards)
            outs = call(traced.program, values, name_of(self._f), self._fastmath)
            return traced.out_tree.unflatten(fresh_all(outs, values))
        for v in values:
            if type(v) is Tracer:
                raise escaped(v)
        arrays = []
        if given is not None:
            read = [*flatten(self.split_static(args, own)[0])[0], *hidden]
            arrays = check_out(given[0], traced.out_tree, traced.program.out_types, read, name_of(self._f))
        if backend().compiles:
            if given is not None:
                words = {**words, "out": given[0]}
            result = self._call_entry(traced, leaves, positional, words, given is not None)
            if result is not MISMATCH:
                return result
        outs = call(traced.program, values, name_of(self._f), self._fastmath)
        if given is None:
            return traced.out_tree.unflatten(outs if backend().compiles else fresh_all(outs, values))
        for array, value in zip(arrays, outs, strict=True):
            array[...] = value
        return given[0]

    def _split_out(self, kwargs: dict[str, Any]) -> tuple[tuple[Any] | None, dict[str, Any]]:
        """The arrays to write the results to, if any, and the function's own keywords."""
        if "out" not in kwargs or has_out(self._f):
            return None, kwargs
        return (kwargs["out"],), {k: v for k, v in kwargs.items() if k != "out"}

    def _call_entry(
        self, traced: Traced, leaves: Sequence[Leaf], args: Sequence[Any], kwargs: dict[str, Any], gives_out: bool
    ) -> Any:
        """The result by the native entry for such calls; `MISMATCH` where there is none, or it does not take them.

        As a side effect, calls like this one go straight to the entry from now on.
        """
        from functad.lower.compile import compiled_of, entry_for

        settings, checks = config.settings(), traced.guards.checks
        if checks is None:
            return MISMATCH
        key = settings, gives_out
        if key not in traced.entries:
            _, static = self.split_static(args, kwargs)
            signature = entry_signature(static, leaves, traced, (InForce(settings), *checks), gives_out)
            traced.entries[key] = None
            if signature is not None:
                compiled = compiled_of(traced.program, self._fastmath)
                traced.entries[key] = entry_for(compiled, signature, mismatch, name_of(self._f))
        entry = traced.entries[key]
        if entry is None:
            return MISMATCH
        self._use(traced, entry)
        return entry(*args, **kwargs)

    def _use(self, traced: Traced, entry: Callable[..., Any]) -> None:
        """Calls that the entry fits go straight to it, as long as its Program is one of this function's."""
        with self._lock:
            full = len(self._kinds) == MOST_KINDS
            if any([e is entry for _, e in self._kinds]) or (full and random.random() > REPLACED):
                return
            current = {id(t) for versions in self._traced.values() for t in versions}
            if id(traced) not in current:
                return
            kinds = [(t, e) for t, e in self._kinds if id(t) in current]
            if len(kinds) == MOST_KINDS:  # any of them: where kinds come in turn, the one used longest ago is the next
                del kinds[random.randrange(MOST_KINDS)]
            kinds.append((traced, entry))
            self.set_entries([e for _, e in kinds])
            self._kinds = kinds

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The stages of compiling this function for such arguments, to be looked at one by one."""
        traced = self.trace(args, kwargs)[0]
        if traced.captures:
            raise StructureError(f"lower: {name_of(self._f)} closes over traced values; make them arguments")
        return Lowered(traced.program, self, tuple([h.place.get() for h in traced.hidden]), self._fastmath)

    def trace(
        self, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Traced, list[Leaf], Sequence[Any], dict[str, Any]]:
        """The Program for these arguments, traced now if there is none yet, the leaves of the dynamic arguments, and
        the arguments as they were at the call: the function may write to them while it is traced.
        """
        dynamic, static = self.split_static(args, kwargs)
        leaves, structure = leaves_of(dynamic, f"arguments of {name_of(self._f)}: ")
        try:
            containers = (
                structure.num_nodes > structure.num_leaves + 3
            )  # other than the pair of args and kwargs, whose keys are strings
            key = (
                structure_key(structure) if containers else structure,
                *self.key_of(static),
                *[(leaf.type, leaf.kind) for leaf in leaves],
            )
            versions = self._versions(key)
        except TypeError:
            raise self.unhashable(static) from None
        traced = valid_one(versions)
        if traced is None:
            with self._lock:
                traced = valid_one(versions)
                if traced is None:
                    leaves = [own(leaf) for leaf in leaves]
                    traced = with_known_program(self.trace_now(structure, static, leaves, versions), versions)
                    if (
                        not traced.captures and traced.valid()
                    ):  # what closes over tracers of an enclosing function serves this call only
                        versions[:] = [traced, *[v for v in versions if not traced.supersedes(v)]][:MOST_VERSIONS]
                    objects = flatten(dynamic)[0]
                    before = [
                        leaf.value if type(x) is np.ndarray else x for x, leaf in zip(objects, leaves, strict=True)
                    ]
                    args, kwargs = self.join_static(unflatten(structure, before), static)
        return traced, leaves, args, kwargs

    def _versions(self, key: Hashable) -> list[Traced]:
        """The Programs for a kind of call."""
        found = self._traced.get(key)
        return self._traced.setdefault(key, []) if found is None else found

    def forget(self) -> None:
        """Forget what has been traced: the next call is the first."""
        self._traced.clear()
        self._operands = Operands(name_of(self._f))
        self._kinds = []
        self.set_entries(())

    def trace_now(
        self, structure: TreeDef, static: Static, leaves: Sequence[Leaf], versions: Sequence[Traced] = ()
    ) -> Traced:
        """Run the Python function on tracers; ``versions`` are Programs for other states of the world."""
        roots = [self._f, *[value for _, value in (*static[0], *static[1])]]
        watch = Watch(*roots)
        operands = self._operands.choose(watch, versions)
        try:
            return self._version(structure, static, leaves, watch, operands)
        except Exception as e:
            if not operands:
                raise
            error = e
        return self._operands.some(
            lambda chosen: self._version(structure, static, leaves, Watch(*roots), chosen), operands, error
        )

    def _version(
        self,
        structure: TreeDef,
        static: Static,
        leaves: Sequence[Leaf],
        watch: Watch,
        operands: Mapping[Hashable, Operand],
    ) -> Traced:
        """A Program that reads operands at each call, and holds the rest of what the function reads."""
        outside = Outside(watch.reach.arrays, compared_arrays(watch.reach, operands), watch.reach.foreign)
        decisive: set[Hashable] = set()

        def replaced() -> tuple[Callable[..., Any], Static]:
            tracers = {
                identity: outside.operand(source.place.value)
                if isinstance(source.place, Fixed)
                else outside.hide(source.place, leaf.type, leaf.kind, asked=functools.partial(decisive.add, identity))
                for identity, (source, leaf) in operands.items()
            }
            f, *values = Substitution(watch.reach, tracers).of(*watch.roots)
            rest = iter(values)
            positions, names = [tuple([(where, next(rest)) for where, _ in part]) for part in static]
            return f, (positions, names)

        captured = self.capture(structure, static, leaves, outside, replaced if operands else None)
        captured.trace.env.clear()  # what the function made is its own, not ours
        guard = watch.guard((operands.keys() - decisive) | self._operands.counters.keys(), outside.guards.later)
        self._operands.note_writes(watch)
        self._rewrite(watch)
        outside.guards.add(guard)
        for identity in decisive:
            self._operands.decides(identity, operands[identity].source, "it decides a shape or a branch")
        program, hidden, guards = outside.settle(captured.program)
        captured.trace.outside = None  # which refers to it: arrays in what was traced would wait for the collector
        kept = [Leaf(None, leaf.type, leaf.kind) for leaf in leaves]
        return Traced(program, structure, kept, captured.out_tree, captured.captures, hidden, guards)

    def capture(
        self,
        structure: TreeDef,
        static: Static,
        leaves: Sequence[Leaf],
        outside: Outside | None = None,
        replaced: Callable[[], tuple[Callable[..., Any], Static]] | None = None,
    ) -> Captured:
        """What the function does; without ``outside`` with the arrays that it closes over as they are, in a Program of
        the leaves alone.

        ``replaced`` makes another function, and static arguments, that stand for them.
        """

        def call(xs: Sequence[Any]) -> Any:
            f, fixed = (self._f, static) if replaced is None else replaced()
            args, kwargs = self.join_static(unflatten(structure, xs), fixed)
            if self._front:
                return twin(f)(*args, **kwargs)
            return config.front.during(False, lambda: f(*args, **kwargs))

        for i, leaf in enumerate(leaves):
            if not leaf.type.native:
                where = leaf_name(f"arguments of {name_of(self._f)}: ", structure, i)
                raise not_native(f"{where}, given at {user_location()}, is", leaf.type)
        captured = capture(call, leaves, "jit", concrete=False, outside=outside)
        captured.program = dce(captured.program)
        name = name_of(self._f)
        captured.program.name = "" if name == "<lambda>" else name
        return captured

    def _rewrite(self, watch: Watch) -> None:
        """What the function has written to while it was traced counts as it left it, for all versions."""
        if watch.writes:
            for traced in [t for versions in self._traced.values() for t in versions]:
                for guard in traced.guards.guards:
                    if isinstance(guard, Unchanged):
                        guard.rewrite(watch.writes)

    # -- static arguments ----------------------------------------------------------------------------------------------

    def split_static(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Dynamic arguments as (args, kwargs), and static ones as ((position, value), ...), ((name, value), ...)."""
        if not self._static_argnums and not self._static_argnames:
            return (tuple(args), kwargs), ((), ())
        positions: set[int] = set()
        for p in self._static_argnums:
            if -len(args) <= p < len(args):
                positions.update(normal_argnums(p, len(args), "jit"))
        names = {k for k in kwargs if k in self._static_argnames}
        dynamic = (
            tuple([a for i, a in enumerate(args) if i not in positions]),
            {k: v for k, v in kwargs.items() if k not in names},
        )
        static = tuple([(i, args[i]) for i in sorted(positions)]), tuple([(k, kwargs[k]) for k in sorted(names)])
        return dynamic, static

    def join_static(self, dynamic: Any, static: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the Python function."""
        args, kwargs = list(dynamic[0]), dict(dynamic[1])
        for i, value in static[0]:
            args.insert(i, value)
        kwargs.update(static[1])
        return args, kwargs

    def key_of(self, static: Any) -> tuple[Any, ...]:
        """What decides, besides the dynamic arguments, which Program serves a call: static values, and flags that act
        while it is made.
        """
        flags = config.debug.value, config.dump.value
        return (flags, *[(where, identity_key(value)) for where, value in (*static[0], *static[1])])

    def unhashable(self, static: Any) -> Exception:
        """The error that names the static argument that cannot be hashed."""
        for where, value in (*static[0], *static[1]):
            try:
                identity_key(value)
            except TypeError:
                return StructureError(
                    f"static argument {where!r} of {name_of(self._f)} is a {type_name(value)}, which cannot be hashed; "
                    "static arguments select the compiled code and must be hashable: pass a tuple, or leave it out of "
                    "static_argnums"
                )
        return StructureError(f"the arguments of {name_of(self._f)} have a structure that cannot be hashed")


_functions: WeakValueDictionary[int, Jitted] = WeakValueDictionary()  # all that there are


@on_clearing
def forget() -> None:
    """Forget what jitted functions have been traced to."""
    for reference in _functions.valuerefs():
        f = reference()
        if f is not None:
            f.forget()


def with_known_program(traced: Traced, versions: Sequence[Traced]) -> Traced:
    """A new version with the compiled Program of another, where what has changed made no difference to it."""
    for other in versions:
        if identity_of(other.program) == identity_of(traced.program):
            traced.program = other.program
            break
    return traced


@derived
def identity_of(program: Program) -> Any:
    """What two Programs share exactly if they compute the same, and come from the same lines."""
    return structural_key(program), lines_of(program)


def lines_of(program: Program) -> list[Any]:
    """Where the equations of a Program, and of those in it, come from."""
    found: list[Any] = []
    for eqn in program.eqns:
        found.append(eqn.loc and (eqn.loc.code, eqn.loc.instruction))
        found += [lines_of(p) for p in sub_programs(eqn)]
    return found


def valid_one(versions: list[Traced]) -> Traced | None:
    """The version that fits the world, moved to the front: those used longest ago are dropped first."""
    for traced in versions:
        if traced.valid():
            if versions[0] is not traced:
                versions[:] = [traced, *[v for v in versions if v is not traced]]
            return traced
    return None


@overload
def jit(
    f: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
    front: bool = True,
) -> Jitted: ...
@overload
def jit(
    f: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
    front: bool = True,
) -> Callable[[Callable[..., Any]], Jitted]: ...
def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
    front: bool = True,
) -> Any:
    """Compile a function to native code; also a decorator, with or without arguments.

    The function is traced once for each structure, dtype, shape and kind of its arguments; it must be pure, but what it
    closes over may change between calls. An array that meets traced values as it is (``x * w``, also ``w[1:]``,
    ``w.T``) is read anew at each call, whatever its size. What Python or NumPy computes from one before (``2 * w``,
    ``w[0]``, ``np.sum(w)``) is traced again when the array has changed, and so is what depends on a number, a string or
    a function in a closure cell or a global. Numbers and arrays that keep changing are read anew, too. docs/closures.md
    says what is seen and what is not (attributes of objects, items of lists): pass such things as arguments.

    Parameters
    ----------
    static_argnums, static_argnames
        Arguments that are Python values (hashable), not traced: a value of another type, or that differs, traces again
        (1, 1.0 and True are three values, and so are (0.0,) and (-0.0,) two). Given by position they are static by name
        too, and the other way round, where the signature tells.
    fastmath
        By default compiled arithmetic is NumPy's to the last bit: ``+ - * /`` and ``sqrt`` round once each. A set of
        LLVM's flags, with Numba's meaning (``"contract"``: products may be fused with sums; ``"reassoc"``, ``"arcp"``,
        ``"nsz"``, ``"nnan"``, ``"ninf"``, ``"afn"``, and ``"fast"`` for all), or True for ``{"fast"}``, lets LLVM
        change it: in this function, its derivatives, and the jitted functions that it calls, whose own flags then do
        not count. Elementary functions keep their accuracy.
    front
        Whether the function is rewritten first, so that it may be plain Python (docs/plain_code.md); False runs it, and
        what it calls, as it is, as ``FUNCTAD_FRONT=0`` does. ``fd.explain(f)(*args)`` says what was made of it.

    A call of the jitted function may give arrays to write the results to, ``out=``: the container that the function
    returns, with an array for each result, of its shape (``()`` for a number) and dtype, which shares no memory with
    another one or with an argument. The call returns that container. Where an error is raised in the middle, what the
    arrays hold is not specified. A parameter ``out`` of the function's own wins.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.jit
    ... def f(x, y):
    ...     return np.sum(np.sin(x) * y)
    >>> f(np.zeros(3), np.ones(3))
    np.float64(0.0)

    Results in an array of one's own:

    >>> doubled, buffer = fd.jit(lambda x: 2 * x), np.empty(3)
    >>> doubled(np.ones(3), out=buffer) is buffer
    True
    >>> buffer
    array([2., 2., 2.])

    An array that is written to between calls:

    >>> weights = np.ones(3)
    >>> weighted = fd.jit(lambda x: np.sum(weights * x))
    >>> weighted(np.ones(3))
    np.float64(3.0)
    >>> weights[:] = 2.0
    >>> weighted(np.ones(3))
    np.float64(6.0)
    """
    if f is None:
        options = {"static_argnums": static_argnums, "static_argnames": static_argnames}
        return functools.partial(jit, **options, fastmath=fastmath, front=front)  # type: ignore[arg-type]
    if not callable(f):
        raise StructureError(f"jit takes a function, got {type_name(f)}")
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    nums, names = complete_static(f, nums, names)
    return Jitted(f, nums, names, fastmath_flags(fastmath), front)


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


set_executor(execute)
