"""``fd.nn``: activations against their definitions, masks, initialisers against JAX's draws, attention."""

from __future__ import annotations

import math

import numpy as np
import pytest

import functad as fd
from functad import nn
from functad.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError

X = np.array([-7.0, -4.0, -2.5, -0.5, -0.01, 0.01, 0.5, 2.5, 4.0, 7.3])
S = 1 / (1 + np.exp(-X))

ACTIVATIONS = {
    "identity": X,
    "tanh": np.tanh(X),
    "relu6": np.clip(X, 0, 6),
    "hard_tanh": np.clip(X, -1, 1),
    "hard_sigmoid": np.clip((X + 3) / 6, 0, 1),
    "hard_silu": X * np.clip((X + 3) / 6, 0, 1),
    "sparse_sigmoid": np.clip((X + 1) / 2, 0, 1),
    "sparse_plus": np.where(X < -1, 0, np.where(X > 1, X, (X + 1) ** 2 / 4)),
    "log_sigmoid": np.log(S),
    "soft_sign": X / (1 + abs(X)),
    "celu": np.where(X > 0, X, np.expm1(np.minimum(X, 0))),
    "selu": 1.0507009873554804935 * np.where(X > 0, X, 1.6732632423543772848 * np.expm1(np.minimum(X, 0))),
    "swish": X * S,
    "mish": X * np.tanh(np.log1p(np.exp(X))),
    "squareplus": (X + np.sqrt(X**2 + 4)) / 2,
    "glu": X[:5] / (1 + np.exp(-X[5:])),
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_their_definitions(name):
    f = getattr(nn, name)
    np.testing.assert_allclose(f(X), ACTIVATIONS[name], rtol=4e-15, atol=1e-16)
    np.testing.assert_allclose(fd.jit(f)(X), ACTIVATIONS[name], rtol=4e-15, atol=1e-16)
    h, t = 1e-6, np.cos(np.arange(len(X)))
    slope = fd.grad(lambda x: np.sum(np.sin(f(x))))(X) @ t
    found = (np.sum(np.sin(f(X + h * t))) - np.sum(np.sin(f(X - h * t)))) / (2 * h)
    assert slope == pytest.approx(found, rel=1e-8)
    assert f(np.float32([0.5, 0.25])).dtype == np.float32


def test_logarithms_of_complements():
    x = np.array([1e-300, 1e-9, 0.5, 3.0, 40.0, 700.0])
    expected = np.where(x < 0.7, np.log(-np.expm1(-x)), np.log1p(-np.exp(-np.maximum(x, 0.1))))
    np.testing.assert_allclose(fd.jit(nn.log1mexp)(x), expected, rtol=1e-14)
    np.testing.assert_allclose(fd.grad(lambda x: np.sum(nn.log1mexp(x)))(x), np.exp(-x) / -np.expm1(-x), rtol=1e-13)
    np.testing.assert_array_equal(fd.jit(nn.log1mexp)(np.array([0.0, np.inf, -1.0])), [-np.inf, 0.0, np.nan])


def test_ends_and_joints():
    ends = np.array([-np.inf, -1e300, 1e300, np.inf])
    for name in ("relu6", "hard_silu", "mish", "squareplus", "soft_sign", "sparse_plus", "log_sigmoid", "celu", "selu"):
        f = getattr(nn, name)
        assert not np.isnan(f(ends)).any(), name
        assert not np.isnan(fd.grad(lambda x: np.sum(np.where(np.isfinite(f(x)), f(x), 0)))(ends[1:3])).any(), name
    assert nn.squareplus(-1e200) == pytest.approx(1e-200, rel=1e-15)
    np.testing.assert_array_equal(fd.grad(lambda x: np.sum(nn.relu6(x)))(np.array([0.0, 6.0])), [0.0, 0.0])
    np.testing.assert_allclose(nn.celu(X, 0.5), np.where(X > 0, X, 0.5 * np.expm1(np.minimum(X, 0) / 0.5)), rtol=1e-15)
    np.testing.assert_allclose(nn.squareplus(X, b=1), (X + np.sqrt(X**2 + 1)) / 2, rtol=1e-14)
    np.testing.assert_array_equal(nn.leaky_relu(X, negative_slope=0.5), np.where(X > 0, X, 0.5 * X))
    assert fd.grad(fd.grad(nn.soft_sign))(0.5) == pytest.approx(-2 / 1.5**3, rel=1e-14)


def test_masks():
    x, m = np.cos(np.arange(15.0)).reshape(3, 5), np.arange(15).reshape(3, 5) % 4 != 1
    m[2] = False
    e = np.where(m, np.exp(x), 0)
    for axis in (0, 1, (0, 1)):
        total = e.sum(axis, keepdims=True)
        with np.errstate(all="ignore"):
            weights, logs = np.where(m, e / total, 0), np.log(total)
            means = np.log(total / np.sum(m, axis, keepdims=True))
        np.testing.assert_allclose(nn.softmax(x, axis, where=m), weights, rtol=1e-14)
        np.testing.assert_allclose(fd.jit(lambda x: nn.softmax(x, axis, where=m))(x), weights, rtol=1e-14)
        if axis != 1:
            np.testing.assert_allclose(nn.logsumexp(x, axis, where=m, keepdims=True), logs, rtol=1e-13)
            np.testing.assert_allclose(nn.logmeanexp(x, axis, where=m, keepdims=True), means, rtol=1e-12, atol=1e-15)
            found = np.exp(nn.log_softmax(x, axis, where=m))
            np.testing.assert_allclose(found, weights, rtol=1e-13)
    slope = fd.grad(lambda x: np.sum(nn.softmax(x, 1, where=m) ** 2))(x)
    assert not slope[~m].any() and slope[m].all()
    assert nn.logmeanexp(np.array([1000.0, 1000.0])) == 1000.0


def test_signs_of_weighted_sums():
    x, b = np.array([1000.0, 999.0]), np.array([1.0, -5.0])
    value, sign = nn.logsumexp(x, b=b, return_sign=True)
    assert (value, sign) == (pytest.approx(1000 + math.log(5 / math.e - 1), rel=1e-15), -1.0)
    assert nn.logsumexp(x, return_sign=True) == (pytest.approx(1000 + math.log1p(1 / math.e), rel=1e-15), 1.0)


def test_one_hot_along_an_axis():
    x = np.array([[1, 2], [0, 7]])
    np.testing.assert_array_equal(nn.one_hot(x, 3, axis=0), np.moveaxis(nn.one_hot(x, 3), -1, 0))
    assert nn.one_hot(x, 3, dtype=np.int32).dtype == np.int32


def test_standardize():
    x = np.cos(np.arange(12.0)).reshape(3, 4)
    whole = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(nn.standardize(x), whole, rtol=1e-13)
    m = x > 0
    mean = np.mean(x, 0, where=m, keepdims=True)
    some = (x - mean) / np.sqrt(np.var(x, 0, where=m, keepdims=True) + 1e-5)
    np.testing.assert_allclose(fd.jit(lambda x: nn.standardize(x, 0, where=m))(x), some, rtol=1e-12)
    np.testing.assert_allclose(nn.standardize(x, mean=1.0, variance=4.0, epsilon=0.0), (x - 1) / 2, rtol=1e-15)


DRAWS = [
    ("uniform", (0.1,), (2,), [0.0844106945082353, 0.004541258512665647]),
    ("normal", (0.1,), (2,), [0.10114813355590867, -0.16910609087906375]),
    ("truncated_normal", (0.1,), (2,), [0.09480578128259237, -0.15055105562914622]),
    ("glorot_uniform", (), (2, 3), [0.7539005440631843, -0.9959511259363589]),
    ("xavier_normal", (), (2, 3), [0.6816586133975493, -1.0824701029550439]),
    ("he_uniform", (), (2, 3), [1.192021424239897, -1.5747369980840458]),
    ("kaiming_normal", (), (2, 3), [1.077796902504212, -1.7115355121874505]),
    ("lecun_normal", (), (2, 3), [0.7621174985025846, -1.210238366909337]),
    ("lecun_uniform", (), (2, 3), [0.8428864323996775, -1.113507209930576]),
    ("orthogonal", (2.0,), (3, 2), [0.7816959547459739, -1.1429715191147138]),
    ("orthogonal", (1.0, 0), (2, 3), [0.39084797737298693, -0.29192083040651445]),
    ("variance_scaling", (2.0, "fan_geo_avg", "normal"), (2, 3), [0.9139765614251525, -1.5280460254095052]),
    (
        "variance_scaling", (2.0, "fan_out", "truncated_normal", 0, (1, 2)), (2, 3, 1),
        [0.8800174858291828, -1.3974628938374376],
    ),
]  # fmt: skip
"""The first two numbers that JAX 0.10.2 draws from ``jax.random.key(7)``, with x64 and partitionable Threefry."""


@pytest.mark.one_in(13)
@pytest.mark.parametrize(("name", "args", "shape", "first"), DRAWS)
def test_initializers_draw_what_jax_draws(name, args, shape, first):
    init = getattr(nn.initializers, name)(*args)
    weights = init(fd.random.key(7), shape)
    assert weights.shape == shape and weights.dtype == np.float64
    np.testing.assert_allclose(weights.ravel()[:2], first, rtol=1e-12)
    assert init(fd.random.key(7), shape, np.float32).dtype == np.float32


def test_initializers_of_fixed_values_and_orthogonal_ones():
    key, init = fd.random.key(0), nn.initializers
    assert init.zeros(key, (2, 3)).tolist() == [[0.0] * 3] * 2
    assert init.ones(key, (2,), np.float32).dtype == np.float32
    assert init.constant(0.5)(key, (2,)).tolist() == [0.5, 0.5]
    w = init.delta_orthogonal(2.0)(key, (5, 3, 2, 3))
    np.testing.assert_allclose(w[2, 1] @ w[2, 1].T, 4 * np.eye(2), atol=1e-14)
    assert np.count_nonzero(w) == 6
    q = init.orthogonal(column_axis=1)(key, (2, 4, 3))
    flat = np.moveaxis(q, 1, -1).reshape(6, 4)
    np.testing.assert_allclose(flat.T @ flat, np.eye(4), atol=1e-14)
    assert init.orthogonal()(key, (0, 2)).shape == (0, 2)


@pytest.mark.deep
def test_initializers_are_mapped():
    key, init = fd.random.key(0), nn.initializers
    drawn = fd.vmap(lambda k: init.he_normal()(k, (3, 2)))(fd.random.split(key, 4))
    np.testing.assert_array_equal(drawn[1], init.he_normal()(fd.random.split(key, 4)[1], (3, 2)))


def attention(q, k, v, counts=True, bias=0.0, scale=None):
    """One item of a batch, head by head."""
    out = np.zeros((*q.shape[:2], v.shape[-1]))
    for head in range(q.shape[1]):
        shared = head // (q.shape[1] // k.shape[1])
        logits = q[:, head] @ k[:, shared].T * (1 / np.sqrt(q.shape[-1]) if scale is None else scale)
        e = np.where(counts, np.exp(logits + (bias[head] if np.ndim(bias) else bias)), 0)
        total = e.sum(1, keepdims=True)
        out[:, head] = e @ v[:, shared] / np.where(total == 0, 1, total)
    return out


def test_attention():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(6, 4, 3)), rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 3))
    t, s = np.arange(6)[:, None], np.arange(5)
    bias = rng.normal(size=(4, 6, 5))
    f = nn.dot_product_attention
    for options, expected in [
        ({}, attention(q, k, v)),
        ({"bias": bias, "scale": 0.3}, attention(q, k, v, bias=bias, scale=0.3)),
        ({"is_causal": True}, attention(q, k, v, s <= t)),
        ({"local_window_size": (2, 0)}, attention(q, k, v, (s >= t - 2) & (s <= t))),
        ({"mask": (s > t)[None], "local_window_size": 3}, attention(q, k, v, (s > t) & (abs(s - t) <= 3))),
    ]:
        np.testing.assert_allclose(f(q, k, v, **options), expected, rtol=1e-12, atol=1e-14)
    two = [np.stack([a, a[::-1]]) for a in (q, k, v)]
    lengths = {"query_seq_lengths": np.array([6, 2]), "key_value_seq_lengths": np.array([5, 3])}
    second = attention(q[::-1], k[::-1], v[::-1], s < 3) * (t < 2)[:, :, None]
    np.testing.assert_allclose(f(*two, **lengths)[1], second, rtol=1e-12, atol=1e-14)
    slope = fd.grad(lambda q: np.sum(f(q, k, v, is_causal=True) ** 2))(q)
    h, d = 1e-6, np.cos(np.arange(72.0)).reshape(q.shape)
    value = lambda q: np.sum(attention(q, k, v, s <= t) ** 2)
    assert np.sum(slope * d) == pytest.approx((value(q + h * d) - value(q - h * d)) / (2 * h), rel=1e-7)


