"""The weights a layer starts from."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array, float_dtype, in_own_lines, whole_number

RandomSource: TypeAlias = "int | np.random.Generator | None"
"""Where random numbers come from: a seed, a Generator, or None for a fresh one."""

VARIANCES = {
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
    """Return weights (n_in, n_out) that keep a signal's size from layer to layer at the start.

    They are independent, have mean 0, and the variance that `init` names:

        "he"      2 / n_in              for relu, which stops half of its input
        "xavier"  2 / (n_in + n_out)    for sigmoid: a compromise of forward and backward
        "lecun"   1 / n_in              keeps the forward signal where nothing is stopped
        "zeros"   0                     learns nothing in a hidden layer: all its units stay alike

    "he" and "he_normal" draw from a normal distribution, "he_uniform" from the uniform one on
    ±sqrt(3·variance), and likewise the others. Numbers are drawn in float64 and then rounded to
    `dtype`, so one seed gives the same weights in both dtypes, up to rounding.
    Raises ValueError for another `init` or a size below 1, TypeError for another dtype.
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
    rng = np.random.default_rng(rng)
    if distribution == "uniform":
        bound = math.sqrt(3) * deviation
        return in_own_lines(rng.uniform(-bound, bound, shape), dtype)
    return in_own_lines(rng.normal(0, deviation, shape), dtype)
