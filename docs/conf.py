"""Settings of the documentation site: `nox -s docs` builds it into docs/_build."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

import handnn
from handnn.play.recording import record

DOCS = Path(__file__).parent
REPOSITORY = "https://github.com/handnn/handnn"
sys.path.insert(0, str(DOCS / "_ext"))

project = "handnn"
author = "handnn developers"
project_copyright = "handnn developers, BSD-3-Clause"
version = release = handnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "myst_parser",
    "sphinx_click",
    "sphinx_copybutton",
    "brick_list",
    "plain_docstrings",
    "reference_pages",
]
exclude_patterns = ["_build", "_ext", "_static", "notebooks"]
default_role = "py:obj"
suppress_warnings = ["ref.python"]  # both handnn and handnn.article have an Affine

myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("Array", "ArrayLike", "DTypeLike", "RandomSource")}
autodoc_preserve_defaults = True
smartquotes = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"handnn {version}"
html_static_path = ["_static"]
html_css_files = ["handnn.css"]
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def link_to_repository(app: Sphinx, page: str, source: list[str]) -> None:
    """Redirect links to files outside docs/ to the repository on the web."""
    folder = (DOCS / page).parent

    def address(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve()
        if target.is_relative_to(DOCS.resolve()):
            return match[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"]({REPOSITORY}/{kind}/main/{target.relative_to(DOCS.parent.resolve())}{match[2]})"

    source[0] = re.sub(r"\]\((\.\./[^)\s#]*)((?:#[^)\s]*)?)\)", address, source[0])


def link_to_recording(app: Sphinx, page: str, source: list[str]) -> None:
    """Link the recorded run, which exists only on the site."""
    link = '<p><a href="recording/index.html">Scrub through a recorded run.</a></p>'
    source[0] = source[0].replace("<!-- recorded run -->", link)


def write_recording(app: Sphinx) -> None:
    """Record a run of the laboratory for the site."""
    if app.builder.format == "html":
        record(Path(app.outdir) / "recording")


def set_language(
    app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object
) -> None:
    """Mark the pages in Chinese as such, for fonts, screen readers and translators."""
    if page.startswith("zh/"):
        context["language"] = "zh-CN"


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", set_language)
    app.connect("source-read", link_to_repository)
    app.connect("source-read", link_to_recording)
    app.connect("builder-inited", write_recording)
