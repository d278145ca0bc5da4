"""Tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with the first column left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print(f"\n{title}")
    for row in [header, *rows]:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]))
    sys.stdout.flush()


def progress(text: str) -> None:
    """Print progress to standard error, apart from the tables."""
    print(f"... {text}", file=sys.stderr, flush=True)


def micro(seconds: float | None) -> str:
    """Return a time in microseconds with three significant digits, "-" for None."""
    if seconds is None:
        return "-"
    value = seconds * 1e6
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def times(ratio: float | None) -> str:
    """Return a ratio as "1.23 ×", "-" for None."""
    return "-" if ratio is None else f"{ratio:.2f} ×"


def percent(share: float | None) -> str:
    """Return a share as "87 %", "-" for None."""
    return "-" if share is None else f"{100 * share:.0f} %"


def megabytes(size: float | None) -> str:
    """Return a number of bytes in megabytes, "-" for None or 0."""
    return f"{size / 1e6:,.1f}" if size else "-"
