"""Sphinx extension: write one page for every public name, and one list for every public module.

The names are those in `__all__` of the public modules, so that a new name has a page as soon as it
is public.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

from plain_docstrings import escaped
from sphinx.application import Sphinx

MODULES = (
    "handnn", "handnn.functional", "handnn.metrics", "handnn.schedules", "handnn.initializers",
    "handnn.tables", "handnn.files", "handnn.sklearn", "handnn.inside", "handnn.exchange",
    "handnn.datasets", "handnn.article", "handnn.play.notebook", "handnn.play.rows",
)  # fmt: skip
FOLDER = Path(__file__).parents[1] / "reference" / "generated"


def things_of(module_name: str) -> dict[str, object]:
    """Return the public classes and functions of a module by name."""
    module = import_module(module_name)
    things = {name: getattr(module, name) for name in sorted(module.__all__)}
    return {name: thing for name, thing in things.items() if callable(thing)}


def homes() -> dict[int, str]:
    """Return the full name of the page of each public object: the first of its names."""
    result: dict[int, str] = {}
    for module_name in MODULES:
        for name, thing in things_of(module_name).items():
            result.setdefault(id(thing), f"{module_name}.{name}")
    return result


def page_of(full_name: str, thing: object) -> str:
    directive = "autoclass" if inspect.isclass(thing) else "autofunction"
    options = "   :members:\n   :inherited-members:\n" if inspect.isclass(thing) else ""
    return f"{full_name}\n{'=' * len(full_name)}\n\n.. {directive}:: {full_name}\n{options}"


def list_of(module_name: str, home: dict[int, str]) -> str:
    things = things_of(module_name)
    own = [home[id(thing)] for thing in things.values() if home[id(thing)].startswith(module_name)]
    title = f"{module_name}\n{'=' * len(module_name)}\n"
    described = f".. automodule:: {module_name}\n   :no-members:\n   :no-index:\n"
    rows = "".join(
        f"   * - :py:obj:`{name} <{home[id(thing)]}>`\n     - {summary(thing)}\n"
        for name, thing in things.items()
    )
    table = f".. list-table::\n   :widths: 30 70\n\n{rows}"
    toctree = ".. toctree::\n   :hidden:\n\n" + "".join(f"   {name}\n" for name in own)
    return "\n".join([title, described, table, toctree])


def summary(thing: object) -> str:
    """Return the first sentence of a docstring."""
    paragraphs = (inspect.getdoc(thing) or "").split("\n\n")
    has_signature = (
        "->" in paragraphs[0].partition("\n")[0]
    )  # a C++ function documents its signature first
    first = paragraphs[1 if has_signature and len(paragraphs) > 1 else 0]
    return escaped(re.split(r"\.(?:\s|$)", " ".join(first.split()))[0].rstrip(":"))


def write(path: Path, text: str) -> None:
    """Write a page unless it exists with this content, so that Sphinx builds only what changed."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def generate(app: Sphinx) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    home = homes()
    files = {f"{name}-module": list_of(name, home) for name in MODULES}
    for module_name in MODULES:
        for thing in things_of(module_name).values():
            files[home[id(thing)]] = page_of(home[id(thing)], thing)
    for name, text in files.items():
        write(FOLDER / f"{name}.rst", text)
    for path in FOLDER.glob("*.rst"):
        if path.name.removesuffix(".rst") not in files:
            path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
