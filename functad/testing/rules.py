"""Testers for the rules of one primitive at one sample: each compares a rule with the NumPy evaluation, or with another
rule.

A check takes a ``Case`` (a primitive, a ``Sample``, random operands) and raises ``AssertionError`` where rules
disagree; ``CHECKS`` lists them. They use one-equation Programs and the transforms' drivers, so a primitive can be
tested before any function uses it. Each Program that a rule makes passes the IR checker, which recomputes the type of
every equation in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad import config
from functad.core.evaluator import run_program
from functad.core.primitive import Primitive, Sample
from functad.errors import FunctadError, LinearityError
from functad.ir.checker import check_program
from functad.ir.program import Program, sub_programs
from functad.ir.types import ArrayType, SeqType, array_type
from functad.primitives.calls import jit_p
from functad.testing.drivers import STEPS, apply, backward, forward, forward_linear, one_equation, transposed, types_of
from functad.testing.numerics import assert_close, assert_paired, directional_derivative, is_double, random_like
from functad.transforms.programs import trace_program
from functad.transforms.vmap import batch_program

__all__ = ["CHECKS", "Case", "check_rule"]

BY_DEFINITION = frozenset({
    "stop_gradient", "softmax_of", "log_softmax_of", "logsumexp_of", "norm_of", "direction_of", "lu_solve",
    "cholesky_solve", "logdet_of", "det_of", "pinv_of", "polar_of",
})  # fmt: skip
"""Primitives whose derivative is not that of their value: there is none, or it is that of a function whose value is
given, or whose factors are.
"""


def check_rule(primitive: Primitive, sample: Sample, checks: Sequence[str] | None = None, seed: int = 0) -> None:
    """Check the rules of a primitive at one sample.

    Parameters
    ----------
    primitive
        What to check.
    sample
        Operand types (or arrays) and params.
    checks
        Names in ``CHECKS``; all by default.
    seed
        Of the random operands, tangents and cotangents.

    Raises
    ------
    AssertionError
        Where two rules disagree; the message names the sample, the check, the place and both values.

    Examples
    --------
    >>> import functad.primitives
    >>> from functad.core.primitive import REGISTRY
    >>> for sample in REGISTRY["mul"].samples():
    ...     check_rule(REGISTRY["mul"], sample)
    """
    for name in CHECKS if checks is None else checks:
        case = Case(primitive, sample, np.random.default_rng(seed))
        try:
            with np.errstate(all="ignore"), config.backend("evaluator"):
                CHECKS[name](case)
        except AssertionError as error:
            raise AssertionError(f"{case}, {name}: {error}") from None
        except Exception as error:
            error.add_note(f"while checking {case}, {name}")
            raise


class Case:
    """A primitive with random operands, as a one-equation Program; sequences go in and come out as arrays, by way of
    loops.
    """

    def __init__(self, primitive: Primitive, sample: Sample, rng: np.random.Generator) -> None:
        self.primitive = primitive
        self.sample = sample
        self.rng = rng
        self.values = [self.operand(o) for o in sample.operands]
        self.types = types_of(self.values)
        self.sequences = tuple([isinstance(o, SeqType) for o in sample.operands])
        self.program = one_equation(primitive, self.types, sample.params, self.sequences)
        self.double = all(is_double(t.dtype) for t in (*self.types, *self.program.out_types))

    def __str__(self) -> str:
        params = [f"{k}={v}" for k, v in self.sample.params.items() if "{ lambda" not in str(v)]
        return f"{self.primitive.name}({', '.join([*map(str, self.types), *params])})"

    def operand(self, operand: Any, number: int = 0) -> Any:
        """A value for an operand of the sample, read-only; ``number`` varies those that the sample gives as arrays."""
        if isinstance(operand, SeqType):
            operand = array_type((STEPS, *operand.shape), operand.dtype)
        if isinstance(operand, ArrayType):
            value = np.array(random_like(operand, self.rng, self.sample.low, self.sample.high))
        else:
            value = np.array(operand)
            if value.dtype.kind in "fc":
                value *= value.dtype.type(
                    1 + 0.125 * number
                )  # keeps what the sample may rely on: signs, order, definiteness
            elif value.ndim:
                value = np.roll(value, number, axis=0)  # indices stay in bounds
        value.flags.writeable = False
        return value if value.ndim else value[()]

    def masks(self) -> list[tuple[bool, ...]]:
        """Which operands are active: each of those that have tangents alone, and all together."""
        inexact = [t.inexact for t in self.types]
        alone = [tuple([i == j for j in range(len(inexact))]) for i, flag in enumerate(inexact) if flag]
        return list(dict.fromkeys([*alone, tuple(inexact)])) if any(inexact) else []

    def tangents(self, mask: Sequence[bool]) -> list[Any]:
        """Random tangents of the active operands; None for the others."""
        return [random_like(t, self.rng) if flag else None for t, flag in zip(self.types, mask, strict=True)]

    def cotangents(self) -> list[Any]:
        """Random cotangents of the results; None where a result has none."""
        return [random_like(t, self.rng) if t.inexact else None for t in self.program.out_types]


# -- the checks --------------------------------------------------------------------------------------------------------


def check_evaluate(case: Case) -> None:
    """The evaluation gives the shapes and dtypes that the type rule says, and leaves its operands alone."""
    check_program(case.program, "the type rule")
    before = [np.array(v).tobytes() for v in case.values]
    for i, (out, t) in enumerate(zip(run_program(case.program, case.values), case.program.out_types, strict=True)):
        assert isinstance(out, np.ndarray | np.generic), (
            f"evaluate gives a {type(out).__name__} as result {i}, expected an array"
        )
        assert array_type(out.shape, out.dtype) is t, (
            f"evaluate gives {array_type(out.shape, out.dtype)}, but the type rule says {t}"
        )
    assert before == [np.array(v).tobytes() for v in case.values], "evaluate changed an operand"


def check_jvp(case: Case) -> None:
    """Tangents equal finite differences; in single precision, the rule in double precision at the same point."""
    for mask in case.masks() if not case.primitive.reverse_only else ():
        tangents = case.tangents(mask)
        outs, dots = forward(case.program, case.values, tangents)
        for out, plain in zip(outs, run_program(case.program, case.values), strict=True):
            assert_close(out, plain, "a result under jvp", rtol=0, atol=0)
        what = f"the tangent for active operands {positions(mask)}"
        if case.double:
            if case.sample.smooth and case.primitive.name not in BY_DEFINITION:
                expected = directional_derivative(lambda xs: run_program(case.program, xs), case.values, tangents)
                compare_tangents(dots, expected, what, rtol=1e-8, atol=1e-8)
        elif (wide := in_double(case)) is not None:
            _, expected = forward(wide, [widened(v) for v in case.values], [widened(t) for t in tangents])
            compare_tangents(dots, expected, f"{what} in single precision", rtol=3e-5, atol=3e-6)


def check_constant(case: Case) -> None:
    """A primitive that declares no derivative is constant around random points."""
    prim = case.primitive
    declares = prim.jvp is not None or prim.jvp_call is not None or prim.name in BY_DEFINITION
    if declares or not case.double or not all(isinstance(o, ArrayType) for o in case.sample.operands):
        return
    for mask in case.masks():
        dots = directional_derivative(lambda xs: run_program(case.program, xs), case.values, case.tangents(mask))
        zeros = [d if d is None else np.zeros_like(d) for d in dots]
        compare_tangents(dots, zeros, "the derivative that jvp=None says is 0", rtol=0, atol=1e-9)


def check_linearize(case: Case) -> None:
    """The linear map of ``linearize`` equals jvp forward, and is its own transpose backward: sum(ct * J t) = sum(J^T ct
    * t).
    """
    rtol = tolerance(case)
    for mask in case.masks():
        which = f"active operands {positions(mask)}"
        tangents, cts = case.tangents(mask), case.cotangents()
        found = apply(backward(case.program, mask), [*case.values, *cts], "vjp")
        if case.primitive.reverse_only:
            dots = directional_derivative(lambda xs: run_program(case.program, xs), case.values, tangents)
            assert_paired(cts, dots, found, present(tangents), which, rtol=1e-8)
            continue
        _, dots = forward(case.program, case.values, tangents)
        linear = forward_linear(case.program, case.values, tangents)
        compare_tangents(linear, dots, f"linearize against jvp for {which}", rtol, atol=rtol)
        assert_paired(cts, linear, found, present(tangents), which, rtol)


def check_second_order(case: Case) -> None:
    """The derivative of the vjp equals its finite differences, and is transposed right."""
    mask = tuple([t.inexact for t in case.types])
    if not any(mask) or not any(t.inexact for t in case.program.out_types):
        return
    n, cts = len(case.values), case.cotangents()
    args = [*case.values, *present(cts)]

    def gradient(*xs: Any) -> list[Any]:
        given = iter(xs[n:])
        return backward(case.program, mask)(*xs[:n], *[None if c is None else next(given) for c in cts])

    program = trace_program(gradient, types_of(args))
    tangents = [random_like(t, case.rng) if t.inexact else None for t in types_of(args)]
    _, dots = forward(program, args, tangents)
    if case.double and case.sample.smooth and case.primitive.name not in BY_DEFINITION:
        expected = directional_derivative(lambda xs: run_program(program, xs), args, tangents)
        compare_tangents(dots, expected, "the tangent of the vjp", rtol=1e-8, atol=1e-8)
    outer = [random_like(t, case.rng) for t in program.out_types]
    found = apply(backward(program, [t is not None for t in tangents]), [*args, *outer], "vjp of vjp")
    assert_paired(outer, dots, found, present(tangents), "vjp of vjp", rtol=tolerance(case))


def check_transpose(case: Case) -> None:
    """What is declared linear is so, and the transpose rule transposes it."""
    rtol = tolerance(case)
    for mask in linear_masks(case):
        x, y, cts = case.tangents(mask), case.tangents(mask), case.cotangents()
        combined = [
            None if a is None else (a * a.dtype.type(0.5) + b).astype(a.dtype) for a, b in zip(x, y, strict=True)
        ]
        at_x, at_y, at_both = [run_program(case.program, replaced(case.values, point)) for point in (x, y, combined)]
        for i, (fx, fy, both) in enumerate(zip(at_x, at_y, at_both, strict=True)):
            sum_of_both = np.asarray(fx) * fx.dtype.type(0.5) + fy
            assert_close(
                both, sum_of_both, f"result {i} as a linear function of operands {positions(mask)}", rtol, atol=rtol
            )
        known = [None if flag else v for v, flag in zip(case.values, mask, strict=True)]
        found = apply(transposed(case.program, mask), [*known, *cts], "transpose")
        assert_paired(cts, at_x, found, present(x), f"transposed in operands {positions(mask)}", rtol)


def check_batch(case: Case) -> None:
    """The batching rule equals a loop, for each combination of mapped operands and mapped axes of size 0, 1 and 2."""
    n = len(case.values)
    fixed = case.sample.unmapped
    combinations = [c for c in itertools.product((False, True), repeat=n) if any(c) and not any(c[k] for k in fixed)]
    if n > 3:
        combinations = [c for c in combinations if sum(c) in (1, n)]
    for batched in combinations:
        for size in (0, 1, 2) if all(batched) else (2,):
            compare_batched(case, batched, size)


def compare_batched(case: Case, batched: Sequence[bool], size: int) -> None:
    """Compare the batching rule with a loop over the lanes."""
    operands = list(zip(case.sample.operands, case.values, batched, strict=True))
    lanes = [[case.operand(o, i) if flag else v for o, v, flag in operands] for i in range(size)]
    args = [
        stacked([lane[k] for lane in lanes], case.types[k]) if flag else v for k, (_, v, flag) in enumerate(operands)
    ]
    carries: list[bool] = []  # which results have the mapped axis

    def mapped(*xs: Any) -> list[Any]:
        outs, flags = batch_program(case.program, size, xs, batched)
        carries.extend(flags)
        return outs

    outs = apply(mapped, args, "vmap")
    loop = [run_program(case.program, lane) for lane in lanes]
    for r, (out, flag, t) in enumerate(zip(outs, carries, case.program.out_types, strict=True)):
        what = f"result {r} with operands {positions(batched)} mapped over {size}"
        assert out.dtype == t.dtype, f"{what} has dtype {out.dtype}, expected {t.dtype}"
        full = out if flag else np.broadcast_to(out, (size, *np.shape(out)))
        assert_close(full, stacked([results[r] for results in loop], t), what, tolerance(case), tolerance(case))


def check_native(case: Case) -> None:
    """Native code, and the kernel IR's evaluator, equal the NumPy evaluation."""
    expected = run_program(case.program, case.values)
    for backend in ("kernel", "native"):
        with config.backend(backend):
            outs = jit_p.bind(*case.values, program=case.program, name=case.primitive.name)
        for i, (out, plain) in enumerate(zip(outs, expected, strict=True)):
            assert array_type(out.shape, out.dtype) is case.program.out_types[i], (
                f"{backend} gives {out.dtype}{out.shape} as result {i}"
            )
            assert_close(out, plain, f"result {i} of the {backend} backend", rtol=tolerance(case), atol=tolerance(case))


