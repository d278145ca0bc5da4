"""The statements of `predict` while they are collected, with their arrays and functions."""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple, TypedDict

import numpy as np

from handnn.arrays import Array
from handnn.exchange.c.reals import Real, numbers


class _Wrapping(TypedDict):
    initial_indent: str
    subsequent_indent: str
    break_long_words: bool


WRAPPING: _Wrapping = {
    "initial_indent": "  ", "subsequent_indent": " " * 6, "break_long_words": False,
}  # fmt: skip
"""Wraps a statement into lines."""


class Buffer(NamedTuple):
    """A row between two steps: the C array that holds it, and its number of columns."""

    name: str
    columns: int


class Statement(NamedTuple):
    """Lines of C, with {out} for the array that they write."""

    text: str
    out: Buffer


class Program:
    """The body of `predict`, brick by brick.

    A buffer holds the row between two bricks and is as wide as the widest row it ever holds. It is
    free once the next brick has read it, unless it is in `waiting`, like the input of a Residual.

    Attributes:
        inner_constant_bytes, inner_scratch_bytes: of programs that this one calls.
    """

    def __init__(self, real: Real, dtype: np.dtype[np.floating]) -> None:
        self.real = real
        self.dtype = dtype
        self.place = ""
        self.arrays: dict[str, tuple[Array, str]] = {}
        self.functions: set[str] = set()
        self.statements: list[Statement] = []
        self.buffers: dict[str, int] = {}
        self.waiting: list[str] = []
        self.inner_constant_bytes = self.inner_scratch_bytes = 0

    def array(self, name: str, values: Array, note: str) -> str:
        """Add a constant array and return its name in C."""
        name = f"model_{self.place}{name}"
        self.arrays[name] = np.ascontiguousarray(values, self.dtype), note
        return name

    def call(self, function: str, x: Buffer, columns: int, *arguments: object) -> Buffer:
        """Add function(out, x, arguments...) and return out, which is not x."""
        text = f"model_{function}({{out}}, {_list(x.name, *arguments)});"
        return self.add(function, text, self.buffer(columns, x.name))

    def call_in_place(self, function: str, x: Buffer, *arguments: object) -> Buffer:
        """Add function(out, x, arguments...) and return out, which may be x."""
        text = f"model_{function}({{out}}, {_list(x.name, *arguments)});"
        return self.add(function, text, self.same_buffer(x))

    def each(self, function: str, x: Buffer, *arguments: object) -> Buffer:
        """Add out[i] = function(x[i], arguments...) for every column."""
        text = (
            f"for (i = 0; i < {x.columns}; ++i) "
            f"{{out}}[i] = model_{function}({_list(f'{x.name}[i]', *arguments)});"
        )
        return self.add(function, text, self.same_buffer(x))

    def add(self, function: str, text: str, out: Buffer) -> Buffer:
        """Add a statement, and the function it calls ("" for none); return `out`."""
        if function:
            self.functions.add(function)
        self.statements.append(Statement(text, out))
        return out

    def buffer(self, columns: int, taken: str) -> Buffer:
        """Return a buffer that is neither `taken` nor in `waiting`."""
        count = 0
        while (name := f"buffer_{count}") in (taken, *self.waiting):
            count += 1
        self.buffers[name] = max(columns, self.buffers.get(name, 0))
        return Buffer(name, columns)

    def same_buffer(self, x: Buffer) -> Buffer:
        """Return x if it may be overwritten, else another buffer."""
        if x.name == "x" or x.name in self.waiting:
            return self.buffer(x.columns, x.name)
        return x

    def finish(self, x: Buffer) -> None:
        """Make the last statement write to y, and drop buffers that are no longer used."""
        if not self.statements:
            self.call("copy", x, x.columns, x.columns)
        last = self.statements.pop()
        self.statements.append(last._replace(out=Buffer("y", last.out.columns)))
        text = " ".join(f"{statement.out.name} {statement.text}" for statement in self.statements)
        used = set(re.findall(r"buffer_\d+", text))
        self.buffers = {name: width for name, width in self.buffers.items() if name in used}

    @property
    def constant_bytes(self) -> int:
        """The number of bytes of all constant arrays."""
        return self.inner_constant_bytes + sum(array.nbytes for array, _ in self.arrays.values())

    @property
    def scratch_bytes(self) -> int:
        """The number of bytes of the buffers that are in use at a time."""
        own = sum(self.buffers.values()) * self.dtype.itemsize
        return own + self.inner_scratch_bytes

    def body(self) -> str:
        """Return the statements in C."""
        lines = [f"MODEL_SCRATCH real {n}[{width}];" for n, width in self.buffers.items()]
        if any("[i]" in statement.text for statement in self.statements):
            lines.append("size_t i;")
        for statement in self.statements:
            lines += statement.text.replace("{out}", statement.out.name).splitlines()
        return "\n".join(textwrap.fill(line, 100, **WRAPPING) for line in lines)

    def constants(self) -> str:
        """Return the arrays in C."""
        return "".join(
            f"/* {note} */\nMODEL_ARRAY real {name}[{array.size}] = {{\n"
            f"  {numbers(array, self.real)}}};\n\n"
            for name, (array, note) in self.arrays.items()
        )


def _list(*arguments: object) -> str:
    return ", ".join(map(str, arguments))
