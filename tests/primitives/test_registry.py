"""Every primitive has every rule, and every rule agrees with the NumPy evaluation at every sample."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import functad.primitives.collectives
import functad.primitives.custom_vmap
import functad.primitives.linalg
import functad.primitives.scipy_special.library
from functad import config
from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.ir.builder import ProgramBuilder
from functad.ir.program import Program, sub_programs
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import KernelRule, Pointwise
from functad.primitives.calls import jit_p
from functad.testing.drivers import applied
from functad.testing.programs import Example, assert_same
from functad.testing.rules import CHECKS, Case, check_rule

PRIMITIVES = sorted(REGISTRY)

LIKE_OTHERS = [name for name in functad.primitives.scipy_special.library.DECLARED if name != "jv"]
"""SciPy's functions are all declared in one way: of the others than one, rules are checked where there is time."""

NAMES = [pytest.param(name, marks=pytest.mark.deep if name in LIKE_OTHERS else ()) for name in PRIMITIVES]


@pytest.mark.parametrize("check", [c for c in CHECKS if c != "native"])
@pytest.mark.parametrize("name", NAMES)
def test_rules_agree(name, check):
    """One check at all samples of a primitive; a failure names the sample, the place and both values."""
    for seed, sample in enumerate(REGISTRY[name].samples()):
        check_rule(REGISTRY[name], sample, [check], seed)


@pytest.mark.parametrize("name", NAMES)
def test_native_code(name):
    """All samples of a primitive in one Program, compiled once; if that fails, each alone, to see which."""
    primitive, samples = REGISTRY[name], list(REGISTRY[name].samples())
    builder, args = ProgramBuilder(), []
    outputs: list[Any] = []
    for seed, sample in enumerate(samples):
        case = Case(primitive, sample, np.random.default_rng(seed))
        outputs += applied(builder, primitive, [builder.input(t) for t in case.types], sample.params, case.sequences)
        args += case.values
    program = builder.build(*outputs)
    with np.errstate(all="ignore"):
        example = Example(program, args, run_program(program, args))
    try:
        for backend in ("kernel", "native"):
            with config.backend(backend):
                assert_same(example, jit_p.bind(*args, program=program, name=name), backend)
    except Exception:
        for seed, sample in enumerate(samples):
            check_rule(primitive, sample, ["native"], seed)
        raise


@pytest.mark.parametrize("name", PRIMITIVES)
def test_equal_params_mean_the_same(name):
    """Caches compare params by ``==``, for which 1 is 1.0 and True, and 0.0 is -0.0: a param is of one of these types,
    and no float.
    """
    kinds: dict[str, set[type]] = {}
    for sample in REGISTRY[name].samples():
        for param, value in sample.params.items():
            kinds.setdefault(param, set()).update(type(v) for v in parts(value))
    for param, found in kinds.items():
        numbers = {t for t in found if issubclass(t, int | float | complex | np.generic)}
        assert len(numbers) <= 1 and numbers <= {int, bool}, (param, found)


def parts(value):
    """What tuples in tuples hold."""
    return [p for v in value for p in parts(v)] if isinstance(value, tuple) else [value]


@pytest.mark.deep
def test_programs_are_forgotten():
    """What is memoised of a sub-Program lives no longer than it."""
    import functad as fd

    derivatives = [
        fd.grad(lambda x: fd.lax.fori_loop(0, 3, lambda i, c: c * x, 1.0)),
        fd.grad(lambda x: fd.lax.cond(x > 0, lambda v: v * x, lambda v: v, x)),
        fd.grad(lambda x: fd.jit(lambda y: y * x)(x)),
        fd.grad(lambda x: fd.checkpoint(lambda v: v * x)(x)),
    ]
    counts = []
    for _ in range(3):
        for f in derivatives:
            f(2.0)
        gc.collect()
        counts.append(len([o for o in gc.get_objects() if type(o) is Program]))
    assert counts[1] == counts[2]


SPECIAL = {
    "f": [
        *(
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            2.0,
            -3.0,
            np.pi,
            1e-8,
            1e-310,
            1e-40,
            88.0,
            -104.0,
            710.0,
            -746.0,
            1e16,
            1e300,
            -1e300,
        ),
        *(np.inf, -np.inf, np.nan),
    ],
    "i": [0, 1, -1, 2, -2, 3, 7, -8, 31, 63, 2**31 - 1, -(2**31), 2**62],
    "u": [0, 1, 2, 3, 7, 8, 128, 255],
    "b": [False, True],
}
"""Where functions have zeros, steps, poles, and the ends of what they can represent."""


