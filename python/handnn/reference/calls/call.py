"""A description of a function of `handnn.functional`, to call it with random arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from handnn import functional, reference
from handnn.arrays import Array
from handnn.reference import bounds

Sizes = Mapping[str, int]
"""The length of each axis, by its letter."""

Returned = tuple[Array | None, ...] | Array | float | None
"""The result of a function of `handnn.functional` or `handnn.reference`."""

Numbers = NDArray[np.number]
Sample = Callable[[np.random.Generator, tuple[int, ...], Sizes], Numbers]
"""Draws an argument of a given shape."""

DTYPES = [np.float32, np.float64]
SIZES: Sizes = {"N": 3, "I": 5, "O": 7, "Q": 3}
DERIVED: dict[str, tuple[str, Callable[[Sizes], int]]] = {
    "P": ("O", lambda s: 2 * s["O"]),  # means and log-variances
    "T": ("OQ", lambda s: s["O"] * s["Q"]),
    "1": ("", lambda s: 1),
    "X": ("I", lambda s: s["I"] + 1),  # the input of an Embedding: I numbers and a code
    "Y": ("IO", lambda s: s["I"] + s["O"]),
    "K": ("", lambda s: 11),  # the codes of an Embedding
}
"""Axes with a length derived from others: the letters of those, and the length."""


def normal(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Numbers:
    """Draw from N(0, 2²)."""
    return np.asarray(rng.normal(0, 2, shape))


def between_0_and_1(rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes) -> Numbers:
    """Draw from the uniform distribution over [0, 1)."""
    return np.asarray(rng.uniform(0, 1, shape))


def between_minus_1_and_1(
    rng: np.random.Generator, shape: tuple[int, ...], sizes: Sizes
) -> Numbers:
    """Draw from the uniform distribution over [-1, 1)."""
    return np.asarray(rng.uniform(-1, 1, shape))


SAMPLES: dict[str, Sample] = {
    "out": between_0_and_1,
    "sample_weight": between_0_and_1,
    "square": between_0_and_1,
    "var": between_0_and_1,
}
"""The default distributions of arguments with these names; all others are normal."""


@dataclass(frozen=True)
class Call:
    """A call of one function of `handnn.functional`, and the bounds of its errors.

    axes: the shape of each array argument in the letters N, I, O, Q and those of `DERIVED`.
    bound: takes the dtype, the expected results and all arguments, arrays in float64 and those that
        are left out with their defaults; returns `Bounds`.
    outputs: the shapes of the keyword arguments that receive results (``out=``, ``dx=``, ...).
    state: the arguments that are updated in place, and therefore checked like outputs.
    options: the other arguments, with their values.
    variant: distinguishes calls of one function.
    samples: how to draw arguments, in place of `SAMPLES`.
    value_checked: the arguments that do not take arbitrary numbers.
    whole: converts drawn numbers to valid integers; None if no integers are valid.
    may_be_labels: the arguments that may have one column instead of O.
    never_empty: the letters of axes whose length must not be 0.
    """

    function: str
    axes: Mapping[str, str]
    bound: Callable[..., bounds.Bounds]
    outputs: Mapping[str, str] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    variant: str = ""
    samples: Mapping[str, Sample] = field(default_factory=dict)
    value_checked: tuple[str, ...] = ()
    whole: Mapping[str, Callable[[Array], Array] | None] = field(default_factory=dict)
    may_be_labels: tuple[str, ...] = ()
    never_empty: str = ""

    def __str__(self) -> str:
        """Return the name of the function, with the variant if there is one."""
        return f"{self.function}[{self.variant}]" if self.variant else self.function

    def with_options(self, variant: str = "", /, **options: object) -> Self:
        """Return a copy of this call with these options."""
        return replace(self, variant=variant, options=options)

    @property
    def kind(self) -> str:
        """The `kind` of the function's brick: "affine" for affine_forward."""
        return self.function.rpartition("_")[0]

    @cached_property
    def defaults(self) -> dict[str, object]:
        """The optional arguments, with their defaults."""
        parameters = inspect.signature(getattr(reference, self.function)).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    @property
    def inputs(self) -> list[str]:
        """The arguments that accept anything `np.asarray` accepts."""
        return [name for name in self.axes if name not in self.state]

    @property
    def strict(self) -> dict[str, str]:
        """The arguments that are written to, with their axes."""
        return {**{name: self.axes[name] for name in self.state}, **self.outputs}

    @property
    def results(self) -> list[str]:
        """The names of the results: those of outputs and state, or "forward" for a loss."""
        names = [*self.strict] or ["forward"]
        return ["forward" if name == "out" else name for name in names]

    @property
    def letters(self) -> list[str]:
        """The letters that determine the lengths of the axes."""
        return sorted({letter for axes in self.axes.values() for letter in letters_of(axes)})

    def sweep(self, length: int, other: Sizes = SIZES) -> list[Sizes]:
        """Return every set of sizes in which one of the axes has length `length`."""
        return [{**other, letter: length} for letter in self.letters]

    def grid(self, lengths: tuple[int, ...]) -> list[Sizes]:
        """Return every set of sizes in which each axis has one of `lengths`."""
        chosen = product(lengths, repeat=len(self.letters))
        return [{**SIZES, **dict(zip(self.letters, sizes, strict=True))} for sizes in chosen]

    def fitting(self, sizes: Sizes) -> Sizes:
        """Complete `sizes`, and give axes that must not be empty a length of at least 1."""
        return {
            letter: max(size, 1) if letter in self.never_empty else size
            for letter, size in {**SIZES, **sizes}.items()
        }

    def arrays(
        self, dtype: DTypeLike, sizes: Sizes = SIZES, seed: int = 0, spread: float = 1.0
    ) -> dict[str, Array]:
        """Return new random arguments by name; `spread` multiplies those drawn from N(0, 2²)."""
        rng = np.random.default_rng(seed)
        sizes = self.fitting(sizes)
        made = {}
        for name, axes in self.axes.items():
            draw = {**SAMPLES, **self.samples}.get(name, normal)
            drawn = draw(rng, shape_of(axes, sizes), sizes)
            array: Array = (spread * drawn if draw is normal else drawn).astype(dtype)
            made[name] = array
        return made

    def new_outputs(self, dtype: DTypeLike, sizes: Sizes = SIZES) -> dict[str, Array]:
        """Return a new array for each output, filled with a number that no result contains."""
        sizes = self.fitting(sizes)
        return {
            name: np.full(shape_of(axes, sizes), 77, dtype) for name, axes in self.outputs.items()
        }

    def call(self, arrays: Mapping[str, object], **outputs: object) -> Returned:
        """Call the function with exactly these objects, and return its result."""
        result: Returned = getattr(functional, self.function)(**arrays, **self.options, **outputs)
        return result

    def run(self, arrays: Mapping[str, Array], **outputs: Array) -> tuple[Array, ...]:
        """Return all results; state is copied first, and the updated copies are the results."""
        arrays = {n: a.copy() if n in self.state else a for n, a in arrays.items()}
        result = self.call(arrays, **outputs)
        if self.state:
            return tuple(arrays[name] for name in self.state)
        return _as_tuple(result)

    def expected(self, arrays: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return the results of `handnn.reference` in float64."""
        wide = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        with np.errstate(all="ignore"):
            result = getattr(reference, self.function)(**wide, **self.options)
        return _as_tuple(result)

    def bounds(
        self, arrays: Mapping[str, Array], dtype: DTypeLike, expected: tuple[Array, ...]
    ) -> bounds.Bounds:
        """Return the largest correct deviation of each result from the expected one."""
        wide = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        with np.errstate(all="ignore"):
            return self.bound(dtype, expected, **{**self.defaults, **self.options, **wide})

    def assert_matches_reference(
        self,
        arrays: Mapping[str, Array],
        dtype: DTypeLike,
        results: tuple[Array, ...],
        what: str = "",
    ) -> None:
        """Raise AssertionError unless `results` are within their bounds of the expected ones."""
        expected = self.expected(arrays)
        allowed = self.bounds(arrays, dtype, expected)
        assert len(results) == len(expected) == len(allowed)
        for actual, value, bound in zip(results, expected, allowed, strict=True):
            bounds.assert_within(actual, value, bound, f"{self} {what}")

    def check(self, dtype: DTypeLike, **arrays: Array) -> None:
        """Call the function with these arrays; raise AssertionError unless it matches."""
        self.assert_matches_reference(arrays, dtype, self.run(arrays))


def _as_tuple(result: Returned) -> tuple[Array, ...]:
    """Return the results of a function as a tuple, without those that are None."""
    results = result if isinstance(result, tuple) else (result,)
    return tuple(np.asanyarray(value) for value in results if value is not None)


def letters_of(axes: str) -> list[str]:
    """Return the letters that determine the lengths of `axes`: O and Q for the axis T."""
    return [found for letter in axes for found in DERIVED.get(letter, (letter,))[0]]


def shape_of(axes: str, sizes: Sizes) -> tuple[int, ...]:
    """Return the shape that `axes` stand for."""
    return tuple(DERIVED[n][1](sizes) if n in DERIVED else sizes[n] for n in axes)
