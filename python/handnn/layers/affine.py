"""Affine: every output is a weighted sum of all inputs, plus a bias."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, in_own_lines
from handnn.initializers import RandomSource, initial_weights
from handnn.layers.layer import Layer


class Affine(Layer):
    """The weighted sum of all inputs plus a bias: ``out = x·w + b``.

    x (N, I), w (I, O), b (O,), out (N, O). The gradients are ``dw = xᵀ·dout``, ``db = Σ_n dout``
    and ``dx = dout·wᵀ``; `dw` and `db` are None before the first backward.

    w decides the dtype: float32 and float64 stay, other real numbers become float64; b, x and dout
    are cast to it. `w` and `b` are the arrays given, not copies, when they are of that dtype,
    C-contiguous and writable. Shapes that do not fit are a ValueError, other dtypes a TypeError.
    """

    kind = "affine"
    kept = ("x", "dw", "db")
    formulas = ("out = x·w + b", "dx = dout·wᵀ", "dw = xᵀ·dout", "db = Σ_n dout")

    def __init__(self, w: ArrayLike, b: ArrayLike) -> None:
        self.w = np.require(as_float(w, None, "Affine: w"), requirements=["C", "A", "W"])
        self.b = np.require(as_float(b, self.w.dtype, "Affine: b"), requirements=["C", "A", "W"])
        self.x: Array | None = None
        self.dw: Array | None = None
        self.db: Array | None = None
        if self.w.ndim != 2:
            raise ValueError(
                f"Affine: w must have 2 dimensions (I, O), but has shape {self.w.shape}"
            )
        if self.b.shape != self.w.shape[1:]:
            raise ValueError(f"Affine: b has shape {self.b.shape} but w has shape {self.w.shape}")

    @classmethod
    def random(
        cls,
        n_in: int,
        n_out: int,
        init: str = "he",
        rng: RandomSource = None,
        dtype: DTypeLike = "float32",
    ) -> Affine:
        """Return a brick with weights drawn as `initializers.initial_weights` says, and no bias."""
        w = initial_weights(n_in, n_out, init, rng, dtype)
        return cls(w, in_own_lines(np.zeros(n_out), w.dtype))

    def forward(self, x: ArrayLike) -> Array:
        """Return out = x·w + b, and keep x."""
        self.x = as_float(x, self.w.dtype, "Affine.forward: x")
        return functional.affine_forward(self.x, self.w, self.b)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·wᵀ, and keep dw and db."""
        if self.x is None:
            raise RuntimeError("Affine.backward: call forward first")
        dout = as_float(dout, self.w.dtype, "Affine.backward: dout")
        dx, self.dw, self.db = functional.affine_backward(dout, self.x, self.w)
        return dx

    @property
    def params(self) -> dict[str, Array]:
        """{"w": w, "b": b}, the arrays themselves."""
        return {"w": self.w, "b": self.b}

    @property
    def grads(self) -> dict[str, Array | None]:
        """{"w": dw, "b": db}."""
        return {"w": self.dw, "b": self.db}

    @property
    def sizes(self) -> dict[str, int]:
        """{"in": I, "out": O}."""
        return {"in": self.w.shape[0], "out": self.w.shape[1]}
