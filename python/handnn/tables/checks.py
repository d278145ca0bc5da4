"""What is read from a file, checked: each raises ValueError for what it does not allow."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any


def keys(entry: object, names: set[str], what: str) -> None:
    """Check that `entry` is an object of exactly these names."""
    if not isinstance(entry, dict):
        raise ValueError(f"{what} is described as {entry!s:.50}")
    if set(entry) != names:
        odd = min(set(entry) ^ names)
        raise ValueError(f"{what} has {'an' if odd in entry else 'no'} entry {odd!r:.50}")


def number(value: object, what: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise ValueError(f"{what} must be a number, but is {value!s:.50}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"{what} must be finite, but is {value!s:.50}")
    return found


def truth(value: object, what: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} must be true or false, but is {value!s:.50}")
    return value


def word(value: object, words: tuple[str, ...], what: str) -> str:
    """Return one of the `words`."""
    if not (isinstance(value, str) and value in words):
        raise ValueError(f"{what} must be one of {', '.join(words)}, but is {value!s:.50}")
    return value


def several(value: object, what: str) -> list[Any]:
    """Return a list that is not empty."""
    if not (isinstance(value, list) and value):
        raise ValueError(f"{what} must be a list that is not empty, but is {value!s:.50}")
    return value


def labels(value: object, what: str) -> list[Any]:
    """Return labels: in ascending order, all of text, all true or false, or all finite numbers."""
    found = several(value, what)
    kinds = set(map(type, found))
    if not (kinds == {str} or kinds == {bool} or kinds <= {int, float}):
        raise ValueError(f"{what} must be all text, all true or false, or all numbers")
    if kinds <= {int, float}:
        for label in found:
            number(label, what)
    if any(not a < b for a, b in pairwise(found)):
        raise ValueError(f"{what} must be different and in ascending order")
    return found
