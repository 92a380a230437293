"""Whole fits with SciPy's optimisers, un-jitted: survival models as statisticians write them, beside HIPS autograd.

The likelihoods take nested containers apart, slice, guard with `where`, and have two functions with derivative rules
of their own: an exponential that does not overflow, and a logarithm that is finite at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import autograd
import autograd.extend
import autograd.numpy as anp
import numpy as np
import scipy.optimize

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

LARGEST = 700.0
"""Where the exponential stops growing."""

SMALLEST = 1e-300
"""Where the logarithm stops falling."""


@fd.custom_vjp
def guarded_exp(x: Any) -> Any:
    """The exponential, which does not overflow; its derivative is itself everywhere."""
    return np.exp(np.minimum(x, LARGEST))


def guarded_exp_forward(x: Any) -> Any:
    y = np.exp(np.minimum(x, LARGEST))
    return y, y


guarded_exp.defvjp(guarded_exp_forward, lambda y, ct: (ct * y,))


@fd.custom_vjp
def guarded_log(x: Any) -> Any:
    """The logarithm, finite at zero and below."""
    return np.log(np.maximum(x, SMALLEST))


def guarded_log_forward(x: Any) -> Any:
    bounded = np.maximum(x, SMALLEST)
    return np.log(bounded), bounded


guarded_log.defvjp(guarded_log_forward, lambda bounded, ct: (ct / bounded,))

autograd_exp = autograd.extend.primitive(lambda x: np.exp(np.minimum(x, LARGEST)))
autograd.extend.defvjp(autograd_exp, lambda y, x: lambda ct: ct * y)

autograd_log = autograd.extend.primitive(lambda x: np.log(np.maximum(x, SMALLEST)))
autograd.extend.defvjp(autograd_log, lambda y, x: lambda ct: ct / anp.maximum(x, SMALLEST))

STRATA, SUBJECTS = 4, 50


def subjects() -> list[dict[str, Any]]:
    """Times of events or of censoring, in several strata."""
    rng = np.random.default_rng(0)
    strata = []
    for k in range(STRATA):
        x = rng.normal(size=(SUBJECTS, 2))
        time = np.exp(0.3 * k + x @ np.array([0.5, -0.3])) * rng.weibull(1.5, SUBJECTS)
        end = rng.exponential(4.0, SUBJECTS)
        strata.append({"x": x, "time": np.minimum(time, end), "event": time < end})
    return strata


def unpack(theta: Any) -> dict[str, Any]:
    """The parameters by their names."""
    return {
        "beta": theta[:2],
        "strata": [{"intercept": theta[2 + k]} for k in range(STRATA)],
        "log_shape": theta[2 + STRATA],
    }


def pack(p: dict[str, Any]) -> np.ndarray:
    """The vector of the parameters."""
    return np.array([*p["beta"], *[s["intercept"] for s in p["strata"]], p["log_shape"]])


def weibull(xp: Any, exp: Callable[..., Any], log: Callable[..., Any]) -> Callable[..., Any]:
    """Accelerated failure times, Weibull distributed."""
    data = subjects()

    def cost(p: dict[str, Any]) -> Any:
        total = 0.5 * xp.sum(p["beta"] ** 2)
        shape = exp(p["log_shape"])
        for stratum, own in zip(data, p["strata"], strict=True):
            log_scale = own["intercept"] + xp.dot(stratum["x"], p["beta"])
            u = log(stratum["time"]) - log_scale
            log_hazard = log(shape) - log_scale + (shape - 1.0) * u
            total = total - xp.sum(xp.where(stratum["event"], log_hazard, 0.0) - exp(shape * u))
        return total

    return cost


def log_logistic(xp: Any, exp: Callable[..., Any], log: Callable[..., Any]) -> Callable[..., Any]:
    """The same with a log-logistic distribution, the subjects of each stratum in two parts."""
    data = subjects()

    def cost(p: dict[str, Any]) -> Any:
        total = 0.5 * xp.sum(p["beta"] ** 2)
        shape = exp(p["log_shape"])
        for stratum, own in zip(data, p["strata"], strict=True):
            log_scale = own["intercept"] + xp.dot(stratum["x"], p["beta"])
            for part in (slice(None, SUBJECTS // 2), slice(SUBJECTS // 2, None)):
                u = shape * (np.log(stratum["time"][part]) - log_scale[part])
                log_survival = -log(1.0 + exp(u))
                log_density = p["log_shape"] + u + 2.0 * log_survival
                total = total - xp.sum(xp.where(stratum["event"][part], log_density, log_survival))
        return total

    return cost


def descent(value_and_grad: Callable[..., Any], start: np.ndarray) -> np.ndarray:
    """A fit by gradients."""
    return np.asarray(scipy.optimize.minimize(value_and_grad, start, jac=True, method="BFGS").x)


def newton(value_and_grad: Callable[..., Any], hessian: Callable[..., Any], start: np.ndarray) -> np.ndarray:
    """A fit by Hessians."""
    return np.asarray(scipy.optimize.minimize(value_and_grad, start, jac=True, hess=hessian, method="trust-exact").x)


def of_container(value_and_grad: Callable[..., Any]) -> Callable[..., Any]:
    """From the value and gradient of a function of a container to those of a function of a vector."""

    def call(theta: np.ndarray) -> Any:
        value, gradient = value_and_grad(unpack(theta))
        return value, pack(gradient)

    return call


def run(seconds: float) -> Iterator[Result]:
    """Against HIPS autograd."""
    start = np.zeros(3 + STRATA)
    models = {
        name: (model(np, guarded_exp, guarded_log), model(anp, autograd_exp, autograd_log))
        for name, model in (("Weibull", weibull), ("log-logistic", log_logistic))
    }
    for name, (ours, theirs) in models.items():
        pairs = {
            "BFGS": [
                {"fit": descent, "derivatives": (package.value_and_grad(lambda theta, f=f: f(unpack(theta))),)}
                for package, f in ((fd, ours), (autograd, theirs))
            ],
            "BFGS, a container": [
                {"fit": descent, "derivatives": (of_container(package.value_and_grad(f)),)}
                for package, f in ((fd, ours), (autograd, theirs))
            ],
            "Newton": [
                {
                    "fit": newton,
                    "derivatives": [
                        d(lambda theta, f=f: f(unpack(theta))) for d in (package.value_and_grad, package.hessian)
                    ],
                }
                for package, f in ((fd, ours), (autograd, theirs))
            ],
        }
        for method, contenders in pairs.items():
            both = [
                Contender(peer, "fit(*derivatives, start)", {**names, "start": start})
                for peer, names in zip(("functad", "autograd"), contenders, strict=True)
            ]
            yield from compare(
                f"un-jitted fit, {name}, {method}", both[0], both[1:], seconds, {"autograd": 1.0}, tolerance=1e-5
            )
