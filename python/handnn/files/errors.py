"""Errors about tables in files, and the options that remedy them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple


class Option(Enum):
    """An option that remedies an error, by its name as an argument of `handnn.train_file`."""

    DECIMAL = "decimal"
    DELIMITER = "delimiter"
    DROP_GAPS = "drop_gaps"
    ENCODING = "encoding"
    GAPS = "gaps"
    HOLD_OUT = "hold_out"
    IGNORE = "ignore"


ADVICE = {
    Option.DECIMAL: "use {} if the comma is the decimal point",
    Option.DELIMITER: "specify the delimiter, for example {}",
    Option.DROP_GAPS: "use {} to leave such rows out",
    Option.ENCODING: "specify the encoding, for example {}",
    Option.GAPS: "if it marks a missing value, use {}",
    Option.HOLD_OUT: "increase {}",
    Option.IGNORE: "use {} to leave it out",
}
"""The end of a message that suggests an option."""


class Remedy(NamedTuple):
    """An option and its value: a string, or several strings for GAPS and IGNORE."""

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
        advice = []
        for remedy in self.remedies:
            text = ADVICE[remedy.option].format(word(remedy))
            if len(remedy.values) > 1:
                text = text.replace(" it ", " them ")
            advice.append(text)
        return "; ".join([self.problem, *advice])

    def __str__(self) -> str:
        """Return the message with each remedy as a Python argument."""
        return self.worded(as_argument)


def as_argument(remedy: Remedy) -> str:
    """Return a remedy as an argument of `handnn.train_file`, such as ``gaps=['?']``."""
    name = remedy.option.value
    if remedy.option is Option.HOLD_OUT:
        return name
    if remedy.option is Option.DROP_GAPS:
        return f"{name}=True"
    if remedy.option in (Option.GAPS, Option.IGNORE):
        return f"{name}={remedy.values!r}"
    return f"{name}={remedy.value!r}"
