"""The interpretation of one cell: spaces, gap words, booleans, numbers, and category strings.

A cell is interpreted by its value alone, not by its type. The specification is docs/cells.md.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from handnn.arrays import check_type, text_tuple
from handnn.tables.cells.dates import date_text

SPACES = (
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""Characters that are removed around a cell: Unicode's white space and the byte order mark."""

GAPS = {"", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL"}
"""Strings that mean a missing value."""

MISSING_TYPES = {"NoneType", "NAType", "NaTType"}
"""Type names of None, pandas.NA and pandas.NaT; names, because pandas is optional."""

BOOLS = {
    **dict.fromkeys(("true", "True", "TRUE", "t"), "true"),
    **dict.fromkeys(("false", "False", "FALSE", "f"), "false"),
}
"""Spellings of booleans, and their category strings."""

BOOL_NUMBERS = {"true": 1.0, "false": 0.0}
"""The values of booleans in a column of numbers."""

ALIASES = {"true": "1", "false": "0", "1": "true", "0": "false"}
"""The label used for a category that is absent from training."""

_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,9}))?")

MAX_PLAIN_DIGITS = 21
"""Numbers with more digits are written with an exponent, as by JavaScript's Number.toString."""

MAX_EXACT_FRACTION = 15
"""The number of significant digits that a float64 preserves."""


def strip(text: str) -> str:
    """Return a string without the spaces around it."""
    return text.strip(SPACES)


def number_text(text: str) -> str | None:
    """Return the canonical text of a number: "1" for 1, 1.0, 01 and 1e0; None for other strings.

    Integers keep all digits. A number with a fraction has the shortest digits of its float64.
    """
    parts = _split(text)
    if parts is None:
        return None
    sign, digits, point = parts
    if point < len(digits) and len(digits) > MAX_EXACT_FRACTION:
        sign, digits, point = _split(repr(float(text))) or parts
    n_digits = len(digits)
    if not digits:
        return "0"
    if n_digits <= point <= MAX_PLAIN_DIGITS:
        return sign + digits + "0" * (point - n_digits)
    if 0 < point <= MAX_PLAIN_DIGITS:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = "." + digits[1:] if n_digits > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _split(text: str) -> tuple[str, str, int] | None:
    """Return the sign, the significant digits, and the position of the decimal point among them."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, fraction, exponent = found.groups(default="")
    digits = whole + fraction
    if not digits:
        return None
    point = len(whole) + int(exponent or 0)
    significant = digits.lstrip("0")
    point -= len(digits) - len(significant)
    return ("-" if sign == "-" else ""), significant.rstrip("0"), point


def text_of(text: str) -> str:
    """Return the category text of a string without spaces around it."""
    if text in BOOLS:
        return BOOLS[text]
    return number_text(text) or text


def category_text(value: object) -> str:
    """Return the canonical text of a value as a category or a label.

    Equal numbers of all types have the same text: "1" for 1, 1.0, Decimal("1.00"), " 1 " and "01".
    Booleans, and strings such as True, TRUE and t, have "true" or "false". Dates have their ISO
    8601 text, in UTC. The value must not be a gap.

    Examples:
        >>> from handnn.tables.cells import category_text
        >>> [category_text(value) for value in (1, 1.0, "1e0", " 01", True, "TRUE", "Ulm ")]
        ['1', '1', '1', '1', 'true', 'true', 'Ulm']
    """
    if isinstance(value, str):
        return text_of(strip(value))
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return number_text(format(int(value), "d")) or ""
    if isinstance(value, np.floating):
        return text_of(str(value))  # the shortest text in its precision
    if isinstance(value, Real):
        return text_of(repr(float(value)))
    if isinstance(value, Decimal):
        return text_of(str(value))
    if isinstance(value, dt.date | np.datetime64):
        return date_text(value)
    return strip(str(value))


def is_number(text: str) -> bool:
    """Return whether a string without spaces around it is a number."""
    return _split(text) is not None


def gap_tuple(gaps: Iterable[str] | None, name: str) -> tuple[str, ...] | None:
    """Return strings that mean a missing value, see `text_tuple`; None for the default."""
    return None if gaps is None else text_tuple(gaps, name)


class GapWords:
    """The strings that mean a missing value, and the numbers among them.

    A numeric word such as -999 matches every cell equal to it: "-999.0", -999, -999.0.
    """

    def __init__(self, words: Iterable[str] = GAPS) -> None:
        given = list(words)
        for word in given:
            check_type(word, str, "gaps: each gap")
        self.words: Collection[str] = {"", *map(strip, given)}
        self.keys = {key for word in self.words if (key := number_text(word)) is not None}
        self.numbers = sorted(map(float, self.keys))

    def __contains__(self, text: str) -> bool:
        """Return whether a string without spaces around it means a missing value."""
        if text in self.words:
            return True
        return bool(self.keys) and number_text(text) in self.keys


DEFAULT_GAPS = GapWords()
