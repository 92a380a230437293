"""Is a tumour malignant? Bayesian logistic regression, its posterior drawn from by Hamiltonian Monte Carlo.

The method is that of R. M. Neal, MCMC using Hamiltonian dynamics (2011). It moves in coordinates in which the posterior
is round near its mode; the step size is found while the chains warm up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import functad as fd
from functad import nn, random

CHAINS, WARM_UP, DRAWS, LEAPS = 4, 300, 1000, 4


def load() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """A column of ones and six standardised features of 569 tumours; 1 where one is malignant; names."""
    path = Path(__file__).parent / "data" / "breast_cancer.txt"
    names = ["radius", "texture", "smoothness", "concavity", "symmetry", "fractal_dimension"]
    columns = path.read_text().splitlines()[3].removeprefix("# ").split()
    table = np.loadtxt(path)
    x = table[:, [columns.index(name) for name in names]]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return np.column_stack([np.ones(len(x)), x]), table[:, -1], ["intercept", *names]


# -- the model ---------------------------------------------------------------------------------------------------------


def log_density(w, x, y):
    """Of the posterior, up to a constant; the weights have a normal prior of deviation 2.5."""
    z = x @ w
    return np.sum(y * z - nn.softplus(z)) - 0.5 * np.sum(w**2) / 2.5**2


# -- the sampler -------------------------------------------------------------------------------------------------------


def rounded(u, centre, triangle, x, y):
    """The density in coordinates in which its curvature at the mode is the same in all directions."""
    return log_density(centre + triangle @ u, x, y)


def transition(key, u, size, *model):
    """The next draw, and the probability with which it was taken."""
    momentum_key, size_key, accept_key = random.split(key, 3)
    size = size * random.uniform(size_key, minval=0.4)  # else a trajectory might come round to where it began
    value, slope = fd.value_and_grad(rounded)(u, *model)
    speed = random.normal(momentum_key, u.shape)
    before = value - 0.5 * np.sum(speed**2)
    place = u
    for _ in range(LEAPS):
        speed = speed + 0.5 * size * slope
        place = place + size * speed
        value, slope = fd.value_and_grad(rounded)(place, *model)
        speed = speed + 0.5 * size * slope
    probability = np.exp(np.minimum(value - 0.5 * np.sum(speed**2) - before, 0.0))
    if random.uniform(accept_key) < probability:
        u = place
    return u, probability


def chain(key, u, centre, triangle, x, y):
    """Draws of one chain after its warm-up, how often they were taken, and the step size that was found."""
    samples = np.zeros((DRAWS, len(u)))
    size, taken = 0.2, 0.0
    for i in range(WARM_UP + DRAWS):
        u, probability = transition(random.fold_in(key, i), u, size, centre, triangle, x, y)
        if i < WARM_UP:
            size *= np.exp((probability - 0.8) / np.sqrt(i + 1.0))
        else:
            samples[i - WARM_UP] = centre + triangle @ u
            taken += probability / DRAWS
    return samples, taken, size


chains = fd.jit(fd.vmap(chain, in_axes=(0, 0, None, None, None, None)))
"""Several chains, in one native function."""


def mode(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most probable weights, by Newton's method, and the covariance that the curvature there stands for."""
    w = np.zeros(x.shape[1])
    for _ in range(20):
        w = w - np.linalg.solve(fd.hessian(log_density)(w, x, y), fd.grad(log_density)(w, x, y))
    return w, np.linalg.inv(-fd.hessian(log_density)(w, x, y))


def sample(x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws of all chains, shape (chains, draws, weights); how often they were taken; step sizes."""
    centre, covariance = mode(x, y)
    starts = 2 * np.random.default_rng(seed).normal(size=(CHAINS, len(centre)))
    return chains(random.split(random.key(seed), CHAINS), starts, centre, np.linalg.cholesky(covariance), x, y)


# -- what the draws say ------------------------------------------------------------------------------------------------


def r_hat(samples: np.ndarray) -> np.ndarray:
    """The variance of all draws against that within chains, for each weight: 1 where the chains agree."""
    n = samples.shape[1]
    within = np.mean(np.var(samples, axis=1, ddof=1), axis=0)
    return np.sqrt((n - 1) / n + np.var(np.mean(samples, axis=1), axis=0, ddof=1) / within)


def by_importance(x: np.ndarray, y: np.ndarray, draws: int = 100_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the posterior by another method: weighted draws from a wide distribution at the mode.

    The distribution is Student's with five degrees of freedom; nothing but the density itself is used.
    """
    rng, (centre, covariance) = np.random.default_rng(seed), mode(x, y)
    unit = rng.normal(size=(draws, len(centre))) / np.sqrt(rng.chisquare(5, size=(draws, 1)) / 5)
    w = centre + 1.1 * unit @ np.linalg.cholesky(covariance).T
    z = w @ x.T
    target = np.sum(y * z - np.logaddexp(0.0, z), axis=1) - 0.5 * np.sum(w**2, axis=1) / 2.5**2
    weight = target + 0.5 * (5 + len(centre)) * np.log1p(np.sum(unit**2, axis=1) / 5)
    weight = np.exp(weight - np.max(weight))
    weight /= np.sum(weight)
    mean = weight @ w
    return mean, np.sqrt(weight @ (w - mean) ** 2)


def main() -> None:
    """Draw, and say what was found."""
    x, y, names = load()
    samples, taken, _ = sample(x, y)
    print(f"{CHAINS} chains of {DRAWS}, {np.mean(taken):.0%} taken, r-hat at most {np.max(r_hat(samples)):.3f}")
    flat = samples.reshape(-1, len(names))
    for name, draws, mean, deviation in zip(names, flat.T, *by_importance(x, y), strict=True):
        print(f"{name:18} {draws.mean():6.2f} ± {draws.std():.2f}    by importance {mean:6.2f} ± {deviation:.2f}")


if __name__ == "__main__":
    main()
