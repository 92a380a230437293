"""Student's distribution."""

from __future__ import annotations

import scipy.special as sp

from functad.primitives.scipy_special import student
from functad.scipy.special.declaring import real

__all__ = ["stdtr", "stdtrit"]

stdtr = real(sp.stdtr, student.stdtr)
stdtrit = real(sp.stdtrit, student.stdtrit)
