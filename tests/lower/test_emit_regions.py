"""Masks that hold in a box: inside of it the innermost loop has none, and gives the same as with them; nothing beside
the box is touched.

All data are whole numbers, so that every order of additions gives the same, and results can be compared exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.nodes import Affine, Buffer, CheckInfo, Index, KernelProgram, Value
from functad.kernel_ir.sizes import Extent, poly
from functad.lower.emit import loops
from functad.lower.emit.loops import LoopNest
from functad.lower.emit.nest import shape_nest
from functad.lower.llvm.target import Target
from tests.lower.native import Native, agree

F64, F32, I64, BOOL = (np.dtype(t) for t in ("f8", "f4", "i8", "?"))
N, M, K = (Symbol(k) for k in range(3))
SIZES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 18, 24, 31, 33, 40, 65]
axis = Affine.axis


def inside(b: Builder, index: Index, shape: Sequence[Extent]) -> Value:
    """The mask of an index that lies in a shape."""
    mask: Any = b.const(True, BOOL)
    for affine, n in zip(index, shape, strict=True):
        position = b.axis(affine)
        mask = b.bit_and(b.bit_and(mask, b.ge(position, 0)), b.lt(position, b.size(n)))
    return mask  # type: ignore[no-any-return]


def padded(b: Builder, x: Buffer, index: Index, fill: Any = 0) -> Value:
    """An element of an array, or ``fill`` outside of it."""
    return b.load(x, index, inside(b, index, x.shape), fill)


def stencil(b: Builder, x: Buffer, offsets: Sequence[Sequence[int]]) -> Value:
    """The sum of an array's elements at some offsets from the loops' point, each times a number of its own."""
    total: Any = None
    for number, offset in enumerate(offsets, 2):
        value = b.mul(padded(b, x, tuple(axis(k) + d for k, d in enumerate(offset))), number)
        total = value if total is None else b.add(total, value)
    return total  # type: ignore[no-any-return]


def numbers(shape: Sequence[int], dtype: np.dtype = F64) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-50, 50, size=shape).astype(dtype)


def program(
    axes: Sequence[Extent],
    inputs: Sequence[Buffer],
    outputs: Sequence[Buffer],
    build: Callable[[Builder], None],
    checks: int = 0,
) -> KernelProgram:
    b = Builder()
    build(b)
    infos = tuple(CheckInfo("IndexOutOfBoundsError", f"check {k}") for k in range(checks))
    return KernelProgram(tuple(inputs), tuple(outputs), (b.finish(axes),), 3, infos)


def stencil_program(shape: Sequence[Extent], offsets: Sequence[Sequence[int]], dtype: np.dtype = F64) -> KernelProgram:
    x, out = Buffer(shape, dtype, "input"), Buffer(shape, dtype, "output")
    return program(
        shape, [x], [out], lambda b: b.store(out, tuple(map(axis, range(len(shape)))), stencil(b, x, offsets))
    )


def versions(p: KernelProgram) -> int:
    """How many versions without masks the program's kernel has."""
    (kernel,) = p.body
    return len(LoopNest(shape_nest(kernel), Target.host()).regions)  # type: ignore[arg-type]


