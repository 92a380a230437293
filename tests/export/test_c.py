"""C libraries: what they compute, in programs and processes without Python's libraries; what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from scipy import special
from scipy.linalg import solve_triangular

import functad as fd
from functad.errors import ArgumentError, UnsupportedError

CC = shutil.which(os.environ.get("CC", "cc"))
needs_cc = pytest.mark.skipif(CC is None, reason="there is no C compiler")

rng = np.random.default_rng(0)
W, X = rng.normal(size=(30, 20)), rng.normal(size=(50, 30))
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def layer(w, x):
    """A product that is large enough for BLAS."""
    return np.mean(np.tanh(x @ w) ** 2)


def cooling(rate):
    """A loop of unknown length, which reverse mode keeps in a sequence."""
    return fd.lax.while_loop(lambda t: t > 30.0, lambda t: t - rate * (t - 20.0), 90.0)


def pick(x, i):
    return x[i] * 2.0


def kinds(a, b, c, d, e, n):
    """Numbers of several types, by value; halves and complex numbers, by address; constants."""
    return a * b + c, np.exp(d) * 1j, e * np.float16(2), np.logical_not(b > 1), np.arange(20.0) * 0.1 * n


PROGRAM = r"""
#include <stdio.h>
#include "layer.h"
#include "cooling.h"
#include "pick.h"
#include "kinds.h"
#include "data.h"

/* as Fortran's DGEMM: column-major, all by address */
void dgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc)
{
    for (int i = 0; i < *m; i++)
        for (int j = 0; j < *n; j++) {
            double sum = 0;
            for (int l = 0; l < *k; l++)
                sum += a[*ta == 'N' ? i + l * *lda : l + i * *lda] * b[*tb == 'N' ? l + j * *ldb : j + l * *ldb];
            c[i + j * *ldc] = *alpha * sum + (*beta != 0 ? *beta * c[i + j * *ldc] : 0);
        }
}

