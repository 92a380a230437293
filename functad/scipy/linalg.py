"""``scipy.linalg`` for traced values. Functions that are traced call SciPy's by their own names; every name that is not
defined here is SciPy's own.
"""

from typing import Any as _Any

import scipy.linalg as _sp

from functad.numpy.dispatch import named_after as _named_after
from functad.scipy.linear.factors import *
from functad.scipy.linear.special_matrices import *
from functad.scipy.linear.spectra import *
from functad.scipy.linear.systems import *
from functad.scipy.routines import refuse_others as _refuse_others

_named_after(globals())
_refuse_others(_sp)


def __getattr__(name: str) -> _Any:
    return getattr(_sp, name)
