"""Random well-typed Programs, for comparing the ways of running one: a hypothesis strategy, and what may differ between
them by rounding.

Programs grow one equation at a time over a pool of variables whose values are known: an equation is kept if its results
are finite and moderate, so that later ones have something to work on. Elementwise primitives are drawn by the dtypes of
their samples, reductions and rearrangements with random params, all others with a sample's own operands and params,
taken from the pool where types match.

Two right ways of running a Program differ by rounding, and an ill-conditioned one makes much of it. So each example
carries tolerances measured on itself: how far its results move when every operand and result that is rounded is
disturbed by a few ulp. What is not continuous (comparisons, floor, conversion to integers) is applied only to values
that no rounding has touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from functad import config
from functad.core.primitive import REGISTRY, Primitive, Sample
from functad.core.seq import Seq
from functad.errors import FunctadError, MissingExtraError
from functad.ir.builder import ProgramBuilder
from functad.ir.program import Literal, Program, Var, literal
from functad.ir.types import ArrayType, SeqType, array_type
from functad.primitives import ALWAYS
from functad.testing.numerics import assert_close, random_like

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingExtraError("functad.testing.programs draws with hypothesis; install functad[test]") from error

__all__ = ["Example", "assert_same", "by_the_evaluator", "examples", "tolerances"]

SHAPES = ((), (), (3,), (2, 3), (1,), (0,), (2, 1, 3), (4, 0), (1, 1), (17,), (1030,), (33, 20), (2, 3, 37))
DTYPES = tuple(
    np.dtype(t)
    for t in (np.float64, np.float64, np.float64, np.float32, np.complex128, np.int64, np.int32, np.bool_, np.uint8)
)

ROUNDLESS = frozenset({
    "absolute", "broadcast", "ceil", "concatenate", "conj", "convert", "copysign", "cummax", "cummin", "flip", "floor",
    "gather", "imag", "make_complex", "max", "maximum", "min", "minimum", "neg", "pad", "real", "reshape", "rint",
    "scatter_max", "scatter_min", "scatter_set", "select", "sign", "slice", "stop_gradient", "transpose", "trunc",
})  # fmt: skip
"""Primitives that round nothing, on real operands."""

JUMPS = frozenset({"arctan2", "floor_divide", "fmod", "remainder", "while"})
"""Primitives with a derivative that jump somewhere all the same."""

ARITHMETIC = ("add", "sub", "mul", "div", "select", "convert")
"""Primitives that half of all elementwise equations use."""

EXACT = ROUNDLESS - {"max", "min", "scatter_max", "scatter_min"} | {
    "add", "all", "any", "argmax", "argmin", "barrier", "bit_and", "bit_not", "bit_or", "bit_xor", "cumsum", "div",
    "eq", "floor_divide", "fmod", "ge", "gt", "integer_power", "iota", "isfinite", "isinf", "isnan", "le",
    "linear_recurrence", "lt", "mul", "ne", "reciprocal", "remainder", "scatter_add", "scatter_mul",
    "scatter_recurrence", "shift_left", "shift_right", "signbit", "slice_add", "sqrt", "square", "sub",
}  # fmt: skip
"""Primitives whose results are NumPy's to the last bit: each operation is rounded once, and what is accumulated is so
in one order. (Which of two zeros the extremum of many numbers is depends on an order that NumPy chooses by the CPU.)"""

BY_SIZE = frozenset({"absolute", "sign", "sqrt", "floor_divide", "fmod", "remainder", "scatter_mul"})
"""Those of them of which this is not true of complex numbers: NumPy computes the size of a number by ``hypot``."""

UNITS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5)
"""Half of all scalar constants: rewriting rules look for them."""

LIMIT = 1e3
"""Results above it are not kept."""


@dataclass(frozen=True)
class Example:
    """A random Program with arguments, its results by the NumPy evaluator, and how far each may be off."""

    program: Program
    args: list[Any]
    results: list[Any]

    def __repr__(self) -> str:
        with np.printoptions(threshold=20, edgeitems=3):
            return f"{self.program}\nat {self.args}"


@dataclass(frozen=True)
class Kind:
    """Which Programs are drawn.

    ``smooth`` ones are differentiable in both modes; ``exact`` ones compute only what NumPy and native code agree on to
    the last bit.
    """

    smooth: bool = False
    exact: bool = False
    shapes: Sequence[tuple[int, ...]] = SHAPES
    dtypes: Sequence[np.dtype] = DTYPES


@st.composite
def examples(
    draw: Callable[..., Any],
    least: int = 1,
    most: int = 12,
    smooth: bool = False,
    exact: bool = False,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    dtypes: Sequence[np.dtype] = DTYPES,
) -> Example:
    """Random Programs of ``least`` to ``most`` equations, fewer where few fit; for the rest see ``Kind``."""
    growth = Growth(draw, Kind(smooth, exact, shapes, dtypes))
    for _ in range(draw(st.integers(1, 3))):
        growth.input(array_type(growth.choose(shapes), growth.choose(dtypes)))
    for _ in range(draw(st.integers(least, most))):
        growth.step()
    return growth.finish()


@dataclass(frozen=True)
class Known:
    """A variable, its value, and whether no rounding went into it."""

    variable: Var
    value: Any
    exact: bool

    @property
    def type(self) -> ArrayType:
        """The variable's type."""
        return self.variable.type


