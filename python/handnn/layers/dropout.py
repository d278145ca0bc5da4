"""Dropout: in training, let chance stop some entries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import functional
from handnn.arrays import Array, as_float, fraction, whole_number
from handnn.initializers import RandomSource
from handnn.layers.layer import Layer


class Mask(NamedTuple):
    """What decides which entries a forward dropped: `step` None dropped none."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    p: float
    seed: int
    step: int | None


class Dropout(Layer):
    """In training, stop each entry with probability p: ``out = 0 or x / (1 - p)``.

    Where it does not train (`Network.eval`, `Network.predict`) out is x itself: dividing by 1 - p
    makes that the mean of what it gives in training. (Hinton et al. 2012; Srivastava et al. 2014,
    section 10, for the division.)
    x, out, dout and dx have one shape, any, and one dtype, float32 or float64.

    rng: an int from 0 to 2⁶³ - 1 is the `seed`; else that is drawn from it. `step` counts the
    forwards in training: forward number `step`, from 0, of one seed drops the same entries on every
    machine and on any number of threads. Set it back to 0 to see the same masks again. Two bricks
    of one seed drop alike, so give each its own. Raises ValueError unless 0 <= p < 1.
    """

    kind = "dropout"
    kept = ("last",)
    grows = 0

    def __init__(self, p: float = 0.5, rng: RandomSource = None) -> None:
        self.p = fraction(p, "Dropout: p", is_below_one=True)
        if isinstance(rng, int | np.integer):
            self.seed = whole_number(rng, "Dropout: rng", 0, 2**63 - 1)
        else:
            self.seed = int(np.random.default_rng(rng).integers(2**63))
        self.step = 0
        self.last: Mask | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return x, with some entries 0 and the others divided by 1 - p when `training`."""
        x = as_float(x, None, "Dropout.forward: x")
        if not self.training:
            self.last = Mask(x.shape, x.dtype, self.p, self.seed, None)
            return x
        out = functional.dropout_forward(x, self.p, self.seed, self.step)
        self.last = Mask(x.shape, x.dtype, self.p, self.seed, self.step)
        self.step += 1
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout / (1 - p), or 0 where the last forward dropped; dout if it did not."""
        if self.last is None:
            raise RuntimeError("Dropout.backward: call forward first")
        shape, dtype, p, seed, step = self.last
        dout = as_float(dout, dtype, "Dropout.backward: dout")
        if dout.shape != shape:
            raise ValueError(f"Dropout.backward: dout has shape {dout.shape} but x had {shape}")
        return dout if step is None else functional.dropout_backward(dout, p, seed, step)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Where the last forward dropped; None before it."""
        if self.last is None:
            return None
        shape, _, p, seed, step = self.last
        if step is None:
            return np.zeros(shape, bool)
        return np.equal(functional.dropout_forward(np.ones(shape), p, seed, step), 0)

    @property
    def formulas(self) -> tuple[str, ...]:
        """Those of training, or those of prediction."""
        if not self.training:
            return ("out = x", "dx = dout")
        return ("out = 0 or x / (1 - p)", "dx = 0 where the mask is, dout / (1 - p) elsewhere")

    @property
    def settings(self) -> dict[str, float]:
        """{"p": p, "rng": seed}: a copy drops as this one does from its first step on."""
        return {"p": self.p, "rng": self.seed}

    @property
    def numbers(self) -> dict[str, float]:
        """{"p": p, "seed": seed, "step": step}, checked."""
        p = fraction(self.p, "Dropout: p", is_below_one=True)
        return {"p": p, "seed": self.seed, "step": self.step}

    def __repr__(self) -> str:
        """Name the brick and p, without its seed: `Dropout p=0.5`."""
        return f"Dropout p={self.p}"
