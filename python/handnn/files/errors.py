"""Errors about tables in files, and the options that remedy them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple


class Option(Enum):
    """An option that remedies an error, by its name as an argument of `handnn.train_file`."""

    CATEGORIES = "categories"
    DECIMAL = "decimal"
    DELIMITER = "delimiter"
    DROP_GAPS = "drop_gaps"
    ENCODING = "encoding"
    GAPS = "gaps"
    HOLD_OUT = "hold_out"
    IGNORE = "ignore"
    NETWORKS = "networks"
    NO_DEFAULT_GAPS = "default_gaps"
    NO_STREAM = "stream"
    TASK = "task"
    USE = "use"


ADVICE = {
    Option.CATEGORIES: "use {} to treat every value as text",
    Option.DECIMAL: "use {} if the comma is the decimal point",
    Option.DELIMITER: "specify the delimiter, for example {}",
    Option.DROP_GAPS: "use {} to leave such rows out",
    Option.ENCODING: "specify the encoding, for example {}",
    Option.GAPS: "if it marks a missing value, use {}",
    Option.HOLD_OUT: "increase {}",
    Option.IGNORE: "use {} to leave it out",
    Option.NETWORKS: "use at most {}",
    Option.NO_DEFAULT_GAPS: "use {} to treat NA and the like as text",
    Option.NO_STREAM: "use {} to keep all rows in memory",
    Option.TASK: "use {} to predict a number",
    Option.USE: "use {} to learn from it",
}
"""The end of a message that suggests an option."""

LISTS = (Option.CATEGORIES, Option.GAPS, Option.IGNORE, Option.USE)
"""Options with several strings as value."""


class Remedy(NamedTuple):
    """An option and its value: a string, or several strings for those in LISTS."""

    option: Option
    value: str | tuple[str, ...] = ""

    @property
    def values(self) -> list[str]:
        """The value as a list of strings."""
        return [self.value] if isinstance(self.value, str) else list(self.value)


class TableError(ValueError):
    """A file is not a table that can be read, learned from or predicted.

    The message names the file and, where they are known, the line, the column and the value. When
    an option remedies the error, the message ends with that option as a Python argument; `worded`
    formats it for another interface.

    Attributes:
        problem: the message without remedies.
        remedies: options that remedy the error.

    Examples:
        >>> from handnn.files.errors import Option, Remedy, TableError
        >>> error = TableError("rents.csv: '?' is not a number", Remedy(Option.GAPS, ("?",)))
        >>> print(error)
        rents.csv: '?' is not a number; if it marks a missing value, use gaps=['?']
    """

    def __init__(self, problem: str, *remedies: Remedy) -> None:
        super().__init__(problem, *remedies)
        self.problem = problem
        self.remedies = tuple(dict.fromkeys(remedies))

    def worded(self, word: Callable[[Remedy], str]) -> str:
        """Return the message with each remedy as formatted by `word`, such as ``--gap '?'``."""
        return _worded(self.problem, self.remedies, word)

    def __str__(self) -> str:
        """Return the message with each remedy as a Python argument."""
        return self.worded(as_argument)


class Note(str):
    """A note on an automatic decision about a file, with the option that changes it.

    The text ends with the option that decides otherwise, as a Python argument.

    Attributes:
        decision: the text without that option.
        remedies: the option.
    """

    decision: str
    remedies: tuple[Remedy, ...]

    def __new__(cls, decision: str, *remedies: Remedy) -> Note:
        """Return the line."""
        note = super().__new__(cls, _worded(decision, remedies, as_argument))
        note.decision, note.remedies = decision, remedies
        return note

    def worded(self, word: Callable[[Remedy], str]) -> str:
        """Return the line with the option as formatted by `word`."""
        return _worded(self.decision, self.remedies, word)


def _worded(text: str, remedies: Iterable[Remedy], word: Callable[[Remedy], str]) -> str:
    parts = [text]
    for remedy in remedies:
        advice = ADVICE[remedy.option].format(word(remedy))
        parts.append(re.sub(r"\bit\b", "them", advice) if len(remedy.values) > 1 else advice)
    return "; ".join(parts)


def as_argument(remedy: Remedy) -> str:
    """Return a remedy as an argument of `handnn.train_file`, such as ``gaps=['?']``."""
    name = remedy.option.value
    if remedy.option is Option.HOLD_OUT:
        return name
    if remedy.option is Option.DROP_GAPS:
        return f"{name}=True"
    if remedy.option in (Option.NO_DEFAULT_GAPS, Option.NO_STREAM):
        return f"{name}=False"
    if remedy.option is Option.NETWORKS:
        return f"{name}={remedy.value}"
    if remedy.option in LISTS:
        return f"{name}={remedy.values!r}"
    return f"{name}={remedy.value!r}"
