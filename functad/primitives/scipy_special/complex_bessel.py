"""Bessel, Hankel, Airy and hypergeometric functions of complex numbers: derivatives are those of neighbouring orders
or parameters, as of real numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.primitives.arithmetic import add, div, mul, sub
from functad.primitives.elementwise import Op
from functad.primitives.scipy_special.holomorphic import holomorphic

__all__ = [
    "ai", "aip", "bi", "bip", "hankel1", "hankel1e", "hankel2", "hankel2e", "hyp0f1", "hyp1f1", "hyp2f1", "iv", "jv",
    "kv", "kve", "yv",
]  # fmt: skip


def _neighbours(f: Callable[[], Op], combine: Any, factor: float, own: complex = 0) -> Callable[..., Any]:
    """``factor`` times the sum or difference of the orders beside v, and ``own`` times the function itself."""

    def slope(t: Any, y: Any, v: Any, z: Any) -> Any:
        beside = mul(combine(f()(sub(v, 1), z), f()(add(v, 1), z)), factor)
        return mul(t, add(beside, mul(y, own)) if own else beside)

    return slope


def _of_order(name: str, slope: Callable[..., Any]) -> Op:
    return holomorphic(name, slope, parameters="v")


jv: Op = _of_order("jv", _neighbours(lambda: jv, sub, 0.5))
yv: Op = _of_order("yv", _neighbours(lambda: yv, sub, 0.5))
iv: Op = _of_order("iv", _neighbours(lambda: iv, add, 0.5))
kv: Op = _of_order("kv", _neighbours(lambda: kv, add, -0.5))
kve: Op = _of_order("kve", _neighbours(lambda: kve, add, -0.5, 1))
hankel1: Op = _of_order("hankel1", _neighbours(lambda: hankel1, sub, 0.5))
hankel2: Op = _of_order("hankel2", _neighbours(lambda: hankel2, sub, 0.5))
hankel1e: Op = _of_order("hankel1e", _neighbours(lambda: hankel1e, sub, 0.5, -1j))
hankel2e: Op = _of_order("hankel2e", _neighbours(lambda: hankel2e, sub, 0.5, 1j))


def _airy(result: int, slope: Callable[..., Any], name: str) -> Op:
    return holomorphic("airy", slope, result=result, results=4, as_name=name)


ai: Op = _airy(0, lambda t, y, z: mul(t, aip(z)), "airy_ai")
aip: Op = _airy(1, lambda t, y, z: mul(t, mul(z, ai(z))), "airy_aip")
bi: Op = _airy(2, lambda t, y, z: mul(t, bip(z)), "airy_bi")
bip: Op = _airy(3, lambda t, y, z: mul(t, mul(z, bi(z))), "airy_bip")


def _of_confluent(t: Any, y: Any, a: Any, b: Any, z: Any) -> Any:
    return mul(t, mul(div(a, b), hyp1f1(add(a, 1), add(b, 1), z)))


def _of_gauss(t: Any, y: Any, a: Any, b: Any, c: Any, z: Any) -> Any:
    return mul(t, mul(div(mul(a, b), c), hyp2f1(add(a, 1), add(b, 1), add(c, 1), z)))


hyp0f1: Op = holomorphic("hyp0f1", lambda t, y, v, z: mul(t, div(hyp0f1(add(v, 1), z), v)), parameters="v")
hyp1f1: Op = holomorphic("hyp1f1", _of_confluent, parameters="a b")
hyp2f1: Op = holomorphic("hyp2f1", _of_gauss, parameters="a b c", low=0.1, high=0.5)
