"""``check_grads``: derivatives of a function against finite differences, and reverse mode against forward mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.api.linear import jvp, vjp
from functad.errors import StructureError
from functad.front.calls import twin
from functad.ir.types import ArrayType, array_type
from functad.testing.corners import blind_spots
from functad.testing.numerics import (
    assert_close,
    directional_derivative,
    is_double,
    pairing,
    random_like,
    step_size,
)
from functad.tree.containers import flatten, leaf_paths, unflatten

__all__ = ["check_grads"]

MODES = ("fwd", "rev")
DIFFERENCES = "finite differences"

LOCALISED = 256
"""Up to so many elements, a wrong cotangent is located by its elements; above, only their sum is reported."""


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = MODES,
    rtol: float | None = None,
    atol: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> None:
    """Check the derivatives of ``f`` at ``args``, up to an order.

    Forward mode (`jvp`) along a random direction is compared with central differences of ``f``; reverse mode (`vjp`)
    with forward mode, by ``sum(ct * J t) == sum(J^T ct * t)``. For each order above 1 the same is done with the
    derivatives themselves: forward over forward, reverse over forward, forward over reverse, reverse over reverse.

    Parameters
    ----------
    f
        A function of containers of arrays, smooth at ``args``: at a kink finite differences mean nothing.
    args
        The arguments, as a tuple. Integer and boolean arrays are held fixed.
    order
        The highest derivative to check.
    modes
        ``"fwd"``, ``"rev"`` or both.
    rtol, atol
        Allowed relative and absolute error; by default 1e-6 where all numbers have double precision, else 5e-3.
    eps
        Step of the differences, which move each element by up to twice as much.
    seed
        Of the random directions.

    Raises
    ------
    AssertionError
        If a derivative is wrong: the message names the order and mode, the leaf, the index and both values. Where
        finite differences cannot tell (a kink, a jump or a tie within their step, a result that is saturated, rounding
        that is larger than the allowed error), it names the operation and its line.

    Examples
    --------
    >>> import numpy as np
    >>> from functad.testing import check_grads
    >>> check_grads(lambda p: np.sum(np.tanh(p["w"] @ p["x"])), ({"w": np.eye(3), "x": np.ones(3)},))
    """
    if not isinstance(args, tuple | list):
        raise StructureError(f"check_grads takes the arguments of f as a tuple, got {type(args).__name__}: write (x,)")
    if not modes or not set(modes) <= set(MODES):
        raise ValueError(f"check_grads takes modes of {MODES}, got {modes!r}")
    leaves, structure = flatten(tuple(args))
    leaves = [float(x) if type(x) is int else x for x in leaves]
    active = [dtype_of(x).kind in "fc" for x in leaves]

    def of_active(values: Sequence[Any]) -> tuple[list[str], list[Any]]:
        found = iter(values)
        result, tree = flatten(
            twin(f)(*unflatten(structure, [next(found) if flag else x for x, flag in zip(leaves, active, strict=True)]))
        )
        return [f"result{path}" for path in leaf_paths(tree)], result

    names = [f"args{path}" for path, flag in zip(leaf_paths(structure), active, strict=True) if flag]
    values = [x for x, flag in zip(leaves, active, strict=True) if flag]
    subject = Subject(of_active, names, getattr(f, "__name__", type(f).__name__))
    with np.errstate(all="ignore"):
        default = 1e-6 if all(is_double(dtype_of(x)) for x in [*values, *subject(values)]) else 5e-3
        settings = Settings(
            modes,
            default if rtol is None else rtol,
            default if atol is None else atol,
            eps,
            np.random.default_rng(seed),
        )
        try:
            Check(subject, values, settings).run(order)
        except AssertionError as error:
            found = blind(subject, values, settings) if DIFFERENCES in str(error) else []
            if found:
                raise AssertionError("\n".join([str(error), "finite differences cannot tell here:", *found])) from None
            raise


def blind(subject: Subject, values: Sequence[Any], settings: Settings) -> list[str]:
    """What differences cannot tell of a function at these values."""
    step = settings.eps or step_size([dtype_of(v) for v in values])
    tangents = [random_tangent(v, settings.rng) for v in values]
    return [f"- {line}" for line in blind_spots(subject.named, values, tangents, step, settings.rtol)]


@dataclass
class Settings:
    """Modes, allowed errors, the step of the differences, and the source of random directions."""

    modes: Sequence[str]
    rtol: float
    atol: float
    eps: float | None
    rng: np.random.Generator


@dataclass
class Subject:
    """What is checked: the user's function or a derivative of it, as a function of a list of arrays."""

    named: Callable[[Sequence[Any]], tuple[list[str], list[Any]]]  # names and values of the results
    inputs: list[str]  # how messages name the arguments
    title: str  # "f", "the jvp of f", "the vjp of the jvp of f"

    def smooth(self, values: Sequence[Any]) -> list[tuple[str, Any]]:
        """The results that have tangents, with their names."""
        return [(name, r) for name, r in zip(*self.named(values), strict=True) if dtype_of(r).kind in "fc"]

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """The results that have tangents."""
        return [r for _, r in self.smooth(values)]

    def spread(self, *values: Any) -> list[Any]:
        """The same as a function of several arguments."""
        return self(values)


