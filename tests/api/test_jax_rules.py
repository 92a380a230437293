"""JAX's ways to give a function rules: ``custom_gradient``, ``custom_vmap``, symbolic zeros; and what is kept."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import StructureError


@fd.custom_gradient
def scaled(x, y):
    """sin(x) y, with a tenfold derivative in y."""
    s = np.sin(x)
    return s * y, lambda ct: (ct * np.cos(x) * y, 10 * ct * s)


def test_custom_gradient():
    expected = np.cos(0.3) * 2, 10 * np.sin(0.3)
    for f in (scaled, fd.jit(scaled), fd.checkpoint(scaled)):
        for g in (fd.grad(f, (0, 1)), fd.jit(fd.grad(f, (0, 1)))):
            np.testing.assert_allclose(g(0.3, 2.0), expected, rtol=1e-15)
    assert scaled(0.3, 2.0) == np.sin(0.3) * 2
    assert scaled.__doc__.startswith("sin(x) y")
    rows = fd.vmap(fd.grad(scaled, 1), in_axes=(0, None))(np.array([0.1, 0.3]), 2.0)
    np.testing.assert_allclose(rows, 10 * np.sin([0.1, 0.3]), rtol=1e-15)
    loop = fd.grad(lambda y: fd.lax.scan(lambda c, _: (scaled(0.5, c), None), y, None, 3)[0])
    assert loop(2.0) == pytest.approx((10 * np.sin(0.5)) ** 3, rel=1e-14)
    assert fd.grad(fd.grad(scaled))(0.3, 2.0) == pytest.approx(-np.sin(0.3) * 2, rel=1e-14)


def test_custom_gradient_takes_one_cotangent_and_containers():
    tree = fd.custom_gradient(lambda t: (t["a"] * t["b"], lambda ct: {"a": 2 * ct, "b": 3 * ct}))
    found = fd.grad(tree)({"a": 1.0, "b": 5.0})
    assert (found["a"], found["b"]) == (2.0, 3.0)


def test_custom_gradient_errors():
    with pytest.raises(StructureError, match=r"f must return a pair \(value, pullback\).*got float"):

        @fd.custom_gradient
        def f(x):
            return x

        f(1.0)
    with pytest.raises(StructureError, match="closes over a value .* that is being differentiated"):
        fd.grad(lambda a: fd.custom_gradient(lambda x: (x * a, lambda ct: ct * a))(3.0))(2.0)


def test_closure_convert():
    def f(a, b):
        g, consts = fd.closure_convert(lambda x: {"r": np.sin(a * x) + b}, 1.0)
        assert len(consts) == 2
        return g(2.0, *consts)["r"]

    for run in (fd.grad(f, (0, 1)), fd.jit(fd.grad(f, (0, 1)))):
        np.testing.assert_allclose(run(0.5, 1.0), (2 * np.cos(1.0), 1.0), rtol=1e-15)
    g, consts = fd.closure_convert(lambda x: x + 1.0, np.ones(2))
    assert consts == [] and g(np.zeros(2)).tolist() == [1.0, 1.0]
    with pytest.raises(StructureError, match=r"closure_convert at .*: call what <lambda> was converted to"):
        g(0.0)


# -- custom_vmap -------------------------------------------------------------------------------------------------------


def counted():
    """A function with a rule that is told from what the function gives, and what the rule was called with."""
    calls = []

    @fd.custom_vmap
    def f(x, t):
        return {"r": np.sin(x) * t["a"]}

    @f.def_vmap
    def rule(axis_size, in_batched, x, t):
        calls.append((axis_size, in_batched))
        x = x if in_batched[0] else np.broadcast_to(x, (axis_size,))
        return {"r": np.sin(x) * t["a"] + 100}, {"r": True}

    return f, calls


@pytest.mark.parametrize("run", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_custom_vmap(run):
    f, calls = counted()
    x = np.array([0.0, 1.0, 2.0])
    assert run(f)(1.0, {"a": 2.0})["r"] == np.sin(1.0) * 2
    found = run(fd.vmap(f, in_axes=(0, None)))(x, {"a": 2.0})
    np.testing.assert_allclose(found["r"], np.sin(x) * 2 + 100, rtol=1e-14)
    assert calls == [(3, [True, {"a": False}])]
    run(fd.vmap(f))(x, {"a": x})
    assert calls[1:] == [(3, [True, {"a": True}])]
    slope = run(fd.grad(lambda x: np.sum(fd.vmap(lambda v: f(v, {"a": 2.0})["r"])(x))))(x)
    np.testing.assert_allclose(slope, 2 * np.cos(x), rtol=1e-14)
    inside = run(fd.vmap(fd.grad(lambda v: f(v, {"a": 2.0})["r"])))(x)
    np.testing.assert_allclose(inside, 2 * np.cos(x), rtol=1e-14)
    nested = run(fd.vmap(fd.vmap(lambda v: f(v, {"a": 2.0})["r"])))(np.ones((2, 3)))
    np.testing.assert_allclose(nested, np.full((2, 3), np.sin(1.0) * 2 + 100), rtol=1e-14)
    by_keyword = run(lambda x: fd.vmap(lambda v: f(v, t={"a": 2.0})["r"])(x))(x)
    np.testing.assert_allclose(by_keyword, found["r"], rtol=1e-14)


def test_sequential_vmap():
    seen = []

    @fd.sequential_vmap
    def f(x, y):
        fd.debug.callback(lambda v: seen.append(float(v)), x)
        return x * np.sum(y)

    np.testing.assert_array_equal(fd.vmap(f, in_axes=(0, None))(np.arange(3.0), np.ones(2)), [0.0, 2.0, 4.0])
    assert seen == [0.0, 1.0, 2.0]


def test_custom_vmap_errors():
    f = fd.custom_vmap(lambda x: x)
    mapped = fd.vmap(f)
    with pytest.raises(StructureError, match="custom_vmap function <lambda> has no rule; define one with"):
        mapped(np.ones(3))
    for rule, message in [
        (lambda n, flags, x: x, r"must return a pair \(out, out_batched\), got ndarray"),
        (lambda n, flags, x: (x, False), r"the result is f64\[3\], but out_batched=False .* means f64\[\]"),
        (lambda n, flags, x: ((x, x), True), "the vmap rule of <lambda> returns"),
        (lambda n, flags, x: (x, [True]), "expected a boolean, or a container of them"),
    ]:
        f.def_vmap(rule)
        with pytest.raises(StructureError, match=message):
            mapped(np.ones(3))

    def closes_over(a):
        g = fd.custom_vmap(lambda x: x * a)
        g.def_vmap(lambda n, flags, x: (x, False))
        return g(1.0)

    with pytest.raises(StructureError, match="closes over a value that differs between the elements"):
        fd.vmap(closes_over)(np.ones(3))


# -- symbolic zeros ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_tangents_that_are_zero_are_symbolic(run):
    seen = []
    f = fd.custom_jvp(lambda x, y: (x * y, x + 1.0))

    @lambda rule: f.defjvp(rule, symbolic_zeros=True)
    def rule(primals, tangents):
        (x, y), zero = primals, [isinstance(t, fd.SymbolicZero) for t in tangents]
        seen.append((zero, [(t.shape, t.dtype, t.ndim) for t, z in zip(tangents, zero, strict=True) if z]))
        parts = [v * t for v, t, z in zip((y, x), tangents, zero, strict=True) if not z]
        return f(x, y), (sum(parts), tangents[0])

    assert run(fd.grad(lambda x, y: f(x, y)[0]))(2.0, 3.0) == 3.0
    assert seen.pop() == ([False, True], [((), np.float64, 0)])
    assert run(fd.grad(lambda x, y: f(x, y)[1], 1))(2.0, 3.0) == 0.0  # the rule gives a symbolic zero back
    assert seen.pop()[0] == [True, False]
    np.testing.assert_array_equal(run(fd.grad(lambda x, y: sum(f(x, y)), (0, 1)))(2.0, 3.0), (4.0, 2.0))
    assert seen.pop()[0] == [False, False]
    rows = run(fd.vmap(fd.grad(lambda x, y: f(x, y)[0]), in_axes=(0, None)))(np.ones(2), 3.0)
    np.testing.assert_array_equal(rows, [3.0, 3.0])


@pytest.mark.parametrize("run", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_the_forward_rule_is_told_what_moves(run):
    seen = []
    f = fd.custom_vjp(lambda x, t: (x * t["a"], x + 1.0))

    def fwd(x, t):
        seen.append((x.perturbed, t["a"].perturbed))
        return (x.value * t["a"].value, x.value + 1.0), (x.value, t["a"].value)

    def bwd(kept, cts):
        zero = [isinstance(ct, fd.SymbolicZero) for ct in cts]
        seen.append(zero)
        x, a = kept
        ct_x = (0.0 if zero[0] else cts[0] * a) + (0.0 if zero[1] else cts[1])
        return ct_x, {"a": cts[0] if zero[0] else cts[0] * x}

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    assert run(fd.grad(lambda x: f(x, {"a": 3.0})[0]))(2.0) == 3.0
    assert seen == [(True, False), [False, True]]
    found = run(fd.grad(lambda x, a: f(x, {"a": a})[1], (0, 1)))(2.0, 3.0)
    np.testing.assert_array_equal(found, (1.0, 0.0))
    assert seen[2:] == [(True, True), [True, False]]


# -- integers, and what is kept ----------------------------------------------------------------------------------------


def test_integers_among_what_is_differentiated():
    def f(params, k):
        return np.sum(params["w"] ** 2) * params["n"] * k[0]

    args = {"w": np.ones(2), "n": 3}, np.array([2, 5])
    for run in (fd.grad(f, (0, 1), allow_int=True), fd.jit(fd.grad(f, (0, 1), allow_int=True))):
        first, second = run(*args)
        assert first["w"].tolist() == [12.0, 12.0] and first["n"] is None and second is None
    value, (gradient, _) = fd.value_and_grad(f, (0, 1), allow_int=True)(*args)
    assert value == 12.0 and gradient["n"] is None
    rows = fd.jacrev(lambda w, n: w * n, allow_int=True)(np.ones(2), 2)
    np.testing.assert_array_equal(rows, 2 * np.eye(2))


def test_saved_residuals(capsys):
    def net(p, x):
        return np.sum(np.tanh(p["w"] @ x + p["b"]))

    args = {"w": np.ones((3, 2)), "b": np.ones(3)}, np.ones(2)
    kept = fd.saved_residuals(net, *args)
    assert [str(t) for t, _ in kept] == ["f64[2]", "f64[3,2]", "f64[3]"]
    assert [where for _, where in kept[:2]] == ["the argument x", "the argument p['w']"]
    assert "the result of tanh_slope at " in kept[2][1] and "test_jax_rules.py:" in kept[2][1]
    jitted = fd.saved_residuals(fd.jit(net), *args)
    assert [where for _, where in jitted] == [where for _, where in kept]
    fd.print_saved_residuals(fd.checkpoint(net), *args)
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == [
        "f64[2] from the argument x", "f64[3,2] from the argument p['w']", "f64[3] from the argument p['b']",
    ]  # fmt: skip
    steps = fd.saved_residuals(lambda x: fd.lax.scan(lambda c, t: (np.sin(c) * t, None), x, np.ones(4))[0], 1.0)
    assert [str(t) for t, _ in steps] == ["f64[4]"]
    assert steps[0][1].startswith("each step of a loop: the result of cos at ")
    assert fd.saved_residuals(lambda x, n: x * n, 2.0, 3) == []


def test_remat_is_checkpoint():
    assert fd.remat is fd.checkpoint
    f = fd.remat(lambda x, n: np.sin(x) ** n, prevent_cse=False, static_argnums=1)
    assert fd.grad(f)(0.5, 2) == pytest.approx(np.sin(1.0), rel=1e-15)
