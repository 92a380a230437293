"""A double pendulum from its Lagrangian: nobody works out the equations of motion.

Two points hang on rods without mass, the second on the first; angles are measured from the vertical.
"""

from __future__ import annotations

import numpy as np

import functad as fd

GRAVITY, STEP = 9.81, 0.01


def lagrangian(angles, speeds):
    """Kinetic less potential energy, for masses of 1 kg and rods of 1 m."""
    total = height = across = upwards = 0.0
    for angle, speed in zip(angles, speeds):  # what hangs on a rod moves with it
        height -= np.cos(angle)
        across += speed * np.cos(angle)
        upwards += speed * np.sin(angle)
        total += 0.5 * (across**2 + upwards**2) - GRAVITY * height
    return total


def energy(angles, speeds):
    """Kinetic and potential energy: by Legendre's transform."""
    return speeds @ fd.grad(lagrangian, argnums=1)(angles, speeds) - lagrangian(angles, speeds)


def acceleration(angles, speeds):
    """Euler and Lagrange: d/dt dL/dv = dL/dq, solved for the acceleration."""
    momentum = fd.grad(lagrangian, argnums=1)
    mass = fd.jacobian(momentum, argnums=1)(angles, speeds)
    _, drift = fd.jvp(lambda q: momentum(q, speeds), (angles,), (speeds,))
    return np.linalg.solve(mass, fd.grad(lagrangian)(angles, speeds) - drift)


def step(angles, speeds, h):
    """The method of Runge and Kutta."""
    a1 = acceleration(angles, speeds)
    v2 = speeds + 0.5 * h * a1
    a2 = acceleration(angles + 0.5 * h * speeds, v2)
    v3 = speeds + 0.5 * h * a2
    a3 = acceleration(angles + 0.5 * h * v2, v3)
    v4 = speeds + h * a3
    a4 = acceleration(angles + h * v3, v4)
    return angles + h / 6 * (speeds + 2 * v2 + 2 * v3 + v4), speeds + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)


@fd.jit
def path(angles, speeds, steps):
    """Angles at all times."""
    found = np.zeros((steps + 1, 2))
    found[0] = angles
    for i in range(steps):
        angles, speeds = step(angles, speeds, STEP)
        found[i + 1] = angles
    return found


def first_flip(angles, limit):
    """When one of the two first turns over, starting from rest; the limit if neither does until then."""
    speeds, time = np.zeros(2), 0.0
    while time < limit and np.max(np.abs(angles)) < np.pi:
        angles, speeds = step(angles, speeds, STEP)
        time += STEP
    return time


flips = fd.jit(fd.vmap(first_flip, in_axes=(0, None)))
"""For many starting points, of which each makes as many steps as it needs."""


def by_hand(angles, speeds):
    """The acceleration as textbooks have it, to check by."""
    (a, b), (v, w) = angles, speeds
    cosine, sine = np.cos(a - b), np.sin(a - b)
    mass = np.array([[2.0, cosine], [cosine, 1.0]])
    force = np.array([-sine * w**2 - 2 * GRAVITY * np.sin(a), sine * v**2 - GRAVITY * np.sin(b)])
    return np.linalg.solve(mass, force)


def push(angles, target, steps=100):
    """Speeds that bring the pendulum to given angles in a second: Newton's method through the simulation."""

    def missed(speeds):
        return path(angles, speeds, steps)[-1] - target

    newton = fd.jit(lambda v: v - np.linalg.solve(fd.jacobian(missed)(v), missed(v)))
    speeds = np.zeros(2)
    for _ in range(20):
        speeds = newton(speeds)
    return speeds


def main() -> None:
    """Swing, aim, and count what turns over."""
    print(f"ten seconds after (2, 2.5): angles {path(np.array([2.0, 2.5]), np.zeros(2), 1000)[-1]}")
    start = np.array([0.3, 0.3])
    speeds = push(start, np.array([-0.5, -0.8]))
    print(f"a second after a push of {speeds}: angles {path(start, speeds, 100)[-1]}")
    grid = np.linspace(-3.0, 3.0, 41)
    times = flips(np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2), 10.0)
    print(f"{np.mean(times < 10.0):.0%} of {len(times)} starts turn over within ten seconds")


if __name__ == "__main__":
    main()
