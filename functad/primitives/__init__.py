"""The primitives, one file a family. Importing this package declares them all."""

from functad.primitives import arithmetic as arithmetic
from functad.primitives import calls as calls
from functad.primitives import reductions as reductions
from functad.primitives import shapes as shapes
from functad.primitives import stops as stops
