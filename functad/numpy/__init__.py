"""NumPy's namespace for traced values.

Plain ``numpy`` functions work on traced values; these are the same functions, and in addition take lists of traced
values, and make traced arrays inside a trace. Every name that is not defined here is NumPy's own.
``families.py`` says what is imported when it is first used.

>>> import functad as fd, functad.numpy as fnp, numpy as np
>>> fd.grad(lambda x: fnp.sum(fnp.sin(x)))(np.zeros(2))
array([1., 1.])
"""

import sys as _sys
from typing import Any as _Any

import numpy as _np

from functad.numpy import copies as _copies  # noqa: F401  what twins call
from functad.numpy import linalg as linalg
from functad.numpy import python_math as _python_math  # noqa: F401
from functad.numpy import stand_ins as _stand_ins  # noqa: F401
from functad.numpy.contractions import *
from functad.numpy.conversion import *
from functad.numpy.creation import *
from functad.numpy.diagonals import *
from functad.numpy.dispatch import named_after as _named_after
from functad.numpy.dispatch import public as _public
from functad.numpy.einsums import *
from functad.numpy.indexing import *
from functad.numpy.joining import *
from functad.numpy.logic import *
from functad.numpy.methods import install
from functad.numpy.ragged.methods import install as _install_parts
from functad.numpy.reductions import *
from functad.numpy.shapes import *
from functad.numpy.statistics import *
from functad.numpy.ufuncs import *
from functad.numpy.updates import at as at

install(_sys.modules[__name__])
_install_parts()
_named_after(globals())


def __getattr__(name: str) -> _Any:
    found = globals()[name] = _public(name)
    return found


def __dir__() -> list[str]:
    return sorted({"at", *[name for name in dir(_np) if not name.startswith("_")]})