class Growth:
    """A Program that grows."""

    def __init__(self, draw: Callable[..., Any], kind: Kind) -> None:
        self.draw = draw
        self.kind = kind
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.builder = ProgramBuilder()
        self.args: list[Any] = []
        self.pool: list[Known] = []

    def step(self) -> None:
        """Append an equation: the first of a few attempts that fits."""
        before = len(self.builder.eqns)
        for _ in range(4):
            self.choose(RULES)(self)
            if len(self.builder.eqns) > before:
                return

    def choose(self, options: Sequence[Any]) -> Any:
        """One of several, each as likely: hypothesis by itself prefers the first."""
        return self.draw(st.sampled_from([options[i] for i in self.rng.permutation(len(options))]))

    def recent(self) -> Known:
        """A value of the pool, more often one of the last."""
        return self.choose(self.pool[-3:] if self.draw(st.integers(0, 3)) else self.pool)  # type: ignore[no-any-return]

    def input(self, type: ArrayType, low: float = -2.0, high: float = 2.0, value: Any = None) -> Known:
        """A new input."""
        value = random_like(type, self.rng, low, high) if value is None else value
        known = Known(self.builder.input(type), value, True)
        self.args.append(value)
        self.pool.append(known)
        return known

    def constant(self, type: ArrayType, sample: Sample) -> Known | Literal:
        """A literal or, more rarely, a new input."""
        if not type.ndim and self.draw(st.booleans()):
            return literal(type.dtype.type(self.choose(UNITS if type.dtype.kind in "fc" else (0, 1))))
        value = random_like(type, self.rng, sample.low, sample.high)
        return literal(value) if self.draw(st.integers(0, 3)) else self.input(type, value=value)

    def apply(self, primitive: Primitive, operands: Sequence[Known | Literal], params: dict[str, Any]) -> None:
        """Append an equation, if its operands fit and its results are finite, moderate, and determined in spite of
        rounding.
        """
        types = tuple([o.type for o in operands])
        if self.kind.exact and primitive.name in BY_SIZE and any(t.dtype.kind == "c" for t in types):
            return
        try:
            out_types = primitive.out_types(types, params)
        except FunctadError:
            return
        exact = all(isinstance(o, Literal) or o.exact for o in operands)
        if (self.kind.smooth or not (exact or self.kind.exact)) and jumps(primitive, types, out_types):
            return
        if self.kind.smooth and primitive.reverse_only:
            return
        try:
            with by_the_evaluator():
                found = primitive.evaluate(*[o.value for o in operands], **params)
        except (ValueError, ArithmeticError, IndexError):  # an empty maximum, an index out of bounds
            return
        values = list(found) if primitive.multiple_results else [found]
        if not all(moderate(v) for v in values):
            return
        atoms = [o if isinstance(o, Literal) else o.variable for o in operands]
        outs = self.builder.equation(primitive, atoms, params)
        determined = exact and not rounds(primitive, types, out_types)
        self.pool.extend([Known(v, value, determined) for v, value in zip(outs, values, strict=True)])

    def finish(self) -> Example:
        """The Program; its outputs are the results that nothing used, and at times any variable, perhaps an input or
        one twice.
        """
        used = {a for e in self.builder.eqns for a in e.inputs}
        chosen = [k for k in self.pool if k.variable not in used][-4:] or self.pool[-1:]
        if not self.draw(st.integers(0, 3)):
            chosen.append(self.choose(self.pool))
        return Example(self.builder.build(*[k.variable for k in chosen]), self.args, [k.value for k in chosen])


def jumps(primitive: Primitive, types: Sequence[ArrayType], out_types: Sequence[ArrayType]) -> bool:
    """Whether rounding of the operands may change the results by more than rounding: kinks, steps and branch cuts."""
    if not any(t.inexact for t in types):
        return False
    if primitive.name in JUMPS or not all(t.inexact for t in out_types):
        return True
    if any(t.dtype.kind == "c" for t in types):
        return primitive.linear is None  # most others have branch cuts
    return primitive.jvp is None and primitive.jvp_call is None and primitive.name != "stop_gradient"


@contextmanager
def by_the_evaluator() -> Iterator[None]:
    """Calls in a Program are run by the NumPy evaluator too, and nothing warns."""
    with np.errstate(all="ignore"), config.backend("evaluator"):
        yield


