"""The gradients of ``loops`` and ``nested`` by hand: forward loops that keep what the reverse loops need."""

from __future__ import annotations

import math

import numba
import numpy as np

__all__ = ["heat", "horner", "lstm", "nested", "pendulum", "rk4"]


@numba.njit
def pendulum(state: np.ndarray, steps: int, h: float) -> np.ndarray:
    """Gradient of the final q^2 + p^2, after symplectic Euler: p' = p - h sin(q), q' = q + h p'."""
    angles = np.empty(steps)
    q, p = state
    for k in range(steps):
        angles[k] = q
        p -= h * math.sin(q)
        q += h * p
    q, p = 2 * q, 2 * p
    for k in range(steps - 1, -1, -1):
        p += h * q
        q -= h * math.cos(angles[k]) * p
    return np.array([q, p])


@numba.njit
def times(columns: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """``out = a @ x`` for a matrix given by its columns: the inner loop runs over contiguous elements, and vectorises
    without reassociation.
    """
    out[:] = 0.0
    for j in range(len(x)):
        for i in range(len(out)):
            out[i] += columns[j, i] * x[j]


@numba.njit
def product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x @ y`` of long, narrow matrices: threads of BLAS would take longer to meet than this takes."""
    out = np.zeros((x.shape[0], y.shape[1]))
    for t in range(x.shape[0]):
        for j in range(x.shape[1]):
            for i in range(y.shape[1]):
                out[t, i] += x[t, j] * y[j, i]
    return out


@numba.njit
def outer_sum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x.T @ y`` of long, narrow matrices."""
    out = np.zeros((x.shape[1], y.shape[1]))
    for t in range(x.shape[0]):
        for j in range(x.shape[1]):
            for i in range(y.shape[1]):
                out[j, i] += x[t, j] * y[t, i]
    return out


@numba.njit
def rk4(a: np.ndarray, y: np.ndarray, steps: int, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the final |y|^2 in ``a`` and the first ``y``: the cotangents of all slopes are kept for one product
    with all stages.
    """
    n = len(y)
    columns = a.T.copy()
    stages = np.empty((steps, 4, n))
    slope, total, y = np.empty(n), np.empty(n), y.copy()
    fractions, weights = (0.5, 0.5, 1.0, 0.0), (1.0, 2.0, 2.0, 1.0)
    for k in range(steps):
        stages[k, 0] = y
        total[:] = 0.0
        for s in range(4):
            times(columns, stages[k, s], slope)
            for i in range(n):
                total[i] += weights[s] * slope[i]
                if s < 3:
                    stages[k, s + 1, i] = y[i] + fractions[s] * h * slope[i]
        for i in range(n):
            y[i] += h / 6 * total[i]
    slopes = np.empty((steps, 4, n))
    stage = np.empty(n)
    y *= 2
    for k in range(steps - 1, -1, -1):
        stage[:] = 0.0
        total[:] = y
        for s in range(3, -1, -1):
            for i in range(n):
                slopes[k, s, i] = h / 6 * weights[s] * y[i] + fractions[s] * h * stage[i]
            times(a, slopes[k, s], stage)
            for i in range(n):
                total[i] += stage[i]
        y[:] = total
    return outer_sum(slopes.reshape(-1, n), stages.reshape(-1, n)), y


@numba.njit
def heat(u: np.ndarray, steps: int, rate: float) -> np.ndarray:
    """Gradient of the final sum of squares: the transposed step reads cotangents of the interior only, here inside a
    frame of zeros.
    """
    m, n = u.shape
    u, following = u.copy(), u.copy()
    for _ in range(steps):
        for i in range(1, m - 1):
            for j in range(1, n - 1):
                following[i, j] = u[i, j] + rate * (u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4 * u[i, j])
        u, following = following, u
    result = 2 * u
    framed = np.zeros((m + 2, n + 2))
    for _ in range(steps):
        framed[2:m, 2:n] = result[1:-1, 1:-1]
        for i in range(m):
            for j in range(n):
                near = framed[i + 2, j + 1] + framed[i, j + 1] + framed[i + 1, j + 2] + framed[i + 1, j]
                result[i, j] += rate * (near - 4 * framed[i + 1, j + 1])
    return result


@numba.njit
def horner(coefficients: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the sum of a polynomial's values, in its coefficients (the highest first) and its points."""
    terms, n = len(coefficients), len(x)
    values = np.empty((terms + 1, n))
    values[0] = 0.0
    for k in range(terms):
        for i in range(n):
            values[k + 1, i] = values[k, i] * x[i] + coefficients[k]
    in_coefficients, in_x, cotangent = np.empty(terms), np.zeros(n), np.ones(n)
    for k in range(terms - 1, -1, -1):
        in_coefficients[k] = cotangent.sum()
        for i in range(n):
            in_x[i] += cotangent[i] * values[k, i]
            cotangent[i] *= x[i]
    return in_coefficients, in_x


@numba.njit
def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@numba.njit
def lstm_layer(
    x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray, gates: np.ndarray, cells: np.ndarray, states: np.ndarray
) -> None:
    """A layer over all steps; ``cells`` and ``states`` begin with those before the first."""
    n = u.shape[0]
    gates[:] = product(x, w) + b
    for t in range(len(x)):
        for j in range(n):
            for i in range(4 * n):
                gates[t, i] += u[j, i] * states[t, j]
        for i in range(n):
            for part in range(3):
                gates[t, part * n + i] = sigmoid(gates[t, part * n + i])
            gates[t, 3 * n + i] = math.tanh(gates[t, 3 * n + i])
            cells[t + 1, i] = gates[t, n + i] * cells[t, i] + gates[t, i] * gates[t, 3 * n + i]
            states[t + 1, i] = gates[t, 2 * n + i] * math.tanh(cells[t + 1, i])


@numba.njit
def lstm_layer_reverse(u: np.ndarray, gates: np.ndarray, cells: np.ndarray, cotangents: np.ndarray) -> np.ndarray:
    """Cotangents of what the gates were computed from, from those of the layer's states."""
    n = u.shape[0]
    columns = u.T.copy()
    found = np.empty_like(gates)
    state, cell = np.zeros(n), np.zeros(n)
    for t in range(len(gates) - 1, -1, -1):
        for i in range(n):
            entry, keep, out, new = gates[t, i], gates[t, n + i], gates[t, 2 * n + i], gates[t, 3 * n + i]
            state[i] += cotangents[t, i]
            shown = math.tanh(cells[t + 1, i])
            cell[i] += state[i] * out * (1 - shown * shown)
            found[t, i] = cell[i] * new * entry * (1 - entry)
            found[t, n + i] = cell[i] * cells[t, i] * keep * (1 - keep)
            found[t, 2 * n + i] = state[i] * shown * out * (1 - out)
            found[t, 3 * n + i] = cell[i] * entry * (1 - new * new)
            cell[i] *= keep
        times(columns, found[t], state)
    return found


@numba.njit
def lstm(params: tuple, x: np.ndarray, y: np.ndarray) -> tuple:  # type: ignore[type-arg]
    """Gradient of the mean cross-entropy: products over all steps at once, but for those with the state before."""
    (w1, u1, b1), (w2, u2, b2), (v, k) = params
    steps, n = len(x), u1.shape[0]
    gates1, gates2 = np.empty((steps, 4 * n)), np.empty((steps, 4 * n))
    cells1, cells2 = np.zeros((steps + 1, n)), np.zeros((steps + 1, n))
    states1, states2 = np.zeros((steps + 1, n)), np.zeros((steps + 1, n))
    lstm_layer(x, w1, u1, b1, gates1, cells1, states1)
    lstm_layer(states1[1:], w2, u2, b2, gates2, cells2, states2)
    in_scores = product(states2[1:], v) + k
    for t in range(steps):
        largest = in_scores[t].max()
        total = 0.0
        for i in range(len(k)):
            in_scores[t, i] = math.exp(in_scores[t, i] - largest)
            total += in_scores[t, i]
        for i in range(len(k)):
            in_scores[t, i] = (in_scores[t, i] / total - y[t, i]) / steps
    in_gates2 = lstm_layer_reverse(u2, gates2, cells2, product(in_scores, v.T.copy()))
    in_gates1 = lstm_layer_reverse(u1, gates1, cells1, product(in_gates2, w2.T.copy()))
    return (
        (outer_sum(x, in_gates1), outer_sum(states1[:-1], in_gates1), in_gates1.sum(0)),
        (outer_sum(states1[1:], in_gates2), outer_sum(states2[:-1], in_gates2), in_gates2.sum(0)),
        (outer_sum(states2[1:], in_scores), in_scores.sum(0)),
    )


# -- gradient descent inside gradient descent --------------------------------------------------------------------------


@numba.njit
def best_forward(x: np.ndarray, rate: float, small: float) -> np.ndarray:
    """Gradient of ``payoff(x, best(x))``, with a tangent of y for each x along the inner loop."""
    n = len(x)
    sine, cosine = np.sin(x), np.cos(x)
    y, g, y_dot = np.zeros(n), np.empty(n), np.zeros((n, n))
    while True:
        size = 0.0
        for i in range(n):
            g[i] = 2 * y[i] + 0.4 * y[i] ** 3 - sine[i]
            size += g[i] * g[i]
        if size <= small:
            break
        for i in range(n):
            for d in range(n):
                y_dot[d, i] -= rate * ((2 + 1.2 * y[i] ** 2) * y_dot[d, i] - (cosine[i] if i == d else 0.0))
        for i in range(n):
            y[i] -= rate * g[i]
    result = np.empty(n)
    for d in range(n):
        result[d] = 2 * (x[d] - 1) + cosine[d] * y[d]
        for i in range(n):
            result[d] -= g[i] * y_dot[d, i]
    return result


@numba.njit
def best_reverse(x: np.ndarray, rate: float, small: float) -> np.ndarray:
    """The same gradient backwards through the inner loop, whose iterates are kept in storage that grows."""
    n = len(x)
    sine, cosine = np.sin(x), np.cos(x)
    y, g = np.zeros(n), np.empty(n)
    kept, count = np.empty((16, n)), 0
    while True:
        size = 0.0
        for i in range(n):
            g[i] = 2 * y[i] + 0.4 * y[i] ** 3 - sine[i]
            size += g[i] * g[i]
        if size <= small:
            break
        if count == len(kept):
            larger = np.empty((2 * count, n))
            larger[:count] = kept
            kept = larger
        kept[count] = y
        count += 1
        for i in range(n):
            y[i] -= rate * g[i]
    result, y_bar = np.empty(n), -g
    for i in range(n):
        result[i] = 2 * (x[i] - 1) + cosine[i] * y[i]
    for k in range(count - 1, -1, -1):
        for i in range(n):
            result[i] += rate * cosine[i] * y_bar[i]
            y_bar[i] *= 1 - rate * (2 + 1.2 * kept[k, i] ** 2)
    return result


@numba.njit
def nested(x: np.ndarray, reverse: bool, rate: float, small: float) -> np.ndarray:
    """Gradient descent in x of the payoff under the best y."""
    x = x.copy()
    while True:
        g = best_reverse(x, rate, small) if reverse else best_forward(x, rate, small)
        if (g * g).sum() <= small:
            return x
        x -= rate * g
