"""Numbers as the text of Programs writes them, to the bit, and back.

scalar  = number [":" dtype]       2.0   0.5:f32   7:i32   True   (1-2j)
number  = what Python's ``repr`` gives: the shortest digits that mean this number
        | "nan(0x" digits ")"      a NaN other than ``np.nan``: its bits (those of extended precision are one)
        | "complex(" real ", " imaginary ")"   where ``repr`` does not tell the parts
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from functad.ir.types import dtype_name

__all__ = ["NUMBER", "array_of", "dtype_named", "format_elements", "format_scalar", "python_number", "scalar_of"]

_DEFAULT_DTYPES = frozenset(np.dtype(t) for t in (np.float64, np.int64, np.bool_, np.complex128))

_DTYPES = {dtype_name(d): d for d in [np.dtype(np.dtype(c).str) for c in "?bhilBHILefdgFDG"]}

_REAL = r"(?:nan\(0x[0-9a-f]+\)|inf|nan|\d+(?:\.\d*)?(?:e[-+]?\d+)?)"
_COMPLEX = rf"complex\([-+]?{_REAL}, [-+]?{_REAL}\)|\([-+]?{_REAL}[-+]{_REAL}j\)"
NUMBER = rf"(?:True|False|{_COMPLEX}|[-+]?{_REAL}j?)(?!\w)(?::[a-z]+\d*)?"
"""A regular expression of scalars."""

_BITS = re.compile(r"nan\(0x([0-9a-f]+)\)")
_PARTS = re.compile(rf"complex\(([-+]?{_REAL}), ([-+]?{_REAL})\)")


def format_scalar(value: np.generic, suffix: bool | None = None) -> str:
    """A NumPy scalar as text: ``2.0``, ``2.0:f32``, ``True``; with its dtype, unless that is float64, int64, bool or
    complex128, or as ``suffix`` says.
    """
    text = _number(value)
    return f"{text}:{dtype_name(value.dtype)}" if _suffixed(value.dtype, suffix) else text


def format_elements(array: np.ndarray) -> str:
    """The elements of an array, in C order."""
    return ", ".join([_number(x) for x in array.ravel()])


def _suffixed(dtype: np.dtype, suffix: bool | None) -> bool:
    return dtype not in _DEFAULT_DTYPES if suffix is None else suffix


def _number(value: np.generic) -> str:
    kind, size = value.dtype.kind, value.dtype.itemsize
    if kind == "f":
        return _real(value)
    if kind == "c":
        parts = [_real(value.real), _real(value.imag)]
        plain = size <= 16 and not any("(" in p for p in parts)
        return repr(value.item()) if plain else f"complex({', '.join(parts)})"
    return repr(value.item())


def _real(value: np.generic) -> str:
    if value.dtype.itemsize > 8:
        return str(value)
    if np.isnan(value) and value.tobytes() != value.dtype.type(np.nan).tobytes():
        return f"nan(0x{value.tobytes()[::-1].hex()})"
    return repr(value.item())


def dtype_named(name: str) -> np.dtype | None:
    """The dtype with a short name, if there is one."""
    return _DTYPES.get(name)


def scalar_of(text: str) -> np.generic:
    """The scalar of a text; raises ValueError where that is none.

    Examples
    --------
    >>> scalar_of("0.5:f32"), scalar_of("-3"), scalar_of("(1-0j)")
    (np.float32(0.5), np.int64(-3), np.complex128(1-0j))
    """
    number, _, name = text.partition(":")
    dtype = _DTYPES.get(name) if name else np.dtype(type(python_number(number)))
    if dtype is None:
        raise ValueError(f"there is no dtype {name}")
    return _scalar(number, dtype)


def array_of(numbers: Iterable[str], dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The array of the texts of its elements; raises ValueError where they do not fit."""
    return np.array([_scalar(x, dtype) for x in numbers], dtype).reshape(shape)


def python_number(text: str) -> bool | int | float | complex:
    """Python's number of a text without a dtype."""
    if text in ("True", "False"):
        return text == "True"
    if text.endswith(("j", "j)")) or text.startswith("complex("):
        return complex(_scalar(text, np.dtype(np.complex128)))  # type: ignore[arg-type]
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    return float(_scalar(text, np.dtype(np.float64)))  # type: ignore[arg-type]


def _scalar(text: str, dtype: np.dtype) -> np.generic:
    kind = dtype.kind
    if kind == "b":
        if text not in ("True", "False"):
            raise ValueError(f"{text} is neither True nor False")
        return np.bool_(text == "True")
    if kind in "iu":
        number, limits = int(text), np.iinfo(dtype)
        if not limits.min <= number <= limits.max:
            raise ValueError(f"{text} does not fit {dtype.name}")
        return dtype.type(number)  # type: ignore[no-any-return]
    if kind == "f":
        return _real_of(text, dtype)
    found = _PARTS.fullmatch(text)
    if found is None:
        return dtype.type(complex(text))  # type: ignore[no-any-return]
    part = np.empty(0, dtype).real.dtype
    return np.array([_real_of(x, part) for x in found.groups()], part).view(dtype)[0]  # type: ignore[no-any-return]


def _real_of(text: str, dtype: np.dtype) -> np.generic:
    bits = _BITS.fullmatch(text)
    if bits is None:
        with np.errstate(over="ignore"):
            return dtype.type(text)  # type: ignore[no-any-return]
    content = bytes.fromhex(bits[1])[::-1]
    if len(content) != dtype.itemsize or not np.isnan(value := np.frombuffer(content, dtype)[0]):
        raise ValueError(f"{text} is no NaN of {dtype.name}")
    return value  # type: ignore[no-any-return]
