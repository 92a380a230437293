"""Functions that printed modules contain where they use them: operations that Numba has not, or has otherwise.

Each is scalar code that Numba compiles, written after its NumPy meaning in ``kernel_ir.ops``. ``source_of`` gives the
text of one, with that of the others that it calls.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "INTRINSICS", "sources"]

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The functions by name."""


def _declare(function: Callable[..., Any]) -> Callable[..., Any]:
    FUNCTIONS[function.__name__] = function
    return function


# -- integers: by 0 gives 0, and nothing traps -------------------------------------------------------------------------


@_declare
def floor_divide(x: Any, y: Any) -> Any:
    if y == 0:
        return x * y
    if y + 1 == 0:  # the lowest integer by -1 is itself
        return x * y
    return x // y


@_declare
def remainder(x: Any, y: Any) -> Any:
    if y == 0 or y + 1 == 0:
        return x * 0
    return x % y


@_declare
def unsigned_floor_divide(x: Any, y: Any) -> Any:
    return x ^ x if y == 0 else x // y  # a literal 0 would make it a float


@_declare
def unsigned_remainder(x: Any, y: Any) -> Any:
    return x ^ x if y == 0 else x % y


@_declare
def truncated_remainder(x: Any, y: Any) -> Any:
    rest = remainder(x, y)
    if rest != 0 and (x < 0) != (y < 0):
        return rest - y
    return rest


@_declare
def integer_power(x: Any, n: Any, one: Any) -> Any:
    """By squaring; 0 for negative exponents."""
    if n < 0:
        return x ^ x
    total = one
    while n != n ^ n:
        if n & one:
            total *= x
        x *= x
        n >>= one
    return total


@_declare
def shift_left(x: Any, n: Any, bits: Any) -> Any:
    return x << n if n >= 0 and n < bits else x ^ x


@_declare
def shift_right(x: Any, n: Any, bits: Any) -> Any:
    return x >> (n if n >= 0 and n < bits else bits - 1)


@_declare
def shift_right_unsigned(x: Any, n: Any, bits: Any) -> Any:
    return x >> n if n >= 0 and n < bits else x ^ x


@_declare
def int64_of(x: Any) -> Any:
    """What processors give where a float is no int64."""
    return np.int64(x) if abs(x) < 9223372036854775808.0 else np.int64(-9223372036854775807 - 1)


@_declare
def sign(x: Any) -> Any:
    return x if x != x else int(x > 0) - int(x < 0)


# -- floats ------------------------------------------------------------------------------------------------------------


@_declare
def maximum(x: Any, y: Any) -> Any:
    return x if x > y or x != x else y


@_declare
def minimum(x: Any, y: Any) -> Any:
    return x if x < y or x != x else y


@_declare
def float_remainder(x: Any, y: Any) -> Any:
    rest = np.fmod(x, y)
    if rest == 0:
        return np.copysign(rest, y)
    return rest + y if (rest < 0) != (y < 0) and rest == rest else rest


@_declare
def float_floor_divide(x: Any, y: Any) -> Any:
    if y == 0:
        return x / y
    rest = np.fmod(x, y)
    whole = (x - rest) / y
    if rest != 0 and (rest < 0) != (y < 0) and rest == rest:
        whole -= 1
    whole = np.rint(whole)
    return np.copysign(whole, x / y) if whole == 0 else whole


@_declare
def sigmoid(x: Any) -> Any:
    e = np.exp(-abs(x))
    return (e if np.signbit(x) else e * 0 + 1) / (1 + e)


@_declare
def softplus(x: Any) -> Any:
    e = np.exp(-abs(x))
    return (x if x > 0 else e * 0) + np.log1p(e)


@_declare
def sigmoid_slope(x: Any) -> Any:
    e = np.exp(-abs(x))
    return e / ((1 + e) * (1 + e))


@_declare
def tanh_slope(x: Any) -> Any:
    e = np.exp(-2 * abs(x))
    return e / ((1 + e) * (1 + e)) * 4


@_declare
def tanh_half(x: Any) -> Any:
    return np.tanh(x * 0.5)


