"""A functional call as the common checks see it: its arguments, their shapes, and how to draw them.

`axes` gives each array argument its shape in the letters N, I, O, Q and those `DERIVED`; `outputs`
does so for the keyword arguments that receive results; `state` names the arguments that are updated
in place and are therefore as strict as outputs; `ranges` draws an argument from elsewhere than its
name would. `value_checked` arguments do not take any number, and `whole` makes valid whole numbers
of them (None: there are none); `may_be_labels` may have one column instead of O, and
`never_empty` are the letters of axes that must not be empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handnn import functional
from tests import bounds, reference

DTYPES = [np.float32, np.float64]
SIZES = {"N": 3, "I": 5, "O": 7, "Q": 3}
DERIVED = {
    "P": ("O", lambda s: 2 * s["O"]),  # means and log-variances
    "T": ("OQ", lambda s: s["O"] * s["Q"]),
    "1": ("", lambda s: 1),
    "X": ("I", lambda s: s["I"] + 1),  # the columns before and behind an Embedding
    "Y": ("IO", lambda s: s["I"] + s["O"]),
    "K": ("", lambda s: 11),  # its codes
}
"""Axes that follow from others: their letters, and how."""


@dataclass(frozen=True)
class Call:
    function: str
    axes: dict[str, str]
    tolerance: Callable[..., tuple]
    outputs: dict[str, str] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    variant: str = ""
    value_checked: tuple[str, ...] = ()
    ranges: dict[str, Callable] = field(default_factory=dict)
    whole: dict[str, Callable | None] = field(default_factory=dict)
    may_be_labels: tuple[str, ...] = ()
    never_empty: str = ""

    def __str__(self):
        return f"{self.function}[{self.variant}]" if self.variant else self.function

    @property
    def inputs(self):
        """The arguments that take anything np.asarray takes."""
        return [name for name in self.axes if name not in self.state]

    @property
    def strict(self):
        """The arguments that are written to, with their axes."""
        return {**{name: self.axes[name] for name in self.state}, **self.outputs}

    def sweep(self, length, other=SIZES):
        """Every set of sizes in which one of this call's axes is `length`."""
        letters = sorted({letter for axes in self.axes.values() for letter in letters_of(axes)})
        return [{**other, letter: length} for letter in letters]

    def fitting(self, sizes):
        """All sizes as this call can have them: some axes must not be empty."""
        return {
            n: max(size, 1) if n in self.never_empty else size
            for n, size in {**SIZES, **sizes}.items()
        }

    def arrays(self, dtype, sizes=SIZES, seed=0):
        """Fresh random arguments, by name."""
        rng = np.random.default_rng(seed)
        sizes = self.fitting(sizes)
        made = {}
        for name, axes in self.axes.items():
            draw = {**RANGES, **self.ranges}.get(name, normal)
            made[name] = draw(rng, shape_of(axes, sizes), sizes).astype(dtype)
        return made

    def new_outputs(self, dtype, sizes=SIZES):
        """Fresh arrays for every output, full of a number no kernel here would leave behind."""
        sizes = self.fitting(sizes)
        return {n: np.full(shape_of(axes, sizes), 77, dtype) for n, axes in self.outputs.items()}

    def call(self, arrays, **outputs):
        """The function itself, on exactly these objects."""
        return getattr(functional, self.function)(**arrays, **self.options, **outputs)

    def run(self, arrays, **outputs):
        """The results as a tuple; state is copied first, and its copies are the results."""
        arrays = {n: a.copy() if n in self.state else a for n, a in arrays.items()}
        result = self.call(arrays, **outputs)
        if self.state:
            return tuple(arrays[name] for name in self.state)
        return result if isinstance(result, tuple) else (result,)

    def expected(self, arrays):
        """The reference's results in float64."""
        wide = {name: np.asarray(a, dtype=np.float64) for name, a in arrays.items()}
        with np.errstate(all="ignore"):
            result = getattr(reference, self.function)(**wide, **self.options)
        result = result if isinstance(result, tuple) else (result,)
        return tuple(value for value in result if value is not None)

    def assert_matches_reference(self, arrays, dtype, results, what=""):
        wide = {name: np.asarray(a, dtype=np.float64) for name, a in arrays.items()}
        expected = self.expected(arrays)
        with np.errstate(all="ignore"):
            allowed = self.tolerance(dtype, expected, **wide, **self.options)
        assert len(results) == len(expected) == len(allowed)
        for actual, value, bound in zip(results, expected, allowed, strict=True):
            bounds.assert_within(actual, value, bound, f"{self} {what}")

    def check(self, dtype, **arrays):
        """Run it on these arrays: what it gives must match the reference."""
        self.assert_matches_reference(arrays, dtype, self.run(arrays))


def letters_of(axes):
    """The letters that decide how long the axes are: NIOQ."""
    return [found for letter in axes for found in DERIVED.get(letter, (letter,))[0]]


def shape_of(axes, sizes):
    return tuple(DERIVED[n][1](sizes) if n in DERIVED else sizes[n] for n in axes)


def normal(rng, shape, sizes):
    return rng.normal(0, 2, shape)


def between_0_and_1(rng, shape, sizes):
    return rng.uniform(0, 1, shape)


def between_minus_1_and_1(rng, shape, sizes):
    return rng.uniform(-1, 1, shape)


def codes_first(rng, shape, sizes):
    """Ordinary numbers, but codes of an Embedding in the first column."""
    numbers = normal(rng, shape, sizes)
    numbers[:, :1] = rng.integers(shape_of("K", sizes)[0], size=(len(numbers), 1))
    return numbers


RANGES = {"out": between_0_and_1, "sample_weight": between_0_and_1, "square": between_0_and_1}
