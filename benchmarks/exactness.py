"""What arithmetic to the last bit costs: functad as it is beside functad that may fuse a product with a sum, over the
other subjects' functions.

Only the user's own arithmetic differs: sums, products of matrices and elementary functions use fused multiply-adds in
both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import functad as fd
from benchmarks import elementwise, logistic, loops, pairs, rosenbrock
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

Case = tuple[str, Callable[..., Any], tuple[Any, ...]]


def polynomial(x: Any) -> Any:
    """Arithmetic and nothing else: a polynomial of degree 6, term by term as it is written."""
    return ((((((0.1 * x + 0.2) * x - 0.3) * x + 0.4) * x - 0.5) * x) + 0.6) * x - 0.7


def laplacian_energy(u: Any) -> Any:
    """A nonlinear energy of differences of neighbours."""
    d, e = u[1:] - u[:-1], u[:, 1:] - u[:, :-1]
    return np.sum(d * d * (1 + d * d)) + np.sum(e * e * (1 + e * e))


def cases() -> Iterator[Case]:
    """Names, functions and arguments."""
    rng = np.random.default_rng(0)
    f = elementwise.loss_in(np)
    for n in (10**3, 10**5):
        yield (
            f"elementwise gradient, {n:.0e} elements",
            fd.grad(f, argnums=(0, 1)),
            (rng.normal(size=n), rng.normal(size=n)),
        )
    for n in (10**3, 10**6):
        yield f"polynomial of degree 6, {n:.0e} elements", polynomial, (rng.normal(size=n),)
    yield "its gradient, 1e+03 elements", fd.grad(lambda x: np.sum(polynomial(x))), (rng.normal(size=1000),)
    f = rosenbrock.rosenbrock_in(np)
    yield "Rosenbrock, gradient, 10 dimensions", fd.grad(f), (rng.normal(size=10),)
    yield "Rosenbrock, Hessian, 100 dimensions", fd.hessian(f), (rng.normal(size=100),)
    yield (
        "Rosenbrock, Hessian-vector, 1e+05",
        lambda x, v: fd.hvp(f, (x,), (v,)),
        (rng.normal(size=10**5), rng.normal(size=10**5)),
    )
    u, v = rng.normal(size=(2, 256, 256))
    yield "energy of neighbours, gradient, 256 x 256", fd.grad(laplacian_energy), (u,)
    yield "energy of neighbours, Hessian-vector", lambda u, v: fd.hvp(laplacian_energy, (u,), (v,)), (u, v)
    q, m = rng.normal(size=(pairs.BODIES, 3)), rng.uniform(0.5, 1.5, size=pairs.BODIES)
    yield f"all pairs of {pairs.BODIES} bodies, gradient", fd.grad(pairs.energy_in(np)), (q, m)
    points, features = logistic.POINTS, logistic.FEATURES
    arguments = (
        rng.normal(size=features, scale=0.1),
        rng.normal(size=(points, features)),
        rng.choice([-1.0, 1.0], size=points),
    )
    yield "logistic regression", fd.value_and_grad(logistic.loss_in(np)), arguments
    z, w = rng.normal(size=(2, 10**4)) + 1j * rng.normal(size=(2, 10**4))
    yield "complex products and quotients, 1e+04", lambda z, w: z * w + z / w - w, (z, w)
    for problem in loops.problems():
        function = problem.function(loops.our_library(problem.unroll))
        yield problem.name, function, problem.arguments
        yield f"gradient, {problem.name}", fd.grad(function, problem.wanted), problem.arguments


def run(seconds: float) -> Iterator[Result]:
    """A row each, and the geometric mean."""
    found = []
    for name, function, arguments in cases():
        strict, free = (
            Contender(which, "f(*arguments)", {"f": fd.jit(function, fastmath=flags), "arguments": arguments})
            for which, flags in (("functad", False), ("contract", {"contract"}))
        )
        for result in compare(name[:44], strict, [free], seconds / 2, tolerance=1e-7):
            found.append(result)
            yield result
    own, other = (
        math.exp(sum(map(math.log, times)) / len(times))
        for times in zip(*[(r.seconds, r.peer_seconds) for r in found], strict=True)
    )
    yield Result("exactness, geometric mean", own, "contract", other, 0.95, f"{len(found)} cases")
