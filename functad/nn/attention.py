"""Attention, and what goes between layers."""

from __future__ import annotations

import math
from typing import Any

import functad.numpy as fnp
from functad.errors import ShapeError, UnsupportedError
from functad.nn.exponentials import softmax
from functad.nn.operands import floating
from functad.numpy.operands import as_array, shape_of
from functad.numpy.traced import here

__all__ = ["dot_product_attention", "standardize"]


def standardize(
    x: Any, axis: Any = -1, mean: Any = None, variance: Any = None, epsilon: Any = 1e-5, where: Any = None
) -> Any:
    """x less its mean over axes, divided by the root of its variance and ``epsilon``.

    Parameters
    ----------
    x
        An array.
    axis
        The axis, or axes.
    mean, variance
        In place of those of x, in a shape that broadcasts.
    epsilon
        What is added to the variance.
    where
        A mask of the elements that mean and variance are of.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.standardize(np.array([1.0, 2.0, 3.0]), epsilon=0.0)
    array([-1.22474487,  0.        ,  1.22474487])
    """
    y = floating(x, "standardize")
    options = {} if where is None else {"where": where}
    mean = fnp.mean(y, axis, keepdims=True, **options) if mean is None else mean
    centred = fnp.subtract(y, mean)
    if variance is None:
        variance = fnp.mean(fnp.square(centred), axis, keepdims=True, **options)
    return fnp.divide(centred, fnp.sqrt(fnp.add(variance, epsilon)))


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
    implementation: str | None = None,
) -> Any:
    """Values averaged with weights ``softmax(scale * query @ key + bias)``, head by head.

    Parameters
    ----------
    query
        Of shape (..., T, N, H): T places, N heads, H numbers.
    key, value
        Of shape (..., S, K, H). The N heads share K ones of these, of which N is a multiple.
    bias, mask
        What is added to the logits, and a mask of the places that count; they broadcast to (..., N, T, S).
    scale
        1 / sqrt(H), unless it is given.
    is_causal
        Whether a place sees only itself and those before it.
    query_seq_lengths, key_value_seq_lengths
        How many places count, an integer for each item of the batch. Results of others are 0.
    local_window_size
        How many places before and after itself a place sees: a number, or two.
    implementation
        Taken for the sake of JAX's signature: None or ``"xla"``.

    Returns
    -------
    array
        Of the shape of ``query``. 0 where no place counts.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = np.arange(6.0).reshape(3, 1, 2)
    >>> fd.nn.dot_product_attention(np.zeros((3, 1, 2)), x, x, is_causal=True)[:, 0]
    array([[0., 1.],
           [1., 2.],
           [2., 3.]])
    """
    q, k, v = [floating(a, "dot_product_attention") for a in (query, key, value)]
    _check(shape_of(q), shape_of(k), shape_of(v))
    if implementation not in (None, "xla"):
        raise UnsupportedError(
            f"nn.dot_product_attention{here()}: there is no implementation {implementation!r} on CPUs; leave it out"
        )
    t, n, h = shape_of(q)[-3:]
    s, shared = shape_of(k)[-3:-1]
    lead = shape_of(q)[:-3]
    grouped = fnp.reshape(q, (*lead, t, shared, n // shared, h))
    logits = fnp.einsum("...tkgh,...skh->...kgts", grouped, k)
    logits = fnp.multiply(logits, 1 / math.sqrt(h) if scale is None else scale)
    logits = fnp.reshape(logits, (*lead, n, t, s))
    if bias is not None:
        logits = fnp.add(logits, bias)
    counts = _counting(t, s, is_causal, local_window_size, key_value_seq_lengths, mask)
    weights = softmax(logits, where=None if counts is None else fnp.broadcast_to(counts, shape_of(logits)))
    weights = fnp.reshape(weights, (*lead, shared, n // shared, t, s))
    out = fnp.reshape(fnp.einsum("...kgts,...skh->...tkgh", weights, v), (*lead, t, n, shape_of(v)[-1]))
    if query_seq_lengths is not None:
        out = fnp.where(_below(t, query_seq_lengths)[..., :, None, None], out, 0)
    return out


def _check(q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> None:
    fits = len(q) >= 3 and len(q) == len(k) == len(v) and q[:-3] == k[:-3] == v[:-3] and q[-1] == k[-1]
    if not fits or k[:-1] != v[:-1] or not k[-2] or q[-2] % k[-2]:
        raise ShapeError(
            f"nn.dot_product_attention{here()}: query has the shape {q}, key {k}, value {v}; expected (..., T, N, H), "
            "(..., S, K, H) and (..., S, K, H), where N is a multiple of K"
        )


def _below(length: int, counts: Any) -> Any:
    """Which of so many places count, item by item of a batch."""
    numbers = as_array(counts, "dot_product_attention")
    return fnp.less(fnp.arange(length), fnp.reshape(numbers, (*shape_of(numbers), 1)))


def _counting(t: int, s: int, is_causal: bool, window: Any, lengths: Any, mask: Any) -> Any:
    """The mask of the places that count, from (..., N, T, S); None where all do."""
    found = [] if mask is None else [as_array(mask, "dot_product_attention")]
    places, others = fnp.arange(t)[:, None], fnp.arange(s)[None, :]
    if is_causal:
        found.append(fnp.less_equal(others, places))
    if window is not None:
        before, after = (window, window) if isinstance(window, int) else window
        found.append(
            fnp.logical_and(
                fnp.greater_equal(others, fnp.subtract(places, before)), fnp.less_equal(others, fnp.add(places, after))
            )
        )
    if lengths is not None:
        found.append(_below(s, lengths)[..., None, None, :])
    whole = found[0] if found else None
    for part in found[1:]:
        whole = fnp.logical_and(whole, part)
    return whole