@_declare
def unit_x(x: Any, y: Any) -> Any:
    """x / hypot(x, y), by the quotient of the smaller by the larger."""
    if x == 0 and y == 0:
        return x
    steep = abs(x) < abs(y)
    larger, smaller = (y, x) if steep else (x, y)
    quotient = smaller / abs(larger)
    inverse = 1 / np.sqrt(1 + quotient * quotient)
    return quotient * inverse if steep else np.copysign(inverse, larger)


@_declare
def unit_y(x: Any, y: Any) -> Any:
    """y / hypot(x, y)."""
    if x == 0 and y == 0:
        return y
    steep = abs(x) < abs(y)
    larger, smaller = (y, x) if steep else (x, y)
    quotient = smaller / abs(larger)
    inverse = 1 / np.sqrt(1 + quotient * quotient)
    return np.copysign(inverse, larger) if steep else quotient * inverse


@_declare
def x_over_square(x: Any, y: Any) -> Any:
    """x / (x^2 + y^2), and 0 where an operand is infinite."""
    r = np.hypot(x, y)
    if np.isinf(r) and x == x and y == y:
        return np.copysign(0 / r, x)
    return unit_x(x, y) / r


@_declare
def y_over_square(x: Any, y: Any) -> Any:
    """y / (x^2 + y^2)."""
    r = np.hypot(x, y)
    if np.isinf(r) and x == x and y == y:
        return np.copysign(0 / r, y)
    return unit_y(x, y) / r


@_declare
def digamma(x: Any) -> Any:
    """By reflection, recurrence and the asymptotic series."""
    if x == 0:
        return np.copysign(np.inf, -x)
    value = 0.0
    if x < 0:
        rest = x - np.rint(x)
        if rest == 0:
            return np.nan
        value = -np.pi / np.tan(np.pi * rest)
        x = 1 - x
    while x < 10:
        value -= 1 / x
        x += 1
    square = 1 / (x * x)
    series = square * (1 / 240 - square * (1 / 132 - square * (691 / 32760 - square / 12)))
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - series)))
    return value + np.log(x) - 0.5 / x - series


# -- products of matrices, failures ------------------------------------------------------------------------------------


@_declare
def dot(x: Any, y: Any, out: Any) -> Any:
    """x @ y, into out; BLAS is given no empty matrices."""
    if x.shape[1] == 0:
        out[...] = 0
    elif out.size > 0:
        np.dot(x, y, out)


@_declare
def integer_dot(x: Any, y: Any, out: Any) -> Any:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 0
            for k in range(x.shape[1]):
                out[i, j] += x[i, k] * y[k, j]


@_declare
def fail(status: Any, code: Any, found: Any) -> Any:
    """Note an error: of several codes the smallest, of one code the first."""
    if status[0] == 0 or code < status[0]:
        status[0] = code
        status[1] = found


# -- the text ----------------------------------------------------------------------------------------------------------

INTRINSICS = {
    "plus": '''
@njit(fastmath={"reassoc", "nsz"})
def plus(total, x):
    """A sum whose order is free, as that of NumPy's is: so it is taken in vectors."""
    return total + x
''',
    "times": '''
@njit(fastmath={"reassoc"})
def times(total, x):
    """A product whose order is free."""
    return total * x
''',
    "fma": '''
@intrinsic
def fma(typingctx, x, y, z):
    """x * y + z, rounded once."""

    def code(context, builder, signature, args):
        return builder.fma(*args)

    return x(x, x, x), code
''',
}
"""What Python cannot say: flags of one operation, and instructions."""


@functools.cache
def _source(name: str) -> str:
    """The text of a function, without annotations, to be compiled by Numba."""
    lines = inspect.getsource(FUNCTIONS[name]).splitlines()
    head = re.sub(r": Any| -> Any", "", lines[1])
    return "\n".join(['@njit(error_model="numpy")', head, *lines[2:]])


def sources(names: Iterable[str]) -> list[str]:
    """The texts of some functions and of all that they call, in order of definition."""
    wanted, todo = set(names), list(names)
    while todo:
        name = todo.pop()
        if name in FUNCTIONS:
            called = set(re.findall(r"\b([a-z_0-9]+)\(", _source(name))) & {*FUNCTIONS, *INTRINSICS} - wanted
            wanted |= called
            todo += called
    return [*[t.strip() for n, t in INTRINSICS.items() if n in wanted], *[_source(n) for n in FUNCTIONS if n in wanted]]
