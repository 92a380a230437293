"""Functions with rules, un-jitted: evaluated where values are known, so Python sees these; rules run when they are
needed.
"""

from __future__ import annotations

import gc
from functools import partial

import numpy as np
import pytest
import scipy.optimize

import functad as fd
from functad.core.evaluator import run_program
from functad.errors import StructureError
from functad.ir.checker import check_program
from functad.ir.key import structural_key
from functad.ir.program import Program, ProgramOnDemand
from functad.ir.types import array_type
from functad.primitives.custom_jvp import custom_jvp_p
from functad.primitives.custom_vjp import custom_vjp_p
from functad.transforms.programs import trace_program

X = np.array([0.3, -0.8, 1.4])
close = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-14)


class Counted:
    """A cube whose function and rules count how often they run."""

    def __init__(self, kind: str) -> None:
        self.runs = {"function": 0, "rule": 0, "bwd": 0}
        if kind == "custom_jvp":
            self.cube = fd.custom_jvp(self.function)
            self.cube.defjvp(self.rule)
        else:
            self.cube = fd.custom_vjp(self.function)
            self.cube.defvjp(self.fwd, self.bwd)

    def count(self, what: str) -> None:
        self.runs[what] += 1

    def function(self, x):
        self.count("function")
        return x * x * x

    def rule(self, primals, tangents):
        self.count("rule")
        (x,), (t,) = primals, tangents
        return x * x * x, 3 * x * x * t

    def fwd(self, x):
        self.count("rule")
        return x * x * x, x

    def bwd(self, x, ct):
        self.count("bwd")
        return (3 * x * x * ct,)


KINDS = ["custom_jvp", "custom_vjp"]


@pytest.mark.parametrize("kind", KINDS)
def test_rules_run_when_differentiated_and_once_a_gradient(kind) -> None:
    c = Counted(kind)
    compiled = fd.jit(c.cube)
    close(compiled(X), X**3)
    close(fd.vmap(c.cube)(X), X**3)
    fd.make_ir(c.cube)(X)
    assert c.runs["rule"] == 0
    close(fd.grad(lambda x: np.sum(c.cube(x)))(X), 3 * X**2)
    assert c.runs["rule"] == 1 and c.runs["bwd"] <= 1
    close(fd.grad(lambda x: np.sum(compiled(x)))(X), 3 * X**2)
    assert c.runs["rule"] == 2
    derivative = fd.jit(fd.grad(lambda x: np.sum(c.cube(x))))
    for _ in range(3):
        close(derivative(X), 3 * X**2)
    assert c.runs["rule"] == 3


def test_reverse_mode_runs_the_forward_rule_in_place_of_the_function() -> None:
    c = Counted("custom_vjp")
    value, pullback = fd.vjp(c.cube, 2.0)
    assert (value, pullback(1.0)[0], pullback(2.0)[0]) == (8.0, 12.0, 24.0)
    assert c.runs == {"function": 0, "rule": 1, "bwd": 2}
    close(fd.grad(fd.grad(c.cube))(2.0), 12.0)
    close(fd.hessian(lambda x: np.sum(c.cube(x)))(X), np.diag(6 * X))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", KINDS)
def test_calls_leave_nothing_behind(kind) -> None:
    c = Counted(kind)
    gradient = fd.grad(lambda x: np.sum(c.cube(x) * c.cube(2 * x)))
    gradient(X)
    before = len(custom_jvp_p._signatures) + len(custom_vjp_p._signatures)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            gradient(X)
        assert gc.collect() == 0  # no cycles: memory is free at once
    finally:
        gc.enable()
    assert len(custom_jvp_p._signatures) + len(custom_vjp_p._signatures) == before


