"""Dropout: in training, set random entries to 0."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import functional
from handnn.arrays import Array, as_float, fraction, whole_number
from handnn.initializers import RandomSource, generator
from handnn.layers.layer import Layer


class Mask(NamedTuple):
    """The values that determine which entries a forward dropped; none if `step` is None."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.floating]
    p: float
    seed: int
    step: int | None
    first: int = 0
    """The index of the first entry in its batch."""


class Dropout(Layer):
    """In training, set each entry to 0 with probability p: ``out = 0 or x / (1 - p)``.

    In prediction (`Network.eval`, `Network.predict`), out is x. The division by 1 - p makes x the
    expected value of the output in training. (Hinton et al. 2012; Srivastava et al. 2014, section
    10, for the division.)

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    p: the probability of dropping an entry, 0 <= p < 1.
    rng: the seed, an int from 0 to 2⁶³ - 1, or a Generator to draw it from. Give each brick its own
    seed: two bricks with the same seed drop the same entries.

    `step` counts the forwards in training. `seed` and `step` determine the mask on any machine and
    with any number of threads; set `step` back to 0 to repeat the masks. `first_row` is the index
    of x's first row in its batch, 0 unless x is part of one.

    Raises:
        ValueError: If p or the seed is out of bounds.

    Examples:
        >>> layer = handnn.Dropout(0.5, rng=3)
        >>> layer.forward(np.ones((1, 6)))
        array([[0., 0., 2., 0., 0., 0.]])
        >>> layer.mask
        array([[ True,  True, False,  True,  True,  True]])
    """

    kind = "dropout"
    kept = ("last",)
    width_change = 0

    def __init__(self, p: float = 0.5, rng: RandomSource = None) -> None:
        self.p = fraction(p, "Dropout: p", is_below_one=True)
        if isinstance(rng, int | np.integer):
            self.seed = whole_number(rng, "Dropout: rng", 0, 2**63 - 1)
        else:
            self.seed = int(generator(rng, "Dropout: rng").integers(2**63))
        self.step = 0
        self.first_row = 0
        self.last: Mask | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return x; in training with dropped entries 0 and the others divided by 1 - p."""
        x = as_float(x, None, "Dropout.forward: x")
        if not self.training:
            self.last = Mask(x.shape, x.dtype, self.p, self.seed, None)
            return x
        first = self.first_row * math.prod(x.shape[1:])
        out = functional.dropout_forward(x, self.p, self.seed, self.step, first=first)
        self.last = Mask(x.shape, x.dtype, self.p, self.seed, self.step, first)
        self.step += 1
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = 0 where the last forward dropped, dout / (1 - p) elsewhere."""
        if self.last is None:
            raise RuntimeError("Dropout.backward: call forward first")
        shape, dtype, p, seed, step, first = self.last
        dout = as_float(dout, dtype, "Dropout.backward: dout")
        if dout.shape != shape:
            raise ValueError(f"Dropout.backward: dout has shape {dout.shape} but x had {shape}")
        if step is None:
            return dout
        return functional.dropout_backward(dout, p, seed, step, first=first)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """The mask of the entries that the last forward dropped; None before the first forward."""
        if self.last is None:
            return None
        shape, _, p, seed, step, first = self.last
        if step is None:
            return np.zeros(shape, bool)
        return np.equal(functional.dropout_forward(np.ones(shape), p, seed, step, first=first), 0)

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas of the current mode."""
        if not self.training:
            return ("out = x", "dx = dout")
        return ("out = 0 or x / (1 - p)", "dx = 0 where the mask is True, dout / (1 - p) elsewhere")

    @property
    def settings(self) -> dict[str, float]:
        """Return {"p": p, "rng": seed}; a copy repeats the masks from step 0."""
        return {"p": self.p, "rng": self.seed}

    @property
    def numbers(self) -> dict[str, float]:
        """Return {"p": p, "seed": seed, "step": step}, validated."""
        p = fraction(self.p, "Dropout: p", is_below_one=True)
        return {"p": p, "seed": self.seed, "step": self.step}

    def __repr__(self) -> str:
        """Return the name and p, without the seed: `Dropout p=0.5`."""
        return f"Dropout p={self.p}"
