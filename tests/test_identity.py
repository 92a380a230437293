"""Identity keys tell values apart that Python takes for equal, and only those of other types or bits."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import functools
import itertools
from collections import namedtuple
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

import functad as fd
from functad.identity import identity_key

Pair = namedtuple("Pair", "x y")
NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Options:
    order: object
    label: str = dataclasses.field(default="", compare=False)


class MoreOptions(Options):
    pass


@dataclasses.dataclass(frozen=True)
class Fuzzy:
    x: float

    def __eq__(self, other):
        return isinstance(other, Fuzzy) and abs(self.x - other.x) < 0.5

    def __hash__(self):
        return 1


class Mode(enum.Enum):
    FAST = 1
    EXACT = 1.5


class Level(enum.IntEnum):
    LOW = 1


def scale(x, by=1):
    return x * by


class Text(str):
    __slots__ = ()


DIFFERENT = [
    1, True, 1.0, 1 + 0j, np.int64(1), np.float64(1.0), np.float32(1.0), np.bool_(True), Level.LOW, Mode.FAST, "1",
    b"1", Text("1"), 0, False, 0.0, -0.0, 0j, complex(0.0, -0.0), complex(-0.0, 0.0), np.float64(-0.0), NAN,
    np.float32("nan"), float("inf"), -float("inf"), None, ..., (), (1,), (1.0,), (True,), (-0.0,), (0.0,), ((1,),),
    ((True,),), (1, 2), Pair(1, 2), Pair(1.0, 2), Pair(True, 2), frozenset(), frozenset({1}), frozenset({True}),
    frozenset({1.0}), frozenset({(1,)}), frozenset({(1.0,)}), Options(1), Options(True), Options(1.0), Options((0.0,)),
    Options((-0.0,)), Options(NAN), MoreOptions(1), MoreOptions(True), functools.partial(scale, by=2),
    functools.partial(scale, by=2.0), functools.partial(scale, 2), scale, np.sum, np.sin, int, float, np.float64,
    np.dtype("f8"), np.dtype("f4"), np.dtype(">f8"), range(2), range(0, 3, 2), decimal.Decimal("1"),
    decimal.Decimal("1.0"), Mode.EXACT, Mode, "a", b"a",
]  # fmt: skip


def test_all_differ() -> None:
    for (i, a), (j, b) in itertools.product(enumerate(DIFFERENT), repeat=2):
        assert (identity_key(a) == identity_key(b)) is (i == j), (a, b)


def test_equal_ones_are_equal() -> None:
    for make in (
        lambda: (1, (2.5, "a"), frozenset({1.5, 2})), lambda: Options((NAN, -0.0)),
        lambda: functools.partial(scale, by=(1, 2.0)), lambda: NAN, lambda: Pair(np.float32(1.5), None),
        lambda: complex(NAN, -0.0), lambda: 10**30, lambda: np.float64(NAN), lambda: range(3), lambda: Fuzzy(1.0),
    ):  # fmt: skip
        assert identity_key(make()) == identity_key(make()) and hash(identity_key(make())) == hash(identity_key(make()))
    assert identity_key(Fuzzy(1.0)) == identity_key(Fuzzy(1.1))  # as the class says
    assert identity_key(Options(1, "a")) == identity_key(Options(1, "b"))


@pytest.mark.parametrize(
    "value", [[1], {1: 2}, {1}, np.zeros(2), (1, [2]), (np.zeros(2),), Options([1]), functools.partial(scale, by=[1])]
)
def test_what_cannot_be_hashed(value) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        identity_key(value)
    f = fd.jit(lambda x, s: x, static_argnums=1)
    with pytest.raises(
        fd.errors.StructureError,
        match=r"static argument 1 of <lambda> is a .*, which cannot be hashed; .* pass a tuple",
    ):
        f(1.0, value)


@pytest.mark.parametrize(
    "pair",
    [
        ((2,), (2.0,)),
        (0.0, -0.0),
        (Options(1), Options(True)),
        (1, True),
        (frozenset({1}), frozenset({1.0})),
        (Pair(1, 2), (1, 2)),
    ],
)
def test_static_arguments_of_jit(pair) -> None:
    f = fd.jit(lambda x, s: repr_code(s) * x, static_argnums=1)
    for _ in range(2):
        for value in (*pair, *reversed(pair)):
            assert f(2.0, value) == 2.0 * repr_code(value)
            assert f(2.0, s=value) == 2.0 * repr_code(value)


def repr_code(value: object) -> float:
    return float(sum(repr(value).encode()))


def test_nan_does_not_trace_again() -> None:
    traces = []
    f = fd.jit(lambda x, s: traces.append(s) or x, static_argnums=1)
    for _ in range(5):
        f(1.0, float("nan"))
    assert len(traces) == 1


@dataclasses.dataclass
class Layer:
    w: object
    power: object = dataclasses.field(metadata={"static": True}, default=1)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Layer(1.0, 1), Layer(1.0, True)), (Layer(1.0, (0.0,)), Layer(1.0, (-0.0,))), ({1: 2.0}, {True: 2.0}),
        ({1: 2.0}, {1.0: 2.0}), ([{0.0: 1.0}], [{-0.0: 1.0}]), ((Layer({1: 1.0}, 2),), (Layer({True: 1.0}, 2),)),
    ],
)  # fmt: skip
def test_structures_of_arguments(a, b) -> None:
    f = fd.jit(lambda tree: (repr_code(strip(tree)), tree))
    for _ in range(2):
        for tree in (a, b, b, a):
            code, back = f(tree)
            assert code == repr_code(strip(tree)) and repr(strip(back)) == repr(strip(tree))


def strip(tree):
    """The structure alone, with its types."""
    if isinstance(tree, dict):
        return {k: strip(v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [strip(v) for v in tree]
    return ("Layer", strip(tree.w), tree.power) if isinstance(tree, Layer) else 0


def test_other_hashable_values() -> None:
    for value in (SimpleNamespace, object(), MappingProxyType, len, fd.grad):
        assert identity_key(value) == identity_key(value)
