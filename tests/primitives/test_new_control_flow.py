"""Kinds of control flow that are declared outside the package: each is one declaration, and everything handles it.

``repeat`` runs a body n times, ``until`` runs one until it says that it is done (once at least), and ``toss`` runs one
of two Programs by the sign of a number.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY, Primitive, Sample, type_of
from functad.core.seq import Seq
from functad.errors import StructureError
from functad.ir.checker import check_program
from functad.ir.key import structural_key
from functad.ir.masks import cut
from functad.ir.printer import format_program
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import Control, Kind, Region, Regions, regions_of
from functad.ir.types import array_type, seq_type
from functad.kernel_ir.control import Branch, Carry, Loop, While
from functad.kernel_ir.in_place import in_place
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly
from functad.lower.abstract.abstract import abstract
from functad.lower.compile import compile_count
from functad.passes.pipeline import optimize
from functad.primitives.arithmetic import add, mul
from functad.primitives.bitwise import bit_not
from functad.primitives.comparison import ge
from functad.primitives.control import control_primitive
from functad.primitives.control_native import carried, operand_buffers
from functad.primitives.loop_body import stacked, storage
from functad.primitives.trigonometric import cos, sin
from functad.testing.rules import CHECKS, check_rule
from functad.transforms.programs import trace_program

SCALAR, VECTOR, FLAG = array_type((), np.float64), array_type((3,), np.float64), array_type((), np.bool_)


def declared(name: str, *args, **kwargs) -> Primitive:
    """The primitive is not in the registry: what handles it has it from the equation alone."""
    made = control_primitive(name, *args, **kwargs)
    del REGISTRY[name]
    return made


# -- repeat: (constants, carry) -> last carry, what steps write --------------------------------------------------------


def repeat_evaluate(*operands, body, times, turn, consts):
    fixed, state = cut(operands, consts)
    types = body.out_types[len(state) :]
    written = [storage(t, times, times) for t in types]
    for i in range(times):
        state, ys = cut(run_program(body, (*fixed, *state)), len(state))
        for w, y in zip(written, ys, strict=True):
            w[i] = y
    return (*state, *[stacked(w, t, times) for w, t in zip(written, types, strict=True)])


def repeat_regions(p):
    carry = len(p["body"].in_types) - p["consts"]
    return Regions(
        Kind.STEPS, (Region(p["body"]),), consts=(p["consts"],), carry=carry, count=p["times"], turn=p["turn"]
    )


def repeat_params(p, form):
    return {"body": form.programs[0], "times": form.count, "turn": form.turn, "consts": form.consts[0]}


def repeat_kernel(ctx, in_types, out_types, *, body, times, turn, consts):
    fixed, first = cut(operand_buffers(ctx, in_types), consts)
    made, flags = in_place(ctx.program(0, body), consts, len(first))
    written = tuple([ctx.output(k) for k in range(len(first), len(out_types))])
    ctx.append(Loop(made, poly(times), tuple(fixed), carried(ctx, first, flags), (), written, False, 0))


def repeat_samples():
    body = trace_program(lambda c, x, y: [mul(sin(x), c), add(y, x), mul(x, y)], (SCALAR, SCALAR, VECTOR))
    for times, turn in ((3, 1), (5, 2), (0, 1), (40, 1)):
        yield Sample((SCALAR, SCALAR, VECTOR), {"body": body, "times": times, "turn": turn, "consts": 1})


repeat = declared(
    "repeat",
    Control(repeat_regions, repeat_params),
    evaluate=repeat_evaluate,
    kernel=Statements(repeat_kernel, static=("consts", "turn")),
    samples=repeat_samples,
)


# -- until: (constants, carry) -> last carry, the number of steps, sequences of what steps write -----------------------


def until_evaluate(*operands, body, consts):
    fixed, state = cut(operands, consts)
    n, steps, done = len(state), 0, False
    written = [[] for _ in body.outputs[n + 1 :]]
    while not done:
        state, (done,), ys = cut(run_program(body, (*fixed, *state)), n, 1)
        for w, y in zip(written, ys, strict=True):
            w.append(y)
        steps += 1
    types = body.out_types[n + 1 :]
    return (*state, np.int64(steps), *[Seq(seq_type(t), w) for w, t in zip(written, types, strict=True)])


def until_regions(p):
    carry = len(p["body"].in_types) - p["consts"]
    return Regions(Kind.WHILE, (Region(p["body"], tests=1),), consts=(p["consts"],), carry=carry, own=1)


def until_kernel(ctx, in_types, out_types, *, body, consts):
    """A ``While`` that carries whether it is done, too, after the other parts."""
    fixed, first = cut(operand_buffers(ctx, in_types), consts)
    n, done = len(first), Var(FLAG)
    test = trace_program(lambda *carry: [bit_not(carry[n])], [*body.in_types[consts:], FLAG])
    made, flags = in_place(ctx.program(0, Program((*body.inputs, done), body.eqns, body.outputs)), consts, n + 1)
    start, last, spare = [ctx.temp((), np.dtype(np.bool_)) for _ in range(3)]
    ctx.kernel((), lambda b, index: b.store(start, (), b.const(False, np.dtype(np.bool_))), "start")
    carry = (*carried(ctx, first, flags[:n]), Carry(start, last, spare, flags[n]))
    written = tuple([ctx.output(k) for k in range(n + 1, len(out_types))])
    flag = ctx.temp((), np.dtype(np.bool_))
    ctx.append(While(ctx.program(0, test), made, (), tuple(fixed), carry, ctx.output(n), written, flag))


def until_body(*more):
    """The steps are done at 1.5; ``more`` says whether they also write something."""
    return trace_program(
        lambda c, x, y: [add(mul(x, x), c), mul(y, cos(x)), ge(x, np.float64(1.5)), *[mul(x, y) for _ in more]],
        (SCALAR, SCALAR, VECTOR),
    )


def until_samples():
    y = np.array([0.3, -0.7, 1.1])
    three_steps = np.float64(0.8), np.float64(0.4), y  # the testers' sequences have three elements
    yield Sample(three_steps, {"body": until_body(True), "consts": 1})
    yield Sample(three_steps, {"body": until_body(), "consts": 1})
    yield Sample((np.float64(0.8), np.float64(2.5), y), {"body": until_body(), "consts": 1})


until = declared(
    "until",
    Control(until_regions, lambda p, form: {"body": form.programs[0], "consts": form.consts[0]}),
    evaluate=until_evaluate,
    kernel=Statements(until_kernel, static=("consts",)),
    samples=until_samples,
)


# -- toss: a Program for numbers below 0, and one for the others -------------------------------------------------------


def toss_kernel(ctx, in_types, out_types, *, below, above):
    number, *operands = operand_buffers(ctx, in_types)
    index = ctx.temp((), np.dtype(np.int64))

    def chosen(b, at):
        number = ctx.read(0)(())
        b.store(index, (), b.cast(b.ge(number, b.const(0.0, np.dtype(np.float64))), np.dtype(np.int64)))

    ctx.kernel((), chosen, "chosen")
    branches = ctx.program(1, below), ctx.program(0, above)
    ctx.append(Branch(index, branches, tuple(operands), tuple([ctx.output(k) for k in range(len(out_types))])))


def toss_samples():
    below = trace_program(lambda x, y: [mul(sin(x), y), x], (SCALAR, VECTOR))
    above = trace_program(lambda x, y: [mul(mul(x, y), y), mul(x, x)], (SCALAR, VECTOR))
    for number in (-0.5, 0.5):
        yield Sample((np.float64(number), SCALAR, VECTOR), {"below": below, "above": above})


toss = declared(
    "toss",
    Control(
        lambda p: Regions(
            Kind.CHOICE, (Region(p["above"]), Region(p["below"])), consts=(len(p["above"].in_types),), heads=1
        ),
        lambda p, form: dict(zip(("above", "below"), form.programs, strict=True)),
    ),
    evaluate=lambda number, *operands, below, above: tuple(run_program(above if number >= 0 else below, operands)),
    kernel=Statements(toss_kernel),
    samples=toss_samples,
)

KINDS = {p.name: p for p in (repeat, until, toss)}
EACH = pytest.mark.parametrize("primitive", KINDS.values(), ids=KINDS)


# -- rules -------------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("check", CHECKS)
def test_rules_agree(primitive, check):
    """Types, derivatives of first and second order in both modes, transposition, batching, native code."""
    for seed, sample in enumerate(primitive.samples()):
        check_rule(primitive, sample, [check], seed)


# -- passes ------------------------------------------------------------------------------------------------------------


def of_kind(primitive, body, consts, *operands):
    """The results of an equation that runs a body of strict values; the loops write nothing, and are done at once."""
    types = [type_of(x) for x in operands]
    if primitive is toss:
        above, below = trace_program(body, types), trace_program(lambda *args: [mul(x, x) for x in body(*args)], types)
        return toss.bind(np.float64(0.5), *operands, above=above, below=below)
    if primitive is repeat:
        return repeat.bind(*operands, body=trace_program(body, types), times=3, turn=1, consts=consts)
    n = len(operands) - consts
    done = trace_program(
        lambda *args: [*(outs := body(*args))[:n], ge(args[consts], np.float64(-9.0)), *outs[n:]], types
    )
    return until.bind(*operands, body=done, consts=consts)


def optimized(f, *args) -> tuple[Eqn, Program]:
    """The equation of a new kind in what passes make of a function, which computes the same."""
    program = fd.make_ir(f)(*args)
    made = optimize(program)
    check_program(made, "passes")
    values = [np.asarray(a, np.float64)[()] for a in args]
    for a, b in zip(run_program(made, values), run_program(program, values), strict=True):
        np.testing.assert_array_equal(a, b)
    (eqn,) = [e for e in made.eqns if e.primitive.name in KINDS]
    return eqn, made


def names(program: Program) -> list[str]:
    return [e.primitive.name for e in program.eqns]


@EACH
def test_what_nobody_reads_is_dropped(primitive):
    def f(c, x, y):
        return of_kind(primitive, lambda c, x, y: [sin(x), mul(cos(y), c)], 1, c, x, y)[0]

    eqn, made = optimized(f, 0.3, 0.4, 0.5)
    form = regions_of(eqn)
    assert all("cos" not in names(p) for p in form.programs)
    assert len(eqn.outputs) == 1 + form.own and len(eqn.inputs) == 1 + form.heads


@EACH
def test_results_that_are_written_are_dropped(primitive):
    def f(x):
        return of_kind(primitive, lambda x: [sin(x), cos(x)], 0, x)[0]

    eqn, _ = optimized(f, 0.4)
    assert all("cos" not in names(p) for p in regions_of(eqn).programs)


@pytest.mark.parametrize("primitive", [repeat, until], ids=["repeat", "until"])
def test_a_carry_that_does_not_change_is_a_constant(primitive):
    def f(x, y):
        a, b, *_ = of_kind(primitive, lambda x, y: [mul(x, y), y], 0, x, y)
        return a, b

    eqn, made = optimized(f, 0.4, 0.5)
    assert regions_of(eqn).carry == 1 and regions_of(eqn).consts == (1,) and made.outputs[1] is made.inputs[1]


@pytest.mark.parametrize("primitive", [repeat, until], ids=["repeat", "until"])
def test_what_is_the_same_in_every_step_moves_out(primitive):
    def f(c, x):
        return of_kind(primitive, lambda c, x: [mul(x, sin(c))], 1, c, x)[0]

    eqn, made = optimized(f, 0.4, 0.5)
    assert "sin" in names(made) and "sin" not in names(regions_of(eqn).programs[0])


@EACH
def test_literals_are_made_inside_and_calls_inlined(primitive):
    square = fd.jit(lambda x: x * x)

    def f(x):
        return of_kind(primitive, lambda c, x: [mul(square(x), c)], 1, np.float64(1.0), x)[0]

    eqn, _ = optimized(f, 0.4)
    form = regions_of(eqn)
    assert form.consts == (0,) or primitive is toss
    assert all(type(a) is Var for a in eqn.inputs[form.heads :])
    assert all("jit" not in names(p) for p in form.programs)


@EACH
def test_code_does_not_depend_on_constants_inside(primitive):
    def f(x, number):
        return of_kind(primitive, lambda x: [mul(sin(x), np.float64(number))], 0, x)[0]

    programs = [fd.make_ir(lambda x, n=n: f(x, n))(0.3) for n in (0.1234, 0.5678)]
    keys = []
    for number, program in zip((0.1234, 0.5678), programs, strict=True):
        made = abstract(optimize(program))
        assert number in [c for c in made.constants if not c.ndim]
        keys.append(structural_key(made.program))
    assert keys[0] == keys[1]


@pytest.mark.parametrize("times, turn, left", [(7, 2, 3), (3, 3, None), (6, 2, 3)])
def test_a_static_number_of_steps_is_unrolled(times, turn, left):
    body = trace_program(lambda c, x: [mul(sin(x), c), mul(x, x)], (SCALAR, SCALAR))

    def f(c, x):
        return repeat.bind(c, x, body=body, times=times, turn=turn, consts=1)

    program = fd.make_ir(f)(0.9, 0.4)
    made = optimize(program)
    for a, b in zip(
        run_program(made, (np.float64(0.9), np.float64(0.4))), f(np.float64(0.9), np.float64(0.4)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    loops = [e for e in made.eqns if e.primitive is repeat]
    assert [e.params["times"] for e in loops] == ([] if left is None else [left])
    assert all(names(e.params["body"]).count("sin") == turn for e in loops)


# -- users -------------------------------------------------------------------------------------------------------------


X, XS = 0.3, np.array([0.3, 0.7, -0.4])
TRANSFORMS = {
    "itself": (lambda f: f, X),
    "grad": (fd.grad, X),
    "grad of grad": (lambda f: fd.grad(fd.grad(f)), X),
    "hessian": (lambda f: fd.hessian(lambda x: np.sum(fd.vmap(f)(x))), XS),
    "jvp": (lambda f: lambda x: fd.jvp(f, (x,), (1.0,)), X),
    "vmap": (fd.vmap, XS),
    "vmap of grad": (lambda f: fd.vmap(fd.grad(f)), XS),
    "checkpoint": (lambda f: fd.grad(fd.checkpoint(f)), X),
    "policy": (lambda f: fd.grad(fd.checkpoint(f, policy=lambda name, types, params: name == "sin")), X),
}


def in_a_loop(primitive):
    def f(x):
        def step(c, v):
            outs = of_kind(primitive, lambda c, x: [mul(sin(x), c), mul(x, x)], 1, c, v)
            return np.exp(outs[0]) - outs[0], None

        return fd.lax.scan(step, 1.2 * x, np.array([0.3, 0.4]))[0]

    return f


@pytest.mark.one_in(8)
@EACH
@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("make", [in_a_loop, lambda p: fd.jit(in_a_loop(p))], ids=["loop", "jit"])
def test_transforms_agree_on_all_backends(primitive, name, make):
    transform, x = TRANSFORMS[name]
    g = transform(in_a_loop(primitive))
    expected = g(x)
    np.testing.assert_allclose(transform(make(primitive))(x), expected, rtol=1e-12)
    for backend in ("native", "kernel", "evaluator"):
        with config.backend(backend):
            np.testing.assert_allclose(fd.jit(g)(x), expected, rtol=1e-12)
    if name == "grad":
        d = 1e-6
        f = in_a_loop(primitive)
        np.testing.assert_allclose(expected, (f(x + d) - f(x - d)) / (2 * d), rtol=1e-8)


@EACH
def test_a_policy_saves_what_is_inside(primitive):
    def f(x):
        return of_kind(primitive, lambda x: [sin(mul(cos(x), x))], 0, x)[0]

    def residuals(policy):
        return fd.vjp(fd.checkpoint(f, policy=policy), 0.3)[1].linear.residuals

    assert len(residuals(None)) == 1
    assert len(residuals(lambda name, types, params: name == "cos")) > 1


@pytest.mark.parametrize("primitive", [repeat, toss], ids=["repeat", "toss"])
def test_one_code_serves_all_sizes(primitive):
    f = fd.jit(lambda c, x: of_kind(primitive, lambda c, x: [mul(sin(x), c)], 1, c, x)[0])
    counts = []
    for n in (50, 60):
        c, x = np.linspace(0, 1, n), np.linspace(1, 2, n)
        expected = np.sin(np.sin(np.sin(x) * c) * c) * c if primitive is repeat else np.sin(x) * c
        np.testing.assert_allclose(f(c, x), expected, rtol=1e-14)
        counts.append(compile_count())
    assert counts[0] == counts[1]


def test_it_is_printed():
    program = fd.make_ir(lambda x: of_kind(toss, lambda x: [sin(x)], 0, x)[0])(0.3)
    assert (
        format_program(program)
        == """{ lambda a:f64[] .
    b:f64[] = toss[
        above={ lambda a:f64[] .
            b:f64[] = sin a
          in (b) },
        below={ lambda a:f64[] .
            b:f64[] = sin a
            c:f64[] = mul b b
          in (c) }
    ] 0.5 a
  in (b) }"""
    )


def test_a_malformed_equation_is_refused():
    def refused(message, primitive, body, types, **params):
        made = trace_program(body, types)
        with pytest.raises(StructureError, match=message):
            fd.make_ir(lambda x: primitive.bind(x, body=made, consts=0, **params))(1.0)

    takes = r"repeat runs a Program of \(f64\[3\],\), but its operands are \(f64\[\],\)"
    refused(takes, repeat, lambda x: [sin(x)], [VECTOR], times=3, turn=1)
    gives = r"repeat runs a Program that gives \(bool\[\],\), but the carry is \(f64\[\],\)"
    refused(gives, repeat, lambda x: [ge(x, x)], [SCALAR], times=3, turn=1)
    refused(r"a test of until gives \[f64\[\]\]; it must be one boolean", until, lambda x: [x, x], [SCALAR])
