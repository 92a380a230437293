"""``jit(f, fastmath=...)``: the flags reach the user's arithmetic, derivatives and nested calls, and nothing else."""

from __future__ import annotations

import re

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import ArgumentError
from functad.lower.compile import compile_count

X, Y = np.random.default_rng(0).normal(size=(2, 1000))


def f(x, y):
    return x * x - y * y


def instructions(jitted, *args) -> list[str]:
    """The arithmetic of the LLVM text."""
    return re.findall(r"= (f(?:add|sub|mul|div|neg)\b[^%]*|call [^%]*@llvm\.sqrt)", jitted.lower(*args).compile().llvm)


def fused(jitted, *args) -> bool:
    """Whether the machine code has a fused multiply-add."""
    return (
        re.search(r"\bvfn?m(?:add|sub)|\bfn?m(?:add|sub|la|ls)\b", jitted.lower(*args).compile().assembly) is not None
    )


def test_contract_fuses_what_is_strict_by_default():
    fast = fd.jit(f, fastmath={"contract"})
    assert all("contract" in i for i in instructions(fast, X, Y))
    assert not any("contract" in i for i in instructions(fd.jit(f), X, Y))
    if "fma" in fd.jit(np.sin).lower(X).compile().assembly:  # the CPU has it
        assert fused(fast, X, Y) and not fused(fd.jit(f), X, Y)
        assert np.count_nonzero(fast(X, X.copy())) > 500
    assert np.count_nonzero(fd.jit(f)(X, X.copy())) == 0
    np.testing.assert_allclose(fast(X, Y), f(X, Y), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (True, "fast"), ({"reassoc", "contract"}, "contract reassoc"), (frozenset({"nnan"}), "nnan"),
        (["arcp", "afn"], "arcp afn"), ({"ninf", "nsz"}, "ninf nsz"), ({"fast"}, "fast"),
    ],
)  # fmt: skip
def test_flags_as_numba_takes_them(given, text):
    jitted = fd.jit(lambda x: np.sqrt(x) / 3.0 - x, fastmath=given)
    found = instructions(jitted, np.abs(X))
    assert len(found) >= 3 and all(text in i for i in found)
    np.testing.assert_allclose(jitted(np.abs(X)), np.sqrt(np.abs(X)) / 3.0 - np.abs(X), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("given", [False, set(), ()])
def test_no_flags(given):
    assert not any("contract" in i or "fast" in i for i in instructions(fd.jit(f, fastmath=given), X, Y))


def test_the_decorator():
    @fd.jit(fastmath={"contract"})
    def g(x, y):
        return x * y + x

    assert all("contract" in i for i in instructions(g, X, Y))


def test_flags_are_part_of_the_code():
    """Functions of one structure share code only where their flags agree."""

    def product(x, y):
        return x * y - y * 1.25

    first = [fd.jit(product, fastmath=flags)(X, Y) for flags in (False, {"contract"}, {"reassoc"})]
    before = compile_count()
    again = [
        fd.jit(lambda a, b: a * b - b * 1.25, fastmath=flags)(X, Y) for flags in ({"contract"}, {"reassoc"}, False)
    ]
    assert compile_count() == before
    np.testing.assert_array_equal(again[2], first[0])
    np.testing.assert_array_equal(again[0], first[1])


@pytest.mark.parametrize("derivative", [lambda f: fd.grad(f, argnums=(0, 1)), fd.hessian, fd.jacfwd])
def test_derivatives_of_a_function_inherit_its_flags(derivative, monkeypatch):
    """Each native function that differentiating makes is compiled under them."""
    from functad.lower import compile

    seen = []
    original = compile.emit_module

    def watched(program, target, name, **options):
        seen.append(target.fastmath)
        return original(program, target, name, **options)

    monkeypatch.setattr(compile, "emit_module", watched)
    x, y = X[:3] + 0.123, Y[:3]
    g = fd.jit(lambda x, y: np.sum(x * x * y - y * 0.377 * x), fastmath={"contract"})
    derivative(g)(x, y)
    assert seen and set(seen) == {"contract"}


def test_the_outermost_jit_decides():
    inner = fd.jit(f, fastmath={"contract"})
    assert not any("contract" in i for i in instructions(fd.jit(lambda x, y: inner(x, y) * 2.5), X, Y))
    strict = fd.jit(f)
    assert all(
        "contract" in i for i in instructions(fd.jit(lambda x, y: strict(x, y) * 2.5, fastmath={"contract"}), X, Y)
    )


def test_the_flags_can_be_read_in_the_ir():
    program = fd.make_ir(lambda x, y: fd.jit(f, fastmath={"reassoc", "contract"})(x, y))(X, Y)
    assert "fastmath='contract reassoc'" in str(program)


def test_elementary_functions_keep_their_accuracy():
    """Range reduction and compensated steps of the math library, under flags that would break them."""
    x = np.concatenate([np.linspace(-30, 30, 4001), [1e5, -1e6, 3e7]])
    for function in (np.sin, np.cos, np.exp, np.tanh, np.arctan, np.expm1):
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(fd.jit(function, fastmath=True)(x), function(x), rtol=1e-15)
    text = fd.jit(np.sin, fastmath=True).lower(x).compile().llvm
    assert "fast" not in text.replace("fastcc", "")


def test_conversions_are_never_poison():
    """An index of poison could be in bounds where it is checked, and out of them where it is used."""
    x = np.array([np.nan, 1e300, -1e300, 2.5])
    convert = fd.jit(lambda x: (x * 1.5).astype(np.int64), fastmath=True)
    n = convert(x)
    assert n.dtype == np.int64 and n[3] == 3
    assert "freeze" in convert.lower(x).compile().llvm


def test_control_flow_and_blocks():
    def loop(x):
        return fd.lax.fori_loop(0, 5, lambda i, s: s * x + x, x)

    found = instructions(fd.jit(loop, fastmath={"contract"}), np.float64(0.5))
    assert any(i.startswith("fmul contract") for i in found)
    np.testing.assert_allclose(fd.jit(loop, fastmath=True)(0.5), 0.5 * (1 - 0.5**6) / 0.5, rtol=1e-15)
    with config.threads(2):
        big = np.linspace(0, 1, 300_000)
        np.testing.assert_allclose(fd.jit(lambda x: np.sum(x * x), fastmath=True)(big), np.sum(big * big), rtol=1e-12)


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_unknown_flag():
    with pytest.raises(
        ArgumentError,
        match=r"jit: there is no fastmath flag 'fma'; LLVM has nnan, ninf, nsz, arcp, contract, afn, reassoc, fast",
    ):
        fd.jit(f, fastmath={"contract", "fma"})


def test_a_name_instead_of_a_set():
    with pytest.raises(
        ArgumentError,
        match=r"fastmath is True, False or a set of flags, got the str 'contract'; write fastmath=\{'contract'\}",
    ):
        fd.jit(f, fastmath="contract")


def test_something_else():
    with pytest.raises(ArgumentError, match="fastmath is True, False or a set of flags, got the int 1"):
        fd.jit(f, fastmath=1)
