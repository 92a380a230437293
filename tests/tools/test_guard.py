"""The tools that look for wrong memory accesses do find them."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tools import valgrind
from tests.tools.guard import guarded

SMOKE = Path(__file__).with_name("native_smoke.py")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="protects pages with mprotect")


@pytest.mark.parametrize("side", ["end", "start"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (512,), (513,), (30, 40)])
@pytest.mark.parametrize("dtype", ["int8", "float32", "float64", "complex128"])
def test_guarded_arrays_are_copies(side, shape, dtype):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    copy = guarded(array, side)
    assert copy.dtype == array.dtype and copy.shape == shape and np.array_equal(copy, array)
    assert copy.flags.c_contiguous and copy.flags.aligned and copy.flags.writeable
    edge = copy.ctypes.data + (copy.nbytes if side == "end" else 0)
    assert edge % mmap.PAGESIZE == 0


@pytest.mark.parametrize(("side", "offset"), [("end", "x.nbytes"), ("start", "-1")])
def test_one_byte_too_far_crashes(side, offset):
    script = f"""
import ctypes
import numpy as np
from tests.tools.guard import guarded
x = guarded(np.zeros(600), {side!r})
ctypes.string_at(x.ctypes.data, x.nbytes)
print("inside", flush=True)
ctypes.string_at(x.ctypes.data + {offset}, 1)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "inside\n" and result.returncode in (-signal.SIGSEGV, -signal.SIGBUS)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("script", ["native_smoke.py", "kinds_smoke.py"])
def test_native_code_stays_in_bounds(script):
    result = subprocess.run([sys.executable, str(SMOKE.with_name(script))], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


@pytest.mark.deep
def test_native_code_that_does_not_is_noticed():
    result = subprocess.run([sys.executable, str(SMOKE), "overrun"], capture_output=True, text=True)
    assert result.returncode in (-signal.SIGSEGV, -signal.SIGBUS)


memcheck = pytest.mark.skipif(os.environ.get("FUNCTAD_VALGRIND") != "1", reason="takes minutes; set FUNCTAD_VALGRIND=1")


@memcheck
def test_valgrind_finds_what_there_is():
    assert valgrind.errors_of(SMOKE) == []
    found = valgrind.errors_of(SMOKE, "heap")
    assert any("Invalid read of size 8" in error for error in found) and any(
        "Invalid write of size 8" in error for error in found
    )


@memcheck
@pytest.mark.parametrize("script", ["control_smoke.py", "kinds_smoke.py"])
def test_valgrind_finds_nothing(script):
    assert valgrind.errors_of(SMOKE.with_name(script)) == []
