"""The statements of `predict` while they grow, and the arrays and functions that they use."""

from __future__ import annotations

import re
import textwrap
from typing import Any, NamedTuple

import numpy as np

from handnn.arrays import Array
from handnn.exchange.c.reals import Real, numbers

INDENT: Any = {"initial_indent": "  ", "subsequent_indent": " " * 6, "break_long_words": False}
"""How a statement is broken into lines."""


class Value(NamedTuple):
    """A row on its way: the C array it is in, and its columns."""

    name: str
    columns: int


class Statement(NamedTuple):
    """Lines of C with {out} in place of the array that they write."""

    text: str
    out: Value


class Program:
    """What `predict` does, one brick after the other.

    What lies between two bricks is in a room, an array of the widest row that it ever holds. A
    room is free again when the next brick is done, unless a Residual waits for it.
    """

    def __init__(self, real: Real, dtype: np.dtype[Any]) -> None:
        self.real = real
        self.dtype = dtype
        self.place = ""
        self.arrays: dict[str, tuple[Array, str]] = {}
        self.functions: set[str] = set()
        self.statements: list[Statement] = []
        self.rooms: dict[str, int] = {}
        self.waiting: list[str] = []

    def array(self, name: str, values: Array, note: str) -> str:
        """Add a constant array of the brick, and return its name in C."""
        name = f"model_{self.place}{name}"
        self.arrays[name] = np.ascontiguousarray(values, self.dtype), note
        return name

    def call(self, function: str, x: Value, columns: int, *arguments: object) -> Value:
        """Add function(out, x, arguments...), and return out, another array than x."""
        text = f"model_{function}({{out}}, {_list(x.name, *arguments)});"
        return self.add(function, text, self.room(columns, x.name))

    def call_in_place(self, function: str, x: Value, *arguments: object) -> Value:
        """Do the same where out may be x."""
        text = f"model_{function}({{out}}, {_list(x.name, *arguments)});"
        return self.add(function, text, self.same_room(x))

    def each(self, function: str, x: Value, *arguments: object) -> Value:
        """Add out[i] = function(x[i], arguments...) for every column."""
        text = (
            f"for (i = 0; i < {x.columns}; ++i) "
            f"{{out}}[i] = model_{function}({_list(f'{x.name}[i]', *arguments)});"
        )
        return self.add(function, text, self.same_room(x))

    def add(self, function: str, text: str, out: Value) -> Value:
        """Add a statement that uses a function ("" for none)."""
        if function:
            self.functions.add(function)
        self.statements.append(Statement(text, out))
        return out

    def room(self, columns: int, taken: str) -> Value:
        """Return a room for a row that is not `taken`, nor one that somebody waits for."""
        count = 0
        while (name := f"room_{count}") in (taken, *self.waiting):
            count += 1
        self.rooms[name] = max(columns, self.rooms.get(name, 0))
        return Value(name, columns)

    def same_room(self, x: Value) -> Value:
        """Return x's own room, where x is in one and nobody waits for it."""
        if x.name == "x" or x.name in self.waiting:
            return self.room(x.columns, x.name)
        return x

    def finish(self, x: Value) -> None:
        """Let what was last be written to y, and give up rooms that this leaves unused."""
        if not self.statements:
            self.call("copy", x, x.columns, x.columns)
        last = self.statements.pop()
        self.statements.append(last._replace(out=Value("y", last.out.columns)))
        text = " ".join(f"{statement.out.name} {statement.text}" for statement in self.statements)
        used = set(re.findall(r"room_\d+", text))
        self.rooms = {name: width for name, width in self.rooms.items() if name in used}

    def body(self) -> str:
        """Return the statements in C."""
        lines = [f"MODEL_SCRATCH real {n}[{width}];" for n, width in self.rooms.items()]
        if any("[i]" in statement.text for statement in self.statements):
            lines.append("size_t i;")
        for statement in self.statements:
            lines += statement.text.replace("{out}", statement.out.name).splitlines()
        return "\n".join(textwrap.fill(line, 100, **INDENT) for line in lines)

    def constants(self) -> str:
        """Return the arrays in C."""
        return "".join(
            f"/* {note} */\nMODEL_ARRAY real {name}[{array.size}] = {{\n"
            f"  {numbers(array, self.real)}}};\n\n"
            for name, (array, note) in self.arrays.items()
        )


def _list(*arguments: object) -> str:
    return ", ".join(map(str, arguments))
