"""Parts of an HTML page: sections and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Cell = str | int | float


def section(title: str, inner: str) -> str:
    """Return a section with a heading; `inner` is HTML."""
    name = title.lower().replace(" ", "-")
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{inner}\n</section>'


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], ours: str | None = None
) -> str:
    """Return a table; the first cell of each row is its heading, and the row `ours` is bold."""
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    label = escape(caption)
    lines = [f'<div class="wide" role="region" aria-label="{label}" tabindex="0">']
    lines.append(f"<table><caption>{label}</caption>")
    lines.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for first, *rest in rows:
        inner = "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        kind = ' class="ours"' if first == ours else ""
        lines.append(f'<tr{kind}><th scope="row">{escape(str(first))}</th>{inner}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])
