"""Calls of handnn's functions as data, which can be executed or written as Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

import handnn

Argument: TypeAlias = "float | str | bool | Name | Call | list[Argument] | None"
"""An argument of a call."""


@dataclass(frozen=True)
class Name:
    """A variable of the script, such as the generator ``rng``."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call of a function of handnn or NumPy, such as "handnn.Affine.random"."""

    function: str
    args: tuple[Argument, ...] = ()
    keywords: Mapping[str, Argument] = field(default_factory=dict)

    def code(self) -> str:
        """Return the call as Python."""
        parts = [code(value) for value in self.args]
        parts += [f"{name}={code(value)}" for name, value in self.keywords.items()]
        return f"{self.function}({', '.join(parts)})"

    def make(self, names: Mapping[str, object]) -> object:
        """Execute the call; `names` has the values of the variables."""
        args = [_value(value, names) for value in self.args]
        keywords = {name: _value(value, names) for name, value in self.keywords.items()}
        return _function(self.function)(*args, **keywords)


def code(value: Argument) -> str:
    """Return an argument as Python."""
    if isinstance(value, Call):
        return value.code()
    if isinstance(value, Name):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join(map(code, value))}]"
    return repr(value)


def _value(value: Argument, names: Mapping[str, object]) -> object:
    if isinstance(value, Call):
        return value.make(names)
    if isinstance(value, Name):
        return names[value.text]
    if isinstance(value, list):
        return [_value(inner, names) for inner in value]
    return value


def _function(path: str) -> Callable[..., object]:
    """Return the function with a dotted name in handnn or np."""
    root, *rest = path.split(".")
    found: object = {"handnn": handnn, "np": np}[root]
    for name in rest:
        found = getattr(found, name)
    assert callable(found)
    return found
