"""Values from the JSON of a checkpoint, checked before use: ValueError if they are invalid."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from handnn.storage import brief

T = TypeVar("T")


def as_dict(value: object, what: str) -> dict[str, object]:
    """Return `value`, which must be a JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"its {what} is {brief(value)}")
    return value


def as_pairs(value: object, what: str) -> list[tuple[object, object]]:
    """Return a list of lists of two as a list of tuples."""
    if not isinstance(value, list):
        raise ValueError(f"its {what} are {brief(value)}")
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError(f"its {what} are {brief(value)}")
    return [(pair[0], pair[1]) for pair in value]


def as_text(value: object) -> str:
    """Return `value`, which must be a string."""
    if not isinstance(value, str):
        raise ValueError(f"{brief(value)} is not a name")
    return value


def as_int(value: object, what: str, limit: float = math.inf) -> int:
    """Return `value`, which must be an integer from 0 to `limit` - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
        raise ValueError(f"its {what} is {brief(value)}")
    return value


def as_number(value: object, what: str) -> float:
    """Return `value`, which must be a float."""
    if not isinstance(value, float):
        raise ValueError(f"its {what} is {brief(value)}")
    return value


def one_of(value: object, known: Sequence[T], what: str) -> T:
    """Return the entry of `known` that equals `value` and has its type."""
    for one in known:
        if type(one) is type(value) and one == value:
            return one
    raise ValueError(f"its {what} is {brief(value)}")


def build(described: object, known: Mapping[str, Callable[..., T]], what: str, **more: object) -> T:
    """Build the object ``{"name": ..., "settings": {...}}`` describes; `more` replaces settings."""
    entry = as_dict(described, what)
    make = known[one_of(entry.get("name"), tuple(known), what)]
    return make(**{**as_dict(entry.get("settings"), "settings"), **more})
