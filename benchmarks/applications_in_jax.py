"""The programs of ``docs/examples`` as one writes them with JAX: `at`, `scan`, `where` in place of stores and loops."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

__all__ = [
    "convolutional", "dense", "epochs", "evidence", "hmc_chains", "of_numpy", "pendulum_path", "recording_misfit",
]  # fmt: skip


def of_numpy(f: FunctionType) -> FunctionType:
    """The function whose ``np`` is JAX's."""
    return FunctionType(f.__code__, {**f.__globals__, "np": jnp}, f.__name__, f.__defaults__, f.__closure__)


# -- digits ------------------------------------------------------------------------------------------------------------


def dense(layers: Any, images: Any) -> Any:
    """Scores of the classes."""
    x = images.reshape(len(images), 64)
    for i, layer in enumerate(layers):
        x = x @ layer["w"] + layer["b"]
        if i < len(layers) - 1:
            x = jnp.maximum(x, 0)
    return x


def convolutional(p: Any, images: Any) -> Any:
    """Scores of the classes."""
    x = images[:, None]
    for kernel, offset in zip(p["kernels"], p["offsets"], strict=True):
        x = jnp.maximum(jax.lax.conv(x, kernel, (1, 1), "SAME") + offset, 0)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return x.reshape(len(x), 128) @ p["w"] + p["b"]


def epochs(network: Any) -> tuple[Any, Any]:
    """An epoch of Adam: a compiled loop, and a loop of compiled steps, in which XLA has faster convolutions."""

    def loss(parameters: Any, images: Any, labels: Any) -> Any:
        scores = network(parameters, images)
        return jnp.mean(jax.nn.logsumexp(scores, axis=1) - scores[jnp.arange(len(labels)), labels])

    def step(state: Any, images: Any, labels: Any, batch: Any, rate: Any) -> Any:
        parameters, mean, square, count = state
        value, slope = jax.value_and_grad(loss)(parameters, images[batch], labels[batch])
        count = count + 1
        mean = jax.tree.map(lambda m, g: m + jnp.float32(0.1) * (g - m), mean, slope)
        square = jax.tree.map(lambda s, g: s + jnp.float32(0.001) * (g * g - s), square, slope)
        size = rate * jnp.sqrt(1 - jnp.float32(0.999) ** count) / (1 - jnp.float32(0.9) ** count)
        parameters = jax.tree.map(
            lambda p, m, s: p - size * m / (jnp.sqrt(s) + jnp.float32(1e-8)), parameters, mean, square
        )
        return (parameters, mean, square, count), value

    def compiled(state: Any, images: Any, labels: Any, batches: Any, rate: Any) -> Any:
        return jnp.mean(jax.lax.scan(lambda state, batch: step(state, images, labels, batch, rate), state, batches)[1])

    compiled_step = jax.jit(step)

    def stepwise(state: Any, images: Any, labels: Any, batches: Any, rate: Any) -> Any:
        values = []
        for batch in batches:
            state, value = compiled_step(state, images, labels, batch, rate)
            values.append(value)
        return jnp.mean(jnp.stack(values))

    return jax.jit(compiled), stepwise


# -- Gaussian process --------------------------------------------------------------------------------------------------


def evidence(theta: Any, t: Any, y: Any) -> Any:
    """The negative logarithm of the evidence."""
    p = jnp.exp(theta)
    d = t[:, None] - t[None, :]
    square = d * d
    k = p[0] ** 2 * jnp.exp(-0.5 * square / p[1] ** 2)
    k += p[2] ** 2 * jnp.exp(-0.5 * square / p[3] ** 2 - 2.0 * (jnp.sin(jnp.pi * d) / p[4]) ** 2)
    k += p[5] ** 2 * (1.0 + 0.5 * square / (p[7] * p[6] ** 2)) ** -p[7]
    k += p[8] ** 2 * jnp.exp(-0.5 * square / p[9] ** 2)
    triangle = jnp.linalg.cholesky(k + p[10] ** 2 * jnp.eye(len(t)))
    white = solve_triangular(triangle, y, lower=True)
    return 0.5 * white @ white + jnp.sum(jnp.log(jnp.diag(triangle))) + 0.5 * len(t) * jnp.log(2 * jnp.pi)


# -- Hamiltonian Monte Carlo -------------------------------------------------------------------------------------------