STENCILS: dict[str, tuple[int, list[tuple[int, ...]]]] = {
    "before": (1, [(-1,)]),
    "after": (1, [(1,)]),
    "both sides": (1, [(-1,), (0,), (1,)]),
    "far": (1, [(-9,), (12,)]),
    "five points": (2, [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]),
    "rows only": (2, [(-1, 0), (1, 0)]),
    "wide": (2, [(-2, 3), (0, -5), (1, 1)]),
    "seven points": (3, [(0, 0, 0), (-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)]),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("dtype", [F64, F32, np.dtype("i2")], ids=str)
@pytest.mark.parametrize("name", STENCILS)
def test_stencils(name: str, dtype: np.dtype) -> None:
    rank, offsets = STENCILS[name]
    p = stencil_program((N, M, K)[:rank], offsets, dtype)
    assert versions(p) == 1
    native = Native(p)
    for size in SIZES:
        for rows in (0, 1, 2, 5) if rank > 1 else (1,):
            sizes = [rows, rows + 1, rows + 2]
            sizes[rank - 1] = size
            agree(p, [numbers(sizes[:rank], dtype)], sizes, native=native, rtol=0)


def test_results_do_not_depend_on_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit: strips begin at the same points, and a product is never rounded apart from what it is added to
    here.
    """
    p = stencil_program((N, M), STENCILS["wide"][1])
    split = Native(p)
    monkeypatch.setattr(loops, "find_regions", lambda nest, body: [])
    whole = Native(p)
    assert split.module.text != whole.module.text
    for size in SIZES:
        x = (
            np.random.default_rng(size).normal(size=(6, size)).astype(np.float32).astype(float)
        )  # products with small numbers are exact
        (ours,), _ = split([x], [6, size, 0])
        (theirs,), _ = whole([x], [6, size, 0])
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("low", [0, 1, 3, 8, 13, 100])
@pytest.mark.parametrize("length", [0, 1, 8, 20, 64])
def test_bounds_that_are_sizes(low: int, length: int) -> None:
    """An array of any length is put anywhere into one of any length, half outside of it perhaps."""
    x, out = Buffer((M,), F64, "input"), Buffer((N,), F64, "output")
    where = axis(0) + poly(K) * -1
    p = program((N,), [x], [out], lambda b: b.store(out, (axis(0),), padded(b, x, (where,), 7.0)))
    assert versions(p) == 1
    native = Native(p)
    for size in SIZES:
        agree(p, [numbers((length,))], [size, length, low], native=native, rtol=0)


def test_reversed_and_strided_reads() -> None:
    x, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "output")
    backwards, every_second = Affine(poly(N) - 3, ((0, -1),)), axis(0) * 2 + -4

    def build(b: Builder) -> None:
        b.store(out, (axis(0),), b.add(padded(b, x, (backwards,)), padded(b, x, (axis(0) + 2,))))

    p = program((N,), [x], [out], build)
    q = program((N,), [x], [out], lambda b: b.store(out, (axis(0),), padded(b, x, (every_second,))))
    assert versions(p) == 1
    assert versions(q) == 0, "a condition on 2i is left to the mask"
    for program_ in (p, q):
        native = Native(program_)
        for size in SIZES:
            agree(program_, [numbers((size,))], [size, 0, 0], native=native, rtol=0)


@pytest.mark.parametrize("group", [2, 3])
def test_groups(group: int) -> None:
    """Complex numbers, or points, of which all parts have the same mask."""
    x, out = Buffer((N, group), F64, "input"), Buffer((N, group), F64, "output")

    def build(b: Builder) -> None:
        mask = b.bit_and(inside(b, (axis(0) + -1,), (N,)), inside(b, (axis(0) + 1,), (N,)))
        for part in range(group):
            before, after = (b.load(x, (axis(0) + d, Affine(part)), mask) for d in (-1, 1))
            b.store(out, (axis(0), Affine(part)), b.sub(before, after))

    p = program((N,), [x], [out], build)
    assert versions(p) == 1
    native = Native(p)
    for size in SIZES:
        agree(p, [numbers((size, group))], [size, 0, 0], native=native, rtol=0)


@pytest.mark.parametrize("lower", [True, False])
def test_triangles(lower: bool) -> None:
    """The box is another one in each row."""
    x, out = Buffer((N, M), F64, "input"), Buffer((N, M), F64, "output")

    def build(b: Builder) -> None:
        i, j = b.axis(axis(0)), b.axis(axis(1))
        mask = b.ge(i, j) if lower else b.lt(i, j)
        b.store(out, (axis(0), axis(1)), b.mul(b.load(x, (axis(0), axis(1)), mask), 3))

    p = program((N, M), [x], [out], build)
    assert versions(p) == 1
    native = Native(p)
    for size in SIZES:
        for rows in (1, 9, 30):
            agree(p, [numbers((rows, size))], [rows, size, 0], native=native, rtol=0)


def test_parts_of_a_concatenation_have_versions_each() -> None:
    x, y, out = (Buffer((n,), F64, role) for n, role in ((N, "input"), (M, "input"), (K, "output")))

    def build(b: Builder) -> None:
        first = b.lt(b.axis(axis(0)), b.size(N))
        second = axis(0) + poly(N) * -1
        mask = b.ge(b.axis(second), 0)
        b.store(out, (axis(0),), b.select(first, b.load(x, (axis(0),), first), b.add(b.load(y, (second,), mask), 1)))

    p = program((K,), [x, y], [out], build)
    assert versions(p) == 2
    native = Native(p)
    for n in (0, 1, 7, 8, 20, 33):
        for m in (0, 1, 8, 15, 40):
            agree(p, [numbers((n,)), numbers((m,))], [n, m, n + m], native=native, rtol=0)


def test_masked_stores() -> None:
    x, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "output")
    fill = Builder()
    fill.store(out, (axis(0),), fill.const(-1, F64))
    b = Builder()
    mask = inside(b, (axis(0) + -2,), (M,))
    b.store(out, (axis(0) + -2,), b.load(x, (axis(0) + -2,), mask), mask)
    p = KernelProgram((x,), (out,), (fill.finish((N,)), b.finish((K,))), 3)
    native = Native(p)
    for size in SIZES:
        for steps in (0, size, size + 1, size + 2, size + 30):
            agree(p, [numbers((size,))], [size, size, steps], native=native, rtol=0)


@pytest.mark.parametrize("op", ["sum", "max", "prod"])
@pytest.mark.parametrize("index", [(), (0,), (1,)])
def test_reductions(op: str, index: tuple[int, ...]) -> None:
    """Over everything, over columns, over rows; sums go block by block."""
    x, out = Buffer((N, M), F64, "input"), Buffer([(N, M)[k] for k in index], F64, "output")

    def build(b: Builder) -> None:
        value = stencil(b, x, STENCILS["five points"][1])
        b.reduce(out, tuple(map(axis, index)), op, b.sign(value) if op == "prod" else value)

    p = program((N, M), [x], [out], build)
    assert versions(p) == 1
    native = Native(p)
    for rows, size in [(1, 1), (3, 9), (4, 40), (0, 4), (4, 0), (2, 1025), (3, 3000)]:
        agree(p, [numbers((rows, size))], [rows, size, 0], native=native, rtol=0)


def test_light_sums_have_several_accumulators() -> None:
    x, out = Buffer((N,), F64, "input"), Buffer((), F64, "output")
    p = program((N,), [x], [out], lambda b: b.reduce(out, (), "sum", padded(b, x, (axis(0) + 1,))))
    native = Native(p)
    for size in (*SIZES, 1023, 1024, 1025, 5000):
        agree(p, [numbers((size,))], [size, 0, 0], native=native, rtol=0)


@pytest.mark.parametrize("size", [8, 40, 100])
@pytest.mark.parametrize("bad", [None, 0, 20, 38])
def test_checks_hold_everywhere(size: int, bad: int | None) -> None:
    x, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "output")

    def build(b: Builder) -> None:
        value = stencil(b, x, [(-1,), (0,), (1,)])
        b.check(b.lt(b.load(x, (axis(0),)), 1000), 1)
        b.store(out, (axis(0),), value)

    p = program((N,), [x], [out], build, checks=1)
    assert versions(p) == 1
    given = numbers((size,))
    if bad is not None and bad < size:
        given[bad] = 1e6
    agree(p, [given], [size, 0, 0], rtol=0)


def test_masks_that_depend_on_data_stay() -> None:
    x, keep, out = Buffer((N,), F64, "input"), Buffer((N,), BOOL, "input"), Buffer((N,), F64, "output")

    def build(b: Builder) -> None:
        mask = b.bit_and(inside(b, (axis(0) + -1,), (N,)), b.load(keep, (axis(0),)))
        b.store(out, (axis(0),), b.add(b.load(x, (axis(0) + -1,), mask, 5.0), padded(b, x, (axis(0) + 1,))))

    p = program((N,), [x, keep], [out], build)
    native = Native(p)
    for size in SIZES:
        agree(
            p, [numbers((size,)), np.random.default_rng(size).random(size) < 0.5], [size, 0, 0], native=native, rtol=0
        )


def test_integers_that_are_indices() -> None:
    """What a masked read is replaced by, where its mask is false, may index memory."""
    x, at, out = Buffer((5,), F64, "input"), Buffer((N,), I64, "input"), Buffer((K,), F64, "output")

    def build(b: Builder) -> None:
        first = b.lt(b.axis(axis(0)), b.size(N))
        other = b.ge(b.axis(axis(0)), b.size(N))
        place = b.load(at, (axis(0),), first, 3)
        value = b.load(x, (Affine.value(place),))
        b.store(out, (axis(0),), b.add(value, b.load(x, (Affine(2),), other)))

    p = program((K,), [x, at], [out], build)
    native = Native(p)
    for n, k in [(0, 5), (5, 5), (9, 40), (33, 100)]:
        agree(p, [numbers((5,)), np.arange(n) % 5], [n, 0, k], native=native, rtol=0)


@pytest.mark.deep
def test_large_loops_in_blocks() -> None:
    p = stencil_program((N,), [(-1,), (0,), (3,)])
    native = Native(p, threads=True)
    assert "functad_blocks" in native.calls
    agree(p, [numbers((10**6 + 3,))], [10**6 + 3, 0, 0], native=native, rtol=0)


def test_far_beside_an_array() -> None:
    """Where no lane is wanted, the address that is read is one that is always there: a masked access to memory that
    does not exist is slow.
    """
    x, out = Buffer((M,), F64, "input"), Buffer((N,), F64, "output")
    where = axis(0) + poly(K) * -1
    p = program((N,), [x], [out], lambda b: b.store(out, (axis(0),), padded(b, x, (where,))))
    native = Native(p)
    assert re.search(r"select i1 %v\d+, ptr %v\d+, ptr @functad_nothing", native.module.text)
    for low in (0, 20, 10**7):
        agree(p, [numbers((5,))], [100, 5, low], native=native, rtol=0)


def test_few_points_are_left_out() -> None:
    """The gradient of one element: a version for where it is not."""
    x, out = Buffer((), F64, "input"), Buffer((N,), F64, "output")

    def build(b: Builder) -> None:
        i = b.axis(axis(0))
        here = b.bit_and(b.ge(i, 3), b.lt(i, 4))
        b.store(out, (axis(0),), b.load(x, (), here))

    p = program((N,), [x], [out], build)
    native = Native(p)
    for size in SIZES:
        agree(p, [numbers(())], [size, 0, 0], native=native, rtol=0)


# ---- structure


def inner_loops(text: str) -> list[str]:
    """The basic blocks that branch to themselves."""
    blocks = re.split(r"^(\w+):\n", text, flags=re.MULTILINE)
    return [
        body
        for label, body in zip(blocks[1::2], blocks[2::2], strict=True)
        if f"label %{label}," in body.split("br ")[-1]
    ]


def test_the_interior_has_no_masks() -> None:
    native = Native(stencil_program((N, M), STENCILS["five points"][1]))
    (loop,) = [body for body in inner_loops(native.module.text) if "masked" not in body]
    assert len(re.findall(r"load <\d+ x double>", loop)) in (5, 10)  # one vector, or two, a turn
    assert "icmp sge <" not in loop and "select" not in loop


def test_the_general_version_is_written_once() -> None:
    text = Native(stencil_program((N, M), STENCILS["five points"][1])).module.text
    assert len(re.findall(r"call <\d+ x double> @llvm.masked.load", text)) == 5


def test_what_saves_little_is_not_split() -> None:
    """A single mask in much other work."""
    x, y, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "input"), Buffer((N,), F64, "output")

    def build(b: Builder) -> None:
        b.store(out, (axis(0),), b.add(b.exp(b.sin(b.load(y, (axis(0),)))), padded(b, x, (axis(0) + 1,))))

    p = program((N,), [x, y], [out], build)
    assert versions(p) == 0
    agree(p, [numbers((20,)), numbers((20,))], [20, 0, 0], rtol=1e-13)


def test_borders_of_a_known_few_points_have_no_version() -> None:
    """A roll by one: its first element is read where the masks hold as they are."""
    x, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "output")

    def build(b: Builder) -> None:
        i = b.axis(axis(0))
        wrapped, moved = b.lt(i, 1), b.ge(i, 1)
        last = axis(0) + (poly(N) - 1)
        b.store(out, (axis(0),), b.select(wrapped, b.load(x, (last,), wrapped), b.load(x, (axis(0) + -1,), moved)))

    p = program((N,), [x], [out], build)
    assert versions(p) == 1
    native = Native(p)
    for size in SIZES[1:]:
        agree(p, [numbers((size,))], [size, 0, 0], native=native, rtol=0)
