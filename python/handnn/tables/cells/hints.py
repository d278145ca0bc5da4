"""Strings that look like numbers but are not read as numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_CURRENCY = "[$€£¥]|EUR|USD|GBP|CHF"

_SPACES = r" \u00a0\u202f"
_AMOUNT = rf"[0-9]+(?:[.,'_{_SPACES}][0-9]+)*"

PATTERNS = {
    "numbers with a decimal comma": rf"[+-]?(?:[0-9]+|[0-9]{{1,3}}(?:[.{_SPACES}][0-9]{{3}})+)"
    r",[0-9]+",
    "numbers with separated thousands": rf"[+-]?[0-9]{{1,3}}(?:([,.'_{_SPACES}])[0-9]{{3}})"
    r"(?:\1[0-9]{3})*(?:[.,][0-9]+)?",
    "percentages": rf"[+-]?{_AMOUNT} ?[%‰]",
    "amounts of money": rf"[+-]?(?:{_CURRENCY}) ?[+-]?{_AMOUNT}|[+-]?{_AMOUNT} ?(?:{_CURRENCY})",
    "numbers in parentheses": rf"\({_AMOUNT}\)",
    "numbers with a typographic minus": rf"\u2212{_AMOUNT}",
}
"""The kinds of such strings, with a pattern for each."""

_COMPILED = {
    name: re.compile(pattern)
    for name, pattern in sorted(PATTERNS.items(), key=lambda item: "thousands" not in item[0])
}
"""1,000 is ambiguous; the comma is treated as a thousands separator."""

ADVICE = {
    "numbers with a decimal comma": "write 1.5 for 1,5",
    "numbers with separated thousands": "write 1000 for 1,000",
    "percentages": "write 15 or 0.15 for 15%",
    "amounts of money": "write the number alone",
    "numbers in parentheses": "write -5 for (5)",
    "numbers with a typographic minus": "write -5 with a hyphen",
}
"""Advice on how to write each as a number."""


def near_number(text: str) -> str | None:
    """Return the kind of a string that looks like a number, such as "percentages", or None.

    Examples:
        >>> from handnn.tables.cells import near_number
        >>> near_number("15%"), near_number("1.234,5"), near_number("2020_01")
        ('percentages', 'numbers with a decimal comma', None)
    """
    for name, pattern in _COMPILED.items():
        if pattern.fullmatch(text):
            return name
    return None


def near_numbers(texts: Iterable[str]) -> tuple[str, str, int] | None:
    """Return the most frequent kind among strings, the first string of that kind, and its count."""
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for text, count in Counter(texts).items():
        name = near_number(text)
        if name is not None:
            counts[name] = counts.get(name, 0) + count
            first.setdefault(name, text)
    if not counts:
        return None
    name = max(counts, key=counts.__getitem__)
    return name, first[name], sum(counts.values())