@pytest.mark.deep
def test_compiled_attention():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(2, 6, 4, 3)), rng.normal(size=(2, 5, 2, 3)), rng.normal(size=(2, 5, 2, 3))
    for options in ({}, {"is_causal": True}, {"query_seq_lengths": np.array([6, 2]), "local_window_size": 1}):
        f = lambda q: np.sum(nn.dot_product_attention(q, k, v, **options) ** 2)
        np.testing.assert_allclose(fd.jit(f)(q), f(q), rtol=1e-13)
        np.testing.assert_allclose(fd.jit(fd.grad(f))(q), fd.grad(f)(q), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "f", "message"),
    [
        (DtypeError, lambda: nn.relu6(np.ones(2) * 1j), "nn.relu6 at"),
        (ShapeError, lambda: nn.glu(np.ones(3)), "the axis 0 has 3 elements, and cannot be halved"),
        (AttributeError, lambda: nn.softminus, "module 'functad.nn' has no attribute 'softminus'"),
        (
            ArgumentError,
            lambda: nn.initializers.variance_scaling(1.0, "fan", "normal")(fd.random.key(0), (2, 2)),
            "mode='fan'; expected one of fan_in, fan_out, fan_avg, fan_geo_avg",
        ),
        (
            ArgumentError,
            lambda: nn.initializers.variance_scaling(1.0, "fan_in", "cauchy")(fd.random.key(0), (2, 2)),
            "distribution='cauchy'; expected one of truncated_normal, normal, uniform",
        ),
        (ShapeError, lambda: nn.initializers.he_normal()(fd.random.key(0), (3,)), "lack one of the axes in_axis=-2"),
        (ShapeError, lambda: nn.initializers.orthogonal()(fd.random.key(0), (3,)), "two axes or more, got (3,)"),
        (ShapeError, lambda: nn.initializers.delta_orthogonal()(fd.random.key(0), (3, 4, 2)), "no fewer outputs"),
        (
            ShapeError,
            lambda: nn.dot_product_attention(np.ones((3, 3, 2)), np.ones((3, 2, 2)), np.ones((3, 2, 2))),
            "where N is a multiple of K",
        ),
        (
            UnsupportedError,
            lambda: nn.dot_product_attention(*[np.ones((3, 1, 2))] * 3, implementation="cudnn"),
            "there is no implementation 'cudnn' on CPUs",
        ),
    ],
)
def test_wrong_arguments(kind, f, message):
    with pytest.raises(kind) as error:
        f()
    assert message in str(error.value)
