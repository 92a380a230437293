"""``stop_gradient``: the identity, with a derivative of zero."""

from __future__ import annotations

from functad.primitives.elementwise import elementwise

__all__ = ["stop_gradient"]

stop_gradient = elementwise("stop_gradient", lambda x: x, kinds="fciub", kernel=lambda b, x: x, smooth=False)
