"""Sums of exponentials, and what is divided by them."""

from __future__ import annotations

from typing import Any

import scipy.special as sp

from functad import nn
from functad.numpy.dispatch import implements

__all__ = ["log_softmax", "logsumexp", "softmax"]

logsumexp = implements(sp.logsumexp)(nn.logsumexp)


@implements(sp.softmax)
def softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.softmax``: exponentials divided by their sum."""
    return nn.softmax(x, axis)


@implements(sp.log_softmax)
def log_softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.log_softmax``: the logarithm of ``softmax``, without its overflow."""
    return nn.log_softmax(x, axis)
