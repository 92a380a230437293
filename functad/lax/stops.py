"""``stop_gradient``."""

from __future__ import annotations

from typing import Any

from functad.core.tracer import Tracer
from functad.lax.bodies import leaves_and_tree, wrap
from functad.primitives.stops import stop_gradient as strict_stop

__all__ = ["stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The value of ``x`` (a container of arrays) with a derivative of zero, in forward and reverse mode.

    Examples
    --------
    >>> import functad as fd
    >>> fd.grad(lambda x: x * fd.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    leaves, structure = leaves_and_tree(x, "the argument of stop_gradient")
    return wrap(
        [strict_stop(leaf.value) if type(leaf.value) is Tracer else leaf.value.copy() for leaf in leaves], structure
    )