class Check:
    """The comparisons for one function at one point, along random directions."""

    def __init__(self, subject: Subject, values: Sequence[Any], settings: Settings) -> None:
        self.subject = subject
        self.values = values
        self.settings = settings
        results = subject.smooth(values)
        self.names = [name for name, _ in results]
        self.outs = [r for _, r in results]
        self.tangents = [random_tangent(v, settings.rng) for v in values]
        self.cotangents = [random_tangent(r, settings.rng) for r in self.outs]

    def run(self, order: int) -> None:
        """Check the first derivative, and the derivatives as functions for the orders that remain."""
        if order < 1 or not self.values or not self.outs:
            return
        dots = self.numerical(self.tangents)
        if "fwd" in self.settings.modes:
            dots = self.forward(dots)
            Check(forward_of(self.subject), [*self.values, *self.tangents], self.settings).run(order - 1)
        if "rev" in self.settings.modes:
            self.reverse(dots)
            Check(reverse_of(self.subject, self.names), [*self.values, *self.cotangents], self.settings).run(order - 1)

    def numerical(self, tangents: Sequence[Any]) -> list[Any]:
        """The tangents of the results by finite differences."""
        return directional_derivative(self.subject, self.values, tangents, self.settings.eps)

    def compare(self, found: Any, expected: Any, what: str, reference: str) -> None:
        """Raise where arrays differ."""
        assert_close(found, expected, what, self.settings.rtol, self.settings.atol, reference)

    def compare_results(self, found: Sequence[Any], mode: str) -> None:
        """Raise where a transform changes the value of the function."""
        for name, traced, out in zip(self.names, found, self.outs, strict=True):
            self.compare(traced, out, f"{self.subject.title} under {mode}: {name}", "the function itself gives")

    def forward(self, numerical: Sequence[Any]) -> list[Any]:
        """Compare jvp with finite differences; returns its tangents."""
        outs, dots = jvp(self.subject.spread, tuple(self.values), tuple(self.tangents))
        self.compare_results(outs, "jvp")
        for name, dot, expected in zip(self.names, dots, numerical, strict=True):
            self.compare(
                dot, expected, f"jvp of {self.subject.title}: the tangent of {name}", "finite differences give"
            )
        return list(dots)

    def reverse(self, dots: Sequence[Any]) -> None:
        """Compare vjp with the tangents (of jvp, or by differences) of one direction."""
        outs, pullback = vjp(self.subject.spread, *self.values)
        self.compare_results(outs, "vjp")
        found = pullback(list(self.cotangents))
        for name, value, ct in zip(self.subject.inputs, self.values, found, strict=True):
            if type_of(ct) is not type_of(value):
                raise AssertionError(
                    f"vjp of {self.subject.title}: the cotangent of {name} is {type_of(ct)}, expected {type_of(value)}"
                )
        by_forward, scale_f = pairing(self.cotangents, dots)
        by_reverse, scale_r = pairing(found, self.tangents)
        if not abs(by_forward - by_reverse) <= self.settings.atol + self.settings.rtol * max(scale_f, scale_r):
            self.locate(found)
            raise AssertionError(
                f"vjp of {self.subject.title}: sum(J^T ct * t) is {by_reverse!r} by reverse mode, sum(ct * J t) is "
                f"{by_forward!r} by "
                f"{'forward mode' if 'fwd' in self.settings.modes else 'finite differences'}"
            )

    def locate(self, found: Sequence[Any]) -> None:
        """Raise with the leaf and index where reverse mode is wrong, found by a unit direction for each element."""
        if sum(np.size(v) for v in self.values) > LOCALISED:
            return
        for i, (name, value) in enumerate(zip(self.subject.inputs, self.values, strict=True)):
            expected = np.zeros_like(value)
            for index in np.ndindex(expected.shape):
                for unit in (1, 1j) if expected.dtype.kind == "c" else (1,):
                    direction = np.zeros_like(value)
                    direction[index] = unit
                    # Re(g t) is Re g for t = 1, and -Im g for t = 1j
                    expected[index] += np.conj(unit) * self.along(i, direction)
            reference = "forward mode gives" if "fwd" in self.settings.modes else "finite differences give"
            self.compare(found[i], expected, f"vjp of {self.subject.title}: the cotangent of {name}", reference)

    def along(self, position: int, direction: np.ndarray) -> float:
        """The pairing of the cotangents with the derivative along a direction of one argument."""
        tangents = [like(direction if j == position else np.zeros_like(v), v) for j, v in enumerate(self.values)]
        forward = "fwd" in self.settings.modes
        dots = jvp(self.subject.spread, tuple(self.values), tuple(tangents))[1] if forward else self.numerical(tangents)
        return pairing(self.cotangents, dots)[0]


