"""Networks in float within a program in double, which scales as `Columns` and `Target` do."""

from __future__ import annotations

import re

import numpy as np

from handnn.exchange.c.bricks import add_bricks
from handnn.exchange.c.program import Buffer, Program
from handnn.exchange.c.reals import REALS
from handnn.exchange.c.step_code import add_answer
from handnn.exchange.c.steps import OutputStep, Scale
from handnn.exchange.c.text import chosen, in_c
from handnn.network import Network

PREFIX = "narrow_"
"""Inserted between the prefix of the program and the names of functions for float."""


class NarrowNetworks:
    """The functions of the networks; `outer` is the program that calls them."""

    def __init__(self, outer: Program, dtype: np.dtype[np.floating]) -> None:
        self._outer = outer
        self._real = REALS[dtype.name]
        self._dtype = dtype
        self._functions: set[str] = set()
        self._parts: list[str] = []

    def add(self, network: Network, place: int, x: Buffer, answer: OutputStep | None) -> Buffer:
        """Add a network and the step after it, and return the output row in double."""
        inner = Program(self._real, self._dtype)
        out = add_bricks(inner, network.layers, Buffer("x", x.columns), f"n{place}_")
        if not isinstance(answer, Scale):
            out = add_answer(inner, answer, out)
        inner.finish(out)
        self._functions |= inner.functions
        self._parts.append(
            f"{inner.constants()}/* x ({x.columns}) -> y ({out.columns}). */\n"
            f"static inline void model_row_{place}(const real *x, real *y) {{\n"
            f"{inner.body()}\n}}\n\n"
            f"static inline void model_network_{place}(double *out, const double *wide) {{\n"
            f"  MODEL_SCRATCH real x[{x.columns}], y[{out.columns}];\n  size_t i;\n"
            f"  for (i = 0; i < {x.columns}; ++i) x[i] = (real)wide[i];\n"
            f"  model_row_{place}(x, y);\n"
            f"  for (i = 0; i < {out.columns}; ++i) out[i] = (double)y[i];\n}}\n\n"
        )
        outer = self._outer
        outer.inner_constant_bytes += inner.constant_bytes
        rows = (x.columns + out.columns) * inner.dtype.itemsize
        outer.inner_scratch_bytes = max(outer.inner_scratch_bytes, rows + inner.scratch_bytes)
        found = outer.buffer(out.columns, x.name)
        outer.add("", f"model_{PREFIX}network_{place}({{out}}, {x.name});", found)
        return add_answer(outer, answer, found) if isinstance(answer, Scale) else found

    def text(self, name: str) -> str:
        """Return the functions in C; name: the prefix of the program."""
        text = chosen(self._functions, self._real) + "\n" + "".join(self._parts)
        text = re.sub(r"\bmodel_(?=\w)", f"model_{PREFIX}", text)
        text = text.replace("MODEL_FMA", f"MODEL_{PREFIX.upper()}FMA")
        return in_c(text.replace("→", "->"), self._real, name)
