"""All NIST sets, from their second starting point, reach the certified values."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import functad as fd
from functad.examples.nist import MODELS, fit, load, residual_function


def agrees(value: object, certified: object, digits: int) -> bool:
    """Whether values agree with certified ones to a number of significant digits."""
    return bool(np.all(np.abs(np.asarray(value) - certified) <= 0.5 * 10.0 ** (1 - digits) * np.abs(certified)))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_fit_reaches_the_certified_values(name: str) -> None:
    data = load(name)
    result = fit(data)
    assert agrees(result.parameters, data.parameters, 6)
    assert agrees(result.deviations, data.deviations, 6)
    # Lanczos3 is generated data rounded to five digits: its residuals are rounding errors of y
    assert agrees(result.residual_sum, data.residual_sum, 4 if name == "Lanczos3" else 6)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_compiled_jacobian_is_the_complex_step(name: str) -> None:
    data = load(name)
    residuals, b = residual_function(data), data.starts[1]
    steps = 1e-30 * np.maximum(np.abs(b), 1e-10)
    expected = np.stack([np.imag(residuals(b + 1j * np.diag(steps)[i])) / steps[i] for i in range(len(b))], axis=1)
    found = fd.jit(fd.jacobian(residuals))(b)
    # rounding in the model itself bounds the agreement: about 1e3 ulp of each column's largest entry
    assert np.all(np.abs(found - expected) <= 1e-12 * np.max(np.abs(expected), axis=0))


def test_main_job_runs_and_reads_well() -> None:
    out = subprocess.run([sys.executable, "-m", "functad"], capture_output=True, text=True, check=True).stdout
    for text in (
        "Misra1a",
        "Thurber",
        "certified",
        "lambda",
        "RSS",
        "Hessian",
        "Jacobian, functad (exact)",
        "ms; then one call takes",
    ):
        assert text in out
