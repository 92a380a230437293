"""Every function of NumPy's main namespace is there, works as it is, or is left out for a reason, as the docs say."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import DtypeError, UnsupportedError
from functad.numpy.dispatch import CALLS, TABLE
from functad.numpy.families import FAMILIES, MODULE_OF
from tests.numpy.against_numpy import array, check, tracing

PAGE = (Path(__file__).parent.parent.parent / "docs" / "numpy.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def names(text):
    return set(re.findall(r"`(\w+)`", text))


THERE = names(SECTIONS["What there is"].split("\n\nOf `numpy.fft`")[0])
AS_THEY_ARE = {n for row in SECTIONS["What works as it is"].splitlines() for n in names(row.partition(" | ")[0])}
LEFT_OUT = {n for row in SECTIONS["What is left out"].splitlines() for n in names(row.partition(" | ")[0])}


def functions():
    """The functions of NumPy's main namespace, with what is called or indexed like one."""
    found = {n for n in dir(np) if not n.startswith("_") and callable(getattr(np, n))}
    return {n for n in found if not isinstance(getattr(np, n), type)} | {"vectorize", "r_", "c_"}


def is_declared(name):
    f = getattr(np, name)
    return name in MODULE_OF or f in TABLE or f in CALLS


def test_there_is_no_third_kind():
    known = THERE | AS_THEY_ARE | LEFT_OUT
    assert functions() <= known, "functions that no list has"
    assert not THERE & AS_THEY_ARE and not THERE & LEFT_OUT and not AS_THEY_ARE & LEFT_OUT
    assert {n for n in functions() if is_declared(n)} == THERE & functions()


def test_what_works_as_it_is():
    """Inside a trace, too, these make plain arrays of plain numbers."""

    def f(x):
        made = [np.hanning(5), np.tri(3), *np.tril_indices(3), *np.diag_indices(2), np.indices((2, 2)), np.blackman(3)]
        made += [np.hamming(3), np.bartlett(4), *np.triu_indices(2), *np.mask_indices(3, np.triu)]
        assert all(isinstance(m, np.ndarray) for m in made)
        assert np.broadcast_shapes((2, 1), (3,)) == (2, 3) and np.promote_types("f4", "i8") == np.float64
        return x

    tracing(f, 1.0)


ABOUT_MEMORY = {"casting", "device", "like", "order", "subok"}
OTHER_NAMES = {"arange", "array", "empty_like", "outer", "tensordot"}
"""Functions some of whose parameters have other names, or make arrays of objects."""


def test_all_keyword_arguments_are_there():
    """What a declared function does not take says nothing where there is no memory (``dispatch._says_nothing``)."""
    for module in FAMILIES:
        importlib.import_module(module)
    for f, declared in TABLE.items():
        if not str(getattr(f, "__module__", "")).startswith("numpy") or isinstance(f, np.ufunc):
            continue
        if f.__name__ in OTHER_NAMES:
            continue
        try:
            wanted = inspect.signature(f).parameters
        except ValueError:
            continue
        lacking = {k for k, p in wanted.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        lacking -= {*inspect.signature(declared).parameters, *ABOUT_MEMORY}
        assert not lacking, (f, lacking)


def test_arguments_about_memory_say_nothing():
    x, n = array((2, 3)), array(4, "i4")
    check(lambda x: np.concatenate([x, x], casting="unsafe", dtype="i4"), x)
    check(lambda x: np.ones_like(x, order="F", device="cpu"), x)
    check(lambda x: np.broadcast_to(x, (4, 2, 3), subok=True), x)
    check(lambda x: np.ediff1d(x, to_end=[1.0, 2], to_begin=5.0), x)
    assert fd.jit(lambda x: np.asarray(x, copy=True) + np.zeros((2, 3), device="cpu"))(x).tolist() == x.tolist()
    with pytest.raises(UnsupportedError, match="np.stack at .*: the argument casting= is not available for traced"):
        tracing(lambda x: np.stack([x, x], casting="no"), x)
    with pytest.raises(DtypeError, match="np.ediff1d at .*: ends of dtype float64 do not fit an array of dtype int32"):
        tracing(lambda n: np.ediff1d(n, 9.5), n)


@pytest.mark.deep
def test_families_declare_what_is_listed():
    """What the one list says of a module is what it declares, neither more nor less."""
    code = f"""
import functad, importlib
from functad.numpy.dispatch import CALLS, TABLE
def name(f):
    owner = getattr(f, "__module__", None) or f.__objclass__.__module__
    return f"{{owner}}.{{f.__qualname__}}".removeprefix("numpy.")
for module in {tuple(FAMILIES)!r}:
    before = {{*TABLE, *CALLS}}
    importlib.import_module(module)
    print(module, *{{name(f) for f in {{*TABLE, *CALLS}} - before}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    declared = {line.split()[0]: set(line.split()[1:]) for line in done.stdout.splitlines()}
    for module, listed in FAMILIES.items():
        assert declared[module] == set(listed.split()) - {"c_", "r_"}, module
        for name in listed.split():
            if "." not in name:
                assert getattr(fnp, name) is getattr(importlib.import_module(module), name)


@pytest.mark.deep
def test_families_are_imported_when_they_are_used():
    code = f"""
import sys, functad, functad.numpy, numpy as np
late = {tuple(FAMILIES)!r}
assert not [m for m in late if m in sys.modules]
functad.grad(lambda x: np.sum(np.sort(x)))(np.ones(3))
assert [m for m in late if m in sys.modules] == ["functad.numpy.sorting"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_functions_say_where_they_are():
    import pickle

    for f in (fnp.sort, fnp.fft.fft, fnp.quantile, fnp.vectorize):
        assert pickle.loads(pickle.dumps(f)) is f
    assert fnp.fft.fftfreq is np.fft.fftfreq and fnp.add.reduce([1, 2]) == 3 and fnp.add.nin == 2
