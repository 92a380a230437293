"""float16 natively: the bits of NumPy wherever NumPy's result is exact or rounded once, for all 65536 halves."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
import functad.primitives
from functad import config
from functad.core.primitive import REGISTRY, Sample, type_of
from functad.errors import DtypeError, UnsupportedError
from functad.ir.types import ArrayType, SeqType, seq_type
from functad.lower.llvm.half import half_text
from functad.lower.llvm.target import Target, assembly
from functad.lower.native import threads
from functad.testing.rules import check_rule

HALF = np.dtype(np.float16)
HALVES = np.arange(65536, dtype=np.uint16).view(HALF)
OTHERS = np.random.default_rng(0).permutation(HALVES)
FINITE = OTHERS[np.isfinite(OTHERS)]

X86 = Target.host().triple.startswith("x86_64")
MACHINES = [("", 64), ("", 128), ("", 256), ("", 512)] + [("x86-64", 128), ("x86-64-v3", 256)] * X86
"""CPUs and vector widths: the second last one has no instructions for halves."""


@contextlib.contextmanager
def machine(cpu: str, bits: int) -> Iterator[None]:
    with config.cpu(cpu), config.vector_bits(bits):
        yield


def assert_same_bits(found: Any, expected: Any) -> None:
    """Equal dtypes, shapes and bits; a NaN is a NaN."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)
    if found.dtype.kind == "f":
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(expected[number]))


def natively(f: Any, *args: Any) -> Any:
    return fd.jit(lambda *xs: f(*xs))(*args)


def plainly(f: Any, *args: Any) -> Any:
    with np.errstate(all="ignore"):
        return f(*args)


# -- operations --------------------------------------------------------------------------------------------------------

UNARY = [
    np.sqrt, np.negative, np.absolute, np.sign, np.floor, np.ceil, np.trunc, np.rint, np.square, np.reciprocal,
    np.isnan, np.isfinite, np.isinf, np.signbit, lambda x: np.round(x, 1), lambda x: x**3,
    lambda x: np.power(x, np.float16(3)), lambda x: x / np.float16(2**-24), lambda x: x / 4, lambda x: 1 - x,
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.copysign, np.fmod, np.remainder,
    np.floor_divide, np.less, np.less_equal, np.equal, np.not_equal, lambda x, y: np.where(x > y, x, y), lambda x,
    y: np.clip(x, y, np.float16(2)), lambda x, y: x * y + x / y - np.sqrt(x),
]  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize("cpu, bits", MACHINES)
def test_exact_operations(cpu: str, bits: int) -> None:
    """All of them in one function, each rounded on its own: nothing is computed with more digits than a half has."""
    with machine(cpu, bits):
        found = natively(lambda x, y: [*[f(x) for f in UNARY], *[f(x, y) for f in BINARY]], HALVES, OTHERS)
    expected = plainly(lambda: [*[f(HALVES) for f in UNARY], *[f(HALVES, OTHERS) for f in BINARY]])
    for a, b in zip(found, expected, strict=True):
        assert_same_bits(a, b)


@pytest.mark.parametrize("backend", ["kernel", "evaluator"])
def test_other_backends(backend: str) -> None:
    with config.backend(backend), np.errstate(all="ignore"):
        for f in BINARY:
            assert_same_bits(natively(f, HALVES[::7], OTHERS[::7]), plainly(f, HALVES[::7], OTHERS[::7]))


FUNCTIONS = [
    np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sin, np.cos, np.tan, np.arcsin, np.arccos,
    np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh, np.cbrt,
]  # fmt: skip


def test_functions_are_float32_rounded() -> None:
    """So they are NumPy's, but for an occasional tie that is none in the other's last digit."""
    found = natively(lambda x: [f(x) for f in FUNCTIONS], HALVES)
    for f, got in zip(FUNCTIONS, found, strict=True):
        expected = plainly(f, HALVES)
        assert got.dtype == HALF
        np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
        differ = (got != expected) & ~np.isnan(expected)
        assert np.count_nonzero(differ) < 30
        apart = np.abs(got[differ].astype(float) - expected[differ])
        assert np.all(apart <= np.spacing(np.maximum(np.abs(got), np.abs(expected))[differ]).astype(float))
    for x, y in ((HALVES, OTHERS),):
        for g in (np.power, np.hypot, np.arctan2, np.logaddexp):
            expected = plainly(g, x, y)
            assert np.count_nonzero((natively(g, x, y) != expected) & ~np.isnan(expected)) < 30


# -- conversions -------------------------------------------------------------------------------------------------------


