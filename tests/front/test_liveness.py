"""Which variables of a loop go round, and have a value after it."""

from __future__ import annotations

import ast
import textwrap

import pytest

from functad.front.liveness import reads_of


def carried(source):
    """Those of the first loop in which ``pass`` stands."""
    (function,) = ast.parse(textwrap.dedent(source)).body
    loops = [n for n in ast.walk(function) if isinstance(n, ast.For | ast.While)]
    loop = next(n for n in loops if isinstance(n.body[-1], ast.Pass))
    return reads_of(function).carried(loop)[0]


@pytest.mark.parametrize(
    ("names", "source"),
    [
        ([], "def f():\n for v in x:\n  t = v\n  pass"),
        (["s"], "def f():\n for v in x:\n  t = v\n  s += t\n  pass\n return s"),
        (["s"], "def f():\n for v in x:\n  s += v\n  pass"),
        (["v"], "def f():\n for v in x:\n  t = v\n  pass\n return v"),
        (["t"], "def f():\n for v in x:\n  if v:\n   t = v\n  g(t)\n  pass"),
        ([], "def f():\n for v in x:\n  if v:\n   t = v\n  else:\n   t = 1\n  g(t)\n  pass"),
        (["t"], "def f():\n for v in x:\n  for w in v:\n   t = w\n  g(t)\n  pass"),
        ([], "def f():\n for v in x:\n  for w in v:\n   t = w\n   g(t)\n  pass"),
        ([], "def f():\n for v in x:\n  t = v\n  pass\n for v in y:\n  t = v\n  g(t)"),
        (["t"], "def f():\n for v in x:\n  t = v\n  pass\n for v in y:\n  t = v\n return t"),
        (["t"], "def f():\n for v in x:\n  t = v\n  pass\n if y:\n  t = 0\n return t"),
        ([], "def f():\n for v in x:\n  t = v\n  pass\n if y:\n  t = 0\n else:\n  t = 1\n return t"),
        (["t"], "def f():\n if y:\n  for v in x:\n   t = v\n   pass\n  if z:\n   t = 0\n return t"),
        (["t"], "def f():\n for u in y:\n  g(t)\n  for v in x:\n   t = v\n   pass"),
        ([], "def f():\n for u in y:\n  t = u\n  for v in x:\n   t = v\n   pass"),
        (["t", "v"], "def f():\n for u in y:\n  for v in x:\n   t = v\n   pass\n  if u:\n   break\n  t = 0\n return t"),
        (["t"], "def f():\n for v in x:\n  t = v\n  h = lambda: t\n  pass"),
        (["t", "v"], "def f():\n for v in x:\n  t = v\n  pass\n return locals()"),
        (["t", "v"], "def f():\n try:\n  for v in x:\n   t = v\n   pass\n except E:\n  g(t)"),
        ([], "def f():\n for v in x:\n  def t(a):\n   return a\n  t(v)\n  pass"),
        ([], "def f():\n for v in x:\n  class t:\n   a = 1\n  t(v)\n  pass"),
        ([], "def f():\n for v in x:\n  if v:\n   def t(a):\n    return a\n  else:\n   t = g\n  t(v)\n  pass"),
        ([], "def f():\n for v in x:\n  t: int = v\n  g(t)\n  pass"),
        (["t"], "def f():\n for v in x:\n  t: int\n  g(t)\n  pass"),
        (["t"], "def f():\n for v in x:\n  if v:\n   def t(a):\n    return a\n  t(v)\n  pass"),
        (["t"], "def f():\n for v in x:\n  t(v)\n  def t(a):\n   return a\n  pass"),
        (["t"], "def f():\n for v in x:\n  @t\n  def t(a):\n   return a\n  pass"),
        (["t"], "def f():\n for v in x:\n  def t(a):\n   return a\n  pass\n return t(1)"),
        (["k"], "def f():\n while k:\n  k = k - 1\n  t = k\n  pass"),
        (["t", "v"], "def f():\n global t, v\n for v in x:\n  t = v\n  pass"),
    ],
)
def test_carried(names, source):
    found = carried(source)
    assert [n for n in found if n not in ("h",)] == names
