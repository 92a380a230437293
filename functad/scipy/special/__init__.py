"""``scipy.special`` for traced values, one file a family.

SciPy's own names work on traced values as they are (``scipy.special.erf(x)``, ``scipy.special.logsumexp(x)``), and are
here, too. Every name that is not defined here is SciPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from functad.numpy.dispatch import TABLE, named_after, register
from functad.scipy.special import (
    bessel,
    gamma_family,
    incomplete,
    integrals,
    lambert,
    logarithms,
    normal,
    student,
    sums,
)
from functad.scipy.special.bessel import *  # noqa: F403
from functad.scipy.special.gamma_family import *  # noqa: F403
from functad.scipy.special.incomplete import *  # noqa: F403
from functad.scipy.special.integrals import *  # noqa: F403
from functad.scipy.special.lambert import *  # noqa: F403
from functad.scipy.special.logarithms import *  # noqa: F403
from functad.scipy.special.normal import *  # noqa: F403
from functad.scipy.special.student import *  # noqa: F403
from functad.scipy.special.sums import *  # noqa: F403

__all__ = sorted(
    [
        name
        for family in (bessel, gamma_family, incomplete, integrals, lambert, logarithms, normal, student, sums)
        for name in family.__all__
    ]
)

# functions that NumPy has too
for _name in ("cbrt", "exp2", "expm1", "log1p"):
    register(getattr(sp, _name), TABLE[getattr(np, _name)])

named_after({"__name__": __name__, **{name: globals()[name] for name in __all__}})


def __getattr__(name: str) -> Any:
    return getattr(sp, name)