def forward_of(subject: Subject) -> Subject:
    """The jvp as a function of primals and tangents."""

    def named(values: Sequence[Any]) -> tuple[list[str], list[Any]]:
        n = len(subject.inputs)
        names: list[str] = []

        def f(*xs: Any) -> list[Any]:
            results = subject.smooth(xs)
            names[:] = [f"the tangent of {name}" for name, _ in results]
            return [r for _, r in results]

        dots = jvp(f, tuple(values[:n]), tuple(values[n:]))[1]
        return names, dots

    return Subject(
        named, [*subject.inputs, *[f"the tangent of {name}" for name in subject.inputs]], f"the jvp of {subject.title}"
    )


def reverse_of(subject: Subject, results: Sequence[str]) -> Subject:
    """The vjp as a function of primals and cotangents."""

    def named(values: Sequence[Any]) -> tuple[list[str], list[Any]]:
        n = len(subject.inputs)
        _, pullback = vjp(subject.spread, *values[:n])
        return [f"the cotangent of {name}" for name in subject.inputs], list(pullback(list(values[n:])))

    return Subject(
        named, [*subject.inputs, *[f"the cotangent of {name}" for name in results]], f"the vjp of {subject.title}"
    )


def dtype_of(value: Any) -> np.dtype:
    """The dtype of an array, a tracer or a Python number."""
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def type_of(value: Any) -> ArrayType:
    """The type of an array or a Python number."""
    return array_type(np.shape(value), dtype_of(value))


def random_tangent(value: Any, rng: np.random.Generator) -> Any:
    """A random tangent of a value; of a Python number, a Python number."""
    return like(random_like(type_of(value), rng), value)


def like(tangent: Any, value: Any) -> Any:
    """A tangent as a Python number where its value is one."""
    if type(value) in (float, complex):
        return np.asarray(tangent).item()
    return tangent if np.ndim(tangent) else np.asarray(tangent)[()]
