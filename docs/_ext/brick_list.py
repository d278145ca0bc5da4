"""Sphinx extension: list the bricks on the page docs/bricks.md.

A comment `<!-- bricks: losses -->` is replaced by a table of the pages of that kind, with the first
paragraph of each, so that a new brick is listed as soon as it has a page.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

from handnn import layers, losses

FOLDER = Path(__file__).parents[1] / "bricks"


def kind_of(name: str) -> str:
    brick = layers.COMPILED.get(name) or getattr(losses, name)
    if issubclass(brick, losses.KernelLoss):
        return "losses"
    return "activations" if issubclass(brick, layers.Activation) else "layers"


def rows(kind: str) -> str:
    """Return one row of a table for each page of this kind, by name."""
    result = []
    for page in sorted(FOLDER.glob("*.md")):
        name, text, *_ = (page.read_text(encoding="utf-8").removeprefix("# ")).split("\n\n")
        if kind_of(name) == kind:
            result.append(f"| [{name}](bricks/{page.name}) | {' '.join(text.split())} |\n")
    return "".join(result)


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    if page == "bricks":
        table = "| page | what it does |\n|---|---|\n"
        source[0] = re.sub(r"<!-- bricks: (\w+) -->", lambda m: table + rows(m[1]), source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
