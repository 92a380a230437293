"""``numpy.linalg`` beyond products: systems, factorisations, eigenvalues, norms by singular values.

It imports SciPy, so it is imported when one of its functions is first used. ``FUNCTIONS`` are they, by NumPy's names.
"""

from typing import Any

from functad.numpy.linear import products, ranks, spectra, systems

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[str, Any] = {
    name: getattr(module, name) for module in (systems, spectra, ranks, products) for name in module.__all__
}
