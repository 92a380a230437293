"""Families of NumPy functions that are imported when one of them is first used: which module declares which.

This is the one list; a test holds it against what the modules declare. Names are NumPy's, without ``numpy.``. Of SciPy,
a package is a family.
"""

from __future__ import annotations

__all__ = ["FAMILIES", "MODULE_OF", "SCIPY"]

FAMILIES: dict[str, str] = {
    "functad.api.mapped": """
        apply_along_axis apply_over_axes fromfunction lib._function_base_impl.vectorize.__call__ piecewise
        vectorize
    """,
    "functad.numpy.bits": """
        packbits unpackbits
    """,
    "functad.numpy.concatenators": """
        c_ lib._index_tricks_impl.AxisConcatenator.__getitem__ r_
    """,
    "functad.numpy.correlations": """
        corrcoef cov
    """,
    "functad.numpy.fft": """
        fft.fft fft.fft2 fft.fftn fft.fftshift fft.hfft fft.ifft fft.ifft2 fft.ifftn fft.ifftshift fft.ihfft
        fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn
    """,
    "functad.numpy.histograms": """
        bincount histogram histogram2d histogram_bin_edges histogramdd
    """,
    "functad.numpy.index_arrays": """
        argwhere choose diag_indices_from flatnonzero ix_ put_along_axis ravel_multi_index tril_indices_from
        triu_indices_from unravel_index
    """,
    "functad.numpy.insertion": """
        delete insert resize trim_zeros
    """,
    "functad.numpy.interpolation": """
        interp
    """,
    "functad.numpy.nan_functions": """
        nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum nanvar
    """,
    "functad.numpy.polynomials": """
        poly polyadd polyder polydiv polyfit polyint polymul polysub polyval roots vander
    """,
    "functad.numpy.quantiles": """
        median nanmedian nanpercentile nanquantile percentile quantile
    """,
    "functad.numpy.questions": """
        common_type einsum_path
    """,
    "functad.numpy.representation": """
        bitwise_count frexp gcd iscomplex isneginf isposinf isreal lcm ldexp logaddexp2 nextafter real_if_close
        spacing
    """,
    "functad.numpy.series": """
        polynomial._polybase.ABCPolyBase.__call__ polynomial.chebyshev.chebder polynomial.chebyshev.chebint
        polynomial.chebyshev.chebval polynomial.hermite.hermder polynomial.hermite.hermint
        polynomial.hermite.hermval polynomial.hermite_e.hermeder polynomial.hermite_e.hermeint
        polynomial.hermite_e.hermeval polynomial.laguerre.lagder polynomial.laguerre.lagint
        polynomial.laguerre.lagval polynomial.legendre.legder polynomial.legendre.legint
        polynomial.legendre.legval polynomial.polynomial.polyder polynomial.polynomial.polyint
        polynomial.polynomial.polyval
    """,
    "functad.numpy.sets": """
        intersect1d isin setdiff1d setxor1d union1d unique unique_all unique_counts unique_inverse unique_values
    """,
    "functad.numpy.signal": """
        convolve correlate gradient lib.stride_tricks.sliding_window_view unwrap
    """,
    "functad.numpy.sorting": """
        argpartition argsort digitize lexsort partition searchsorted sort sort_complex
    """,
    "functad.numpy.ufunc_methods": """
        ufunc.accumulate ufunc.at ufunc.outer ufunc.reduce ufunc.reduceat
    """,
    "functad.numpy.windows": """
        i0 kaiser sinc
    """,
}
"""The names that each module declares."""

MODULE_OF: dict[str, str] = {name: module for module, names in FAMILIES.items() for name in names.split()}
"""The module that declares a name."""

SCIPY: dict[str, str] = {
    "scipy.fft": "functad.scipy.fft",
    "scipy.integrate": "functad.api.quadrature",
    "scipy.interpolate": "functad.scipy.interpolate",
    "scipy.linalg": "functad.scipy.linalg",
    "scipy.ndimage": "functad.scipy.ndimage",
    "scipy.optimize": "functad.api.solvers",
    "scipy.signal": "functad.scipy.signal",
    "scipy.special": "functad.scipy.special",
    "scipy.stats": "functad.scipy.stats",
}
"""The module that declares the functions of a package of SciPy."""
