"""All benchmarks, or those named: python -m benchmarks [--seconds 2] [elementwise calls ...]"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from benchmarks import (
    applications,
    calls,
    closures,
    compilation,
    compile_sizes,
    convolution,
    distributions,
    elementwise,
    exactness,
    fits,
    functions,
    interrupts,
    kinds,
    linalg,
    logistic,
    loop_memory,
    loops,
    mlp,
    nested,
    pairs,
    plain,
    random_numbers,
    rosenbrock,
    scalars,
    sliced,
    soak,
    special,
    strong_zeros,
    unjitted,
    warm_start,
)
from benchmarks.harness import Result, environment, table

SUBJECTS = {
    "elementwise": elementwise.run,
    "calls": calls.run,
    "kinds": kinds.run,
    "closures": closures.run,
    "compilation": compilation.run,
    "compile_sizes": compile_sizes.run,
    "warm_start": warm_start.run,
    "scalars": scalars.run,
    "mlp": mlp.run,
    "rosenbrock": rosenbrock.run,
    "unjitted": unjitted.run,
    "fits": fits.run,
    "functions": functions.run,
    "special": special.run,
    "pairs": pairs.run,
    "logistic": logistic.run,
    "linalg": linalg.run,
    "convolution": convolution.run,
    "loops": loops.run,
    "nested": nested.run,
    "loop_memory": loop_memory.run,
    "exactness": exactness.run,
    "strong_zeros": strong_zeros.run,
    "plain": plain.run,
    "random": random_numbers.run,
    "distributions": distributions.run,
    "sliced": sliced.run,
    "interrupts": interrupts.run,
    "applications": applications.run,
    "soak": soak.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each comparison")
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(SUBJECTS)}")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in SUBJECTS:
            parser.error(f"no benchmark {name!r}; there are {', '.join(SUBJECTS)}")

    def results() -> Iterator[Result]:
        for name in arguments.names or SUBJECTS:
            yield from SUBJECTS[name](arguments.seconds)

    print(f"{environment()}\n")
    for text in table(results()):
        print(text, flush=True)


if __name__ == "__main__":
    main()
