"""Affine: a weighted sum of the inputs plus a bias."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, in_own_lines
from handnn.initializers import RandomSource, initial_weights
from handnn.layers.layer import Layer, matrix_shape, writable


class Affine(Layer):
    """Compute a weighted sum of the inputs plus a bias: ``out = x·w + b``.

    The gradients are ``dx = dout·wᵀ``, ``dw = xᵀ·dout`` and ``db = Σ_n dout``. `dw` and `db` are
    None before the first backward.

    Shapes: x (N, I), w (I, O), b (O,), out (N, O).

    w determines the dtype: float32 and float64 are kept, other real numbers become float64; b, x
    and dout are converted to it. Arrays that already have this dtype and are C-contiguous and
    writable are used without a copy.

    Raises:
        ValueError: If w is not two-dimensional or b does not have shape (O,).
        TypeError: If an array does not hold real numbers.

    Examples:
        >>> layer = handnn.Affine(w=[[1.0, 2.0], [3.0, 4.0]], b=[0.5, -0.5])
        >>> layer.forward([[1.0, 1.0]])
        array([[4.5, 5.5]])
        >>> layer.backward([[1.0, 0.0]])
        array([[1., 3.]])
        >>> layer.dw
        array([[1., 0.],
               [1., 0.]])
    """

    kind = "affine"
    kept = ("x", "dw", "db")
    formulas = ("out = x·w + b", "dx = dout·wᵀ", "dw = xᵀ·dout", "db = Σ_n dout")

    def __init__(self, w: ArrayLike, b: ArrayLike) -> None:
        self.w = writable(w, None, "Affine: w")
        self.b = writable(b, self.w.dtype, "Affine: b")
        self.x: Array | None = None
        self.dw: Array | None = None
        self.db: Array | None = None
        if self.w.ndim != 2:
            is_size = self.w.ndim == self.b.ndim == 0
            advice = f"; for random weights write Affine.random({w!r}, {b!r})" if is_size else ""
            raise ValueError(
                f"Affine: w must have 2 dimensions (I, O), but has shape {self.w.shape}{advice}"
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
        """Return a brick with random weights and zero biases.

        The arguments are those of `initializers.initial_weights`.

        Examples:
            >>> handnn.Affine.random(8, 64, rng=0)
            Affine 8→64
        """
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
        """Return {"w": w, "b": b}, not copies."""
        return {"w": self.w, "b": self.b}

    @property
    def grads(self) -> dict[str, Array | None]:
        """Return {"w": dw, "b": db}."""
        return {"w": self.dw, "b": self.db}

    @property
    def sizes(self) -> dict[str, int]:
        """Return {"in": I, "out": O}."""
        n_in, n_out = matrix_shape(self.w, "Affine: w")
        return {"in": n_in, "out": n_out}
