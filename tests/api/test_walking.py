"""Programs as things to work with: variables, producers, users, and equations called by hand."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError
from functad.ir.program import Literal, Var
from tests.corpus import CORPUS

WEIGHTS = np.array([1.0, 2.0])
TRACEABLE = [e for e in CORPUS if e.traceable]


def test_variables_producers_and_users_agree():
    for entry in TRACEABLE:
        program = fd.make_ir(entry.function)(*entry.args)
        text = str(program)
        assert len(set(map(program.name_of, program.variables))) == len(program.variables)
        for v in program.variables:
            eqn = program.producer(v)
            assert (eqn is None) == (v in program.inputs) and (eqn is None or v in eqn.outputs)
            assert program.users(v) == tuple(e for e in program.eqns if v in e.inputs)
            assert f"{program.name_of(v)}:{v.type}" in text


def gradient_by_hand(program, args):
    """Reverse mode: the pullback of each equation, from the last to the first."""
    values = program.values(*args)
    cts = {program.outputs[0]: 1.0}
    for eqn in reversed(program.eqns):
        if not any(v in cts for v in eqn.outputs):
            continue
        results, pullback = eqn.vjp(*[values[a] for a in eqn.inputs])
        several = eqn.primitive.multiple_results
        for v, x in zip(eqn.outputs, results if several else (results,), strict=True):
            np.testing.assert_array_equal(x, values[v])
        given = [cts.get(v, np.zeros(v.type.shape, v.type.dtype)) for v in eqn.outputs]
        for a, ct in zip(eqn.inputs, pullback(tuple(given) if several else given[0]), strict=True):
            assert (ct is None) == (isinstance(a, Literal) or not a.type.inexact)
            if ct is not None:
                cts[a] = cts[a] + ct if a in cts else ct
    return [cts.get(v) for v in program.inputs]


@pytest.mark.parametrize("name", ["multilayer_perceptron", "cross_entropy", "power_iteration", "pairwise_energy"])
def test_reverse_mode_by_hand_is_the_gradient(name):
    entry = next(e for e in CORPUS if str(e) == name)
    program = fd.make_ir(entry.function)(*entry.args)
    leaves = fd.tree.leaves(entry.args)
    found = gradient_by_hand(program, leaves)
    smooth = [i for i, x in enumerate(leaves) if np.asarray(x).dtype.kind == "f"]
    run = lambda *xs: entry.function(*fd.tree.unflatten(fd.tree.structure(entry.args), xs))
    for i, expected in zip(smooth, fd.grad(run, argnums=smooth)(*leaves), strict=True):
        np.testing.assert_allclose(found[i], expected, rtol=1e-12, atol=1e-13)


def test_equations_are_evaluated_and_differentiated():
    program = fd.make_ir(lambda x, i: (np.take(x, i) * 2.0, fd.lax.cond(i[0] > 0, np.sin, np.cos, x)))(
        np.arange(3.0), np.array([1, 2])
    )
    values = program.values(np.arange(3.0), np.array([1, 2]))
    for eqn in program.eqns:
        operands = [values[a] for a in eqn.inputs]
        found = eqn.evaluate(*operands)
        for v, x in zip(eqn.outputs, found if eqn.primitive.multiple_results else (found,), strict=True):
            np.testing.assert_array_equal(values[v], x)
    product = next(e for e in program.eqns if e.primitive.name == "mul")
    result, tangent = product.jvp((np.ones(2), 2.0), (np.array([1.0, 3.0]), None))
    np.testing.assert_array_equal(tangent, [2.0, 6.0])
    (branch,) = [e for e in program.eqns if e.primitive.name == "cond"]
    (result,), (tangent,) = branch.jvp([values[a] for a in branch.inputs], (None, np.ones(3)))
    np.testing.assert_allclose(tangent, np.cos(np.arange(3.0)), rtol=1e-15)
    traced = fd.grad(lambda x: np.sum(product.evaluate(x, 2.0)))(np.ones(2))
    np.testing.assert_array_equal(traced, [2.0, 2.0])


def test_reprs_say_what_they_are():
    program = fd.make_ir(lambda x: fd.jit(lambda v: v[1:] * WEIGHTS)(x))(np.zeros(3))
    assert repr(program.eqns[0]) == "<jit[name='<lambda>', program=<a Program of 2 equations>] f64[3] f64[2] -> f64[2]>"
    inner = program.eqns[0].params["program"]
    assert [repr(e) for e in inner.eqns] == [
        "<slice[starts=(1,), steps=(1,), stops=(3,)] f64[3] -> f64[2]>", "<mul f64[2] f64[2] -> f64[2]>",
    ]  # fmt: skip
    program = fd.make_ir(lambda x: x + WEIGHTS)(WEIGHTS)
    assert program.name_of(program.eqns[0].inputs[1]) == "array(f64[2])"


def test_what_is_not_of_the_program_is_refused():
    program = fd.make_ir(lambda x: x * 2.0)(1.0)
    with pytest.raises(ArgumentError, match=r"Var\(f64\[\]\) is no variable of this Program; see its .variables"):
        program.producer(Var(program.inputs[0].type))
    with pytest.raises(ArgumentError, match="values: the Program has 1 inputs, and is given 2"):
        program.values(1.0, 2.0)
    (eqn,) = program.eqns
    with pytest.raises(ArgumentError, match=r"evaluate: <mul f64\[\] 2.0 -> f64\[\]> takes 2 operands, got 1"):
        eqn.evaluate(1.0)
    with pytest.raises(ArgumentError, match="takes 2 tangents, or None for each, got 1"):
        eqn.jvp((1.0, 2.0), (1.0,))
