"""The programs of ``docs/examples`` beside the best that others have for each."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numba
import numpy as np
from scipy.optimize import least_squares

import functad as fd
from benchmarks import applications_in_jax as in_jax
from benchmarks.harness import Contender, Result, Timed, compare, fastest
from functad.examples import nist

__all__ = ["example", "run"]

READY = ".block_until_ready()"

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def example(name: str) -> Any:
    """A program of the documentation, as a module."""
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert found is not None and found.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def installed(name: str) -> Any:
    """A package that the benchmarks do not require; None where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def nist_fits(seconds: float) -> Iterator[Result]:
    """All fourteen, from the second starting points that NIST gives, compiled before."""
    data = [nist.load(name) for name in sorted(nist.MODELS)]

    def residuals(model: Callable[..., Any], d: nist.Dataset) -> Callable[..., Any]:
        return lambda b: model(b, d.x) - d.y

    def through_jax(f: Callable[..., Any]) -> Callable[..., Any]:
        """As SciPy's optimisers take it: an array of NumPy."""
        return lambda b: np.asarray(f(b))

    plain = [residuals(nist.MODELS[d.name], d) for d in data]
    theirs = [residuals(in_jax.of_numpy(nist.MODELS[d.name]), d) for d in data]
    functions = {
        "functad": [(fd.jit(f), fd.jit(fd.jacobian(f))) for f in plain],
        "JAX": [(through_jax(jax.jit(f)), through_jax(jax.jit(jax.jacfwd(f)))) for f in theirs],
        "SciPy, 2-point": [(f, "2-point") for f in plain],
    }

    def fits(pairs: list[Any]) -> np.ndarray:
        """The residual sums that are reached."""
        fitted = (
            least_squares(f, d.starts[1], jac=jacobian, method="lm", x_scale="jac", max_nfev=2000).cost
            for (f, jacobian), d in zip(pairs, data, strict=True)
        )
        return np.fromiter(fitted, float)

    ours, *peers = (Contender(name, "fits(pairs)", {"fits": fits, "pairs": p}) for name, p in functions.items())
    yield from compare("NIST: 14 fits", ours, peers, seconds, tolerance=1e-3)


def digits(seconds: float) -> Iterator[Result]:
    """An epoch: twenty steps of Adam."""
    module, torch = example("digits"), installed("torch")
    images, labels = module.load()
    order, rate = np.random.default_rng(0).permutation(module.TRAINED), np.float32(1e-3)
    for name, network in (("dense", in_jax.dense), ("convolutional", in_jax.convolutional)):
        ours, initial, _ = module.NETWORKS[name]
        state = module.start(initial())
        names = {"f": module.fast_epoch, "network": ours, "state": state, "images": images, "labels": labels}
        names |= {"order": order, "rate": rate, "key": fd.random.key(0)}
        there = jax.device_put((state, images, labels, order.reshape(-1, module.BATCH), rate))
        ways = [Contender("JAX", "f(*there)", {"f": f, "there": there}, READY) for f in in_jax.epochs(network)]
        peers: list[Timed] = [fastest(ways)]
        if torch is not None:
            epoch = torch_epoch(torch, name, initial(), images, labels, order.reshape(-1, module.BATCH))
            peers.append(Contender("PyTorch", "epoch()", {"epoch": epoch}))
        contender = Contender("functad", "f(network, state, images, labels, order, rate, 0, key)[1]", names)
        yield from compare(f"digits: an epoch, {name} network", contender, peers, seconds, tolerance=1e-3)


def torch_epoch(torch: Any, name: str, parameters: Any, images: Any, labels: Any, batches: Any) -> Callable[[], Any]:
    """The same in PyTorch, step by step, from the same start."""
    f, (x, y) = torch.nn.functional, (torch.from_numpy(images), torch.from_numpy(labels))
    rows = [torch.from_numpy(batch) for batch in batches]

    def dense(p: Any, x: Any) -> Any:
        x = x.reshape(len(x), 64)
        for layer in p[:-1]:
            x = torch.relu(x @ layer["w"] + layer["b"])
        return x @ p[-1]["w"] + p[-1]["b"]

    def convolutional(p: Any, x: Any) -> Any:
        x = x[:, None]
        for kernel, offset in zip(p["kernels"], p["offsets"], strict=True):
            x = f.max_pool2d(torch.relu(f.conv2d(x, kernel, padding="same") + offset), 2)
        return x.reshape(len(x), 128) @ p["w"] + p["b"]

    network = {"dense": dense, "convolutional": convolutional}[name]

    def epoch() -> np.ndarray:
        p = fd.tree_map(lambda a: torch.from_numpy(a.copy()).requires_grad_(), parameters)
        optimiser = torch.optim.Adam(fd.tree.leaves(p), lr=1e-3)
        total = 0.0
        for batch in rows:
            optimiser.zero_grad()
            value = f.cross_entropy(network(p, x[batch]), y[batch])
            value.backward()
            optimiser.step()
            total += value.item()
        return np.float32(total / len(rows))

    return epoch


def gaussian_process(seconds: float) -> Iterator[Result]:
    """The evidence and its gradient; scikit-learn's is written by hand, and in logarithms of squares."""
    module = example("gaussian_process")
    t, co2 = module.load()
    arguments = module.START, t, co2 - np.mean(co2)
    there = {"f": jax.jit(jax.value_and_grad(in_jax.evidence)), "a": jax.device_put(arguments)}
    peers = [Contender("JAX", "f(*a)[0]", there, READY)]
    if installed("sklearn") is not None:
        peers.append(Contender("scikit-learn", "-f(eval_gradient=True, **a)[0]", sklearn_evidence(*arguments)))
    ours = Contender("functad", "f(*a)[0]", {"f": module.value_and_gradient, "a": arguments})
    yield from compare("carbon dioxide: evidence and gradient", ours, peers, seconds, tolerance=1e-6)


