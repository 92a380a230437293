"""The primitives, one file a family. Importing this package declares them all, but those of ``primitives.linalg``: they
need SciPy, and are declared when linear algebra is first used.
"""

from functad.core.primitive import REGISTRY
from functad.primitives import arithmetic as arithmetic
from functad.primitives import bessel as bessel
from functad.primitives import beta as beta
from functad.primitives import bitwise as bitwise
from functad.primitives import broadcasting as broadcasting
from functad.primitives import callback as callback
from functad.primitives import calls as calls
from functad.primitives import checkpointed_while as checkpointed_while
from functad.primitives import comparison as comparison
from functad.primitives import complex as complex
from functad.primitives import cond as cond
from functad.primitives import contractions as contractions
from functad.primitives import conv as conv
from functad.primitives import convert as convert
from functad.primitives import convolution as convolution
from functad.primitives import cumulative as cumulative
from functad.primitives import custom_jvp as custom_jvp
from functad.primitives import custom_vjp as custom_vjp
from functad.primitives import entropy as entropy
from functad.primitives import exponential as exponential
from functad.primitives import fourier as fourier
from functad.primitives import gather as gather
from functad.primitives import generate as generate
from functad.primitives import hyperbolic as hyperbolic
from functad.primitives import indexing as indexing
from functad.primitives import inverse_error as inverse_error
from functad.primitives import joining as joining
from functad.primitives import lengths as lengths
from functad.primitives import loop as loop
from functad.primitives import norms as norms
from functad.primitives import powers as powers
from functad.primitives import recurrences as recurrences
from functad.primitives import reductions as reductions
from functad.primitives import remat as remat
from functad.primitives import representation as representation
from functad.primitives import reversible as reversible
from functad.primitives import rounding as rounding
from functad.primitives import scatter as scatter
from functad.primitives import selection as selection
from functad.primitives import sequences as sequences
from functad.primitives import shapes as shapes
from functad.primitives import slicing as slicing
from functad.primitives import softmax as softmax
from functad.primitives import sorting as sorting
from functad.primitives import special as special
from functad.primitives import stops as stops
from functad.primitives import trigonometric as trigonometric
from functad.primitives import while_loop as while_loop

ALWAYS = frozenset(REGISTRY)
"""The primitives that are there from the start; others come with what is imported when it is used."""
