"""What a checkpoint's JSON holds, each value checked before it is believed: ValueError if wrong."""

from __future__ import annotations

import math
from typing import Any


def as_dict(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"its {what} is {value!r:.50}")
    return value


def as_list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"its {what} are {value!r:.50}")
    return value


def as_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.50} is no name")
    return value


def as_int(value: object, what: str, limit: float = math.inf) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
        raise ValueError(f"its {what} is {value!r:.50}")
    return value


def as_number(value: object, what: str) -> float:
    if not isinstance(value, float):
        raise ValueError(f"its {what} is {value!r:.50}")
    return value


def one_of(value: object, known: tuple[Any, ...], what: str) -> Any:
    for one in known:
        if type(one) is type(value) and one == value:
            return one
    raise ValueError(f"its {what} is {value!r:.50}")
