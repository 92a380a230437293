"""Compiled loops, branches and sequences, and their derivatives: a script for ``valgrind.py``.

Carries, temporaries and the memory of sequences are allocated by native code, so memcheck knows their bounds and what
has been written to.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

import functad as fd
from tests.lax.pairs import PAIRS

NAMES = ("scan", "scan_of_no_steps", "large_carry", "complex_while", "while_in_while", "switch")


def main() -> None:
    for name in NAMES:
        f, plain = PAIRS[name]
        for made, expected in ((f, plain(0.7)), (fd.grad(f), fd.grad(plain)(0.7))):
            np.testing.assert_allclose(fd.jit(made)(0.7), expected, rtol=1e-9)
    for name in ("while_in_scan", "loops_in_branches"):
        f, plain = PAIRS[name]
        points = np.array([0.7, 0.3, 1.1])
        np.testing.assert_allclose(fd.jit(fd.vmap(fd.grad(f)))(points), [fd.grad(plain)(x) for x in points], rtol=1e-9)
    update = fd.jit(
        fd.grad(lambda x: np.sum(fd.lax.fori_loop(1, 40, lambda i, v: v.at[i].set(np.sin(v[i - 1]) * x), np.ones(40))))
    )
    assert np.isfinite(update(0.7))
    print("done")


if __name__ == "__main__":
    main()
