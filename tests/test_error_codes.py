"""Each kind of error has a code and a section that explains it. (That the examples raise it, and that the mends run, is
tested with all code of the docs.)"""

from __future__ import annotations

import copy
import doctest
import pickle
import re
import warnings
from pathlib import Path

import pytest

from functad import errors

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "error_codes.md"
KINDS = {
    c.__name__: c
    for c in vars(errors).values()
    if isinstance(c, type) and issubclass(c, errors.Coded) and c.__module__ == errors.__name__
}
BASES = {"Coded", "FunctadError", "FunctadWarning"}
SECTIONS = {
    code: (name, text)
    for code, name, text in re.findall(
        r"^\(\w+\)=\n## (\w+): (\w+)\n(.*?)(?=^\(\w+\)=|\Z)", PAGE.read_text(), re.M | re.S
    )
}


def test_each_kind_has_a_code_of_its_own():
    codes = [c.code for name, c in KINDS.items() if name not in BASES]
    assert len(set(codes)) == len(codes) and all(re.fullmatch(r"[EW]\d\d", c) for c in codes)
    assert all("code" in vars(c) for name, c in KINDS.items() if name not in BASES)
    assert set(KINDS) - {"Coded"} <= set(errors.__all__)


def test_each_code_has_a_section_and_each_section_a_kind():
    assert {c.code: name for name, c in KINDS.items() if c.code} == {code: name for code, (name, _) in SECTIONS.items()}
    assert PAGE.read_text().count("\n## ") == len(SECTIONS)
    assert list(SECTIONS) == sorted(SECTIONS)


@pytest.mark.parametrize("code", SECTIONS)
def test_a_section_has_the_mistake_and_then_its_mend(code):
    examples = doctest.DocTestParser().get_examples(SECTIONS[code][1])
    raising = [k for k, e in enumerate(examples) if e.exc_msg]
    assert raising and all(e.exc_msg.startswith("functad.errors.") for e in examples if e.exc_msg)
    first = examples[raising[0]].exc_msg
    assert first.startswith(f"functad.errors.{SECTIONS[code][0]}:") and first.endswith(f" [functad {code}]\n")
    assert len(examples) > raising[-1] + 1


@pytest.mark.parametrize("name", sorted(set(KINDS) - BASES))
def test_the_code_ends_the_message(name):
    error = KINDS[name]("a message; another clause")
    said = f"a message; another clause [functad {KINDS[name].code}]"
    assert str(error) == said and errors.message_of(error) == "a message; another clause"
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error) and str(other) == said
    if isinstance(error, errors.FunctadError):
        assert str(error.at("a.py:3")) == f"a message; another clause, at a.py:3 [functad {KINDS[name].code}]"


def test_warnings_are_shown_with_theirs():
    with pytest.warns(errors.RetraceWarning, match=r"\[functad W02\]$"):
        warnings.warn("changes", errors.RetraceWarning, stacklevel=1)
    assert errors.message_of(ValueError("plain")) == "plain"