def doubles() -> np.ndarray:
    """Halves, what lies between two of them, and numbers beside that by less than a float32 can tell."""
    halves = np.unique(HALVES[np.isfinite(HALVES)].astype(float))
    ties = (halves[:-1] + halves[1:]) / 2
    near = [ties * (1 + s * 2.0**-k) for s in (1, -1) for k in (52, 40, 30, 25, 24, 23)]
    ends = [
        65519.999999,
        65520,
        -65520,
        65536,
        1e300,
        -1e300,
        np.inf,
        -np.inf,
        np.nan,
        1e-300,
        2.0**-25,
        -(2.0**-25),
        -0.0,
        5e-324,
    ]
    return np.concatenate([halves, ties, *near, ends])


@pytest.mark.parametrize("cpu, bits", MACHINES)
def test_rounding_to_half(cpu: str, bits: int) -> None:
    """A double is rounded once: by way of float32, a number just beside a tie would become one."""
    x = doubles()
    singles = plainly(lambda: x.astype(np.float32))
    with machine(cpu, bits):
        for value in (x, singles, plainly(lambda: np.nextafter(singles, np.float32(0)))):
            assert_same_bits(natively(lambda v: v.astype(HALF), value), plainly(lambda v: v.astype(HALF), value))
        assert_same_bits(
            natively(lambda v: v.astype(np.float32).astype(HALF), x), plainly(lambda: x.astype(np.float32).astype(HALF))
        )


REAL = [np.dtype(c) for c in "?bBhHiIlLfd"]


def test_conversions_from_half() -> None:
    small = plainly(lambda: np.where(np.isfinite(HALVES), np.clip(HALVES, 0, 120), 0).astype(HALF))
    for dtype in (*REAL, np.dtype("F"), np.dtype("D")):
        x = HALVES if dtype.kind in "f?" else small  # out of range, integers are C's
        assert_same_bits(natively(lambda x, d=dtype: x.astype(d), x), plainly(lambda x, d=dtype: x.astype(d), x))


def test_conversions_to_half() -> None:
    whole = np.concatenate([np.arange(70000), np.arange(2**24 - 40, 2**24 + 40), -np.arange(70000), [2**62]])
    for dtype in REAL[:-2]:
        x = plainly(lambda d=dtype: whole.astype(d))
        assert_same_bits(natively(lambda x: x.astype(HALF), x), plainly(lambda x: x.astype(HALF), x))


def test_promotion() -> None:
    x = FINITE[:5]
    i8, i64, f32 = np.array([1, 2, 3, 4, 5], np.int8), np.arange(5), np.arange(5, dtype=np.float32)
    for f, args in [
        (lambda x: x * 2 + 1.5, (x,)), (lambda x, y: x + y, (x, i8)), (lambda x, y: x + y, (x, i64)),
        (lambda x, y: x * y, (x, f32)), (lambda x: x + 1j, (x,)), (lambda x: x * np.float16(0.1), (x,)),
        (lambda x: x * np.float64(0.1), (x,)), (np.mean, (x,)),
    ]:  # fmt: skip
        assert natively(f, *args).dtype == plainly(f, *args).dtype


@pytest.mark.skipif(not X86, reason="these are CPUs of the x86-64 family")
def test_a_cpu_without_instructions_for_halves_needs_no_other_library() -> None:
    """The functions that LLVM calls for conversions are in the module; where there are instructions, they are not."""
    text = "define void @f(ptr %p) {\n %x = load half, ptr %p\n %y = fpext half %x to float\n %z = fadd float %y, %y\n"
    text += " %w = fptrunc float %z to half\n store half %w, ptr %p\n ret void\n}\n"
    assert not {"__extendhfsf2", "__truncsfhf2"} & set(
        assembly(text, dataclasses.replace(Target.host(), cpu="x86-64-v3", features="+f16c")).split()
    )
    plain = assembly(text, dataclasses.replace(Target.host(), cpu="x86-64", features="", vector_bits=128))
    for name in ("__extendhfsf2", "__truncsfhf2"):
        assert f"\n{name}:" in plain
        assert f".globl\t{name}" not in plain
    assert not half_text(text, "x86_64-unknown-linux-gnu", "+avx,+f16c")
    assert not half_text(text, "aarch64-apple-darwin", "")
    assert not half_text("define void @f() {}", "x86_64-unknown-linux-gnu", "")


# -- sums --------------------------------------------------------------------------------------------------------------


def errors(value: Any, exact: Any) -> float:
    """The largest error in units of the last place of a half."""
    return float(
        np.max(np.abs(np.subtract(value, exact, dtype=float)) / np.spacing(np.abs(exact).astype(HALF)).astype(float))
    )


