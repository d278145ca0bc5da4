"""LayerNorm: give every row mean 0 and variance 1, then a scale and a shift to be learnt."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, float_dtype, positive_number, whole_number
from handnn.layers.layer import Layer


class LayerNorm(Layer):
    """Give every row mean 0 and variance 1, then a scale and a shift to be learnt.

        y = (x - mean) / sqrt(var + eps),  out = gamma·y + beta

    with mean and (biased) variance of the row's O entries. (Ba, Kiros and Hinton 2016.) It does the
    same in training and in prediction, for a batch as for one row.

    x (N, O), gamma (O,), beta (O,), out (N, O). ``dgamma = Σ_n dout·y``, ``dbeta = Σ_n dout``.

    gamma decides the dtype: float32 and float64 stay, other real numbers become float64. `gamma`
    and `beta` are the arrays given, not copies, when they are of that dtype, C-contiguous and
    writable. Raises ValueError for shapes that do not fit and unless eps is above 0.
    """

    kind = "layer_norm"
    kept = ("x", "mean", "rstd", "dgamma", "dbeta")

    def __init__(self, gamma: ArrayLike, beta: ArrayLike, eps: float = 1e-5) -> None:
        self.gamma, self.beta = scale_and_shift("LayerNorm", gamma, beta)
        self.eps = eps
        self.x: Array | None = None
        self.mean: Array | None = None
        self.rstd: Array | None = None
        self.dgamma: Array | None = None
        self.dbeta: Array | None = None
        _ = self.numbers

    @classmethod
    def new(cls, columns: int, dtype: DTypeLike = "float32") -> LayerNorm:
        """Return a brick for so many columns that only normalises yet: gamma 1, beta 0."""
        columns = whole_number(columns, "LayerNorm.new: columns")
        dtype = float_dtype(dtype, "LayerNorm.new: dtype")
        return cls(np.ones(columns, dtype), np.zeros(columns, dtype))

    def forward(self, x: ArrayLike) -> Array:
        """Return out, and keep x and the mean and 1 / sqrt(var + eps) of each row."""
        self.x = as_float(x, self.gamma.dtype, "LayerNorm.forward: x")
        out, self.mean, self.rstd = functional.layer_norm_forward(
            self.x, self.gamma, self.beta, eps=self.eps
        )
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx, and keep dgamma and dbeta."""
        if self.x is None or self.mean is None or self.rstd is None:
            raise RuntimeError("LayerNorm.backward: call forward first")
        dout = as_float(dout, self.gamma.dtype, "LayerNorm.backward: dout")
        dx, self.dgamma, self.dbeta = functional.layer_norm_backward(
            dout, self.x, self.mean, self.rstd, self.gamma
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

    def __repr__(self) -> str:
        """Name the brick and its columns: `LayerNorm 64`."""
        return f"LayerNorm {len(self.gamma)}"


def scale_and_shift(name: str, gamma: ArrayLike, beta: ArrayLike) -> tuple[Array, Array]:
    """Return gamma and beta as arrays of one dtype and one shape (O,), or raise ValueError."""
    gamma = np.require(as_float(gamma, None, f"{name}: gamma"), requirements=["C", "A", "W"])
    beta = np.require(as_float(beta, gamma.dtype, f"{name}: beta"), requirements=["C", "A", "W"])
    if gamma.ndim != 1:
        raise ValueError(f"{name}: gamma must have 1 dimension (O,), but has shape {gamma.shape}")
    if beta.shape != gamma.shape:
        raise ValueError(f"{name}: beta has shape {beta.shape} but gamma has shape {gamma.shape}")
    return gamma, beta
