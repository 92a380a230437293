"""Convolution layers: LeNet's, value and gradient, and those of ResNet-18, beside PyTorch and JAX on the CPU."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import functad as fd
from benchmarks.harness import Contender, Result, compare
from functad import nn

__all__ = ["run"]

BATCHES = 32, 128

RESNET = {
    "7 x 7, stride 2, 3 to 64": ((4, 3, 224, 224), (64, 3, 7, 7), 2, 3),
    "3 x 3, 64, 56 x 56": ((4, 64, 56, 56), (64, 64, 3, 3), 1, 1),
    "3 x 3, 128, 28 x 28": ((4, 128, 28, 28), (128, 128, 3, 3), 1, 1),
    "3 x 3, stride 2, 128 to 256": ((4, 128, 28, 28), (256, 128, 3, 3), 2, 1),
    "3 x 3, 512, 7 x 7": ((4, 512, 7, 7), (512, 512, 3, 3), 1, 1),
}
"""Shapes of arrays and kernels, strides and padding."""


def lenet(x: Any, kernels: Any) -> Any:
    """The convolutional part: 1 x 28 x 28 to 16 x 4 x 4."""
    for kernel in kernels:
        x = nn.max_pool(nn.relu(nn.conv(x, kernel)), 2)
    return x


def lenet_in_jax(x: Any, kernels: Any) -> Any:
    """The same."""
    for kernel in kernels:
        y = jax.nn.relu(jax.lax.conv(x, kernel, (1, 1), "VALID"))
        x = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return x


def lenet_in_torch(torch: Any, x: Any, kernels: Any) -> Any:
    """The same."""
    f = torch.nn.functional
    for kernel in kernels:
        x = f.max_pool2d(f.relu(f.conv2d(x, kernel)), 2)
    return x


def _torch() -> Any:
    """PyTorch, where it is installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def _in_torch(torch: Any, f: Any, arrays: list[np.ndarray], gradient: int) -> list[Contender]:
    """``f`` of tensors, or the gradient of the sum of its squares with respect to those from ``gradient`` on."""
    if torch is None:
        return []
    tensors = [torch.from_numpy(a) for a in arrays]

    def value() -> Any:
        with torch.no_grad():
            return f(*tensors).numpy()

    def gradients() -> Any:
        (f(*tensors) ** 2).sum().backward()
        found = [t.grad.numpy() for t in tensors[gradient:]]
        for t in tensors:
            t.grad = None
        return found

    for t in tensors[gradient:] if gradient >= 0 else []:
        t.requires_grad_()
    return [Contender("PyTorch", "f()", {"f": value if gradient < 0 else gradients})]


def run(seconds: float) -> Iterator[Result]:
    """In single precision."""
    torch, rng = _torch(), np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        made: np.ndarray = rng.normal(size=shape, scale=np.prod(shape[1:]) ** -0.5).astype(np.float32)
        return made

    targets = {"PyTorch": 1.0}
    for batch in BATCHES:
        x, kernels = array(batch, 1, 28, 28) * np.float32(28), [array(6, 1, 5, 5), array(16, 6, 5, 5)]
        for gradient in (False, True):
            if gradient:
                ours = fd.jit(fd.grad(lambda k, x: np.sum(lenet(x, k) ** 2)))
                jaxs = jax.jit(jax.grad(lambda k, x: jnp.sum(lenet_in_jax(x, k) ** 2)))
            else:
                ours = fd.jit(lambda k, x: lenet(x, k))
                jaxs = jax.jit(lambda k, x: lenet_in_jax(x, k))
            peers = _in_torch(torch, lambda x, *k: lenet_in_torch(torch, x, k), [x, *kernels], 1 if gradient else -1)
            there = {"f": jaxs, "k": jax.device_put(kernels), "x": jax.device_put(x)}
            peers.append(Contender("JAX", "jax.block_until_ready(f(k, x))", {**there, "jax": jax}))
            case = f"LeNet's layers, batch {batch}{', gradient' if gradient else ''}"
            here = Contender("functad", "f(k, x)", {"f": ours, "k": kernels, "x": x})
            yield from compare(case, here, peers, seconds, targets, tolerance=1e-3)
    for name, (shape, kernel, stride, padding) in RESNET.items():
        x, w = array(*shape), array(*kernel)
        for gradient in (False, True):
            f = lambda x, w, s=stride, p=padding: nn.conv(x, w, s, p)  # noqa: E731
            if gradient:
                ours = fd.jit(fd.grad(lambda x, w, f=f: np.sum(f(x, w) ** 2), argnums=(0, 1)))
            else:
                ours = fd.jit(f)
            peers = _in_torch(
                torch,
                lambda x, w, s=stride, p=padding: torch.nn.functional.conv2d(x, w, stride=s, padding=p),
                [x, w],
                0 if gradient else -1,
            )
            case = f"ResNet-18's {name}{', gradient' if gradient else ''}"
            here = Contender("functad", "f(x, w)", {"f": ours, "x": x, "w": w})
            yield from compare(case, here, peers, seconds, tolerance=1e-2)
