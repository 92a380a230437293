"""New random Programs for as long as you like: ``python -m functad.testing.fuzz [--seed 0] [--minutes 1] [name ...]``.

Each round draws Programs of every kind from a seed of its own and compares the ways of running them. What fails is
printed with its seed and reduced to the equations that matter; ``--seed N --rounds 1 name`` draws it again.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from functad import config
from functad.core.evaluator import run_program
from functad.ir.checker import check_program
from functad.ir.program import Program
from functad.lower.backends import execute
from functad.passes.pipeline import PIPELINE, optimize
from functad.testing.bits import assert_same_bits, same_bits
from functad.testing.drivers import apply, backward, forward, forward_linear
from functad.testing.jumping_code import check_jumping_code, draw_jumping_code
from functad.testing.numerics import assert_paired, is_double, random_like
from functad.testing.plain_code import PlainCode, check_plain_code, draw_plain_code, shortest
from functad.testing.programs import Example, by_the_evaluator, examples
from functad.testing.reduction import check_example, reduce_example
from functad.transforms.programs import trace_program

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["CHECKS", "Check", "check_bits", "check_derivatives", "check_passes", "check_transposed", "draw"]


# -- what is compared --------------------------------------------------------------------------------------------------


def check_passes(example: Example) -> None:
    """Each pass keeps the results, up to rounding, and makes a well-formed Program."""
    for step in dict.fromkeys(PIPELINE):

        def rewritten(program: Program, args: Sequence[Any], step: Callable[[Program], Program] = step) -> Any:
            made = step(program)
            check_program(made, step.__name__)
            return run_program(made, args)

        check_example(example, rewritten, step.__name__)
    check_example(example, lambda program, args: run_program(optimize(program), args), "the pipeline")


def check_native(example: Example) -> None:
    """Native code gives what the NumPy evaluator gives, up to rounding."""
    check_example(example, execute_natively, "native code")


def check_bits(example: Example, how: Callable[[Program, Sequence[Any]], Sequence[Any]] | None = None) -> None:
    """A way of running a Program of exact operations (native code) gives what the evaluator gives, to the last bit."""
    run = execute_natively if how is None else how

    def fails(candidate: Example) -> bool:
        return not all(map(same_bits, run(candidate.program, candidate.args), evaluated(candidate)))

    if fails(example):
        smallest = reduce_example(example, fails)
        found = run(smallest.program, smallest.args)
        assert_same_bits(found, evaluated(smallest), f"native code of\n{smallest}")


def check_transposed(example: Example) -> None:
    """Forward mode and linearize agree, and reverse mode transposes them."""
    program, rng = example.program, np.random.default_rng(1)
    mask = [t.inexact for t in program.in_types]
    if not any(mask):
        return
    tangents = [random_like(t, rng) if t.inexact else None for t in program.in_types]
    cts = [random_like(t, rng) if t.inexact else None for t in program.out_types]
    _, dots = forward(program, example.args, tangents)
    linear = forward_linear(program, example.args, tangents)
    found = apply(backward(program, mask), [*example.args, *cts], "vjp")
    if all(np.all(np.isfinite(x)) for x in [*dots, *found]):
        atoms = [*program.inputs, *[a for e in program.eqns for a in (*e.inputs, *e.outputs)]]
        doubles = all(is_double(a.type.dtype) for a in atoms)
        rtol, atol = (1e-8, 1e-12) if doubles else (1e-2, 1e-4)
        assert_paired(cts, dots, cts, linear, f"jvp and linearize of {example}", rtol, atol)
        assert_paired(cts, dots, found, [t for t in tangents if t is not None], str(example), rtol, atol)


def check_derivatives(example: Example) -> None:
    """Native code for the reverse mode of a Program: code of other shapes than anybody writes by hand."""
    program, rng = example.program, np.random.default_rng(2)
    mask = [t.inexact for t in program.in_types]
    if not any(mask):
        return
    gradient = trace_program(backward(program, mask), [*program.in_types, *program.out_types])
    args = [*example.args, *[random_like(t, rng) for t in program.out_types]]
    results = run_program(gradient, args)
    if all(np.all(np.isfinite(r)) for r in results):
        check_example(Example(gradient, args, list(results)), execute_natively, "native code for the vjp")


def execute_natively(program: Program, args: Sequence[Any]) -> Sequence[Any]:
    """Native code on values, whatever runs jitted functions here."""
    with config.backend("native"):
        return execute(program, args)


def evaluated(example: Example) -> list[Any]:
    """The results by the NumPy evaluator."""
    with by_the_evaluator():
        return list(run_program(example.program, example.args))


@dataclass(frozen=True)
class Check:
    """Programs to draw, and what must hold of each."""

    strategy: SearchStrategy[Example]
    holds: Callable[[Example], None]

    def draw(self, number: int, count: int) -> None:
        """Draw so many Programs from a seed; raises AssertionError for the first that fails."""
        draw(self, number, count)


@dataclass(frozen=True)
class PlainCheck:
    """Plain NumPy functions, held against NumPy."""

    drawn: Callable[[random.Random], PlainCode]
    holds: Callable[[PlainCode], None]

    def draw(self, number: int, count: int) -> None:
        """Draw so many functions from a seed; raises AssertionError for the first that fails."""
        rng = random.Random(number)
        for _ in range(count):
            code = self.drawn(rng)
            try:
                self.holds(code)
            except Exception as error:
                smallest = shortest(code, self.holds)
                raise AssertionError(f"{error}\nshortest:\n{smallest.source}") from error


CHECKS: dict[str, Check | PlainCheck] = {
    "passes": Check(examples(most=30), check_passes),
    "native": Check(examples(most=20), check_native),
    "bits": Check(examples(most=20, exact=True), check_bits),
    "transposed": Check(examples(smooth=True), check_transposed),
    "derivatives": Check(examples(smooth=True), check_derivatives),
    "plain": PlainCheck(draw_plain_code, check_plain_code),
    "blocks": PlainCheck(lambda rng: draw_plain_code(rng, blocks=True), check_plain_code),
    "jumps": PlainCheck(draw_jumping_code, check_jumping_code),
}


# -- drawing -----------------------------------------------------------------------------------------------------------


def draw(check: Check, number: int, count: int) -> None:
    """Draw so many Programs from a seed; raises AssertionError for the first that fails."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],  # failures are reduced by equations, not shrunk by hypothesis
        suppress_health_check=list(HealthCheck),
    )
    @given(check.strategy)
    def attempt(example: Example) -> None:
        check.holds(example)

    with by_the_evaluator():
        attempt()


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw rounds of Programs; returns how many checks failed."""
    parser = argparse.ArgumentParser(prog="python -m functad.testing.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="that of the first round")
    parser.add_argument("--minutes", type=float, default=1.0, help="when to start no more rounds")
    parser.add_argument("--rounds", type=int, help="how many rounds, whatever the time")
    parser.add_argument("--count", type=int, default=25, help="Programs of each kind in a round")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(CHECKS)}; all if none is named")
    given_ = parser.parse_args(arguments)
    for name in given_.names:
        if name not in CHECKS:
            parser.error(f"no check {name!r}; there are {', '.join(CHECKS)}")
    end, failures = time.monotonic() + 60 * given_.minutes, 0
    for number in itertools.count(given_.seed):
        if number - given_.seed == given_.rounds or (given_.rounds is None and time.monotonic() > end):
            rounds = number - given_.seed
            print(f"seeds {given_.seed} to {number - 1}: {rounds} rounds, {failures} failures")
            return failures
        for name in given_.names or CHECKS:
            try:
                CHECKS[name].draw(number, given_.count)
            except Exception as error:
                failures += 1
                print(f"--seed {number} --rounds 1 --count {given_.count} {name}:\n{error}\n", flush=True)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.exit(min(main(), 1))
