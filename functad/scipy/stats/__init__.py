"""``scipy.stats``' distributions for traced values.

Functions that are traced call them by SciPy's names: ``scipy.stats.norm.logpdf(x, mu, sigma)``, ``norm(mu,
sigma).cdf(x)``. Every name that is not defined here is SciPy's own.
"""

from __future__ import annotations

from typing import Any as _Any

import scipy.stats as _sp

from functad.scipy.stats.betas import *
from functad.scipy.stats.circular import *
from functad.scipy.stats.counts import *
from functad.scipy.stats.elementary import *
from functad.scipy.stats.extremes import *
from functad.scipy.stats.gammas import *
from functad.scipy.stats.kernel_density import *
from functad.scipy.stats.multivariate import *
from functad.scipy.stats.normal import *


def __getattr__(name: str) -> _Any:
    return getattr(_sp, name)