@pytest.mark.parametrize(
    "shape, axis", [((20000,), None), ((300, 400), 0), ((300, 400), 1), ((5, 7, 200), (0, 2)), ((3, 3), 0), ((7,), 0)]
)
def test_sums_are_rounded_once(shape: Any, axis: Any) -> None:
    """NumPy's are along an axis that it adds up in one go; along others each addition is rounded."""
    x = np.random.default_rng(1).normal(1, 1, shape).astype(HALF)
    exact = np.sum(x.astype(float), axis=axis)
    found = natively(lambda x: np.sum(x, axis=axis), x)
    assert found.dtype == HALF
    assert errors(found, exact) <= 0.51
    assert errors(found, exact) <= errors(np.sum(x, axis=axis), exact) + 0.01
    y = plainly(lambda: np.exp(x * np.float16(0.01)))
    assert errors(natively(lambda y: np.prod(y, axis=axis), y[:5]), np.prod(y[:5].astype(float), axis=axis)) <= 0.51


@pytest.mark.parametrize(
    "shapes", [((60, 300), (300, 50)), ((300,), (300,)), ((60, 300), (300,)), ((3, 4), (4, 2)), ((2, 20, 30), (30, 5))]
)
def test_products_of_matrices(shapes: Any) -> None:
    x, y = [np.random.default_rng(k).normal(size=s).astype(HALF) for k, s in enumerate(shapes)]
    found, exact = natively(np.matmul, x, y), x.astype(float) @ y.astype(float)
    assert found.dtype == HALF
    assert np.all(np.abs(found - exact) <= 0.51 * np.spacing(np.abs(exact).astype(HALF)).astype(float) + 1e-5)


def test_sums_over_threads() -> None:
    x = np.random.default_rng(0).normal(size=3_000_000).astype(HALF)
    found = []
    try:
        for count in (1, 2):
            with config.threads(count):
                threads.configure()
                found.append(natively(lambda x: (np.sum(np.sin(x)), np.max(x), np.sin(x) * x), x))
    finally:
        threads.configure()
    for one, two in zip(*found, strict=True):
        assert_same_bits(one, two)
    assert errors(found[0][0], np.sum(np.sin(x).astype(float))) <= 0.51


# -- what programs are made of -----------------------------------------------------------------------------------------


def scattered(x: Any, i: Any, y: Any) -> Any:
    x = x.copy()
    np.add.at(x, i, y)
    return x


def test_memory() -> None:
    """Gather and scatter, masks, views: each element that is added to is rounded each time, as NumPy does it."""
    rng = np.random.default_rng(3)
    i = rng.integers(-5000, 5000, 7000)
    assert_same_bits(natively(lambda x, i: x[i], FINITE[:5000], i), FINITE[:5000][i])
    x, y, k = FINITE[:50], FINITE[1000:8000], rng.integers(0, 50, 7000)
    assert_same_bits(natively(lambda x, i, y: fnp.asarray(x * 1).at[i].add(y), x, k, y), plainly(scattered, x, k, y))
    for f in (
        lambda x: np.pad(x, 3)[::-1].reshape(2, -1).T, lambda x: np.concatenate([x, x * 2])[1:],
        lambda x: np.roll(x, 1) - x, np.cumsum, np.cumprod, lambda x: np.max(x.reshape(2, -1), axis=0), np.argmax,
        lambda x: np.where(np.arange(94) % 3 == 0, x, 0 * x),
    ):  # fmt: skip
        assert_same_bits(natively(f, FINITE[:94]), plainly(f, FINITE[:94]))
    assert_same_bits(natively(lambda x: x * 2, FINITE[:99:3]), FINITE[:99:3] * np.float16(2))
    assert_same_bits(natively(lambda x: x * 2, FINITE[:9].astype(">f2")), FINITE[:9] * np.float16(2))


def turns(x: Any) -> Any:
    return fd.lax.fori_loop(0, 50, lambda i, c: c * np.float16(0.9) + x / 3, x)


def until(x: Any) -> Any:
    return fd.lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * c[1] + x), (0, x))[1]


def steps(x: Any) -> Any:
    return fd.lax.scan(lambda c, a: (c + a, c * a), x[0], x)[1]


def chosen(x: Any) -> Any:
    return fd.lax.cond(x[0] > 0, lambda: x * 2, lambda: x / 3)


