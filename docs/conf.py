"""The site: `sphinx-build -W docs docs/_build/html`. Pages are MyST; those with a kernel are notebooks and are run."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

from registry import scipy_modules  # noqa: E402

import functad  # noqa: E402

project = "functad"
copyright = "the authors of functad"
version = release = functad.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "measured",
    "public",
    "registry",
]
exclude_patterns = ["_build", "README.md"]

# -- pages -------------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True


# -- reference ---------------------------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"  # they are in the signature
autodoc_default_options = {"members": False}
numpydoc_show_class_members = False
numpydoc_validation_checks: set[str] = set()
default_role = "py:obj"
add_module_names = False

# -- appearance --------------------------------------------------------------------------------------------------------

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "functad"
html_static_path = ["_static"]
html_css_files = ["functad.css"]
html_show_sourcelink = True
html_copy_source = True
html_sourcelink_suffix = ""  # the source of a notebook opens as it is
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


# -- pages that nobody has to list -------------------------------------------------------------------------------------


def other_topics() -> list[str]:
    """Pages beside this file that no table of contents beside it names: topics."""
    pages = {page.stem: page.read_text() for page in HERE.glob("*.md")}
    listed = {line.strip() for text in pages.values() if "{toctree}" in text for line in text.splitlines()}
    return [page for page in sorted(pages) if page not in listed and not page.startswith(("index", "coming_from_"))]


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """What has been added since a page was written: topics, modules of SciPy. Doctests need a blank line at their end,
    readers do not.
    """
    source[0] = source[0].replace("\n\n```\n", "\n```\n")
    if page == "topics":
        source[0] = source[0].replace("<others>", "\n".join(other_topics()))
    if page == "reference/scipy_functions":
        modules = [f"## {m}\n\n```{{functions}} {m}\n```\n" for m in scipy_modules()]
        source[0] = source[0].replace("<modules>", "\n".join(modules))


def setup(app: Sphinx) -> None:
    app.connect("source-read", fill_in)
    app.connect("env-get-outdated", lambda *_: ["topics", "reference/scipy_functions"])


nb_render_error_lexer = "text"  # messages of several lines are no tracebacks to the other
