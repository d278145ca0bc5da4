"""The cases of docs/cells.md: every cell of its tables, in every kind of column."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "cells.md"
KINDS = ("number", "category", "label", "target", "date")

NAMES = {
    "Decimal": Decimal,
    "ahead": lambda hours: timezone(timedelta(hours=hours)),
    "date": date,
    "datetime": datetime,
    "inf": math.inf,
    "nan": math.nan,
}
"""The names that cells on the page may use."""

GAP, ERROR = "gap", "error"


@dataclass(frozen=True)
class Case:
    """A cell, the kind of its column, and its meaning: a number, a string, `gap` or `error`.

    A string is marked by `is_text`, since "gap" and "error" may be strings as well.
    """

    written: str
    kind: str
    cell: object
    meaning: float | str
    is_text: bool

    @property
    def is_error(self) -> bool:
        return self.meaning == ERROR and not self.is_text

    @property
    def is_gap(self) -> bool:
        return self.meaning == GAP and not self.is_text

    def __str__(self) -> str:
        return f"{self.written} as {self.kind}"


def read_cases(page: str) -> list[Case]:
    """Return the cases of all tables with a column "cell"."""
    cases = []
    kinds: list[str] = []
    for line in page.splitlines():
        parts = [part.strip() for part in line.strip().strip("|").split(" | ")]
        if not line.startswith("|"):
            kinds = []
        elif parts[0] == "cell":
            kinds = parts[1:]
        elif kinds and not set(line) <= set("|- "):
            written = parts[0].strip("`")
            cell = eval(written, {"__builtins__": {}}, NAMES)
            for kind, meaning in zip(kinds, parts[1:], strict=True):
                cases.append(_case(written, kind, cell, meaning))
    return cases


def _case(written: str, kind: str, cell: object, meaning: str) -> Case:
    text = re.fullmatch("`(.*)`", meaning)
    if text:
        return Case(written, kind, cell, text[1], True)
    return Case(written, kind, cell, meaning if meaning in (GAP, ERROR) else float(meaning), False)


CASES = read_cases(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else []


def cases_of(kind: str) -> list[Case]:
    """Return the cases of one kind of column."""
    return [case for case in CASES if case.kind == kind]
