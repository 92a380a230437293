"""SciPy's functions for traced values, in modules of the same names."""