def test_python_looks_at_values_in_functions_and_rules() -> None:
    @fd.custom_vjp
    def softened(x):
        if x > 0:
            return np.exp(x)
        return 1.0 + x

    def fwd(x):
        return (np.exp(x), np.exp(x)) if x > 0 else (1.0 + x, 1.0)

    softened.defvjp(fwd, lambda slope, ct: (slope * ct,))

    @fd.custom_jvp
    def magnitude(x):
        return x if float(x) > 0 else -x

    magnitude.defjvp(lambda p, t: (magnitude(p[0]), t[0] if p[0] > 0 else -t[0]))
    for x in (-0.5, 0.5):
        slope = np.exp(x) if x > 0 else 1.0
        close(fd.grad(softened)(x), slope)
        close(fd.grad(magnitude)(x), np.sign(x))
        close(fd.jvp(magnitude, (x,), (2.0,))[1], 2 * np.sign(x))
        product = fd.grad(lambda x: softened(magnitude(x)) * softened(x))
        close(product(x), fd.grad(lambda x: np.exp(abs(x)) * softened(x))(x))
        close(fd.grad(fd.grad(softened))(x), np.exp(x) if x > 0 else 0.0)
    both = fd.jacobian(lambda v: np.stack([softened(v[0]), magnitude(v[1])]))
    close(both(np.array([0.5, -0.5])), [[np.exp(0.5), 0], [0, -1]])


def test_functions_may_be_anything_that_computes_values() -> None:
    @fd.custom_jvp
    def root(a):
        return scipy.optimize.brentq(lambda x: x * x - a, 0.0, 10.0, xtol=1e-15)

    root.defjvp(lambda p, t: (root(p[0]), t[0] / (2 * root(p[0]))))
    close(fd.grad(root)(4.0), 0.25)
    close(fd.grad(fd.grad(root))(4.0), -1 / 32)
    close(fd.jvp(root, (4.0,), (2.0,))[1], 0.5)
    close(fd.value_and_grad(lambda a: root(a) * root(2 * a))(4.0), (4 * 2**0.5, 2**0.5))


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_rules_that_raise_do_so_where_they_are_needed(wrap) -> None:
    def fwd(x):
        raise NotImplementedError("no derivative")

    f = fd.custom_vjp(lambda x: 2 * x)
    f.defvjp(fwd, lambda _, ct: (ct,))
    assert wrap(fd.grad(lambda x: x * f(fd.stop_gradient(x))))(3.0) == 6.0
    with pytest.raises(NotImplementedError, match="no derivative"):
        wrap(fd.grad(f))(3.0)


def test_buffers_of_the_user_stay_his() -> None:
    buffer = np.empty(3)

    def fwd(x):
        np.exp(x, out=buffer)
        return buffer, buffer

    f = fd.custom_vjp(lambda x: np.exp(x, out=buffer))
    f.defvjp(fwd, lambda y, ct: (ct * y,))
    close(fd.grad(lambda x: np.sum(f(x) * f(2 * x)))(X), 3 * np.exp(3 * X))
    value, pullback = fd.vjp(f, X)
    buffer[:] = 0.0
    close((value, pullback(np.ones(3))[0]), (np.exp(X), np.exp(X)))


def test_arguments_cannot_be_written_to() -> None:
    def in_place(x):
        x *= 2.0
        return x

    f = fd.custom_jvp(in_place)
    f.defjvp(lambda p, t: (2 * p[0], 2 * t[0]))
    x = X.copy()
    with pytest.raises(ValueError, match="read-only"):
        fd.grad(lambda x: np.sum(f(x)))(x)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_kinds_and_dtypes_are_those_of_numpy(wrap) -> None:
    @fd.custom_vjp
    def scaled(x, factor=2.0):
        return x * factor

    def bwd(res, ct):
        return ct * res[1], np.sum(ct * res[0])

    scaled.defvjp(lambda x, factor: (scaled(x, factor), (x, factor)), bwd)
    x = X.astype(np.float32)
    value, pullback = fd.vjp(lambda x: wrap(lambda x: scaled(x))(x), x)
    assert value.dtype == pullback(np.ones(3, np.float32))[0].dtype == np.float32  # the float is weak, as in NumPy
    one = np.float32(1)
    assert wrap(lambda x: scaled(x) * one)(2.0).dtype == (2.0 * one).dtype  # and so is a float that is returned
    close(wrap(fd.grad(lambda x: scaled(factor=x, x=3.0)))(5.0), 3.0)
    close(wrap(fd.grad(lambda x: np.sum(scaled(x))))(np.zeros((0, 2))), np.zeros((0, 2)))
    assert np.isnan(wrap(fd.grad(lambda x: scaled(x, np.nan)))(1.0))


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_several_results_of_several_kinds(wrap) -> None:
    @fd.custom_jvp
    def several(d, n):
        return {"sine": np.sin(d["x"]) * n, "largest": np.argmax(d["x"]), "turned": 1j * d["x"]}

    @several.defjvp
    def rule(primals, tangents):
        (d, n), (t, _) = primals, tangents
        dots = {"sine": 2 * np.cos(d["x"]) * t["x"] * n, "largest": np.zeros((), int), "turned": 1j * t["x"]}
        return several(d, n), dots

    def f(x):
        out = several({"x": x}, 3)
        return np.sum(out["sine"]) + np.sum(np.imag(out["turned"])) + 0 * out["largest"]

    expected = 6 * np.cos(X) + 1
    close(wrap(fd.grad(f))(X), expected)
    close(wrap(lambda x: fd.jvp(f, (x,), (X,))[1])(X), expected @ X)
    close(wrap(fd.vmap(fd.grad(f)))(np.stack([X, X]))[1], expected)
    close(wrap(fd.hessian(f))(X), np.diag(-6 * np.sin(X)))


