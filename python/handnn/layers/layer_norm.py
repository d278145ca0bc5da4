"""LayerNorm: normalize every row, then scale and shift each column."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, float_dtype, in_own_lines, positive_number, whole_number
from handnn.layers.layer import Layer, checked_columns


class LayerNorm(Layer):
    """Normalize every row, then scale and shift each column.

        out = (x - mean)·rstd·gamma + beta, rstd = 1 / sqrt(var + eps)

    mean and var are those of each row, var divided by O. Training and prediction are the same.
    (Ba, Kiros and Hinton 2016.)

    Shapes: x and out (N, O), gamma and beta (O,). The gradients of gamma and beta are `dgamma` and
    `dbeta`, None before the first backward.

    gamma determines the dtype: float32 and float64 are kept, other real numbers become float64;
    beta, x and dout are converted to it. Arrays that already have this dtype and are C-contiguous
    and writable are used without a copy.

    eps: added to the variance for numerical stability, positive.

    Raises:
        ValueError: If shapes differ or eps is not positive.
        TypeError: If an array does not hold real numbers.

    Examples:
        >>> layer = handnn.LayerNorm.new(2, dtype="float64")
        >>> layer.forward([[1.0, 3.0], [4.0, 4.0]]).round(4)
        array([[-1.,  1.],
               [ 0.,  0.]])
    """

    kind = "layer_norm"
    kept = ("x", "mean", "rstd", "dgamma", "dbeta")
    formulas = (
        "out = (x - mean)·rstd·gamma + beta",
        "dx = rstd·(g - Σ_o g / O - x̂·Σ_o g·x̂ / O), g = dout·gamma, x̂ = (x - mean)·rstd",
        "dgamma = Σ_n dout·x̂",
        "dbeta = Σ_n dout",
    )

    def __init__(self, gamma: ArrayLike, beta: ArrayLike, eps: float = 1e-5) -> None:
        self.gamma, self.beta = checked_columns("LayerNorm", gamma=gamma, beta=beta)
        self.eps = positive_number(eps, "LayerNorm: eps")
        self.x: Array | None = None
        self.mean: Array | None = None
        self.rstd: Array | None = None
        self.dgamma: Array | None = None
        self.dbeta: Array | None = None

    @classmethod
    def new(cls, columns: int, dtype: DTypeLike = "float32") -> LayerNorm:
        """Return a brick for `columns` columns with gamma 1 and beta 0."""
        columns = whole_number(columns, "LayerNorm.new: columns")
        dtype = float_dtype(dtype, "LayerNorm.new: dtype")
        return cls(in_own_lines(np.ones(columns), dtype), in_own_lines(np.zeros(columns), dtype))

    def forward(self, x: ArrayLike) -> Array:
        """Return out = (x - mean)·rstd·gamma + beta, and keep x, mean and rstd."""
        x = as_float(x, self.gamma.dtype, "LayerNorm.forward: x")
        out, mean, rstd = functional.layer_norm_forward(x, self.gamma, self.beta, eps=self.eps)
        self.x, self.mean, self.rstd = x, mean, rstd
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx, and keep dgamma and dbeta."""
        if self.x is None or self.mean is None or self.rstd is None:
            raise RuntimeError("LayerNorm.backward: call forward first")
        dout = as_float(dout, self.gamma.dtype, "LayerNorm.backward: dout")
        dx, self.dgamma, self.dbeta = functional.layer_norm_backward(
            dout, self.x, self.gamma, self.mean, self.rstd
        )
        return dx

    @property
    def params(self) -> dict[str, Array]:
        """Return {"gamma": gamma, "beta": beta}, not copies."""
        return {"gamma": self.gamma, "beta": self.beta}

    @property
    def grads(self) -> dict[str, Array | None]:
        """Return {"gamma": dgamma, "beta": dbeta}."""
        return {"gamma": self.dgamma, "beta": self.dbeta}

    @property
    def settings(self) -> dict[str, float]:
        """Return {"eps": eps}."""
        return {"eps": self.eps}

    @property
    def numbers(self) -> dict[str, float]:
        """Return {"eps": eps}, validated."""
        return {"eps": positive_number(self.eps, "LayerNorm: eps")}

    @property
    def sizes(self) -> dict[str, int]:
        """Return {"in": O, "out": O}."""
        return {"in": len(self.gamma), "out": len(self.gamma)}
