"""The fourth derivative of tanh at a number: straight-line code, called in less than CasADi's virtual machine takes."""

from __future__ import annotations

from collections.abc import Iterator

import casadi
import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare

__all__ = ["run"]

X = 0.3


def run(seconds: float) -> Iterator[Result]:
    """Against CasADi's two ways to call a function, and JAX."""
    ours = fd.jit(fd.grad(fd.grad(fd.grad(fd.grad(np.tanh)))))
    theirs = jax.jit(jax.grad(jax.grad(jax.grad(jax.grad(jnp.tanh)))))
    function = casadi_function()
    buffer, trigger = function.buffer()
    argument, result = np.array([X]), np.zeros(1)
    buffer.set_arg(0, memoryview(argument))
    buffer.set_res(0, memoryview(result))
    llvm = ours.lower(X).compile().llvm
    straight = not any(word in llvm for word in (" br ", "phi ", "switch "))
    # a caller of the buffers writes the argument and reads the result
    buffers = {"write": argument.__setitem__, "trigger": trigger, "read": result.item, "x": X}
    peers = [
        Contender("CasADi", "float(f(x))", {"f": function, "x": X}),
        Contender("CasADi, buffers", "(write(0, x), trigger(), read(0))[2]", buffers),
        Contender("JAX", "f(x)", {"f": theirs, "x": X}, ".block_until_ready()"),
    ]
    targets = {"CasADi": 1.0, "CasADi, buffers": 1.0}
    contender = Contender("functad", "f(x)", {"f": ours, "x": X})
    yield from compare(
        "4th derivative of tanh at a float", contender, peers, seconds, targets, facts={"straight-line code": straight}
    )


def casadi_function() -> casadi.Function:
    """The same derivative as CasADi's scalar expression graph."""
    x = casadi.SX.sym("x")
    y = casadi.tanh(x)
    for _ in range(4):
        y = casadi.jacobian(y, x)
    return casadi.Function("f", [x], [y])
