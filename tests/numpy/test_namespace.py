"""Every function of NumPy's main namespace is there, works as it is, or is left out for a reason, as the docs say."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import functad.numpy as fnp
from functad.numpy.dispatch import CALLS, TABLE
from functad.numpy.families import FAMILIES, MODULE_OF

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
    from tests.numpy.against_numpy import tracing

    def f(x):
        made = [np.hanning(5), np.tri(3), *np.tril_indices(3), *np.diag_indices(2), np.indices((2, 2)), np.blackman(3)]
        made += [np.hamming(3), np.bartlett(4), *np.triu_indices(2), *np.mask_indices(3, np.triu)]
        assert all(isinstance(m, np.ndarray) for m in made)
        assert np.broadcast_shapes((2, 1), (3,)) == (2, 3) and np.promote_types("f4", "i8") == np.float64
        return x

    tracing(f, 1.0)


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
