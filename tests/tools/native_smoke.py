"""Emitted entries and drivers on arrays next to protected pages: a script for ``valgrind.py``, and for a plain run.

It prints "done", or ends with a segmentation fault. With the argument ``overrun`` it reads one element too many, to see
that this is noticed; with ``heap`` it does so in unprotected memory, where only valgrind notices.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from functad.lower.entry.make import make_entry
from functad.lower.entry.signature import Container, Leaf, Signature, Static
from tests.lower import drivers
from tests.tools.guard import guarded

F8 = np.dtype("float64")
FLOAT = Leaf("python_float", F8)


def slow_path(*args, **kwargs):
    return "slow"


def raise_error(code):
    raise ValueError(code)


def sum_scale_entry(n: int, sizes: int):
    """An entry for vectors of n elements, with a driver that takes them to have ``sizes``."""
    vector = Leaf("array", F8, (n,))
    signature = Signature((vector, FLOAT), Container("tuple", (FLOAT, vector)))
    return make_entry(signature, drivers.driver(drivers.SUM_SCALE, sizes=(sizes,)), slow_path, raise_error)


def sum_scale(n: int, sizes: int) -> None:
    entry = sum_scale_entry(n, sizes)
    for side in ("end", "start"):
        total, scaled = entry(guarded(np.arange(float(n)), side), 2.0)
        assert total == n * (n - 1) / 2 and scaled.tolist() == (2 * np.arange(float(n))).tolist()
    assert entry(guarded(np.zeros(n + 1)), 2.0) == "slow"


def containers() -> None:
    """Every kind of container and leaf, taken, refused and given."""
    vector, matrix = Leaf("array", np.dtype("float32"), (5,)), Leaf("array", np.dtype("complex128"), (2, 3))
    scalar, integer = Leaf("numpy_scalar", np.dtype("int16")), Leaf("python_int", np.dtype("int64"))
    inner = Container("list", (matrix, scalar, Container("tuple", (integer, Static(None)))))
    spec = Container("dict", (vector, inner, FLOAT), ("v", "inner", "x"))
    signature = Signature((spec,), spec)
    entry = make_entry(signature, drivers.identity(signature), slow_path, raise_error)
    value = {
        "x": 1.5,
        "v": guarded(np.arange(5, dtype="float32")),
        "inner": [guarded(np.ones((2, 3), complex), "start"), np.int16(7), (12, None)],
    }
    result = entry(value)
    assert np.array_equal(result["v"], value["v"]) and np.array_equal(result["inner"][0], value["inner"][0])
    assert result["inner"][1:] == [7, (12, None)] and result["x"] == 1.5
    assert (
        entry({"v": 0})
        == entry(value, value)
        == entry(value=value)
        == entry({**value, "v": value["inner"][0]})
        == "slow"
    )


def errors() -> None:
    """Error codes, with results already allocated."""
    vector = Leaf("array", F8, (7,))
    signature = Signature(
        (Leaf("python_int", np.dtype("int64")), Container("list", (vector,))), Container("tuple", (vector, FLOAT))
    )
    entry = make_entry(signature, drivers.driver(drivers.FAIL), slow_path, raise_error)
    for code in (1, 2):
        try:
            entry(code, [guarded(np.zeros(7))])
        except ValueError as error:
            assert error.args == (code,)


def main() -> None:
    if "overrun" in sys.argv:
        sum_scale(600, 601)
    if "heap" in sys.argv:
        sum_scale_entry(600, 601)(np.zeros(600), 2.0)
    for n in (0, 1, 3, 512, 513):
        sum_scale(n, n)
    containers()
    errors()
    print("done")


if __name__ == "__main__":
    main()
