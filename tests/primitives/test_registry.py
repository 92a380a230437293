"""Every primitive has every rule, and every rule agrees with the NumPy evaluation at every sample."""

from __future__ import annotations

import numpy as np
import pytest

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.primitive import REGISTRY
from functad.ir.program import sub_programs
from functad.kernel_ir.rules import KernelRule
from functad.testing.rules import CHECKS, Case, check_rule

PRIMITIVES = sorted(name for name in REGISTRY if not name.startswith("seq_"))  # those on sequences are tested by the loops that make them


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", PRIMITIVES)
def test_rules_agree(name, check):
    """One check at all samples of a primitive; a failure names the sample, the place and both values."""
    for seed, sample in enumerate(REGISTRY[name].samples()):
        check_rule(REGISTRY[name], sample, [check], seed)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_no_rule_is_missing(name):
    primitive = REGISTRY[name]
    cases = [Case(primitive, sample, np.random.default_rng(0)) for sample in primitive.samples()]
    assert cases, f"{name} has no samples"
    assert primitive.batch is not None, f"{name} has no batching rule"
    assert primitive.linear is None or primitive.transpose is not None, f"{name} is declared linear but has no transpose rule"
    assert primitive.transpose is None or primitive.linear is not None, f"{name} has a transpose rule but is not declared linear"
    assert (primitive.linearize is None) == (primitive.jvp_call is None), f"{name} needs both linearize and jvp_call, or neither"
    for case in cases:
        assert has_native_form(case), f"{case} has no kernel rule"


def has_native_form(case: Case) -> bool:
    """Whether a primitive has a kernel rule for a sample; calls, loops and branches are lowered by what they hold."""
    kernel = case.primitive.kernel
    if kernel is None:
        return bool(sub_programs(case.program.eqns[0]))
    rule = kernel if isinstance(kernel, KernelRule) else kernel(case.types, case.sample.params)
    return isinstance(rule, KernelRule)


def test_samples_cover_what_a_primitive_does():
    """Primitives with derivatives are sampled in double precision, so that finite differences are compared somewhere."""
    for name in PRIMITIVES:
        cases = [Case(REGISTRY[name], sample, np.random.default_rng(0)) for sample in REGISTRY[name].samples()]
        differentiable = REGISTRY[name].jvp is not None or REGISTRY[name].jvp_call is not None
        compared = any(c.double and c.sample.smooth and c.masks() for c in cases)
        assert compared or not differentiable, f"{name} has no smooth sample in double precision"