def hmc_chains(warm_up: int, draws: int, leaps: int) -> Any:
    """Compiled chains, mapped over keys and starting points."""

    def log_density(u: Any, centre: Any, triangle: Any, x: Any, y: Any) -> Any:
        w = centre + triangle @ u
        z = x @ w
        return jnp.sum(y * z - jax.nn.softplus(z)) - 0.5 * jnp.sum(w**2) / 2.5**2

    def transition(key: Any, u: Any, size: Any, *model: Any) -> Any:
        momentum_key, size_key, accept_key = jax.random.split(key, 3)
        size = size * jax.random.uniform(size_key, minval=0.4)
        density = jax.value_and_grad(log_density)
        value, slope = density(u, *model)
        speed = jax.random.normal(momentum_key, u.shape)
        before = value - 0.5 * jnp.sum(speed**2)

        def leap(_: Any, state: Any) -> Any:
            place, speed, value, slope = state
            speed = speed + 0.5 * size * slope
            place = place + size * speed
            value, slope = density(place, *model)
            return place, speed + 0.5 * size * slope, value, slope

        place, speed, value, slope = jax.lax.fori_loop(0, leaps, leap, (u, speed, value, slope))
        probability = jnp.exp(jnp.minimum(value - 0.5 * jnp.sum(speed**2) - before, 0.0))
        return jnp.where(jax.random.uniform(accept_key) < probability, place, u), probability

    def chain(key: Any, u: Any, centre: Any, triangle: Any, x: Any, y: Any) -> Any:
        def step(state: Any, i: Any) -> Any:
            u, size = state
            u, probability = transition(jax.random.fold_in(key, i), u, size, centre, triangle, x, y)
            size = jnp.where(i < warm_up, size * jnp.exp((probability - 0.8) / jnp.sqrt(i + 1.0)), size)
            return (u, size), centre + triangle @ u

        _, samples = jax.lax.scan(step, (u, jnp.asarray(0.2)), jnp.arange(warm_up + draws))
        return samples[warm_up:]

    return jax.jit(jax.vmap(chain, in_axes=(0, 0, None, None, None, None)))


# -- double pendulum ---------------------------------------------------------------------------------------------------


def pendulum_path(gravity: float, h: float, steps: int) -> Any:
    """A compiled path from starting angles and speeds."""

    def lagrangian(angles: Any, speeds: Any) -> Any:
        total = height = across = upwards = 0.0
        for angle, speed in zip(angles, speeds, strict=True):
            height -= jnp.cos(angle)
            across += speed * jnp.cos(angle)
            upwards += speed * jnp.sin(angle)
            total += 0.5 * (across**2 + upwards**2) - gravity * height
        return total

    def acceleration(angles: Any, speeds: Any) -> Any:
        momentum = jax.grad(lagrangian, argnums=1)
        mass = jax.jacfwd(momentum, argnums=1)(angles, speeds)
        _, drift = jax.jvp(lambda q: momentum(q, speeds), (angles,), (speeds,))
        return jnp.linalg.solve(mass, jax.grad(lagrangian)(angles, speeds) - drift)

    def step(state: Any, _: Any) -> Any:
        angles, speeds = state
        a1 = acceleration(angles, speeds)
        v2 = speeds + 0.5 * h * a1
        a2 = acceleration(angles + 0.5 * h * speeds, v2)
        v3 = speeds + 0.5 * h * a2
        a3 = acceleration(angles + 0.5 * h * v2, v3)
        v4 = speeds + h * a3
        a4 = acceleration(angles + h * v3, v4)
        state = angles + h / 6 * (speeds + 2 * v2 + 2 * v3 + v4), speeds + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        return state, state[0]

    return jax.jit(lambda angles, speeds: jax.lax.scan(step, (angles, speeds), length=steps)[1])


# -- waves -------------------------------------------------------------------------------------------------------------


def recording_misfit(example: Any) -> Any:
    """The misfit of the example's module, as a function of the speeds inside and the recordings."""
    pulse, fading = jnp.asarray(example.PULSE), jnp.asarray(example.FADING)
    cells, edge, side = example.CELLS, example.EDGE, example.CELLS - 2 * example.EDGE - 2

    def recording(speed: Any, source: Any) -> Any:
        factor = (example.COURANT * speed[1:-1, 1:-1]) ** 2

        def step(state: Any, emitted: Any) -> Any:
            now, before = state
            bend = now[2:, 1:-1] + now[:-2, 1:-1] + now[1:-1, 2:] + now[1:-1, :-2] - 4 * now[1:-1, 1:-1]
            after = (2 * now - before).at[1:-1, 1:-1].add(factor * bend).at[source[0], source[1]].add(emitted) * fading
            return (after, now * fading), after[example.ROWS, example.COLUMNS]

        zeros = jnp.zeros((cells, cells))
        return jax.lax.scan(step, (zeros, zeros), pulse)[1]

    def misfit(x: Any, heard: Any) -> Any:
        inside = slice(edge + 1, cells - edge - 1)
        speed = jnp.ones((cells, cells)).at[inside, inside].set(x.reshape(side, side))
        error = jax.vmap(recording, in_axes=(None, 0))(speed, np.asarray(example.SOURCES)) - heard
        roughness = jnp.sum(jnp.diff(speed, axis=0) ** 2) + jnp.sum(jnp.diff(speed, axis=1) ** 2)
        return 0.5 * jnp.sum(error**2) + 0.02 * roughness

    return misfit
