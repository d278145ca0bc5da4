"""Validation of what a file describes: each function raises ValueError for invalid values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from handnn.storage import Compact, Numbers, brief
from handnn.tables.steps import Label

Entry: TypeAlias = Mapping[str, Any]
"""A JSON object of a file: `to_dict` returns it, `from_dict` reads it."""


def keys(entry: object, names: set[str], what: str) -> Entry:
    """Return an object that has exactly the entries `names`."""
    if not isinstance(entry, dict):
        raise ValueError(f"{what} must be an object, but is {brief(entry)}")
    if set(entry) != names:
        odd = min(set(entry) ^ names)
        raise ValueError(f"{what} has {'an' if odd in entry else 'no'} entry {brief(odd)}")
    return entry


def number(value: object, what: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise ValueError(f"{what} must be a number, but is {brief(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError(f"{what} must be finite, but is {brief(value)}")
    return found


def truth(value: object, what: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} must be true or false, but is {brief(value)}")
    return value


def word(value: object, words: tuple[str, ...], what: str) -> str:
    """Return one of the `words`."""
    if not (isinstance(value, str) and value in words):
        raise ValueError(f"{what} must be one of {', '.join(words)}, but is {brief(value)}")
    return value


def several(value: object, what: str) -> Sequence[Any]:
    """Return a list that is not empty: as a tuple, or a `Compact` as it is."""
    if not (isinstance(value, list | Compact) and value):
        raise ValueError(f"{what} must be a list that is not empty, but is {brief(value)}")
    return value if isinstance(value, Compact) else tuple(value)


def numbers(value: object, what: str) -> Sequence[float]:
    """Return a list of finite numbers that is not empty, as floats."""
    found = several(value, what)
    if not isinstance(found, Numbers):
        return tuple(number(one, what) for one in found)
    for one in found:
        number(one, what)
    return Numbers(np.asarray(found, np.float64))


def texts(value: object, what: str) -> list[str]:
    """Return a list of strings, which may be empty."""
    if not (isinstance(value, list) and all(isinstance(text, str) for text in value)):
        raise ValueError(f"{what} must be a list of strings, but is {brief(value)}")
    return value


def labels(value: object, what: str) -> Sequence[Label]:
    """Return ascending labels: all text, all bools, or all finite numbers."""
    found = several(value, what)
    kinds = set(map(type, found))
    if not (kinds == {str} or kinds == {bool} or kinds <= {int, float}):
        raise ValueError(f"{what} must be all text, all true or false, or all numbers")
    if kinds <= {int, float}:
        for label in found:
            number(label, what)
    if any(not a < b for a, b in pairwise(found)):
        raise ValueError(f"{what} must be distinct and in ascending order")
    return found
