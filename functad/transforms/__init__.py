"""Drivers of the transforms: jvp, linearize, transpose, vmap; the rules themselves are on the primitives."""
