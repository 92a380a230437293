"""Native functions that compiled code calls and does not contain: BLAS, libm, callbacks, blocks on threads."""
