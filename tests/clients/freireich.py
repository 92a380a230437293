"""Weeks in remission of 42 children with leukaemia, 21 of them treated with 6-mercaptopurine; the last observation of
those still in remission is censored.

E. J. Freireich et al., *The effect of 6-mercaptopurine on the duration of steroid-induced remissions in acute
leukemia*, Blood 21 (1963), 699-716; the data are those that D. R. Cox and D. Oakes print in *Analysis of Survival Data*
(1984), and R's package MASS has as ``gehan``.
"""

from __future__ import annotations

import numpy as np

from tests.clients.survival import Observations

TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
CONTROL = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def observations() -> Observations:
    """All subjects: the treated ones first."""
    texts = [*TREATED.split(), *CONTROL.split()]
    return Observations(
        time=np.array([float(s.removesuffix("+")) for s in texts]),
        seen=np.array([not s.endswith("+") for s in texts]),
        treated=np.repeat([1.0, 0.0], 21),
    )