@pytest.mark.parametrize("f", [turns, until, steps, chosen])
def test_control_flow_and_its_derivatives(f: Any) -> None:
    """Residuals of halves are stored as halves, in sequences too."""
    for x in (np.linspace(-0.9, 0.7, 37).astype(HALF), np.linspace(0.3, 0.1, 5).astype(HALF)):
        assert_same_bits(natively(f, x), plainly(f, x))
        gradient = fd.grad(lambda x: np.sum(f(x)))
        for compiled in (fd.jit(gradient), fd.grad(lambda x: np.sum(fd.jit(f)(x)))):
            np.testing.assert_allclose(compiled(x).astype(float), gradient(x), rtol=0.01, atol=0.01)
            assert compiled(x).dtype == HALF
        assert_same_bits(natively(fd.vmap(f), np.stack([x, x])), plainly(lambda f=f, x=x: np.stack([f(x), f(x)])))


@pytest.mark.parametrize("entry", ["", "ctypes"])
def test_arguments_and_results(entry: str) -> None:
    with config.entry(entry):
        x = FINITE[:7]
        f = fd.jit(lambda x, s, rest: (x * s, [s * rest["t"], {"k": rest["t"]}], np.float16(1), np.ones(2, HALF)))
        for t in (np.float16(3), np.float16(-0.5)):  # the second call goes through the entry
            product, (scalar, inner), one, ones = f(x, np.float16(2), {"t": t})
            assert_same_bits(product, x * np.float16(2))
            assert (scalar, inner["k"], one) == (2 * t, t, 1)
            assert type(scalar) is type(inner["k"]) is type(one) is np.float16
            assert_same_bits(ones, np.ones(2, HALF))
        assert f(x.astype(np.float32), np.float16(2), {"t": t})[0].dtype == np.float32
        assert type(fd.jit(lambda: np.float16(1))()) is np.float16
    table = np.array([1, 2.5, 3], HALF)
    assert_same_bits(natively(lambda i: fnp.asarray(table)[i] + table[0], np.array([2, 1])), np.array([4, 3.5], HALF))
    assert_same_bits(natively(lambda x: fd.pure_callback(lambda v: v * 2, x, x), x), x * np.float16(2))


def test_derivatives() -> None:
    x = np.linspace(-2, 2, 19).astype(HALF)

    def f(x: Any) -> Any:
        return np.sum(np.sin(x) ** 2 * np.exp(x / 4))

    for transform in (fd.grad, lambda f: lambda x: fd.jvp(f, (x,), (x,))[1], fd.hessian):
        found, expected = natively(transform(f), x), transform(f)(x)
        assert found.dtype == HALF
        np.testing.assert_allclose(found.astype(float), transform(f)(x.astype(float)), rtol=0.01, atol=0.02)
        np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=0.01, atol=0.02)


def test_numba_has_no_halves() -> None:
    compiled = fd.jit(lambda x: x * 2).lower(FINITE[:3]).compile()
    with pytest.raises(UnsupportedError, match="float16 cannot be called from Numba"):
        compiled.numba  # noqa: B018


# -- all primitives ----------------------------------------------------------------------------------------------------


def halved(operand: Any) -> Any:
    """The same operand with halves for all floats."""
    if isinstance(operand, SeqType):
        return seq_type(halved(operand.element))
    if isinstance(operand, ArrayType):
        return operand.with_dtype(HALF) if operand.dtype.kind == "f" else operand
    return np.asarray(operand).astype(HALF) if np.asarray(operand).dtype.kind == "f" else operand


def samples(name: str) -> Iterator[tuple[int, Sample]]:
    for seed, sample in enumerate(REGISTRY[name].samples()):
        operands = tuple([halved(o) for o in sample.operands])
        inside = any("{ lambda" in str(v) for v in sample.params.values())  # sub-Programs have dtypes of their own
        halves = any(a is not b for a, b in zip(operands, sample.operands, strict=True))
        if not inside and halves and takes(name, operands, sample.params):
            yield seed, dataclasses.replace(sample, operands=operands)


def takes(name: str, operands: tuple[Any, ...], params: dict[str, Any]) -> bool:
    """Whether a primitive is one of float16 at all: LAPACK and Fourier transforms are not."""
    try:
        types = [o if isinstance(o, ArrayType | SeqType) else type_of(o) for o in operands]
        REGISTRY[name].signature(tuple(types), params)
    except DtypeError:
        return False
    return True


NAMES = [name for name in sorted(REGISTRY) if any(True for _ in samples(name)) and name != "make_complex"]
ROUNDED_ONCE = {"sum", "prod", "correlate"}  # where NumPy rounds several times


@pytest.mark.one_in(14)
@pytest.mark.parametrize("name", NAMES)
def test_every_primitive(name: str) -> None:
    """Evaluation gives what the type rule says; so do batching and native code, to the tolerance of single precision,
    which no half can miss.
    """
    for seed, sample in samples(name):
        checks = ["evaluate", "constant", "batch"] + ["native"] * (name not in ROUNDED_ONCE)
        check_rule(REGISTRY[name], sample, checks, seed)
