"""functad's scalar math beside NumPy's (or SciPy's): ns an element in a loop over arrays in cache, and the largest
error found, in ulp.

python -m benchmarks.scalar_math              # everything
python -m benchmarks.scalar_math exp tanh     # some
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np
from scipy import special

from functad.lower.math import MATH
from tests.lower.test_math import CASES, DTYPES, Reference, exact_power, exactly, ulps
from tests.tools.array_function import ArrayFunction

Ufunc = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Subject:
    """A function, an interval for each operand, its exact value, and who else computes it."""

    intervals: tuple[tuple[float, float], ...]
    exact: Reference
    other: Ufunc


OTHERS: dict[str, Ufunc] = {
    "sigmoid": special.expit,
    "softplus": lambda x, out: np.logaddexp(x, x.dtype.type(0), out=out),
    "erf": special.erf,
    "erfc": special.erfc,
}
SUBJECTS = {
    name: Subject(case.intervals[:1], case.exact, OTHERS.get(name) or getattr(np, name)) for name, case in CASES.items()
} | {
    "power": Subject(((0.01, 10.0), (-5.0, 5.0)), exact_power, np.power),
    "arctan2": Subject(((-5.0, 5.0), (-5.0, 5.0)), mp.atan2, np.arctan2),
    "hypot": Subject(((-5.0, 5.0), (-5.0, 5.0)), mp.hypot, np.hypot),
    "logaddexp": Subject(((0.0, 10.0), (0.0, 10.0)), lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), np.logaddexp),
    "fmod": Subject(((-50.0, 50.0), (1.0, 5.0)), lambda x, y: mp.sign(x) * mp.fmod(abs(x), y), np.fmod),
}


def best_time(call: Callable[[], object], n: int) -> float:
    """ns an element: the least of many short runs, since other work on the machine only adds."""
    best = float("inf")
    for _ in range(60):
        start = time.perf_counter_ns()
        call()
        best = min(best, time.perf_counter_ns() - start)
    return best / n


def largest_error(function: Callable[..., np.ndarray], subject: Subject, dtype: str) -> float:
    rng = np.random.default_rng(1)
    operands = [rng.uniform(low, high, 3000).astype(DTYPES[dtype]) for low, high in subject.intervals]
    results = np.asarray(function(*operands)).tolist()
    points = zip(*(x.tolist() for x in operands), strict=True)
    return max(ulps(value, exactly(subject.exact, *point), dtype) for value, point in zip(results, points, strict=True))


def report(name: str, dtype: str) -> str:
    subject = SUBJECTS[name]
    ours = ArrayFunction(MATH[name], dtype, len(subject.intervals))
    # A multiple of any vector; everything stays in the second-level cache.
    rng = np.random.default_rng(0)
    operands = [rng.uniform(low, high, 8192).astype(DTYPES[dtype]) for low, high in subject.intervals]
    out = np.empty_like(operands[0])
    times = (
        best_time(ours.bind(out, *operands), out.size),
        best_time(lambda: subject.other(*operands, out=out), out.size),
    )
    errors = (
        largest_error(ours, subject, dtype),
        largest_error(lambda *x: subject.other(*x, out=np.empty_like(x[0])), subject, dtype),
    )
    return f"{name:10} {dtype}  {times[0]:6.2f} ns {errors[0]:5.2f} ulp   {times[1]:6.2f} ns {errors[1]:5.2f} ulp"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(SUBJECTS)}")
    names = parser.parse_args(arguments).names or list(SUBJECTS)
    for name in names:
        if name not in SUBJECTS:
            parser.error(f"no function {name!r}; there are {', '.join(SUBJECTS)}")
    print(f"{'':16}{'functad':>15}{'NumPy, SciPy':>25}")
    for name in names:
        for dtype in DTYPES:
            print(report(name, dtype), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
