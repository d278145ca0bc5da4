"""The files of the page, and the names of its lessons."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

from handnn.charts.style import palette

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
"""The media types by suffix."""


def _parts() -> dict[str, bytes]:
    folder = resources.files("handnn.play") / "page"
    found = {
        part.name: part.read_bytes() for part in folder.iterdir() if Path(part.name).suffix in TYPES
    }
    found["play.css"] = palette().encode() + found["play.css"]
    shared = {name: found.pop(name).decode() for name in list(found) if name.startswith("_")}
    for name in ("index.html", "recorded.html"):
        page = re.sub(r"<!-- (_\w+\.html) -->\n", lambda m: shared[m[1]], found[name].decode())
        found[name] = page.encode()
    return found


PARTS = _parts()
"""The files by name. A line `<!-- _name.html -->` of a page is replaced by that file, which both
pages share."""


def lesson_names() -> list[str]:
    """Return the names of the lessons, in order."""
    return [str(lesson["name"]) for lesson in json.loads(PARTS.get("lessons.json", b"[]"))]
