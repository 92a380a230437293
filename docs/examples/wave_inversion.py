"""What is inside? The speed of sound in a square, from echoes recorded at its edges.

The wave equation is simulated with a speed for each cell, and all speeds are fitted to what microphones have heard: an
inverse problem with a partial differential equation for a constraint, as in seismics and ultrasound tomography. The
data are made by the same simulation with noise added, since only then it is known what should be found.
"""

from __future__ import annotations

import numpy as np
import scipy.optimize

import functad as fd

CELLS, STEPS = 48, 200
COURANT = 0.5
"""Cells that a wave travels in a step where its speed is 1."""

EDGE = 4
"""Cells between the edge, where waves are absorbed, and what is known or sought."""

LINE = np.arange(EDGE + 2, CELLS - EDGE, 4)
NEAR, FAR = np.full(len(LINE), EDGE), np.full(len(LINE), CELLS - 1 - EDGE)
ROWS = np.concatenate([NEAR, FAR, LINE, LINE])
COLUMNS = np.concatenate([LINE, LINE, NEAR, FAR])
"""Microphones at all four sides."""

SOURCES = np.stack([ROWS, COLUMNS], axis=1)[2::5]


def pulse() -> np.ndarray:
    """What a source emits: Ricker's wavelet."""
    t = 0.25 * (np.arange(STEPS) - 20.0)
    return (1 - t**2) * np.exp(-0.5 * t**2)


def absorption() -> np.ndarray:
    """Of each cell and step: 1 inside, less at the edges."""
    depth = np.minimum(np.arange(CELLS), np.arange(CELLS)[::-1])
    factor = np.exp(-((0.1 * np.maximum(2 * EDGE - depth, 0)) ** 2))
    return factor[:, None] * factor[None, :]


# -- the simulation: plain NumPy, in place -----------------------------------------------------------------------------

PULSE, FADING = pulse(), absorption()


def recording(speed, source):
    """What each microphone hears of a source, shape (steps, microphones)."""
    heard = np.zeros((STEPS, len(ROWS)))
    now, before = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    for i in range(STEPS):
        after = 2 * now - before
        bend = now[2:, 1:-1] + now[:-2, 1:-1] + now[1:-1, 2:] + now[1:-1, :-2] - 4 * now[1:-1, 1:-1]
        after[1:-1, 1:-1] += (COURANT * speed[1:-1, 1:-1]) ** 2 * bend
        after[source[0], source[1]] += PULSE[i]
        after *= FADING
        heard[i] = after[ROWS, COLUMNS]
        before, now = now * FADING, after
    return heard


recordings = fd.jit(fd.vmap(recording, in_axes=(None, 0)))
"""For all sources."""


def speed_of(inner):
    """The speed everywhere: 1 at the edges."""
    speed = np.ones((CELLS, CELLS))
    speed[EDGE + 1 : -EDGE - 1, EDGE + 1 : -EDGE - 1] = inner
    return speed


def misfit(x, heard):
    """Half the sum of squares of what is not explained, and a little for roughness."""
    side = CELLS - 2 * EDGE - 2
    speed = speed_of(x.reshape(side, side))
    error = fd.vmap(recording, in_axes=(None, 0))(speed, SOURCES) - heard
    roughness = np.sum(np.diff(speed, axis=0) ** 2) + np.sum(np.diff(speed, axis=1) ** 2)
    return 0.5 * np.sum(error**2) + 0.02 * roughness


value_and_gradient = fd.jit(fd.value_and_grad(misfit))
"""The simulation for all sources and its adjoint: one native function."""


# -- the program -------------------------------------------------------------------------------------------------------


def truth() -> np.ndarray:
    """A fast and a slow lump."""
    y, x = np.mgrid[:CELLS, :CELLS] / CELLS
    fast = 0.25 * np.exp(-((x - 0.38) ** 2 + (y - 0.4) ** 2) / 0.012)
    return 1.0 + fast - 0.2 * np.exp(-((x - 0.62) ** 2 + (y - 0.65) ** 2) / 0.01)


def measure(seed: int = 0) -> np.ndarray:
    """Recordings of all sources, with five per cent of noise."""
    heard = recordings(truth(), SOURCES)
    return heard + 0.05 * np.std(heard) * np.random.default_rng(seed).normal(size=heard.shape)


def invert(heard: np.ndarray, evaluations: int = 60) -> tuple[np.ndarray, list[float]]:
    """The speed everywhere, and how well it explains the recordings after each iteration."""
    values: list[float] = []
    found = scipy.optimize.minimize(
        value_and_gradient,
        np.ones((CELLS - 2 * EDGE - 2) ** 2),
        (heard,),
        jac=True,
        method="L-BFGS-B",
        bounds=scipy.optimize.Bounds(0.5, 1.6),
        options={"maxfun": evaluations},
        callback=lambda intermediate_result: values.append(intermediate_result.fun),
    )
    side = CELLS - 2 * EDGE - 2
    return speed_of(found.x.reshape(side, side)), values


def main() -> None:
    """Measure and invert."""
    speed, values = invert(measure())
    before, after = (np.sqrt(np.mean((s - truth()) ** 2)) for s in (np.ones_like(speed), speed))
    print(f"misfit {values[0]:.2f} after one iteration, {values[-1]:.3f} after {len(values)}")
    print(f"error of the speed: {before:.3f} before, {after:.3f} after")


if __name__ == "__main__":
    main()