def rounds(primitive: Primitive, types: Sequence[ArrayType], out_types: Sequence[ArrayType]) -> bool:
    """Whether the results depend on how a way of running the Program rounds, exact operands given."""
    if primitive.name in ROUNDLESS:
        return primitive.name in ("absolute", "sign") and types[0].dtype.kind == "c"
    return any(t.inexact for t in out_types)


def moderate(value: Any) -> bool:
    """Whether a value is a good operand for further equations."""
    if isinstance(value, Seq):
        return False
    return value.dtype.kind not in "fc" or bool(np.all(np.isfinite(value)) and np.all(np.abs(value) <= LIMIT))


# -- rules of growth ---------------------------------------------------------------------------------------------------


@cache
def samples(elementwise: bool, exact: bool) -> dict[str, tuple[tuple[Primitive, Sample], ...]]:
    """The samples, by primitive, of those without params or of the others; what sequences alone are given to has
    none.
    """
    found: dict[str, tuple[tuple[Primitive, Sample], ...]] = {}
    for name in sorted(ALWAYS):  # what is imported makes no difference
        primitive = REGISTRY[name]
        if exact and name not in EXACT:
            continue
        its = tuple(
            [(primitive, s) for s in primitive.samples() if not any(isinstance(o, SeqType) for o in s.operands)]
        )
        plain = name == "convert" or not any(s.params for _, s in its)
        if plain == elementwise and its:
            found[name] = its
    return found


@cache
def samples_taking(
    elementwise: bool, exact: bool, type: ArrayType | np.dtype
) -> dict[str, tuple[tuple[Primitive, Sample], ...]]:
    """Of these, the samples with an operand of a type (a dtype)."""
    table = {}
    for name, its in samples(elementwise, exact).items():
        fitting = [(p, s) for p, s in its if any(isinstance(o, ArrayType) and type in (o, o.dtype) for o in s.operands)]
        if fitting:
            table[name] = tuple(fitting)
    return table


def grow_elementwise(growth: Growth) -> None:
    """An elementwise primitive on a value of the pool, with operands of its shape or of rank 0."""
    x = growth.recent()
    table = samples_taking(True, growth.kind.exact, x.type.dtype)
    if not table:
        return
    common = [name for name in ARITHMETIC if name in table]
    primitive, sample = growth.choose(
        table[growth.choose(common if common and growth.draw(st.booleans()) else list(table))]
    )
    place = growth.choose([i for i, o in enumerate(sample.operands) if o.dtype == x.type.dtype])
    operands: list[Known | Literal] = []
    for i, o in enumerate(sample.operands):
        fitting = [k for k in growth.pool if k.type.dtype == o.dtype and k.type.shape in (x.type.shape, ())]
        if i == place:
            operands.append(x)
        elif fitting and growth.draw(st.integers(0, 4)):
            operands.append(growth.choose(fitting))
        else:
            operands.append(growth.constant(array_type(growth.choose((x.type.shape, ())), o.dtype), sample))
    growth.apply(primitive, operands, sample.params)


def grow_sample(growth: Growth) -> None:
    """A primitive with the params of one of its samples, on values of the sample's types."""
    exact = growth.kind.exact
    table = samples_taking(False, exact, growth.recent().type) if growth.draw(st.booleans()) else samples(False, exact)
    if not table:
        return
    primitive, sample = growth.choose(table[growth.choose(list(table))])
    operands: list[Known | Literal] = []
    for o in sample.operands:
        fitting = [k for k in growth.pool if k.type is o]
        if not isinstance(o, ArrayType):
            operands.append(literal(np.array(o)))
        else:
            operands.append(growth.choose(fitting) if fitting else growth.constant(o, sample))
    growth.apply(primitive, operands, sample.params)


def grow_reduction(growth: Growth) -> None:
    """A reduction of any array over any axes."""
    x = growth.recent()
    axes = tuple([i for i in range(x.type.ndim) if growth.draw(st.booleans())])
    name = growth.choose(["any", "all"] if x.type.dtype.kind == "b" else ["sum", "sum", "prod", "max", "min"])
    if axes and not (growth.kind.exact and name not in EXACT):
        growth.apply(REGISTRY[name], [x], {"axes": axes})


def grow_broadcast(growth: Growth) -> None:
    """New axes, and stretched ones."""
    x = growth.recent()
    if x.type.ndim > 2:
        return
    shape = [growth.choose((2, 3)) if n == 1 and growth.draw(st.booleans()) else n for n in x.type.shape]
    axes = list(range(len(shape)))
    position = growth.draw(st.integers(0, len(shape)))
    shape.insert(position, growth.choose((1, 2, 3, 5)))
    axes = [a + (a >= position) for a in axes]
    growth.apply(REGISTRY["broadcast"], [x], {"shape": tuple(shape), "axes": tuple(axes)})


