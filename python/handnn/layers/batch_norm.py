"""BatchNorm: give every column of a batch the mean 0 and the variance 1, then stretch and shift."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import (
    Array,
    as_float,
    float_dtype,
    fraction,
    in_own_lines,
    positive_number,
    whole_number,
)
from handnn.layers.layer import Layer, checked_columns


class BatchNorm(Layer):
    """Give every column of a batch the mean 0 and the variance 1, then stretch and shift it.

    ``out = (x - mean) / sqrt(var + eps)·gamma + beta``. (Ioffe and Szegedy 2015, algorithm 1.) In
    training mean and var are those of the batch's columns, var divided by N, and the running ones
    move towards them: ``running = (1 - momentum)·running + momentum·new``, where the new variance
    is divided by N - 1. In prediction (see `Network.eval`) the running ones are taken, in backward
    too. Training on fewer than two rows is a ValueError.

    x (N, O), out (N, O); gamma, beta, running_mean and running_var (O,), the last two 0 and 1 when
    not given. The gradients of gamma and beta are `dgamma` and `dbeta`, None before the first
    backward.

    gamma decides the dtype: float32 and float64 stay, other real numbers become float64; all else
    is cast to it. The arrays are those given, not copies, when they are of that dtype, C-contiguous
    and writable. Shapes that do not fit, an eps not above 0 and a momentum outside of 0 to 1 are a
    ValueError, other dtypes a TypeError.
    """

    kind = "batch_norm"
    kept = ("x", "mean", "var", "dgamma", "dbeta")
    least_rows = 2

    def __init__(
        self,
        gamma: ArrayLike,
        beta: ArrayLike,
        running_mean: ArrayLike | None = None,
        running_var: ArrayLike | None = None,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> None:
        shape = np.shape(gamma)
        self.gamma, self.beta, self.running_mean, self.running_var = checked_columns(
            "BatchNorm",
            gamma=gamma,
            beta=beta,
            running_mean=np.zeros(shape, np.int8) if running_mean is None else running_mean,
            running_var=np.ones(shape, np.int8) if running_var is None else running_var,
        )
        self.momentum = fraction(momentum, "BatchNorm: momentum")
        self.eps = positive_number(eps, "BatchNorm: eps")
        self.x: Array | None = None
        self.mean: Array | None = None
        self.var: Array | None = None
        self.dgamma: Array | None = None
        self.dbeta: Array | None = None
        self._is_of_batch = True

    @classmethod
    def new(cls, columns: int, dtype: DTypeLike = "float32") -> BatchNorm:
        """Return a brick for `columns` columns that neither stretches nor shifts yet."""
        columns = whole_number(columns, "BatchNorm.new: columns")
        dtype = float_dtype(dtype, "BatchNorm.new: dtype")
        return cls(in_own_lines(np.ones(columns), dtype), in_own_lines(np.zeros(columns), dtype))

    def forward(self, x: ArrayLike) -> Array:
        """Return out, and keep x and the mean and var it was made with."""
        x = as_float(x, self.gamma.dtype, "BatchNorm.forward: x")
        if not self.training:
            mean, var = self.running_mean, self.running_var
            out = functional.batch_norm_forward(x, self.gamma, self.beta, mean, var, eps=self.eps)
        else:
            if x.ndim == 2 and len(x) < self.least_rows:
                raise ValueError(
                    f"BatchNorm.forward: training needs at least two rows, but x has {len(x)}"
                )
            mean, var = functional.batch_norm_statistics(x)
            out = functional.batch_norm_forward(x, self.gamma, self.beta, mean, var, eps=self.eps)
            functional.batch_norm_update(
                self.running_mean,
                self.running_var,
                mean,
                var,
                rows=len(x),
                momentum=self.momentum,
            )
        self.x, self.mean, self.var, self._is_of_batch = x, mean, var, bool(self.training)
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx, and keep dgamma and dbeta."""
        if self.x is None or self.mean is None or self.var is None:
            raise RuntimeError("BatchNorm.backward: call forward first")
        dout = as_float(dout, self.gamma.dtype, "BatchNorm.backward: dout")
        dx, self.dgamma, self.dbeta = functional.batch_norm_backward(
            dout,
            self.x,
            self.gamma,
            self.mean,
            self.var,
            eps=self.eps,
            training=self._is_of_batch,
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
    def buffers(self) -> dict[str, Array]:
        """{"running_mean": running_mean, "running_var": running_var}, the arrays themselves."""
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    @property
    def settings(self) -> dict[str, float]:
        """{"momentum": momentum, "eps": eps}."""
        return {"momentum": self.momentum, "eps": self.eps}

    @property
    def formulas(self) -> tuple[str, ...]:
        """Those of training, or those of prediction; x̂ is x with the mean 0 and the variance 1."""
        if self.training:
            dx = "dx = gamma·rstd·(dout - dbeta/N - x̂·dgamma/N)"
        else:
            dx = "dx = gamma·rstd·dout"
        return (
            "out = (x - mean) / sqrt(var + eps)·gamma + beta",
            f"{dx}, x̂ = (x - mean)·rstd, rstd = 1 / sqrt(var + eps)",
            "dgamma = Σ_n dout·x̂",
            "dbeta = Σ_n dout",
        )

    @property
    def numbers(self) -> dict[str, float]:
        """{"momentum": momentum, "eps": eps}, checked."""
        return {
            "momentum": fraction(self.momentum, "BatchNorm: momentum"),
            "eps": positive_number(self.eps, "BatchNorm: eps"),
        }

    @property
    def sizes(self) -> dict[str, int]:
        """{"in": O, "out": O}."""
        return {"in": len(self.gamma), "out": len(self.gamma)}
