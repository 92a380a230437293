"""The primitives that functions of ``scipy.special`` alone are made of, one file a family; importing this package
declares them all.

It imports SciPy, so it is imported when ``scipy.special`` is first used with traced values.
"""

from functad.primitives.scipy_special import bessel as bessel
from functad.primitives.scipy_special import circular as circular
from functad.primitives.scipy_special import complex_bessel as complex_bessel
from functad.primitives.scipy_special import complex_error as complex_error
from functad.primitives.scipy_special import complex_gamma as complex_gamma
from functad.primitives.scipy_special import complex_integrals as complex_integrals
from functad.primitives.scipy_special import counts as counts
from functad.primitives.scipy_special import elliptic as elliptic
from functad.primitives.scipy_special import gamma as gamma
from functad.primitives.scipy_special import hypergeometric as hypergeometric
from functad.primitives.scipy_special import incomplete_beta as incomplete_beta
from functad.primitives.scipy_special import incomplete_gamma as incomplete_gamma
from functad.primitives.scipy_special import integrals as integrals
from functad.primitives.scipy_special import lambert as lambert
from functad.primitives.scipy_special import losses as losses
from functad.primitives.scipy_special import normal as normal
from functad.primitives.scipy_special import relative as relative
from functad.primitives.scipy_special import skewed as skewed
from functad.primitives.scipy_special import student as student
from functad.primitives.scipy_special import zeta as zeta