def special_operands(sample, size):
    """Operands of all combinations of special values, in vectors of a size that vectors of no width divide."""
    with np.errstate(all="ignore"):
        values = [np.array(SPECIAL[o.dtype.kind]).astype(o.dtype) for o in sample.operands]
        grid = np.meshgrid(*[v[~(np.abs(v) > sample.largest)] for v in values], indexing="ij")
    return [np.resize(g, size) for g in grid]


def pointwise_samples(name):
    """Samples of an elementwise primitive on real operands, each combination of dtypes and params once."""
    found = {}
    for sample in REGISTRY[name].samples():
        types = [o for o in sample.operands if isinstance(o, ArrayType)]
        if types and len(types) == len(sample.operands) and all(t.dtype.kind in SPECIAL for t in types):
            kernel = REGISTRY[name].kernel
            rule = kernel if isinstance(kernel, KernelRule) or kernel is None else kernel(tuple(types), sample.params)
            if isinstance(rule, Pointwise):
                found.setdefault((*[t.dtype for t in types], *sample.params.items()), sample)
    return list(found.values())


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [name for name in PRIMITIVES if pointwise_samples(name)])
def test_native_code_at_special_values(name):
    """NaN, infinities and the signs of zeros come out as NumPy's; sizes of run-time length, with an odd rest."""
    size = 1003
    builder, args, expected = ProgramBuilder(), [], []
    outputs: list[Any] = []
    with np.errstate(all="ignore"):
        for sample in pointwise_samples(name):
            values = special_operands(sample, size)
            try:
                expected.append(np.asarray(REGISTRY[name].evaluate(*values, **sample.params)))
            except ValueError:
                continue  # NumPy refuses integers to negative powers
            inputs = [builder.input(array_type((size,), v.dtype)) for v in values]
            outputs += builder.equation(REGISTRY[name], inputs, sample.params)
            args += values
    program = builder.build(*outputs)
    for backend in ("kernel", "native"):
        with config.backend(backend):
            found = jit_p.bind(*args, program=program, name=name)
        for out, right, eqn in zip(found, expected, program.eqns, strict=True):
            where = f"{name} of {', '.join(str(a.type) for a in eqn.inputs)} by the {backend} backend"
            operands = [args[program.inputs.index(a)] for a in eqn.inputs]
            assert_special(out, right, operands, where)


def assert_special(found, expected, operands, where):
    """Equal up to rounding, with NaN, infinities and zeros of either sign where they are expected."""
    assert found.dtype == expected.dtype, where
    rtol = {4: 3e-6, 8: 3e-14, 16: 3e-14}[max(expected.dtype.itemsize, 4)] if expected.dtype.kind in "fc" else 0
    tiny = np.finfo(expected.dtype).smallest_subnormal * 8 if expected.dtype.kind == "f" else 0
    good = np.isclose(found, expected, rtol=rtol, atol=tiny, equal_nan=True)
    if expected.dtype.kind == "f":
        good &= (found != 0) | (expected != 0) | (np.signbit(found) == np.signbit(expected))
    for i in np.flatnonzero(~good)[:1]:
        at = ", ".join(repr(x[i].item()) for x in operands)
        raise AssertionError(
            f"{where} gives {found[i].item()!r} at ({at}), NumPy {expected[i].item()!r} ({np.sum(~good)} elements "
            "differ)"
        )


@pytest.mark.parametrize("name", PRIMITIVES)
def test_no_rule_is_missing(name):
    primitive = REGISTRY[name]
    cases = [Case(primitive, sample, np.random.default_rng(0)) for sample in primitive.samples()]
    assert cases, f"{name} has no samples"
    assert primitive.batch is not None, f"{name} has no batching rule"
    assert primitive.linear is None or primitive.transpose is not None, (
        f"{name} is declared linear but has no transpose rule"
    )
    assert primitive.transpose is None or primitive.linear is not None, (
        f"{name} has a transpose rule but is not declared linear"
    )
    assert (primitive.linearize is None) == (primitive.jvp_call is None), (
        f"{name} needs both linearize and jvp_call, or neither"
    )
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
    """Primitives with derivatives are sampled in double precision, so that finite differences are compared
    somewhere.
    """
    for name in PRIMITIVES:
        cases = [Case(REGISTRY[name], sample, np.random.default_rng(0)) for sample in REGISTRY[name].samples()]
        # rules of callbacks only say why floating-point results have no derivative, as those of some operands do
        refuses = name in ("io_callback", "numba_call", "pure_callback") or all(
            [len(c.types) == len(REGISTRY[name].undifferentiated) for c in cases]
        )
        differentiable = not refuses and (REGISTRY[name].jvp is not None or REGISTRY[name].jvp_call is not None)
        compared = any(c.double and c.sample.smooth and c.masks() for c in cases)
        assert compared or not differentiable, f"{name} has no smooth sample in double precision"
