"""The rule testers find wrong rules: each primitive here has one defect, and one check that has to see it."""

from __future__ import annotations

import numpy as np
import pytest

from functad.core.primitive import REGISTRY, Primitive, Sample
from functad.ir.types import array_type
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import add, mul
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.testing.rules import CHECKS, check_rule

VECTOR = array_type((3,), np.float64)


@pytest.fixture
def declare():
    """Declare primitives that are forgotten after the test."""
    declared = []

    def make(**changes):
        """The triple of a vector, right in all rules but those in ``changes``."""
        rules = {
            "type_rule": lambda x: x,
            "evaluate": lambda x: 3 * x,
            "jvp": lambda ts, xs, y: primitive.bind(ts[0]),
            "transpose": lambda ct, x: (primitive.bind(ct),),
            "linear": "jointly",
            "batch": lambda size, batched, x: (primitive.bind(x), True),
            "kernel": Pointwise(lambda b, x: b.mul(x, b.const(3.0, np.dtype(np.float64)))),
            "samples": lambda: [Sample((VECTOR,), {})],
        }
        primitive = Primitive("rules_test", **{**rules, **changes})
        declared.append(primitive)
        return primitive

    yield make
    for primitive in declared:
        del REGISTRY[primitive.name]


def failure(primitive, check):
    (sample,) = primitive.samples()
    with pytest.raises(AssertionError) as caught:
        check_rule(primitive, sample, [check])
    return str(caught.value)


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_primitive_passes(declare, check):
    check_rule(declare(), Sample((VECTOR,), {}), [check])


def test_wrong_dtype(declare):
    text = failure(declare(evaluate=lambda x: np.float32(3) * x.astype(np.float32)), "evaluate")
    assert text == "rules_test(f64[3]), evaluate: evaluate gives f32[3], but the type rule says f64[3]"


def test_wrong_shape(declare):
    assert "evaluate gives f64[3,1], but the type rule says f64[3]" in failure(
        declare(evaluate=lambda x: 3 * x[:, None]), "evaluate"
    )


def test_evaluation_in_place(declare):
    with pytest.raises(ValueError, match="read-only") as caught:
        check_rule(declare(evaluate=lambda x: np.multiply(x, 3, out=x)), Sample((VECTOR,), {}), ["evaluate"])
    assert caught.value.__notes__ == ["while checking rules_test(f64[3]), evaluate"]


def test_wrong_jvp(declare):
    text = failure(declare(jvp=lambda ts, xs, y: mul(ts[0], 2)), "jvp")
    assert text.startswith("rules_test(f64[3]), jvp: the tangent for active operands [0], of result 0,[")
    assert "(3 of 3 elements differ)" in text


def test_wrong_jvp_in_single_precision(declare):
    def jvp(ts, xs, y):
        return mul(ts[0], 3 if ts[0].dtype == np.float64 else 2)

    primitive = declare(jvp=jvp, samples=lambda: [Sample((array_type((3,), np.float32),), {})])
    assert "in single precision, of result 0,[" in failure(primitive, "jvp")


def test_missing_derivative(declare):
    assert "the derivative that jvp=None says is 0, of result 0" in failure(declare(jvp=None), "constant")


def test_wrong_transpose(declare):
    primitive = declare(transpose=lambda ct, x: (mul(ct, 2),))
    assert "transposed in operands [0]: forward mode gives sum(ct * J t) = " in failure(primitive, "transpose")
    assert "active operands [0]: forward mode gives" in failure(primitive, "linearize")


def test_nonlinear_but_declared_linear(declare):
    assert "result 0 as a linear function of operands [0]" in failure(declare(evaluate=lambda x: x * x), "transpose")


def test_wrong_second_derivative(declare):
    # the derivative of x^3 is right, but through a primitive that hides how it depends on x
    hidden = declare(evaluate=lambda x: 3 * x * x, jvp=None, transpose=None, linear=None)
    hidden.name = "rules_test_hidden"
    REGISTRY[hidden.name] = REGISTRY.pop("rules_test")
    cube = declare(
        evaluate=lambda x: x * x * x, jvp=lambda ts, xs, y: mul(ts[0], hidden.bind(xs[0])), transpose=None, linear=None
    )
    check_rule(cube, Sample((VECTOR,), {}), ["jvp", "linearize"])
    assert "the tangent of the vjp, of result 0" in failure(cube, "second_order")


def test_wrong_batching(declare):
    row = array_type((2, 3), np.float64)
    right = {
        "type_rule": lambda x: x.with_shape(x.shape[:1]),
        "evaluate": lambda x: np.sum(x, axis=1),
        "samples": lambda: [Sample((row,), {})],
        "jvp": lambda ts, xs, y: reduce_sum(ts[0], (1,)),
    }
    text = failure(declare(**right, batch=lambda size, batched, x: (reduce_sum(x, (1,)), True)), "batch")
    assert "result 0 with operands [0] mapped over 0 has shape (0, 3), expected (0, 2)" in text
    REGISTRY["rules_test_other"] = REGISTRY.pop("rules_test")
    REGISTRY["rules_test_other"].name = "rules_test_other"
    text = failure(
        declare(batch=lambda size, batched, x: (broadcast(reduce_sum(x, (0,)), (size, 3), (1,)), True)), "batch"
    )
    assert "result 0 with operands [0] mapped over 1[" in text


def test_ill_typed_rule(declare):
    """A rule whose equations have another type than what they compute."""
    wrong = declare(jvp=lambda ts, xs, y: add(reduce_sum(ts[0], (0,)), reduce_sum(xs[0], (0,))))
    assert "has shape (), expected (3,)" in failure(wrong, "jvp")
