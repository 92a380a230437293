"""Directives for the reference: the public functions of a module, and the flags.

``.. public:: functad`` with names in its body documents these; with ``:rest:``, those that no other such directive of
the page names, so that a new function is in the reference without being listed.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import GenericAlias, ModuleType
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import functad
from functad import config


class Public(SphinxDirective):
    """A summary of functions, then each of them."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"rest": directives.flag}

    def run(self) -> list[nodes.Node]:
        module = self.arguments[0]
        listed = " ".join(self.content).split()
        if "rest" in self.options:
            listed = self.rest(module)
        found = [(name, getattr(importlib.import_module(module), name)) for name in listed]
        text = [".. autosummary::", "   :nosignatures:", ""]
        text += [f"   ~{module}.{name}" for name in listed]
        for name, value in found:
            kind = self.kind(value)
            text += ["", f".. {kind}:: {module}.{name}", *(["   :no-value:"] if kind == "autodata" else [])]
        return self.parse_text_to_nodes("\n".join(text))

    def rest(self, module: str) -> list[str]:
        """Names of the module that the page does not list, and that are not functad's own, documented there."""
        page = Path(self.env.doc2path(self.env.docname)).read_text()
        blocks = re.findall(rf"^\.\. public:: {re.escape(module)}\n\n((?:   .*\n)+)", page, re.MULTILINE)
        listed = set(" ".join(blocks).split())
        if module != "functad":
            listed |= set(functad.__all__)
        loaded = importlib.import_module(module)
        return [n for n in loaded.__all__ if n not in listed and not isinstance(getattr(loaded, n), ModuleType)]

    @staticmethod
    def kind(value: Any) -> str:
        """How autodoc documents a value."""
        if isinstance(value, type) and issubclass(value, BaseException):
            return "autoexception"
        if isinstance(value, type) and value.__module__.startswith("functad"):
            return "autoclass"
        return "autofunction" if callable(value) and not isinstance(value, type | GenericAlias) else "autodata"


class Flags(SphinxDirective):
    """The flags of ``fd.config``: environment variable, context manager, what it does."""

    def run(self) -> list[nodes.Node]:
        rows = [
            f"   * - ``{flag.name}``\n     - ``fd.config.{name}``\n     - {flag.__doc__}"
            for name, flag in vars(config).items()
            if isinstance(flag, config.Flag)
        ]
        head = "   * - variable\n     - context manager\n     - what it does"
        text = "\n".join([".. list-table::", "   :header-rows: 1", "", head, *rows])
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("public", Public)
    app.add_directive("flags", Flags)
    return {"parallel_read_safe": True}