def grow_rearrangement(growth: Growth) -> None:
    """Reshape, transpose or flip."""
    x = growth.recent()
    shape, ndim = x.type.shape, x.type.ndim
    kind = growth.choose(("reshape", "transpose", "flip"))
    if kind == "reshape":
        merged = [(*shape[: i - 1], shape[i - 1] * shape[i], *shape[i + 1 :]) for i in range(1, ndim)]
        new = growth.choose([(x.type.size,), (1, *shape), (*shape, 1), *merged])
        growth.apply(REGISTRY[kind], [x], {"shape": new})
    elif ndim:
        order = growth.draw(st.permutations(range(ndim)))
        growth.apply(REGISTRY[kind], [x], {"axes": tuple(order) if kind == "transpose" else tuple(sorted(order[:1]))})


RULES: tuple[Callable[[Growth], None], ...] = (
    grow_elementwise, grow_elementwise, grow_elementwise, grow_reduction, grow_broadcast, grow_rearrangement,
    grow_sample,
)  # fmt: skip


# -- comparing results -------------------------------------------------------------------------------------------------

ULPS = 8
"""By how much each rounded operand and result is disturbed, in units of its precision."""

SAFETY = 50
"""Allowed error, in multiples of the largest deviation that was seen."""


def tolerances(program: Program, args: Sequence[Any], results: Sequence[Any]) -> list[float]:
    """How far each output may be off: what rounding does to it, measured by disturbing the Program."""
    rng = np.random.default_rng(0)
    allowed = [
        SAFETY * ULPS * epsilon(np.asarray(r).dtype) * float(np.max(np.abs(r), initial=0)) if inexact(r) else 0.0
        for r in results
    ]
    for _ in range(4):
        for i, (r, d) in enumerate(zip(results, disturbed(program, args, rng), strict=True)):
            if inexact(r):
                allowed[i] = max(allowed[i], SAFETY * float(np.max(np.abs(np.subtract(d, r)), initial=0)))
    return allowed


def disturbed(program: Program, args: Sequence[Any], rng: np.random.Generator) -> list[Any]:
    """The results with noise on all that is rounded."""
    values: dict[Any, Any] = dict(zip(program.inputs, args, strict=True))
    exact = set(program.inputs)

    def read(atom: Any) -> Any:
        return atom.value if isinstance(atom, Literal) else values[atom]

    for eqn in program.eqns:
        types, out_types = [a.type for a in eqn.inputs], [v.type for v in eqn.outputs]
        determined = all(isinstance(a, Literal) or a in exact for a in eqn.inputs)
        rounding = rounds(eqn.primitive, types, out_types)
        # operands too: rounding inside a sum is relative to its terms, not to what is left of them
        shaken = rounding and not (determined and jumps(eqn.primitive, types, out_types))
        with by_the_evaluator():
            found = eqn.primitive.evaluate(
                *[noisy(read(a), rng) if shaken else read(a) for a in eqn.inputs], **eqn.params
            )
        for v, out in zip(eqn.outputs, found if eqn.primitive.multiple_results else (found,), strict=True):
            values[v] = noisy(out, rng) if rounding else out
        if determined and not rounding:
            exact.update(eqn.outputs)
    return [read(a) for a in program.outputs]


def noisy(value: Any, rng: np.random.Generator) -> Any:
    """A value with a relative error of some ulps in each element."""
    if isinstance(value, Seq):
        return Seq(value.type, [noisy(x, rng) for x in value.elements])
    if not inexact(value):
        return value
    noise = random_like(array_type(value.shape, value.dtype), rng)
    return (value * (1 + ULPS * epsilon(value.dtype) * noise)).astype(value.dtype)


def inexact(value: Any) -> bool:
    """Whether a value is of floating point."""
    return np.asarray(value).dtype.kind in "fc"


def epsilon(dtype: np.dtype) -> float:
    """The relative spacing of a floating-point dtype."""
    return float(np.finfo(dtype).eps)


def assert_same(example: Example, results: Iterable[Any], how: str) -> None:
    """Results have the types of the Program's outputs, and the example's values up to rounding."""
    results = list(results)
    types = [array_type(r.shape, r.dtype) for r in results]
    if types != list(example.program.out_types):
        raise AssertionError(f"{how} gives {types}, expected {list(example.program.out_types)}, in {example}")
    allowed = tolerances(example.program, example.args, example.results)
    for i, (found, expected, atol) in enumerate(zip(results, example.results, allowed, strict=True)):
        try:
            assert_close(found, expected, f"result {i} by {how}", rtol=0, atol=atol)
        except AssertionError as error:
            raise AssertionError(f"{error} (allowed: {atol:.3g}), in\n{example}") from None