def test_jacobian_takes_forward_mode_where_a_rule_hides_a_custom_vjp() -> None:
    cubes = fd.custom_vjp(lambda x: x**3)
    cubes.defvjp(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))
    f = fd.custom_jvp(lambda x: cubes(x))
    f.defjvp(lambda p, t: (p[0] ** 3, 3 * p[0] ** 2 * t[0]))
    close(fd.jacfwd(f)(X), np.diag(3 * X**2))
    close(fd.jacobian(f)(X), np.diag(3 * X**2))


def test_what_does_not_fit() -> None:
    f = fd.custom_vjp(lambda x, *, y: x * y)
    f.defvjp(lambda x: (x, None), lambda _, ct: (ct,))
    with pytest.raises(StructureError, match=r"take arguments by position, but y can be given by keyword only"):
        fd.grad(lambda x: f(x, y=2.0))(1.0)
    g = fd.custom_vjp(lambda x: x)
    g.defvjp(lambda x: (np.sum(x), None), lambda _, ct: (ct * np.ones(3),))
    with pytest.raises(StructureError, match=r"the value from fwd of <lambda> is f64\[\]; expected f64\[3\]"):
        fd.jit(fd.grad(lambda x: np.sum(g(x))))(X)
    with pytest.raises(StructureError, match=r"<lambda> returns f64\[3\], but its rule returns f64\[\] for the value"):
        str(evaluated_program(g))


def evaluated_program(f) -> Program:
    """The Program in the equation of an un-jitted call under reverse mode."""
    found = []

    def call(x):
        y = f(x)
        found.append(y._owner.eqns[-1].params["program"])
        return np.sum(y)

    fd.grad(call)(X)
    return found[0]


def test_programs_are_made_on_demand() -> None:
    c = Counted("custom_jvp")
    program = evaluated_program(c.cube)
    assert isinstance(program, ProgramOnDemand) and c.runs["function"] == 1
    assert program.in_types == program.out_types == (array_type((3,), np.float64),)
    close(run_program(program, (X,))[0], X**3)
    assert c.runs["function"] == 2  # evaluated by Python: not traced yet
    traced = trace_program(lambda x: [x * x * x], (array_type((3,), np.float64),))
    assert structural_key(program) == structural_key(traced)
    assert str(program) == str(traced)
    check_program(program, "a test")
    assert c.runs["function"] == 3  # traced once


@pytest.mark.parametrize("kind", KINDS)
def test_programs_of_rules_are_made_on_demand(kind) -> None:
    c = Counted(kind)
    program = fd.make_ir(c.cube)(X)
    (eqn,) = program.eqns
    structural_key(program)
    check_program(program, "a test")
    assert f"rule=<Python{kind[-3:].capitalize()}>" in str(program) and c.runs["rule"] == 0
    programs = eqn.params["rule"].programs
    assert c.runs["rule"] == 1 and eqn.params["rule"].programs is programs
    if kind == "custom_jvp":
        close(run_program(programs[0], (X, X)), (X**3, 3 * X**3))
    else:
        close(run_program(programs[0], (X,)), (X**3, X))
        close(run_program(programs[1], (X, X)), (3 * X**3,))
