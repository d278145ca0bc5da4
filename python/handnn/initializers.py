"""Initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array, float_dtype, in_own_lines, whole_number

RandomSource: TypeAlias = "int | np.random.Generator | None"
"""A source of random numbers: a seed, a Generator, or None for fresh entropy."""


SOURCES = (
    Integral,
    np.random.Generator,
    np.random.BitGenerator,
    np.random.SeedSequence,
    np.random.RandomState,
)
"""What NumPy makes a Generator from, besides None and integers in a list or an array."""


def generator(rng: RandomSource, name: str = "rng") -> np.random.Generator:
    """Return the Generator of a source; raise TypeError or ValueError, with its name, otherwise."""
    fault: type[Exception] = TypeError
    if _is_source(rng):
        try:
            return np.random.default_rng(rng)
        except (TypeError, ValueError) as error:
            fault = type(error)
    raise fault(
        f"{name} must be None, an int of 0 or more, or a numpy Generator, but is {rng!r:.50}"
    )


def _is_source(rng: object) -> bool:
    """Return whether NumPy may be asked for a Generator.

    For a list that contains itself, or a matrix, NumPy recurses until the process ends.
    """
    if isinstance(rng, np.ndarray):
        return type(rng) is np.ndarray and rng.dtype.kind in "iu"
    if isinstance(rng, list | tuple):
        return all(isinstance(part, Integral) for part in rng)
    return rng is None or isinstance(rng, SOURCES)


VARIANCES: Mapping[str, Callable[[int, int], float]] = {
    "he": lambda n_in, n_out: 2 / n_in,  # He et al. 2015, eq. 10
    "xavier": lambda n_in, n_out: 2 / (n_in + n_out),  # Glorot and Bengio 2010, eq. 12
    "lecun": lambda n_in, n_out: 1 / n_in,  # LeCun et al. 1998, "Efficient BackProp", eq. 16
}


def initial_weights(
    n_in: int,
    n_out: int,
    init: str = "he",
    rng: RandomSource = None,
    dtype: DTypeLike = "float32",
) -> Array:
    """Return random weights (n_in, n_out) that preserve the scale of signals across layers.

    The weights are independent with mean 0 and a variance that depends on `init`:

        "he"      2 / n_in              for ReLU and similar activations (He et al. 2015)
        "xavier"  2 / (n_in + n_out)    for sigmoid and tanh (Glorot and Bengio 2010)
        "lecun"   1 / n_in              preserves the variance of a linear layer (LeCun et al. 1998)
        "zeros"   0                     for an output layer; hidden units would stay identical

    The distribution is normal; the suffix "_uniform", as in "he_uniform", selects the uniform
    distribution on ±sqrt(3·variance), and "_normal" the normal one. Weights are drawn in float64
    and then rounded to `dtype`, so a seed gives the same weights in both dtypes up to rounding.

    Raises:
        ValueError: If `init` is unknown or a size is below 1.
        TypeError: If a size is not an int or `dtype` is not float32 or float64.

    Examples:
        >>> from handnn.initializers import initial_weights
        >>> initial_weights(2, 3, "he_uniform", rng=0).shape
        (2, 3)
    """
    shape = whole_number(n_in, "n_in"), whole_number(n_out, "n_out")
    dtype = float_dtype(dtype, "dtype")
    if str(init) == "zeros":
        return in_own_lines(np.zeros(shape), dtype)
    name, underscore, distribution = str(init).partition("_")
    if name not in VARIANCES or underscore + distribution not in ("", "_normal", "_uniform"):
        raise ValueError(
            f"init must be one of {', '.join(VARIANCES)} (with _normal or _uniform), zeros, "
            f"but is {init!r}"
        )
    deviation = math.sqrt(VARIANCES[name](*shape))
    rng = generator(rng)
    if distribution == "uniform":
        bound = math.sqrt(3) * deviation
        return in_own_lines(rng.uniform(-bound, bound, shape), dtype)
    return in_own_lines(rng.normal(0, deviation, shape), dtype)


__all__ = ["initial_weights"]
