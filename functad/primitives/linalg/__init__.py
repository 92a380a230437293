"""The primitives of linear algebra, one file a factorisation; importing this package declares them all.

It imports ``scipy.linalg``, so it is imported when linear algebra is first used.
"""

from functad.primitives.linalg import banded as banded
from functad.primitives.linalg import cholesky as cholesky
from functad.primitives.linalg import definite as definite
from functad.primitives.linalg import determinants as determinants
from functad.primitives.linalg import eigen as eigen
from functad.primitives.linalg import functions as functions
from functad.primitives.linalg import hermitian as hermitian
from functad.primitives.linalg import lu as lu
from functad.primitives.linalg import nonzero as nonzero
from functad.primitives.linalg import pseudoinverse as pseudoinverse
from functad.primitives.linalg import qr as qr
from functad.primitives.linalg import solving as solving
from functad.primitives.linalg import svd as svd
from functad.primitives.linalg import sylvester as sylvester
from functad.primitives.linalg import triangular as triangular