int main(void)
{
    static double gradient[600], wave[20];
    float sum;
    double value, slope, picked, d[2] = {0.5, 0.25}, z[2];
    uint16_t half = 0x3e00, twice; /* 1.5 */
    bool flag;
    int32_t code = layer(w, x, &value, gradient);
    printf("%d %a", code, value);
    for (int i = 0; i < 600; i++) printf(" %a", gradient[i]);
    code = cooling(0.1, &value, &slope);
    printf("\n%d %a %a\n", code, value, slope);
    code = pick(x, 3, &picked);
    printf("%d %a\n", code, picked);
    code = pick(x, 99, &picked);
    printf("%d %lld %s\n", code, (long long)pick_value(), pick_message(code));
    code = kinds(1.5f, 2, true, d, &half, -3, &sum, z, &twice, &flag, wave);
    printf("%d %a %a %a %a %d %a %a\n", code, sum, z[0], z[1], (double)twice, flag, wave[1], wave[19]);
    printf("%s|%s\n", layer_message(-1), layer_message(77));
    return 0;
}
"""


def numbers(line: str) -> list[float]:
    return [float.fromhex(word) for word in line.split()]


@needs_cc
def test_a_c_program(tmp_path: Path) -> None:
    gradient = fd.value_and_grad(layer)
    slope = fd.value_and_grad(cooling)
    arguments = (np.float32(1.5), 2, np.bool_(True), 0.5 + 0.25j, np.float16(1.5), -3)
    made = [
        fd.export.c(gradient, W, X, path=tmp_path / "layer"),
        fd.export.c(slope, 0.1, path=tmp_path / "cooling"),
        fd.export.c(pick, X.ravel()[:40], 3, path=tmp_path / "pick"),
        fd.export.c(kinds, *arguments, path=tmp_path / "kinds"),
    ]
    data = [f"static const double {n}[] = {{{', '.join(map(float.hex, a.ravel()))}}};" for n, a in (("w", W), ("x", X))]
    (tmp_path / "data.h").write_text("\n".join(data))
    (tmp_path / "main.c").write_text(PROGRAM)
    command = [CC, *STRICT, "main.c", *[m.object.name for m in made], "-lm", "-o", "main"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.splitlines()
    value, dw = gradient(W, X)
    np.testing.assert_allclose(numbers(lines[0]), [0, value, *dw.ravel()], rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(numbers(lines[1]), [0, *slope(0.1)], rtol=1e-13)
    assert numbers(lines[2]) == [0, pick(X.ravel(), 3)]
    assert lines[3].startswith("1 99 ") and "{value}" in lines[3] and "40" in lines[3]
    total, z, half, flag, wave = fd.jit(kinds)(*arguments)
    expected = [0, total, z.real, z.imag, half.view(np.uint16), flag, wave[1], wave[19]]
    np.testing.assert_allclose(numbers(lines[4]), [float(v) for v in expected], rtol=1e-13)
    assert lines[5] == "no memory for temporary arrays|"


def test_the_header_says_all_that_a_caller_needs(tmp_path: Path) -> None:
    text = fd.export.c(fd.value_and_grad(layer), W, X, path=tmp_path / "layer").header.read_text()
    assert "w: float64, shape (30, 20), strides 160, 8 bytes" in text and "out_1: float64, shape (30, 20)" in text
    assert "int32_t layer(const double *w, const double *x, double *out_0, double *out_1);" in text
    assert "Link with: -lm, BLAS (as -lblas)." in text and "-2  a matrix has more rows" in text
    text = fd.export.c(pick, X.ravel()[:40], 3, path=tmp_path / "pick").header.read_text()
    assert "int32_t pick(const double *x, int64_t i, double *out);" in text and "Link with: -lm.\n" in text
    assert " 1  " in text and "{value}" in text and "-2  " not in text


THREADS = """
import ctypes, struct, sys, threading
library = ctypes.CDLL(sys.argv[1])
numbers = ctypes.c_double * 40
failures = []
def work(seed):
    x, out = numbers(*[k * 0.01 + seed for k in range(40)]), ctypes.c_double()
    for repeat in range(200):
        code = library.pick(x, ctypes.c_int64(seed), ctypes.byref(out))
        if code or out.value != 2 * x[seed]:
            failures.append(seed)
        library.pick_value.restype = ctypes.c_int64
        if library.pick(x, ctypes.c_int64(100 + seed), ctypes.byref(out)) != 1 or library.pick_value() != 100 + seed:
            failures.append(-seed)
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
print(failures, [m for m in ("numpy", "functad") if m in sys.modules])
"""


@needs_cc
def test_a_library_is_called_from_many_threads_of_a_process_without_functad(tmp_path: Path) -> None:
    made = fd.export.c(pick, X.ravel()[:40], 3, path=tmp_path / "pick")
    command = [sys.executable, "-I", "-S", "-c", textwrap.dedent(THREADS), str(made.library)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[] []\n"


def symbols(path: Path, *kinds: str) -> set[str]:
    listed = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[-1] for line in listed if line.split()[-2] in kinds}


@pytest.mark.skipif(shutil.which("nm") is None, reason="nm lists symbols")
def test_nothing_is_left_open_but_the_c_library(tmp_path: Path) -> None:
    def f(x):
        y = fd.lax.fori_loop(0, 1000, lambda i, y: y * 0.9 + np.sin(x), x)
        triangle = np.eye(100) * 3.0 + np.outer(x, x)
        return (
            np.sum(np.convolve(y, x))
            + np.sum(solve_triangular(triangle, x, lower=True))
            + special.erf(x[0])
            + x[np.argmax(x)]
            + np.sum(x @ np.outer(x, x))
        )

    made = fd.export.c(fd.value_and_grad(f), np.linspace(0.1, 1.0, 100), path=tmp_path / "f", name="wave")
    assert symbols(made.object, "T") == {"wave", "wave_message", "wave_value"}
    known = "malloc free realloc memset memcpy __tls_get_addr _GLOBAL_OFFSET_TABLE_ dgemv_ dgemm_ dtrsm_ erf sin cos"
    assert symbols(made.object, "U") <= set(known.split())


@needs_cc
def test_openmp_gives_the_same_bits_on_any_number_of_threads(tmp_path: Path) -> None:
    x = rng.normal(size=2_000_000)
    f = fd.value_and_grad(lambda x: np.sum(np.sin(x) * np.exp(-x * x)))
    made = fd.export.c(f, x, path=tmp_path / "f", name="f", openmp=True)
    assert "-fopenmp" in made.header.read_text()
    np.save(tmp_path / "x.npy", x)
    script = """
    import ctypes, sys, numpy as np
    library, x = ctypes.CDLL(sys.argv[1]), np.load(sys.argv[2])
    value, gradient = np.empty(()), np.empty_like(x)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, value, gradient)]
    assert library.f(*pointers) == 0
    threads = open("/proc/self/status").read().partition("Threads:")[2].split()[0]
    print(value.tobytes().hex(), hash(gradient.tobytes()), threads)
    """
    outs = []
    for threads in ("1", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-c", textwrap.dedent(script), str(made.library), str(tmp_path / "x.npy")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        outs.append(done.stdout.split())
    assert outs[0][:2] == outs[1][:2] and int(outs[1][2]) >= 3 > int(outs[0][2])
    np.testing.assert_allclose(np.frombuffer(bytes.fromhex(outs[0][0])), f(x)[0], rtol=1e-12)


SHAPE = fd.ShapeDtypeStruct((3,), float)
REFUSED = {
    "LAPACK": (lambda a: np.linalg.solve(a, np.ones(9)), np.eye(9), r"SciPy \(LAPACK's dgesv|SciPy \(LAPACK's dgetrf"),
    "special": (lambda x: special.jv(1.5, x), np.ones(3), r"SciPy \(jv"),
    "sort": (np.sort, np.ones(30), r"NumPy \(sort"),
    "callback": (lambda x: fd.pure_callback(np.sin, SHAPE, x), np.ones(3), r"Python \("),
    "fft": (np.fft.fft, np.ones(30), r"NumPy \("),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_stays_in_the_process_is_refused_by_name(case: str, tmp_path: Path) -> None:
    f, x, message = REFUSED[case]
    with pytest.raises(UnsupportedError, match=message) as error:
        fd.export.c(f, x, path=tmp_path / "f")
    assert "which C programs do not have; keep that part out" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_other_refusals(tmp_path: Path) -> None:
    big = np.ones(3_000_000)
    with pytest.raises(UnsupportedError, match="closes over arrays of 24000000 bytes"):
        fd.export.c(lambda x: x + big, 1.0, path=tmp_path / "f")
    with pytest.raises(ArgumentError, match="1 arguments that are static"):
        fd.export.c(lambda x, mode: x if mode == "a" else -x, 1.0, "a", path=tmp_path / "f")
    for name in ("double", "2x", "a-b"):
        with pytest.raises(ArgumentError, match="one that C can have"):
            fd.export.c(np.sin, 1.0, path=tmp_path / "f", name=name)


def test_without_a_compiler_there_is_no_shared_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "functad-has-no-such-compiler")
    made = fd.export.c(lambda x, double: x * double, 1.0, 2.0, path=tmp_path / "f")
    assert made.library is None and made.object.exists()
    assert "int32_t f(double x, double double2, double *out);" in made.header.read_text()
