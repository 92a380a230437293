"""Jitted functions in ``@njit`` code: `kinds` says what Numba is told of them, `table` what is compiled and when,
`text` is the code of a call, `intrinsics` what Python cannot say in it.
"""
