"""``python -m functad``: its commands, by what they print."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import functad as fd
from functad.commands import COMMANDS, main
from functad.examples import report

SOURCE = """
import numpy as np

def loss(x, r):
    total = 0.0
    for v in x:
        if v > r:
            total += v * v
    return total

class Model:
    @staticmethod
    def slope(x):
        return np.sin(x) * 2.0

WEIGHTS = [1.0]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "functions_of_a_user.py"
    path.write_text(SOURCE)
    return path


def test_help_lists_the_commands(capsys):
    for arguments in (["--help"], *[[name, "--help"] for name in COMMANDS]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert f"python -m functad {'' if arguments == ['--help'] else arguments[0]}".strip() in text
        if arguments == ["--help"]:
            assert all(name in text for name in COMMANDS)
    with pytest.raises(SystemExit) as ended:
        main(["nonsense"])
    assert ended.value.code == 2 and "invalid choice: 'nonsense'" in capsys.readouterr().err


def test_the_demonstration_is_the_default(monkeypatch, capsys):
    monkeypatch.setattr(report, "main", lambda: print("shown"))
    assert main([]) == main(["demo"]) == 0
    assert capsys.readouterr().out == "shown\nshown\n"


def test_info(capsys, monkeypatch):
    monkeypatch.setenv("FUNCTAD_THREADS", "3")
    assert main(["info"]) == 0
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert rows["functad"] == fd.__version__ and rows["numpy"] == np.__version__
    assert rows["Python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert "vectors of" in rows["CPU"] and "cores" in rows["threads"] and "FUNCTAD_THREADS=3" in rows["flags"]


def test_explain(file, capsys):
    assert main(["explain", f"{file}:loss", "--like", "f64[100]", "0.5"]) == 0
    assert capsys.readouterr().out == (
        "loss: 6 equations\n"
        f"  {file}:6: for: one native loop of 100 steps (5 equations)\n"
        f"  {file}:7: if: a branch of which one side runs (2 equations): its condition is traced\n"
    )
    assert main(["explain", "numpy:sinc", "--like", "f64[3]"]) == 0
    assert "sinc" in capsys.readouterr().out


@pytest.mark.deep
def test_export_as_numba(file, tmp_path, capsys):
    pytest.importorskip("numba")
    assert main(["export", f"{file}:Model.slope", "--of", "grad", "--to", "numba", "--like", "f64"]) == 0
    names: dict = {}
    exec(capsys.readouterr().out, names)
    np.testing.assert_allclose(names["slope"](0.5), 2.0 * np.cos(0.5), rtol=1e-15)
    output = tmp_path / "out.py"
    arguments = ["--to", "numba", "--like", "f64[100]", "0.5", "--sizes", "any", "--path", str(output)]
    assert main(["export", f"{file}:loss", *arguments]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert "n0 = x.shape[0]" in output.read_text()


def test_export_as_c_and_the_cache(file, tmp_path, capsys, monkeypatch):
    output = tmp_path / "loss"
    assert main(["export", f"{file}:loss", "--like", "f64[4]", "0.5", "--path", str(output), "--name", "total"]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written[0] == f"{output}.h" and "total(" in output.with_suffix(".h").read_text()
    assert main(["cache", "burn"]) == 2 and "usage" in capsys.readouterr().out


def test_export_as_bytes(file, tmp_path, capsys):
    output = tmp_path / "loss"
    arguments = ["export", f"{file}:loss", "--to", "bytes", "--like", "f64[4]", "0.5"]
    assert main([*arguments, "--path", str(output)]) == 0
    assert fd.export.deserialize(output.read_bytes())(np.arange(4.0), 1.5) == 13.0
    capsys.readouterr()
    assert main(arguments) == 1
    assert capsys.readouterr().err == "functad: export --to bytes: say where to, with --path [functad E02]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["numpy"], "'numpy' is no module:function; write package.module:function"),
        (["no_such_module:f"], "there is no module 'no_such_module'; for a file write path/to/file.py:function"),
        (["nowhere/f.py:f"], "there is no file nowhere/f.py"),
        (["FILE:los"], "has no 'los'; it has loss, Model"),
        (["FILE:WEIGHTS"], "is a list, and no function"),
        (["FILE:loss", "--like", "f63[2]"], "--like f63[2]: expected a number, or a type such as f64[100,3]"),
    ],
)
def test_what_is_wrong_is_said(file, arguments, message, capsys):
    assert main(["explain", *[a.replace("FILE", str(file)) for a in arguments]]) == 1
    text = capsys.readouterr().err
    assert text.startswith("functad: ") and message in text and "Traceback" not in text


def test_it_is_a_module(file):
    command = [sys.executable, "-m", "functad", "explain", f"{file}:nothing"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (1, "") and "has no 'nothing'" in found.stderr
