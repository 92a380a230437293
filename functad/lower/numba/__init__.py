"""The Numba backend: kernels as Python source that people can read and Numba compiles."""
