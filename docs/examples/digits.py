"""Handwritten digits, 8 by 8 pixels, read by a fully connected and by a convolutional network.

The data are 1797 images of the NIST's forms, as scikit-learn has them (E. Alpaydin, C. Kaynak, Optical Recognition of
Handwritten Digits, UCI Machine Learning Repository, doi 10.24432/C50P49; licence CC BY 4.0).
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

import functad as fd
from functad import nn, random

TRAINED, BATCH = 1280, 64
"""The first images are for training, the others for testing."""


def load() -> tuple[np.ndarray, np.ndarray]:
    """Images with pixels from 0 to 1 in single precision, and labels."""
    with np.load(Path(__file__).parent / "data" / "digits.npz") as file:
        return file["images"].astype(np.float32) / np.float32(16), file["labels"].astype(np.int64)


# -- two networks ------------------------------------------------------------------------------------------------------


def normal(rng, *shape, fan_in):
    return rng.normal(size=shape, scale=np.sqrt(2 / fan_in)).astype(np.float32)


def dense_parameters(seed=0):
    """64 pixels, 64 and 32 hidden units, 10 classes."""
    rng, sizes = np.random.default_rng(seed), (64, 64, 32, 10)
    return [{"w": normal(rng, m, n, fan_in=m), "b": np.zeros(n, np.float32)} for m, n in itertools.pairwise(sizes)]


def dense(layers, images):
    """Scores of the classes."""
    x = images.reshape(len(images), 64)
    for i, layer in enumerate(layers):
        x = x @ layer["w"] + layer["b"]
        if i < len(layers) - 1:
            x = np.maximum(x, 0)
    return x


def convolutional_parameters(seed=0):
    """Sixteen and 32 features of 3 by 3 pixels, then 10 classes."""
    rng = np.random.default_rng(seed)
    return {
        "kernels": [normal(rng, 16, 1, 3, 3, fan_in=9), normal(rng, 32, 16, 3, 3, fan_in=144)],
        "offsets": [np.zeros((16, 1, 1), np.float32), np.zeros((32, 1, 1), np.float32)],
        "w": normal(rng, 128, 10, fan_in=128),
        "b": np.zeros(10, np.float32),
    }


def convolutional(p, images):
    """Scores of the classes."""
    x = images[:, None]
    for kernel, offset in zip(p["kernels"], p["offsets"], strict=True):
        x = nn.conv(x, kernel, padding="SAME") + offset
        x = nn.max_pool(np.maximum(x, 0), 2)
    return x.reshape(len(x), 128) @ p["w"] + p["b"]


NETWORKS = {"dense": (dense, dense_parameters, 0), "convolutional": (convolutional, convolutional_parameters, 1)}
"""Each with its parameters, and by how many pixels images are moved in training."""


# -- training ----------------------------------------------------------------------------------------------------------


def loss(network, parameters, images, labels):
    """Mean cross-entropy."""
    scores = network(parameters, images)
    return np.mean(nn.logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels])


def adam(state, slope, rate):
    """A step of the optimiser of D. P. Kingma and J. Ba (2015)."""
    parameters, mean, square, count = state
    count = count + 1
    mean = fd.tree_map(lambda m, g: m + np.float32(0.1) * (g - m), mean, slope)
    square = fd.tree_map(lambda s, g: s + np.float32(0.001) * (g * g - s), square, slope)
    size = rate * np.sqrt(1 - np.float32(0.999) ** count) / (1 - np.float32(0.9) ** count)

    def moved(p, m, s):
        return p - size * m / (np.sqrt(s) + np.float32(1e-8))

    return fd.tree_map(moved, parameters, mean, square), mean, square, count


def epoch(network, state, images, labels, order, rate, reach, key):
    """All batches once, in the given order, and the mean of the losses."""
    total = np.float32(0)
    batches = order.reshape(-1, BATCH)
    for i, batch in enumerate(batches):
        x = images[batch]
        if reach > 0:
            x = np.roll(x, random.integers(random.fold_in(key, i), -reach, reach + 1, (2,)), axis=(1, 2))
        value, slope = fd.value_and_grad(loss, argnums=1)(network, state[0], x, labels[batch])
        state = adam(state, slope, rate)
        total += value
    return state, total / len(batches)


fast_epoch = fd.jit(epoch)
"""All of it, the loop over batches included, in one native function."""


def start(parameters):
    """The state of the optimiser before the first step."""
    zeros = fd.tree_map(np.zeros_like, parameters)
    return parameters, zeros, zeros, np.float32(0)


def train(name: str, epochs: int = 40, seed: int = 0) -> tuple[object, list[float]]:
    """Parameters of a network, and the loss of each epoch."""
    network, initial, reach = NETWORKS[name]
    images, labels = load()
    rng = np.random.default_rng(seed)
    state, losses = start(initial(seed)), []
    for i in range(epochs):
        rate = np.float32(3e-3 if 3 * i < 2 * epochs else 5e-4)
        key = random.fold_in(random.key(seed), i)
        state, value = fast_epoch(network, state, images, labels, rng.permutation(TRAINED), rate, reach, key)
        losses.append(float(value))
    return state[0], losses


def accuracy(name: str, parameters: object) -> float:
    """Of the images that were not trained with."""
    images, labels = load()
    scores = NETWORKS[name][0](parameters, images[TRAINED:])
    return float(np.mean(np.argmax(scores, axis=1) == labels[TRAINED:]))


def main() -> None:
    """Train both."""
    for name in NETWORKS:
        parameters, losses = train(name)
        print(
            f"{name}: loss {losses[0]:.2f}, then {losses[-1]:.4f}; {accuracy(name, parameters):.1%} of the others read"
        )


if __name__ == "__main__":
    main()
