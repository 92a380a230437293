"""What a type checker knows of transformed functions: mypy, on code as users write it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import functad as fd
from functad.api.jitted import Jitted

Array = NDArray[np.float64]


@fd.jit
def loss(w: Array, scale: float = 1.0) -> float:
    return float(np.sum(w**2)) * scale


@fd.jit(static_argnames="n")
def repeated(x: Array, n: int) -> Array:
    return np.repeat(x, n)


class Model:
    @fd.jit
    def predict(self, x: Array) -> Array:
        return x


x = np.ones(3)
assert_type(loss(x), float)
assert_type(loss(x, scale=2.0), float)
assert_type(repeated(x, n=2), Array)
assert_type(repeated(x, 2, out=np.ones(6)), Array)
assert_type(Model().predict(x), Array)
inner: Jitted[[Array, float], float] = loss
print(fd.jit(lambda x: x + 1)(2.0), loss.lower(x).kernel_ir)


def energy(w: Array, scale: float = 1.0) -> float:
    return float(np.sum(w**2)) * scale


@fd.custom_jvp
def squared(x: Array) -> Array:
    return x * x


squared.defjvp(lambda primals, tangents: (primals[0] ** 2, 2 * primals[0] * tangents[0]))
assert_type(squared(x), Array)
assert_type(fd.value_and_grad(energy)(x, scale=2.0), tuple[float, Any])
fd.grad(energy, argnums=(0, 1))(x, 2.0)
fd.jit(fd.grad(energy))(x, scale=2.0)
fd.hessian(energy)(x)
fd.vmap(energy, in_axes=(0, None))(np.ones((2, 3)), 1.0)
fd.grad(energy)(x, scales=2.0)  # an error
fd.value_and_grad(energy)("text")  # an error
fd.jit(fd.jacobian(energy))()  # an error
squared(x, x)  # an error
loss("text")  # an error
loss(x, scales=2.0)  # an error
Model().predict()  # an error
"""


@pytest.mark.deep
def test_transformed_functions_keep_their_signatures(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wrong = {int(line) for line in re.findall(r"user\.py:(\d+): error", done.stdout)}
    expected = {n for n, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# an error")}
    assert wrong == expected, done.stdout + done.stderr
