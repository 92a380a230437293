"""The main job, told to someone who sees functad for the first time: from a NumPy model to a certified fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import functad as fd
from functad.examples.nist import MODELS, Dataset, fit, load, residual_function

__all__ = ["main"]

CHOSEN = ("Misra1a", "Thurber")


def main() -> None:
    """Print the report."""
    print(f"functad {fd.__version__}: derivatives of NumPy functions, compiled\n")
    show_programs(load(CHOSEN[0]))
    fd.jit(np.sin)(0.0)  # the first compilation of a process loads LLVM
    for name in CHOSEN:
        data = load(name)
        compiling = seconds_to_compile(data)
        show_fit(data)
        show_hessian(data)
        show_costs(data, compiling)


def show_programs(data: Dataset) -> None:
    """The model as functad sees it, and its gradient."""
    model = MODELS[data.name]
    b, x = data.starts[1], data.x
    print(
        f"The model of {data.name}, b[0] * (1 - np.exp(-b[1] * x)), traced to functad's IR for {len(b)} parameters and "
        f"{len(x)} points:\n"
    )
    print(indent(fd.make_ir(model)(b, x)))
    print("\nThe gradient of its sum of squares, fd.grad(lambda b: np.sum(residuals(b) ** 2)), as it is compiled:\n")
    residuals = residual_function(data)
    print(indent(fd.make_ir(fd.grad(lambda b: np.sum(residuals(b) ** 2)), optimized=True)(b)))


def show_fit(data: Dataset) -> None:
    """Fitted parameters beside the certified ones."""
    result = fit(data)
    title = f"{data.name}: {len(data.x)} points, {len(data.parameters)} parameters, from NIST's second starting point"
    print(f"\n{title}\n{'=' * len(title)}\n")
    print(f"scipy.optimize.least_squares with jac=fd.jit(fd.jacobian(residuals)): {result.evaluations} evaluations\n")
    print(f"{'':>4}  {'fitted':>18} {'certified':>18} {'std. deviation':>16} {'certified':>16}  digits")
    for i, (b, cb, s, cs) in enumerate(
        zip(result.parameters, data.parameters, result.deviations, data.deviations, strict=True), 1
    ):
        print(f"{f'b{i}':>4}  {b:18.10e} {cb:18.10e} {s:16.8e} {cs:16.8e}  {min(digits(b, cb), digits(s, cs)):6.1f}")
    certified = data.residual_sum
    print(
        f"{'RSS':>4}  {result.residual_sum:18.10e} {certified:18.10e} {'':>16} {'':>16}  "
        f"{digits(result.residual_sum, certified):6.1f}"
    )


def show_hessian(data: Dataset) -> None:
    """The Hessian of the sum of squares against differences of the gradient, and against Gauss-Newton's
    approximation.
    """
    residuals, b = residual_function(data), data.parameters

    def loss(b: Any) -> Any:
        return np.sum(residuals(b) ** 2)

    hessian, gradient = fd.jit(fd.hessian(loss))(b), fd.jit(fd.grad(loss))
    steps = 1e-6 * np.abs(b)
    differences = np.stack([(gradient(b + h) - gradient(b - h)) / (2 * np.max(h)) for h in np.diag(steps)], axis=1)
    scale = np.sqrt(np.outer(np.diag(hessian), np.diag(hessian)))
    print(f"\nHessian at the solution: symmetric to {np.max(np.abs(hessian - hessian.T) / scale):.0e},", end=" ")
    print(
        f"within {np.max(np.abs(hessian - differences) / scale):.0e} of central differences of the gradient,", end=" "
    )
    print(f"smallest eigenvalue {np.min(np.linalg.eigvalsh(hessian / scale)):.1e} (scaled): a minimum.")


def seconds_to_compile(data: Dataset) -> float:
    """What it takes from the NumPy function to the first value of its compiled Jacobian."""
    started = time.perf_counter()
    fd.jit(fd.jacobian(residual_function(data)))(data.starts[1])
    return time.perf_counter() - started


def show_costs(data: Dataset, compiling: float) -> None:
    """What compiling and calling cost."""
    residuals, b = residual_function(data), data.starts[1]
    jacobian, compiled = fd.jit(fd.jacobian(residuals)), fd.jit(residuals)
    print(
        f"\nCost: tracing, differentiating and compiling the Jacobian took {compiling * 1e3:.1f} ms; then one call "
        "takes\n"
    )
    exact = microseconds(lambda: jacobian(b))
    rows = [
        ("residuals, plain NumPy", microseconds(lambda: residuals(b))),
        ("residuals, functad", microseconds(lambda: compiled(b))),
        ("Jacobian, forward differences of plain NumPy", microseconds(lambda: forward_differences(residuals, b))),
        ("Jacobian, forward differences of functad", microseconds(lambda: forward_differences(compiled, b))),
        ("Jacobian, functad (exact)", exact),
    ]
    for what, cost in rows:
        print(f"    {what:<46} {cost:8.2f} us")


def forward_differences(f: Callable[[Any], Any], b: np.ndarray) -> np.ndarray:
    """The Jacobian as optimisers approximate it when they are given none."""
    base, columns = f(b), []
    for i in range(len(b)):
        step = np.zeros(len(b))
        step[i] = 1.5e-8 * max(abs(b[i]), 1e-8)
        columns.append((f(b + step) - base) / step[i])
    return np.stack(columns, axis=1)


def microseconds(call: Callable[[], Any]) -> float:
    """The time of a call: the best of several batches."""
    call()
    best = np.inf
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(200):
            call()
        best = min(best, (time.perf_counter() - started) / 200)
    return float(best * 1e6)


def digits(value: float, certified: float) -> float:
    """The number of decimal digits in which a value agrees with the certified one (which has 11)."""
    return float(min(11.0, -np.log10(max(abs(value - certified) / abs(certified), 1e-11))))


def indent(program: object) -> str:
    """The text of a Program, set in."""
    return "\n".join("    " + line for line in str(program).splitlines())
