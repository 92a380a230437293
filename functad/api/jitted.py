"""What ``jit`` returns: a function that is traced once for each kind of argument, and calls the native code of that."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from functad import config
from functad.api.arguments import fresh_all, leaf_or_type, name_of
from functad.api.out import check_out, has_out, refuse_out
from functad.api.signatures import entry_signature
from functad.api.stages import Lowered
from functad.api.static import Arguments, Call, StaticArgument, is_gone
from functad.api.stats import Log, report
from functad.api.traced import MOST_VERSIONS, Traced, valid_one, with_known_program
from functad.api.world.operands import Operand, Operands, compared_arrays
from functad.api.world.outside import Outside
from functad.api.world.reach import Source
from functad.api.world.substitute import Substitution
from functad.api.world.watch import Watch
from functad.caches import Recent, on_clearing
from functad.core.capture import Captured, Leaf, as_leaf, capture, own
from functad.core.demand import Demanded
from functad.core.location import user_location
from functad.core.observing import observing
from functad.core.trace import current_trace, escaped, not_native
from functad.core.tracer import Tracer
from functad.core.typed import P, R, Typed
from functad.core.watched import watched
from functad.core.wrapping import Transformed, Wrapper, look_like, own_attributes
from functad.errors import EscapedTracerError, StructureError, message_of
from functad.front.calls import twin
from functad.ir.dce import dce
from functad.lower.backends import backend, execute, native_function
from functad.lower.entry.called import MISMATCH, CalledNatively, called_natively, mismatch
from functad.lower.entry.places import Fixed, InForce
from functad.lower.entry.unchanged import Unchanged
from functad.primitives.calls import PLAIN, Options, call, set_executor
from functad.primitives.long_loops import set_compiler
from functad.timing import Record, Stats, stage

if TYPE_CHECKING:
    from functad.lower.njit.table import Leaf as Kind
    from functad.lower.njit.table import Version

__all__ = ["MOST_KINDS", "Jitted"]


MOST_KINDS = 64
"""Kinds of call that go straight to native code; so many are searched before a call is given to Python."""

REPLACED = 1 / 8
"""How often another kind takes the place of one of so many: to make a table of entries anew costs three calls by way of
Python.
"""


@called_natively
class Jitted(Typed[P, R], CalledNatively, Wrapper):  # type: ignore[misc]  # of any parameters there
    """A function compiled on its first call with each kind of arguments; what `jit` returns.

    A call goes straight to machine code, to the entry made for its kind. Where there is none, `call_without_entry`
    traces and compiles, and makes one.
    """

    closes_over = ("_f",)
    keeps_its_closure = True

    def __init__(
        self,
        f: Callable[P, R],
        static_argnums: tuple[int, ...],
        static_argnames: tuple[str, ...],
        options: Options = PLAIN,
        front: bool = True,
    ) -> None:
        super().__init__()
        look_like(self, f)
        self._f = f
        self._options = options
        self._front = front
        self._arguments = Arguments(f, static_argnums, static_argnames)
        self._traced = Recent[list[Traced]]()  # by kind of call
        self._kinds: list[tuple[Traced, Callable[..., Any]]] = []  # with their entries
        self._operands = Operands(name_of(f))
        self._objects: dict[int, weakref.ref[Any]] = {}  # objects among the arguments
        self._log = Log(name_of(f))
        self._lock = threading.RLock()
        _functions[id(self)] = self

    def around(self, f: Callable[P, R]) -> Jitted[P, R]:
        """The same around another function."""
        return Jitted(f, *self._given())

    def _given(self) -> tuple[tuple[int, ...], tuple[str, ...], Options, bool]:
        return self._arguments.positions, tuple(sorted(self._arguments.names)), self._options, self._front

    def __reduce__(self) -> tuple[Any, ...]:
        return Jitted, (self._f, *self._given()), own_attributes(self, self._f)  # what has been compiled stays

    def __repr__(self) -> str:
        return f"<functad.jit of {name_of(self._f)}>"

    # -- the slow path: from arguments to a traced Program -------------------------------------------------------------

    def call_without_entry(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return watched("jit", self._f, self._call, args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given, own = self._split_out(kwargs)
        traced, given_call = self.trace(args, own)
        around = current_trace()
        outside = None if around is None else around.outside
        hidden = [
            h.value() if outside is None or isinstance(h.place, Fixed) else outside.hide(h.place, h.type, h.kind)
            for h in traced.hidden
        ]
        values = [*traced.captures, *[leaf.value for leaf in given_call.leaves], *hidden]
        if around is not None:
            if given is not None:
                refuse_out(name_of(self._f))
            if outside is not None:
                outside.inherit(traced.guards)
            outs = call(traced.program, values, name_of(self._f), self._options)
            return traced.result(fresh_all(outs, values))
        for v in values:
            if type(v) is Tracer:
                raise escaped(v)
        arrays = []
        if given is not None:
            read = [*given_call.objects, *hidden]
            structure, static = traced.out_tree, traced.out_static
            arrays = check_out(given[0], structure, static, traced.program.out_types, read, name_of(self._f))
        if backend(self._options.backend).compiles and not config.settings().watched:
            result = self._call_entry(traced, given_call, given)
            if result is not MISMATCH:
                return result
        outs = call(traced.program, values, name_of(self._f), self._options)
        if given is None:
            return traced.result(outs if backend(self._options.backend).compiles else fresh_all(outs, values))
        for array, value in zip(arrays, outs, strict=True):
            array[...] = value
        return given[0]

    def _split_out(self, kwargs: dict[str, Any]) -> tuple[tuple[Any] | None, dict[str, Any]]:
        """The arrays to write the results to, if any, and the function's own keywords."""
        if "out" not in kwargs or has_out(self._f):
            return None, kwargs
        return (kwargs["out"],), {k: v for k, v in kwargs.items() if k != "out"}

    def _call_entry(self, traced: Traced, given: Call, out: tuple[Any] | None) -> Any:
        """The result by the native entry for such calls; `MISMATCH` where there is none, or it does not take them.

        As a side effect, calls like this one go straight to the entry from now on.
        """
        from functad.lower.compile import compiled_of, entry_for

        settings, checks = config.settings(), traced.guards.checks
        if checks is None:
            return MISMATCH
        key = settings, out is not None
        if key not in traced.entries:
            signature = entry_signature(given, traced, (InForce(settings), *checks), out is not None)
            traced.entries[key] = None
            if signature is not None:
                with traced.record as record:
                    compiled = compiled_of(traced.program, self._options)
                    traced.entries[key] = entry_for(compiled, signature, mismatch, name_of(self._f))
                report(record)
        entry = traced.entries[key]
        if entry is None:
            return MISMATCH
        self._use(traced, entry)
        args, kwargs = given.arguments()
        return entry(*args, **kwargs) if out is None else entry(*args, **kwargs, out=out[0])

    def _use(self, traced: Traced, entry: Callable[..., Any]) -> None:
        """Calls that the entry fits go straight to it, as long as its Program is one of this function's."""
        with self._lock:
            full = len(self._kinds) == MOST_KINDS
            if any([e is entry for _, e in self._kinds]) or (full and random.random() > REPLACED):
                return
            current = self._current()
            if id(traced) not in current:
                return
            kinds = [(t, e) for t, e in self._kinds if id(t) in current]
            if len(kinds) == MOST_KINDS:  # any of them: where kinds come in turn, the one used longest ago is the next
                del kinds[random.randrange(MOST_KINDS)]
            kinds.append((traced, entry))
            self.set_entries([e for _, e in kinds])
            self._kinds = kinds

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The stages of compiling this function for such arguments, or types (`ShapeDtypeStruct`), to be looked at one
        by one.
        """
        traced, given = self.trace(args, kwargs, leaf_or_type)
        if traced.captures:
            raise StructureError(f"lower: {name_of(self._f)} closes over traced values; make them arguments")
        hidden = tuple([h.place.get() for h in traced.hidden])
        names = [self._arguments.name(given, number) for number in given.numbers]
        return Lowered(traced.program, self, hidden, self._options, names, not isinstance(self._f, Transformed))

    def trace(
        self, args: Sequence[Any], kwargs: dict[str, Any], leaf: Callable[[Any, Callable[[], str]], Leaf] = as_leaf
    ) -> tuple[Traced, Call]:
        """The Program for these arguments, traced now if there is none yet, and the arguments as they were at the call:
        the function may write to them while it is traced. ``leaf`` makes a leaf of one.
        """
        given = self._arguments.call(args, kwargs, leaf)
        try:
            kind = self._key(given)
            versions = self._versions(kind)
        except TypeError:
            raise self._arguments.unhashable(given) from None
        given, versions = self._known(given, kind, versions)
        traced = valid_one(versions)
        if traced is None:
            with self._lock:
                given = given.with_leaves([own(leaf) for leaf in given.leaves])
                record: Record | None = None
                while (traced := valid_one(versions)) is None:
                    record = record or self._log.begin(given, bool(versions))
                    try:
                        with record, stage("trace"):
                            traced = self._traced_now(given, kind, versions)
                        traced.record, record.equations = record, len(traced.program.eqns)
                        observer = observing.get()
                        if observer is not None:
                            observer.took("trace", record.function, record.stages["trace"])
                        break
                    except Demanded as demanded:  # to be traced again, with the values of integers
                        if demanded.integers.call is not given:
                            raise
                        self._arguments.note(given, kind, demanded.integers)
                    given, versions = self._known(given, kind, versions)
        return traced, given

    def _known(self, given: Call, kind: Hashable, versions: list[Traced]) -> tuple[Call, list[Traced]]:
        """The call with the integers that are known to decide static, and the Programs for it; ``versions`` are those
        where there are none.
        """
        asked = self._arguments.asked(kind)
        if not asked:
            return given, versions
        given = given.fixing(asked)
        return given, self._versions(self._key(given))

    def _key(self, given: Call) -> Hashable:
        """What decides which Program serves a call: its kind, its static values, and flags that act while it is
        made.
        """
        return (config.debug.value, config.debug_nans.value, config.dump.value, *given.key())

    def _traced_now(self, given: Call, kind: Hashable, versions: list[Traced]) -> Traced:
        """A new version, which serves later calls, too, if it can."""
        traced = with_known_program(self.trace_now(given, versions), versions)
        if not traced.captures and traced.valid():  # what closes over tracers of an enclosing function serves this only
            versions[:] = [traced, *[v for v in versions if not traced.supersedes(v)]][:MOST_VERSIONS]
            self._arguments.count(given, kind)
        for value in given.held_weakly:
            with contextlib.suppress(TypeError):  # its class has slots, and none for that
                self._objects[id(value)] = weakref.ref(value, functools.partial(_is_gone, weakref.ref(self)))
        return traced

    def _versions(self, key: Hashable) -> list[Traced]:
        """The Programs for a kind of call."""
        found = self._traced.get(key)
        return self._traced.setdefault(key, []) if found is None else found

    def static_arguments(self, *args: Any, **kwargs: Any) -> list[StaticArgument]:
        """The arguments of such calls that are static, and why: what the function is traced anew for.

        Examples
        --------
        >>> import functad as fd, numpy as np
        >>> for found in fd.jit(lambda x, n, mode: x * np.ones(n)).static_arguments(2.0, 3, "fast"):
        ...     print(found)
        n = 3 is static: Python needs its value at <doctest ...
        mode = 'fast' is static: a str is static
        """
        _, given = self.trace(args, kwargs)
        return self._arguments.static_arguments(given, self._key(self._arguments.call(args, kwargs)))

    def stats(self) -> Stats:
        """What the function was traced and compiled for, why, and where the time went.

        Examples
        --------
        >>> import functad as fd, numpy as np
        >>> f = fd.jit(lambda x: np.sum(x * x))
        >>> f(np.ones(30)), f(np.ones(40))
        (np.float64(30.0), np.float64(40.0))
        >>> f.stats()
        <lambda>(f64[30]): the first call; 2 equations, ...: trace ..., passes ...
        <lambda>(f64[40]): other shapes; 2 equations, no code compiled, ...: trace ..., passes ...
        >>> f.stats()[1].stages["trace"] < 1
        True
        """
        return self._log.stats()

    def version(self, args: Sequence[Any]) -> Version:
        """What the function does with such arguments, for ``@njit`` code that calls it."""
        from functad.api.from_njit import version

        return version(self, args)

    def suggested_shapes(self, leaves: Sequence[Kind]) -> Iterator[list[tuple[int, ...]]]:
        """Shapes of arguments of these kinds that it may take."""
        from functad.api.from_njit import suggested_shapes

        return suggested_shapes(self, leaves)

    def forget_objects(self) -> None:
        """Forget what has been traced for objects that are there no more."""
        for key in list(self._traced):
            if is_gone(key):
                self._traced.discard(key)
        self._objects = {number: r for number, r in list(self._objects.items()) if r() is not None}
        if self._lock.acquire(blocking=False):  # the collector may have called, in a thread that holds another lock
            try:
                current = self._current()
                self._kinds = [(t, e) for t, e in self._kinds if id(t) in current]
                self.set_entries([e for _, e in self._kinds])
            finally:
                self._lock.release()

    def _current(self) -> set[int]:
        """The identities of the Programs that are this function's."""
        return {id(t) for versions in self._traced.values() for t in versions}

    def forget(self) -> None:
        """Forget what has been traced: the next call is the first."""
        self._traced.clear()
        self._arguments.forget()
        self._log = Log(name_of(self._f))
        self._operands = Operands(name_of(self._f))
        self._kinds = []
        self.set_entries(())

    def trace_now(self, given: Call, versions: Sequence[Traced] = ()) -> Traced:
        """Run the Python function on tracers; ``versions`` are Programs for other states of the world."""
        roots = [self._f, *given.static]
        watch = Watch(*roots)
        operands = self._operands.choose(watch, versions)
        try:
            return self._version(given, watch, operands)
        except Exception as e:
            if not operands:
                raise
            error = e
        return self._operands.some(lambda chosen: self._version(given, Watch(*roots), chosen), operands, error)

    def _version(self, given: Call, watch: Watch, operands: Mapping[Hashable, Operand]) -> Traced:
        """A Program that reads operands at each call, and holds the rest of what the function reads."""
        outside = Outside(watch.reach.arrays, compared_arrays(watch.reach, operands), watch.reach.foreign)
        decisive: set[Hashable] = set()
        made: list[Substitution] = []

        def replaced() -> tuple[Callable[..., Any], Call]:
            tracers = {
                identity: outside.operand(source.place.value)
                if isinstance(source.place, Fixed)
                else outside.hide(source.place, leaf.type, leaf.kind, asked=functools.partial(decisive.add, identity))
                for identity, (source, leaf) in operands.items()
            }
            made.append(Substitution(watch.reach, tracers))
            f, *values = made[0].of(*watch.roots)
            return f, given.with_static(values)

        captured = self.capture(given, outside, replaced if operands else None)
        for substitution in made:
            substitution.check()
        if not operands and (left := watch.left()) is not None:
            self._check_left(given, left)
        captured.trace.env.clear()  # what the function made is its own, not ours
        guard = watch.guard((operands.keys() - decisive) | self._operands.counters.keys(), outside.guards.later)
        self._operands.note_writes(watch)
        self._rewrite(watch)
        outside.guards.add(guard)
        for identity in decisive:
            self._operands.decides(identity, operands[identity].source, "it decides a shape or a branch")
        program, hidden, guards = outside.settle(captured.program)
        captured.trace.outside = None  # which refers to it: arrays in what was traced would wait for the collector
        return Traced(program, captured.out_tree, captured.out_static, captured.captures, hidden, guards)

    def _check_left(self, given: Call, left: Source) -> None:
        """Refuse a function that leaves traced values where it finds them at the next call: whether it does shows if
        it is traced once more. One that writes there before it reads, as layers that keep their inputs do, may.
        """
        try:
            self.capture(given)
        except EscapedTracerError as e:
            raise EscapedTracerError(
                f"the function under jit reads {left}, and leaves a traced value there, which has no value afterwards: "
                f"a compiled call changes arrays and results only. Return the new value, and assign it where "
                f"{name_of(self._f)} is called ({message_of(e)})"
            ) from e
        except (Exception, Demanded):
            return  # what else a second call raises it may raise then

    def capture(
        self,
        given: Call,
        outside: Outside | None = None,
        replaced: Callable[[], tuple[Callable[..., Any], Call]] | None = None,
    ) -> Captured:
        """What the function does; without ``outside`` with the arrays that it closes over as they are, in a Program of
        the leaves alone.

        ``replaced`` makes another function, and a call with other static arguments, that stand for them.
        """

        def call(xs: Sequence[Any]) -> Any:
            f, fixed = (self._f, given) if replaced is None else replaced()
            args, kwargs = fixed.join(xs)
            if self._front:
                return twin(f)(*args, **kwargs)
            return config.front.during(False, lambda: f(*args, **kwargs))

        for number, leaf in zip(given.numbers, given.leaves, strict=True):
            if not leaf.type.native:
                raise not_native(f"{self._arguments.where(given, number)}, given at {user_location()}, is", leaf.type)
        integers = given.integers()
        captured = capture(
            call, given.leaves, "jit", concrete=False, outside=outside, integers=integers, static_results=True
        )
        if integers.asked:  # what has been raised then was caught
            raise Demanded(integers)
        captured.trace.integers = None  # which refer to the call, and so to its arrays
        captured.program = dce(captured.program)
        name = name_of(self._f)
        captured.program.name = "" if name == "<lambda>" else name
        return captured

    def captured(
        self, args: Sequence[Any], kwargs: dict[str, Any], leaf: Callable[[Any, Callable[[], str]], Leaf] = as_leaf
    ) -> Captured:
        """What the function does with such arguments, as `capture` tells it; integers that decide are static. ``leaf``
        makes a leaf of one.
        """
        given = self._arguments.call(args, kwargs, leaf)
        while True:
            try:
                return self.capture(given)
            except Demanded as demanded:
                if demanded.integers.call is not given:
                    raise
                given = given.fixing([given.numbers[k] for k in demanded.integers.asked])

    def _rewrite(self, watch: Watch) -> None:
        """What the function has written to while it was traced counts as it left it, for all versions."""
        if watch.writes:
            for traced in [t for versions in self._traced.values() for t in versions]:
                for guard in traced.guards.guards:
                    if isinstance(guard, Unchanged):
                        guard.rewrite(watch.writes)


def _is_gone(function: weakref.ref[Jitted[..., Any]], _: Any) -> None:
    """What happens when an object among a function's arguments dies."""
    f = function()
    if f is not None:
        f.forget_objects()


_functions: WeakValueDictionary[int, Jitted[..., Any]] = WeakValueDictionary()  # all that there are


@on_clearing
def forget() -> None:
    """Forget what jitted functions have been traced to."""
    for reference in _functions.valuerefs():
        f = reference()
        if f is not None:
            f.forget()


set_executor(execute)
set_compiler(native_function)
