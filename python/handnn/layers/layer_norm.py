"""LayerNorm: give every row the mean 0 and the variance 1, then stretch and shift each column."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, float_dtype, in_own_lines, positive_number, whole_number
from handnn.layers.layer import Layer, checked_columns


class LayerNorm(Layer):
    """Give every row the mean 0 and the variance 1: ``out = (x - mean)·rstd·gamma + beta``.

    mean and ``rstd = 1 / sqrt(variance + eps)`` are those of each row, the variance divided by O.
    (Ba, Kiros and Hinton 2016.) Training and prediction are the same.

    x (N, O), gamma (O,), beta (O,), out (N, O). The gradients of gamma and beta are `dgamma` and
    `dbeta`, None before the first backward.

    gamma decides the dtype: float32 and float64 stay, other real numbers become float64; beta, x
    and dout are cast to it. `gamma` and `beta` are the arrays given, not copies, when they are of
    that dtype, C-contiguous and writable. Shapes that do not fit and an eps not above 0 are a
    ValueError, other dtypes a TypeError.
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
        """Return a brick for `columns` columns that neither stretches nor shifts yet."""
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
        """{"gamma": gamma, "beta": beta}, the arrays themselves."""
        return {"gamma": self.gamma, "beta": self.beta}

    @property
    def grads(self) -> dict[str, Array | None]:
        """{"gamma": dgamma, "beta": dbeta}."""
        return {"gamma": self.dgamma, "beta": self.dbeta}

    @property
    def settings(self) -> dict[str, float]:
        """{"eps": eps}."""
        return {"eps": self.eps}

    @property
    def numbers(self) -> dict[str, float]:
        """{"eps": eps}, checked."""
        return {"eps": positive_number(self.eps, "LayerNorm: eps")}

    @property
    def sizes(self) -> dict[str, int]:
        """{"in": O, "out": O}."""
        return {"in": len(self.gamma), "out": len(self.gamma)}
