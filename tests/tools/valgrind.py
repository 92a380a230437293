"""Runs a Python script under valgrind's memcheck and reports the errors of emitted code.

    python tests/tools/valgrind.py tests/tools/native_smoke.py

CPython, NumPy and LLVM have errors of their own under valgrind (reads past the end of a string by whole words, and the
like). They need no list of suppressions: emitted code belongs to no object file, so an error is its own where one of
the innermost frames has none; the frames below that are the C library's (``memcpy``). Memcheck knows no AVX-512: the
script's code is compiled for 256-bit vectors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

__all__ = ["available", "errors_of"]

_INNERMOST = 3  # frames that are looked at

_ENVIRONMENT = {
    "PYTHONMALLOC": "malloc",  # or objects would share blocks whose bounds memcheck cannot know
    "PYTHONHASHSEED": "0",
    "FUNCTAD_CPU": "x86-64-v3",
    "FUNCTAD_VECTOR_BITS": "256",
    "FUNCTAD_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def errors_of(script: Path, *args: str) -> list[str]:
    """Run a script; a description of each error in emitted code. Raises CalledProcessError if the script itself
    fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [
            "valgrind", "--tool=memcheck", "--leak-check=no", "--error-limit=no", "--smc-check=all-non-file",
            "--num-callers=12",
            "--xml=yes", f"--xml-file={report}", sys.executable, str(script), *args,
        ]  # fmt: skip
        subprocess.run(command, env=os.environ | _ENVIRONMENT, check=True)
        found = ElementTree.parse(report).getroot().findall("error")
    return [_describe(error) for error in found if _in_emitted_code(error)]


def _in_emitted_code(error: ElementTree.Element) -> bool:
    stack = error.find("stack")
    return stack is not None and any(frame.find("obj") is None for frame in stack.findall("frame")[:_INNERMOST])


def _describe(error: ElementTree.Element) -> str:
    what = error.findtext("what") or error.findtext("xwhat/text") or error.findtext("kind") or ""
    frames = [
        f"    {frame.findtext('fn') or 'emitted code'} ({frame.findtext('ip')}, "
        f"{frame.findtext('obj') or 'no object file'})"
        for frame in error.iterfind("stack[1]/frame")
    ]
    return "\n".join([what, *frames])


def main() -> int:
    errors = errors_of(Path(sys.argv[1]), *sys.argv[2:])
    print("\n\n".join(errors) or "no error in emitted code")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
