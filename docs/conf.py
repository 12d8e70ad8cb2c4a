"""The documentation as a site: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

from lepton_jlab import __version__  # noqa: E402

project = "Lepton for JupyterLab"
author = copyright = "The Lepton developers"  # noqa: A001 (Sphinx's own name)
release = version = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "grammar_pages",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # magics are not Python

autodoc_typehints = "none"  # the docstrings say it in words
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = f"Lepton {release}"
html_show_sourcelink = False
copybutton_prompt_text = r"\$ "
