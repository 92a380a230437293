"""The programs of ``docs/examples`` give what is known by other means. (Their pages run them in full when the site is
built, and assert what they say.)
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import functad as fd

PROGRAMS = Path(__file__).parent.parent.parent / "docs" / "examples"


def program(name: str) -> ModuleType:
    """A program as a module."""
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
        assert found is not None and found.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_each_program_has_a_page_and_a_test() -> None:
    names = {path.stem for path in PROGRAMS.glob("*.py")}
    assert {path.stem for path in PROGRAMS.glob("*.md")} == names | {"index", "nist"}
    assert all(f'program("{name}")' in Path(__file__).read_text() for name in names)


def test_evidence_is_scipys_density_and_its_gradient_that_of_differences() -> None:
    gp = program("gaussian_process")
    t, co2 = (column[::4] for column in gp.load())
    y = co2 - np.mean(co2)
    value, gradient = gp.value_and_gradient(gp.START, t, y)
    np.testing.assert_allclose(value, -scipy.stats.multivariate_normal.logpdf(y, cov=gp.noisy(gp.START, t)), rtol=1e-8)
    steps = 1e-4 * np.eye(len(gp.START))
    expected = [(gp.cost(gp.START + s, t, y) - gp.cost(gp.START - s, t, y)) / 2e-4 for s in steps]
    # the covariance has a condition of 1e8, so the cost has errors of 1e-8, and differences of 1e-4
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-3)


def test_predictions_of_the_series() -> None:
    gp = program("gaussian_process")
    t, co2 = gp.load()
    seen = t < gp.LAST
    mean, deviation = gp.predict(gp.START, t[seen], co2[seen] - 340.0, t[~seen])
    error = co2[~seen] - 340.0 - mean
    assert np.sqrt(np.mean(error**2)) < 1.0
    assert np.mean(np.abs(error) < 2 * deviation) > 0.9


def test_digits_are_learnt() -> None:
    digits = program("digits")
    parameters, losses = digits.train("dense", epochs=30)
    assert losses[-1] < 0.02 < 1.0 < losses[0]
    assert digits.accuracy("dense", parameters) > 0.92


def test_the_convolutional_network_has_the_gradient_of_differences() -> None:
    digits = program("digits")
    images, labels = (a[:8] for a in digits.load())
    rng = np.random.default_rng(0)
    parameters = fd.tree_map(lambda p: p + 0.1 * rng.normal(size=p.shape), digits.convolutional_parameters())
    direction = fd.tree_map(lambda p: rng.normal(size=p.shape), parameters)

    def along(step):
        moved = fd.tree_map(lambda p, d: p + step * d, parameters, direction)
        return digits.loss(digits.convolutional, moved, images.astype(float), labels)

    np.testing.assert_allclose(fd.vjp(along, 0.0)[1](1.0)[0], (along(1e-6) - along(-1e-6)) / 2e-6, rtol=1e-6)


@pytest.mark.deep
def test_draws_are_those_of_the_posterior() -> None:
    tumours = program("bayesian_logistic")
    x, y, names = tumours.load()
    samples, taken, _ = tumours.sample(x, y)
    assert samples.shape == (4, 1000, len(names)) and np.all(taken > 0.6)
    assert np.max(tumours.r_hat(samples)) < 1.01
    mean, deviation = tumours.by_importance(x, y, 20_000)
    flat = samples.reshape(-1, len(names))
    # the errors of 4000 draws and of 20,000 weighted ones are 0.02 deviations each, or less
    np.testing.assert_array_less(np.abs(flat.mean(axis=0) - mean), 0.08 * deviation)
    np.testing.assert_allclose(flat.std(axis=0), deviation, rtol=0.08)


def test_the_pendulum_follows_the_equations_that_are_worked_out_by_hand() -> None:
    pendulum = program("double_pendulum")
    angles, speeds = np.random.default_rng(0).normal(size=(2, 2))
    np.testing.assert_allclose(
        pendulum.acceleration(angles, speeds), pendulum.by_hand(angles, speeds), rtol=1e-12, atol=1e-12
    )
    path = pendulum.path(np.array([1.0, 0.5]), np.zeros(2), 300)
    expected = scipy.integrate.solve_ivp(
        lambda t, s: np.concatenate([s[2:], pendulum.by_hand(s[:2], s[2:])]),
        (0.0, 3.0), [1.0, 0.5, 0.0, 0.0], method="DOP853", rtol=1e-11, atol=1e-11,
    )  # fmt: skip
    np.testing.assert_allclose(path[-1], expected.y[:2, -1], atol=1e-6)


@pytest.mark.deep
def test_the_pendulum_is_aimed_and_turns_over() -> None:
    pendulum = program("double_pendulum")
    rest, target = np.array([0.3, 0.3]), np.array([-0.5, -0.8])
    path = pendulum.path(rest, pendulum.push(rest, target), 100)
    np.testing.assert_allclose(path[-1], target, atol=1e-9)
    times = pendulum.flips(np.array([[0.1, 0.1], [3.0, 3.0]]), 5.0)
    assert times[0] >= 5.0 > times[1]


@pytest.mark.deep
def test_waves_find_what_is_inside() -> None:
    waves = program("wave_inversion")
    heard = waves.measure()
    plain = [waves.recording(waves.truth(), source) for source in waves.SOURCES[:1]]
    np.testing.assert_allclose(waves.recordings(waves.truth(), waves.SOURCES[:1]), plain, atol=1e-12)
    rng = np.random.default_rng(0)
    x, direction = 1 + 0.02 * rng.normal(size=1444), rng.normal(size=1444)
    _, gradient = waves.value_and_gradient(x, heard)
    ahead, behind = (waves.value_and_gradient(x + step * direction, heard)[0] for step in (1e-5, -1e-5))
    np.testing.assert_allclose(gradient @ direction, (ahead - behind) / 2e-5, rtol=1e-6)
    speed, _ = waves.invert(heard, evaluations=12)
    assert np.sqrt(np.mean((speed - waves.truth()) ** 2)) < 0.01
