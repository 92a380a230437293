"""Policies: what of a checkpointed call is saved, also inside loops, branches and jitted functions; derivatives do not
depend on it.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.core.seq import Seq
from functad.errors import StructureError
from functad.ir.program import sub_programs

POLICIES = fd.lax.checkpoint_policies
RNG = np.random.default_rng(3)
W1, W2, X = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 4)), RNG.normal(size=3)


def network(w1, w2, x):
    return np.sum(np.exp(np.tanh(w2 @ np.sin(np.tanh(w1 @ x)))))


def sines(primitive, in_types, params):
    return primitive == "sin" and in_types[0].shape == (4,)


@pytest.mark.parametrize(
    "policy", [None, POLICIES.nothing_saveable, POLICIES.dots_saveable, POLICIES.everything_saveable, sines]
)
def test_policies_leave_derivatives_alone(policy) -> None:
    f = fd.checkpoint(network, policy=policy)
    expected = fd.grad(network, (0, 1, 2))(W1, W2, X)
    for made in (
        fd.grad(f, (0, 1, 2)),
        fd.jit(fd.grad(f, (0, 1, 2))),
        fd.grad(fd.checkpoint(fd.jit(network), policy=policy), (0, 1, 2)),
    ):
        for got, want in zip(made(W1, W2, X), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)
    second = fd.hessian(network, 2)(W1, W2, X)
    np.testing.assert_allclose(fd.hessian(f, 2)(W1, W2, X), second, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(fd.jit(fd.jacrev(fd.grad(f, 2), 2))(W1, W2, X), second, rtol=1e-11, atol=1e-13)
    xs = RNG.normal(size=(3, 3))
    got = fd.jit(fd.vmap(fd.grad(f, 2), (None, None, 0)))(W1, W2, xs)
    np.testing.assert_allclose(got, [fd.grad(network, 2)(W1, W2, x) for x in xs], rtol=1e-12)


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit])
def test_policies_choose_the_residuals(wrap) -> None:
    def residuals(policy):
        made = fd.vjp(fd.checkpoint(wrap(network), policy=policy), W1, W2, X)[1]
        return sorted([r.shape for r in made.linear.residuals])

    arguments = sorted([W1.shape, W2.shape, X.shape])
    assert residuals(None) == residuals(POLICIES.nothing_saveable) == arguments
    assert residuals(POLICIES.dots_saveable) == sorted([*arguments, (2,), (4,)])
    assert residuals(sines) == sorted([*arguments, (4,)])
    assert len(residuals(POLICIES.everything_saveable)) > 5


def primitives_of(program) -> list[str]:
    names = []
    for eqn in program.eqns:
        names.append(eqn.primitive.name)
        names += [n for p in sub_programs(eqn) for n in primitives_of(p)]
    return names


def test_saved_results_are_not_computed_again() -> None:
    def products(policy):
        names = primitives_of(fd.make_ir(fd.value_and_grad(fd.checkpoint(network, policy=policy)))(W1, W2, X))
        return names.count("dot_general"), names.count("tanh")

    dots, tanhs = products(None)
    saved_dots, still = products(POLICIES.dots_saveable)
    assert saved_dots == dots - 2
    assert still == tanhs == 4
    assert products(POLICIES.everything_saveable)[1] == 2


def test_bad_policies() -> None:
    with pytest.raises(StructureError, match=r"checkpoint: policy='dots'; expected a function .*dots_saveable"):
        fd.checkpoint(np.sin, policy="dots")
    for make in (
        POLICIES.save_only_these_names,
        POLICIES.save_any_names_but_these,
        POLICIES.save_anything_except_these_names,
    ):
        with pytest.raises(
            StructureError, match=rf"{make.__name__} takes names as strings, one by one, got \['a'\]; expected"
        ):
            make(["a"])
    with pytest.raises(StructureError, match="checkpoint_name: name=3; expected a string"):
        fd.checkpoint_name(1.0, 3)


# -- names -------------------------------------------------------------------------------------------------------------


def test_a_named_value_is_itself() -> None:
    assert fd.checkpoint_name({"a": 2.0, "b": [3]}, "pair") == {"a": 2.0, "b": [3]}
    x = np.linspace(0.0, 1.0, 3)
    for f in (lambda x: fd.checkpoint_name(x, "x") * x, fd.jit(lambda x: fd.checkpoint_name(x, "x") * x)):
        np.testing.assert_array_equal(f(x), x * x)
        np.testing.assert_array_equal(fd.vjp(f, x)[1](np.ones(3))[0], 2 * x)
        np.testing.assert_array_equal(fd.vmap(f)(x), x * x)


def named(x):
    a = fd.checkpoint_name(np.exp(x), "a")
    b = fd.checkpoint_name(np.exp(a * a), "b")
    return np.sum(np.exp(np.exp(b * 0.1)))


def saved(f, policy, *args) -> int:
    """Elements of the residuals beside the arguments."""
    return size(fd.vjp(fd.checkpoint(f, policy=policy), *args)[1].linear.residuals) - size(args)


def size(x) -> int:
    elements = x.elements if isinstance(x, Seq) else x
    return sum(map(size, elements)) if isinstance(elements, list | tuple) else np.size(elements)


def test_names_choose_the_residuals() -> None:
    x = np.array([0.1, 0.2, 0.3])
    a = np.exp(x)
    b = np.exp(a * a)

    def held(policy):
        """Which of a, b are among the residuals; the derivatives of the exponentials that give them need them without
        their names.
        """
        residuals = fd.vjp(fd.checkpoint(named, policy=policy), x)[1].linear.residuals
        return "".join(
            [name for name, value in (("a", a), ("b", b)) if any(np.array_equal(r, value) for r in residuals)]
        ), len(residuals)

    assert held(POLICIES.save_only_these_names("c")) == ("", 1)
    assert held(POLICIES.save_only_these_names("a")) == ("a", 1)
    assert held(POLICIES.save_only_these_names("a", "b")) == ("ab", 2)
    assert held(POLICIES.save_any_names_but_these("a")) == ("b", 2)
    assert held(POLICIES.save_any_names_but_these()) == ("ab", 2)
    assert held(
        POLICIES.save_from_both_policies(POLICIES.save_only_these_names("a"), POLICIES.save_only_these_names("b"))
    ) == ("ab", 2)
    assert held(POLICIES.everything_saveable)[0] == held(POLICIES.save_anything_except_these_names())[0] == "ab"
    assert held(POLICIES.save_anything_except_these_names("a"))[0] == "b"


def test_policies_of_equal_names_are_equal() -> None:
    assert POLICIES.save_only_these_names("a", "b") == POLICIES.save_only_these_names("b", "a")
    assert POLICIES.save_only_these_names("a") != POLICIES.save_any_names_but_these("a")


def test_dots_with_no_batch_dims() -> None:
    w, x = RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3, 3))

    def f(w, x):
        y = np.tanh(x @ x)  # a batch of products
        return np.sum(np.sin(np.tensordot(y, w, 1)))

    assert saved(f, POLICIES.dots_saveable, w, x) == 2 * 18
    assert saved(f, POLICIES.dots_with_no_batch_dims_saveable, w, x) == 18


# -- inside loops and branches -----------------------------------------------------------------------------------------

W, H, XS = RNG.normal(size=(3, 3)) * 0.5, RNG.normal(size=3), RNG.normal(size=(6, 3))


def recurrent(w, h):
    def step(h, x):
        z = fd.checkpoint_name(np.tanh(w @ h + x), "z")
        return np.sin(z) + 0.1 * h, np.sum(z)

    h, ys = fd.lax.scan(step, h, XS)
    return np.sum(np.exp(h)) + np.sum(ys**2)


def backwards_and_jitted(w, h):
    inner = fd.jit(lambda h, x: fd.checkpoint_name(np.tanh(w @ h + x), "z"))
    h, ys = fd.lax.scan(lambda h, x: (np.sin(inner(h, x)), h[0] * x[1]), h, XS, reverse=True)
    return np.sum(np.exp(h)) + np.sum(ys**2)


def until(w, h):
    def body(v):
        i, h = v
        return i + 1, fd.checkpoint_name(np.tanh(w @ h), "z") + np.sin(h)

    return np.sum(np.exp(fd.lax.while_loop(lambda v: (v[0] < 6) | (v[1][0] > 1e3), body, (0, h))[1]))


def choices(w, h):
    def step(h, x):
        left = lambda h: fd.checkpoint_name(np.tanh(w @ h + x), "z")
        return fd.lax.cond(x[0] > 0, left, lambda h: 2 * np.sin(h * h), h), None

    return np.sum(fd.lax.scan(step, h, XS)[0] ** 2)


def loop_in_loop(w, h):
    def outer(h, x):
        def inner(v):
            return v[0] + 1, fd.checkpoint_name(np.tanh(w @ v[1] + x), "z") * np.sin(v[1])

        h = fd.lax.while_loop(lambda v: v[0] < 1 + 2 * (x[0] > 0), inner, (0, h))[1]
        return fd.checkpoint_name(h, "h"), np.sum(h)

    h, ys = fd.lax.scan(outer, h, XS)
    return np.sum(np.exp(h)) + np.sum(ys**2)


def named_carry(w, h):
    def step(h, x):
        h = fd.checkpoint_name(h, "h")
        return np.tanh(w @ h + x) * np.sin(h), None

    return np.sum(fd.lax.scan(step, h, XS)[0] ** 2)


def of_nothing(w, h):
    return np.sum(
        fd.lax.scan(lambda h, x: (fd.checkpoint_name(np.tanh(w @ h + x), "z"), None), h, XS[:0])[0] ** 2
    ) + np.sum(w @ h)


LOOPS = [recurrent, backwards_and_jitted, until, choices, loop_in_loop, named_carry, of_nothing]
INSIDE = {
    "none": None,
    "everything": POLICIES.everything_saveable,
    "dots": POLICIES.dots_saveable,
    "z": POLICIES.save_only_these_names("z"),
    "h": POLICIES.save_only_these_names("h"),
    "anything but z": POLICIES.save_anything_except_these_names("z"),
}


@pytest.mark.one_in(11)
@pytest.mark.parametrize("policy", INSIDE)
@pytest.mark.parametrize("f", LOOPS)
def test_policies_inside_loops_leave_derivatives_alone(f, policy: str) -> None:
    g = fd.checkpoint(f, policy=INSIDE[policy])
    expected = fd.grad(f, (0, 1))(W, H)

    def norm(f):
        return lambda h: np.sum(fd.grad(f, 1)(W, h) ** 2)

    for wrap in (lambda f: f, fd.jit):
        for got, want in zip(wrap(fd.grad(g, (0, 1)))(W, H), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(wrap(fd.grad(norm(g)))(H), fd.grad(norm(f))(H), rtol=1e-10, atol=1e-12)
        got = wrap(fd.vmap(fd.grad(g, 1), (None, 0)))(W, np.stack([H, 0.5 * H]))
        np.testing.assert_allclose(got, [fd.grad(f, 1)(W, h) for h in (H, 0.5 * H)], rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(
            wrap(lambda h: fd.jvp(lambda h: g(W, h), (h,), (h,))[1])(H), expected[1] @ H, rtol=1e-11
        )


@pytest.mark.parametrize(
    ("f", "dots", "z", "h"),
    [
        (recurrent, 18, 18, 0), (backwards_and_jitted, 18, 18, 0), (choices, 18, 18, 0), (named_carry, 18, 0, 18),
        (until, 18 + 1, 18 + 1, 0),  # and the number of steps
    ],
)  # fmt: skip
def test_what_is_accepted_in_a_body_is_saved_step_by_step(f, dots: int, z: int, h: int) -> None:
    if f is choices:
        steps = int(np.sum(XS[:, 0] > 0))
        assert 0 < steps < 6  # both branches are taken; the one without a product leaves its slot empty
    assert saved(f, POLICIES.dots_saveable, W, H) == dots
    assert saved(f, POLICIES.save_only_these_names("z"), W, H) == z
    assert saved(f, POLICIES.save_only_these_names("h"), W, H) == h
    assert saved(f, POLICIES.nothing_saveable, W, H) == 0


def test_what_is_saved_in_a_body_is_not_computed_again() -> None:
    def products(policy):
        return primitives_of(fd.make_ir(fd.value_and_grad(fd.checkpoint(recurrent, policy=policy)))(W, H)).count(
            "dot_general"
        )

    plain = primitives_of(fd.make_ir(fd.value_and_grad(recurrent))(W, H)).count("dot_general")
    assert products(POLICIES.dots_saveable) == plain
    assert products(None) == plain + 1


def test_the_second_run_of_a_while_loop_tests_no_condition() -> None:
    def loops(policy):
        return primitives_of(fd.make_ir(fd.value_and_grad(fd.checkpoint(until, policy=policy)))(W, H)).count("while")

    assert loops(POLICIES.dots_saveable) == 1
    assert loops(None) == 2


def test_a_checkpointed_loop_keeps_its_promise_inside_a_policy() -> None:
    def f(w, h):
        h = fd.lax.while_loop(lambda v: v[0] < 40, lambda v: (v[0] + 1, np.sin(w @ v[1])), (0, h), checkpoint=4)[1]
        return np.sum(fd.lax.scan(lambda h, x: (np.sin(w @ h + x), None), h, XS, checkpoint="sqrt")[0])

    assert saved(f, POLICIES.dots_saveable, W, H) == 0
