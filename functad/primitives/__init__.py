"""The primitives, one file a family. Importing this package declares them all."""

from functad.primitives import arithmetic as arithmetic
from functad.primitives import bitwise as bitwise
from functad.primitives import calls as calls
from functad.primitives import comparison as comparison
from functad.primitives import complex as complex
from functad.primitives import contractions as contractions
from functad.primitives import convert as convert
from functad.primitives import cumulative as cumulative
from functad.primitives import exponential as exponential
from functad.primitives import generate as generate
from functad.primitives import hyperbolic as hyperbolic
from functad.primitives import indexing as indexing
from functad.primitives import joining as joining
from functad.primitives import powers as powers
from functad.primitives import reductions as reductions
from functad.primitives import rounding as rounding
from functad.primitives import scatter as scatter
from functad.primitives import selection as selection
from functad.primitives import shapes as shapes
from functad.primitives import slicing as slicing
from functad.primitives import special as special
from functad.primitives import stops as stops
from functad.primitives import trigonometric as trigonometric