CHECKS: dict[str, Callable[[Case], None]] = {
    "evaluate": check_evaluate,
    "jvp": check_jvp,
    "constant": check_constant,
    "linearize": check_linearize,
    "second_order": check_second_order,
    "transpose": check_transpose,
    "batch": check_batch,
    "native": check_native,
}
"""The checks by name."""


# -- what they share ---------------------------------------------------------------------------------------------------


def positions(mask: Sequence[bool]) -> list[int]:
    """The positions of the flags that are set."""
    return [i for i, flag in enumerate(mask) if flag]


def tolerance(case: Case) -> float:
    """For sums of a few numbers of order one in the precision of the case."""
    return 1e-12 if case.double else 2e-5


def present(values: Sequence[Any]) -> list[Any]:
    """Those that are not None."""
    return [v for v in values if v is not None]


def replaced(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Values with others in their place, where those are not None."""
    return [v if o is None else o for v, o in zip(values, others, strict=True)]


def stacked(lanes: Sequence[Any], type: ArrayType) -> np.ndarray:
    """Values of one type along a new axis 0, which may have no elements."""
    return np.array(lanes, type.dtype).reshape(len(lanes), *type.shape)


def compare_tangents(found: Sequence[Any], expected: Sequence[Any], what: str, rtol: float, atol: float) -> None:
    """Compare the tangents of floating-point results."""
    for i, (d, e) in enumerate(zip(found, expected, strict=True)):
        if e is not None and d.dtype.kind in "fc":
            assert_close(d, e, f"{what}, of result {i},", rtol, atol)


def widened(value: Any) -> Any:
    """A floating-point value in double precision; anything else as it is."""
    if value is None or value.dtype.kind not in "fc":
        return value
    return value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)


def in_double(case: Case) -> Program | None:
    """The equation on operands in double precision; None if its params admit single precision only."""
    try:
        return one_equation(
            case.primitive, types_of([widened(v) for v in case.values]), case.sample.params, case.sequences
        )
    except FunctadError:
        return None


def linear_masks(case: Case) -> list[tuple[bool, ...]]:
    """The sets of operands that the result is declared linear in, as far as they have tangents; a call is as linear as
    what it calls.
    """
    linear, n = case.primitive.linear, len(case.types)
    inexact = [t.inexact for t in case.types]
    if linear is None or not all(t.inexact for t in case.program.out_types):
        return []
    if linear == "jointly":
        sets = [set(range(n))]
    else:
        sets = [{i} for i in range(n)] if isinstance(linear, str) else [set(linear)]
    masks = [tuple([i in s and flag for i, flag in enumerate(inexact)]) for s in sets]
    return [m for m in dict.fromkeys(masks) if any(m) and calls_are_linear(case, m)]


def calls_are_linear(case: Case, mask: Sequence[bool]) -> bool:
    """Whether the Programs that an equation calls are linear in these operands: their transposition says so."""
    if not sub_programs(case.program.eqns[0]):
        return True
    known = [None if flag else v for v, flag in zip(case.values, mask, strict=True)]
    try:
        apply(transposed(case.program, mask), [*known, *case.cotangents()], "transpose")
    except LinearityError:
        return False
    return True
