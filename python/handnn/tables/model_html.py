"""The HTML of a TableModel in notebooks: self-contained, escaped, for light and dark themes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from handnn.network import Network
from handnn.tables.columns import Columns
from handnn.tables.target import Target

STYLE = "color:inherit;background:transparent;font:13px sans-serif;max-width:60em"
CELL = "text-align:left;padding:2px 12px 2px 0;border-bottom:1px solid rgba(128,128,128,.35)"
FAINT = "opacity:.65"

MAX_ROWS = 60
"""The largest number of columns listed; the others are only counted."""


def model_html(columns: Columns, target: Target, networks: Sequence[Network]) -> str:
    """Return a table of the columns, the target, and the size of the networks."""
    names = columns.feature_names_in or tuple(map(str, range(len(columns.columns))))
    shown = list(zip(names, columns.columns, strict=True))[:MAX_ROWS]
    rows = [
        _row(name, column.kind, "yes" if column.has_gaps else "", str(column))
        for name, column in shown
    ]
    n_more = len(columns.columns) - len(shown)
    if n_more:
        rows.append(_row(f"… and {n_more:,} more", "", "", ""))
    count = len(networks)
    n_parameters = sum(array.size for array in networks[0].params.values())
    size = f"{n_parameters:,} parameters, {networks[0].dtype}"
    facts = {
        "target": repr(target).removeprefix("Target(").removesuffix(")"),
        "input": f"{columns.n_in:,} columns, {columns.n_after:,} after embeddings",
        "networks": f"1: {size}" if count == 1 else f"{count}, averaged; each {size}",
        "layers": repr(networks[0]).removeprefix("Network(").split(";")[0],
    }
    lines = "".join(
        f'<div><span style="{FAINT}">{name}</span> {escape(text)}</div>'
        for name, text in facts.items()
    )
    head = _row("column", "kind", "gaps", "learned from the training rows", tag="th")
    return (
        f'<div style="{STYLE}"><strong>TableModel</strong>{lines}'
        f'<table style="border-collapse:collapse;margin-top:6px">{head}{"".join(rows)}</table>'
        "</div>"
    )


def _row(*cells: str, tag: str = "td") -> str:
    inner = "".join(f'<{tag} style="{CELL}">{escape(cell)}</{tag}>' for cell in cells)
    return f"<tr>{inner}</tr>"
