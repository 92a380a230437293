"""Integer polynomials in the run-time sizes: extents of loops, strides and offsets of memory accesses."""

from __future__ import annotations

from collections.abc import Sequence

from functad.ir.types import Symbol

__all__ = ["Extent", "Poly", "never_negative", "poly", "product"]

Monomial = tuple[int, ...]  # sorted indices of the symbols that are multiplied


class Poly:
    """A polynomial with integer coefficients in size symbols, in normal form: equal polynomials compare equal.

    Examples
    --------
    >>> n, m = poly(Symbol(0)), poly(Symbol(1))
    >>> n * m - 1
    n0*n1 - 1
    >>> (n + 2).evaluate([5])
    7
    """

    __slots__ = ("terms",)

    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: dict[Monomial, int]) -> None:
        self.terms = tuple(sorted(((m, c) for m, c in terms.items() if c), key=lambda t: (-len(t[0]), t[0])))

    @property
    def constant(self) -> int | None:
        """The value if it depends on no symbol, else None."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and self.terms[0][0] == ():
            return self.terms[0][1]
        return None

    @property
    def degree(self) -> int:
        """How many sizes are multiplied, at most."""
        return max((len(monomial) for monomial, _ in self.terms), default=0)

    def evaluate(self, symbols: Sequence[int]) -> int:
        """The value at given values of the symbols."""
        total = 0
        for monomial, coefficient in self.terms:
            for index in monomial:
                coefficient *= symbols[index]
            total += coefficient
        return total

    def __add__(self, other: Extent) -> Poly:
        terms = dict(self.terms)
        for monomial, coefficient in poly(other).terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Poly(terms)

    def __neg__(self) -> Poly:
        return Poly({m: -c for m, c in self.terms})

    def __sub__(self, other: Extent) -> Poly:
        return self + (-poly(other))

    def __mul__(self, other: Extent) -> Poly:
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in poly(other).terms:
                key = tuple(sorted(m1 + m2))
                terms[key] = terms.get(key, 0) + c1 * c2
        return Poly(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | Symbol):
            other = poly(other)
        return isinstance(other, Poly) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.terms)

    def __repr__(self) -> str:
        if not self.terms:
            return "0"
        text = ""
        for monomial, coefficient in self.terms:
            names = "*".join(f"n{i}" for i in monomial)
            magnitude = abs(coefficient)
            part = str(magnitude) if not names else names if magnitude == 1 else f"{magnitude}*{names}"
            sign = "-" if coefficient < 0 else "+"
            text += (f" {sign} {part}") if text else (f"-{part}" if coefficient < 0 else part)
        return text


Extent = int | Symbol | Poly


def poly(value: Extent) -> Poly:
    """A size as a polynomial."""
    if isinstance(value, Poly):
        return value
    if isinstance(value, Symbol):
        return Poly({(value.index,): 1})
    return Poly({(): int(value)})


def product(extents: Sequence[Extent]) -> Poly:
    """The product of extents; 1 if there are none."""
    total = poly(1)
    for extent in extents:
        total = total * extent
    return total


def never_negative(size: Poly) -> bool:
    """Whether it is seen that a size is at least 0, whatever the symbols are (none is negative)."""
    return all(coefficient >= 0 for _, coefficient in size.terms)
