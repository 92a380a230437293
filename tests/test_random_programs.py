"""Random Programs: passes, transforms and backends against the NumPy evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from functad import config
from functad.core.evaluator import run_program
from functad.primitives.calls import jit_p
from functad.testing.drivers import apply
from functad.testing.fuzz import (
    CHECKS,
    Check,
    check_derivatives,
    check_native,
    check_passes,
    check_transposed,
    main,
)
from functad.testing.programs import Example, assert_same, by_the_evaluator, examples
from functad.testing.reduction import check_example
from functad.transforms.vmap import batch_program


@pytest.fixture(autouse=True)
def evaluator():
    """What is compared with is the evaluator; random Programs divide by zero, and warnings about it are no news."""
    with by_the_evaluator():
        yield


REDUCED = (Phase.explicit, Phase.generate)  # failures are reduced by check_example, not shrunk by hypothesis


@settings(max_examples=75, phases=REDUCED)
@given(examples(most=20))
def test_passes_keep_results(example):
    check_passes(example)


@settings(max_examples=60)
@given(examples(smooth=True))
def test_reverse_mode_transposes_forward_mode(example):
    check_transposed(example)


@settings(max_examples=100)
@given(examples(), st.integers(0, 3), st.integers(0, 2**20))
def test_vmap_is_a_loop(example, size, choices):
    program, rng = example.program, np.random.default_rng(choices)
    batched = [bool(b) for b in rng.integers(0, 2, len(program.inputs))]
    lanes = [[permuted(v, rng) if b else v for v, b in zip(example.args, batched, strict=True)] for _ in range(size)]
    args = [
        np.array([lane[k] for lane in lanes], np.asarray(v).dtype).reshape(size, *np.shape(v)) if b else v
        for k, (v, b) in enumerate(zip(example.args, batched, strict=True))
    ]
    flags: list[bool] = []

    def mapped(*xs):
        outs, found = batch_program(program, size, xs, batched)
        flags.extend(found)
        return outs

    outs = apply(mapped, args, "vmap")
    for i, lane in enumerate(lanes):
        results = [out[i] if flag else out for out, flag in zip(outs, flags, strict=True)]
        try:
            plain = run_program(program, lane)
        except (ValueError, IndexError):
            return
        assert_same(
            Example(program, lane, plain), results, f"lane {i} of vmap over {size} with inputs {batched} mapped"
        )


def permuted(value, rng):
    """Another value that is as good an argument: the same elements in another order."""
    return rng.permuted(value) if np.ndim(value) else value


@settings(max_examples=100, phases=REDUCED)
@given(examples(most=20))
def test_native_code(example):
    check_native(example)


@pytest.mark.deep
@settings(max_examples=60, phases=REDUCED)
@given(examples(most=20))
def test_kernel_evaluator(example):
    def run(program, args):
        with config.backend("kernel"):
            return jit_p.bind(*args, program=program, name="random")

    check_example(example, run, "the kernel evaluator")


@pytest.mark.deep
@settings(max_examples=60, phases=REDUCED)
@given(examples(smooth=True))
def test_native_derivatives(example):
    check_derivatives(example)


# -- drawing others ----------------------------------------------------------------------------------------------------


@pytest.mark.deep
@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("name", CHECKS)
def test_many_more(name, number):
    check = CHECKS[name]
    check.draw(number, 60 if isinstance(check, Check) else 12)


def test_fuzz_prints_what_draws_a_failure_again(capsys, monkeypatch):
    def fail(example):
        raise AssertionError("the two ways differ")

    monkeypatch.setitem(CHECKS, "native", Check(examples(most=2), fail))
    assert main(["--seed", "7", "--rounds", "2", "--count", "3", "native", "transposed"]) == 2
    printed = capsys.readouterr().out
    assert "--seed 7 --rounds 1 --count 3 native:\nthe two ways differ" in printed
    assert "seeds 7 to 8: 2 rounds, 2 failures" in printed
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "no check 'nothing'; there are passes, native" in capsys.readouterr().err