def sklearn_evidence(theta: np.ndarray, t: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Scikit-learn's evidence and its argument."""
    process, kernels = (importlib.import_module(f"sklearn.gaussian_process{m}") for m in ("", ".kernels"))
    p = np.exp(theta)
    kernel = kernels.ConstantKernel(p[0] ** 2) * kernels.RBF(p[1])
    season = kernels.ExpSineSquared(p[4], 1.0, periodicity_bounds="fixed")
    kernel += kernels.ConstantKernel(p[2] ** 2) * kernels.RBF(p[3]) * season
    kernel += kernels.ConstantKernel(p[5] ** 2) * kernels.RationalQuadratic(p[6], p[7])
    kernel += kernels.ConstantKernel(p[8] ** 2) * kernels.RBF(p[9]) + kernels.WhiteKernel(p[10] ** 2)
    model = process.GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(t[:, None], y)
    return {"f": model.log_marginal_likelihood, "a": {"theta": model.kernel_.theta, "clone_kernel": False}}


def monte_carlo(seconds: float) -> Iterator[Result]:
    """Four chains; the random numbers are the same."""
    module = example("bayesian_logistic")
    x, y, _ = module.load()
    centre, covariance = module.mode(x, y)
    starts = np.random.default_rng(0).normal(size=(module.CHAINS, len(centre)))
    keys = fd.random.split(fd.random.key(0), module.CHAINS)
    arguments = keys, starts, centre, np.linalg.cholesky(covariance), x, y
    theirs = in_jax.hmc_chains(module.WARM_UP, module.DRAWS, module.LEAPS)
    peer = Contender("JAX", "f(*a)", {"f": theirs, "a": jax.device_put(arguments)}, READY)
    ours = Contender("functad", "f(*a)[0]", {"f": module.chains, "a": arguments})
    yield from compare("tumours: four chains of 1300 draws", ours, [peer], seconds, tolerance=1e-5)


def pendulum(seconds: float) -> Iterator[Result]:
    """A thousand steps, from the Lagrangian, and by hand from the equations of motion in Numba."""
    module, steps = example("double_pendulum"), 1000
    start = np.array([0.5, 0.3]), np.zeros(2)
    theirs = in_jax.pendulum_path(module.GRAVITY, module.STEP, steps)
    peers = [
        Contender("JAX", "f(*a)", {"f": theirs, "a": jax.device_put(start)}, READY),
        Contender("Numba, by hand", "f(*a)", {"f": pendulum_in_numba(module.GRAVITY, module.STEP, steps), "a": start}),
    ]
    ours = Contender("functad", "f(*a)[1:]", {"f": lambda q, v: module.path(q, v, steps), "a": start})
    yield from compare("double pendulum: 1000 steps", ours, peers, seconds, tolerance=1e-7)


def pendulum_in_numba(gravity: float, h: float, steps: int) -> Any:
    """The path by the equations of motion, worked out by hand for four numbers."""

    @numba.njit
    def slope(a: float, b: float, v: float, w: float) -> Any:
        cosine, sine = np.cos(a - b), np.sin(a - b)
        first = -sine * w * w - 2 * gravity * np.sin(a)
        second = sine * v * v - gravity * np.sin(b)
        scale = 2.0 - cosine * cosine
        return v, w, (first - cosine * second) / scale, (2.0 * second - cosine * first) / scale

    @numba.njit
    def path(angles: Any, speeds: Any) -> Any:
        found = np.empty((steps, 2))
        a, b, v, w = angles[0], angles[1], speeds[0], speeds[1]
        for i in range(steps):
            a1, b1, v1, w1 = slope(a, b, v, w)
            a2, b2, v2, w2 = slope(a + 0.5 * h * a1, b + 0.5 * h * b1, v + 0.5 * h * v1, w + 0.5 * h * w1)
            a3, b3, v3, w3 = slope(a + 0.5 * h * a2, b + 0.5 * h * b2, v + 0.5 * h * v2, w + 0.5 * h * w2)
            a4, b4, v4, w4 = slope(a + h * a3, b + h * b3, v + h * v3, w + h * w3)
            a += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
            b += h / 6 * (b1 + 2 * b2 + 2 * b3 + b4)
            v += h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
            w += h / 6 * (w1 + 2 * w2 + 2 * w3 + w4)
            found[i] = a, b
        return found

    return path


def waves(seconds: float) -> Iterator[Result]:
    """The misfit of eight simulations and its gradient in all speeds."""
    module = example("wave_inversion")
    heard = module.measure()
    x = np.ones((module.CELLS - 2 * module.EDGE - 2) ** 2)
    theirs = jax.jit(jax.value_and_grad(in_jax.recording_misfit(module)))
    peer = Contender("JAX", "f(*a)[1]", {"f": theirs, "a": jax.device_put((x, heard))}, READY)
    ours = Contender("functad", "f(*a)[1]", {"f": module.value_and_gradient, "a": (x, heard)})
    yield from compare("waves: misfit and gradient", ours, [peer], seconds)


def run(seconds: float) -> Iterator[Result]:
    """All of them."""
    programs = nist_fits, digits, gaussian_process, monte_carlo, pendulum, waves
    return itertools.chain.from_iterable(program(seconds) for program in programs)
