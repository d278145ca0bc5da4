"""BatchNorm: normalize every column over the batch, then scale and shift it."""

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
    """Normalize every column over the batch, then scale and shift it.

        out = (x - mean) / sqrt(var + eps)·gamma + beta

    In training, mean and var are those of the columns of the batch, var divided by N, and the
    running statistics are updated: ``running = (1 - momentum)·running + momentum·new``, where the
    new variance is divided by N - 1. In prediction (see `Network.eval`), forward and backward use
    the running statistics. (Ioffe and Szegedy 2015, algorithm 1.)

    Shapes: x and out (N, O); gamma, beta, running_mean and running_var (O,). The gradients of gamma
    and beta are `dgamma` and `dbeta`, None before the first backward.

    gamma determines the dtype: float32 and float64 are kept, other real numbers become float64; all
    other arrays are converted to it. Arrays that already have this dtype and are C-contiguous and
    writable are used without a copy.

    running_mean, running_var: 0 and 1 by default.
    momentum: the weight of the new statistics, from 0 to 1.
    eps: added to the variance for numerical stability, positive.

    Raises:
        ValueError: If shapes differ, a setting is out of bounds, or a batch to train on has fewer
            than two rows.
        TypeError: If an array does not hold real numbers.

    Examples:
        >>> layer = handnn.BatchNorm.new(1, dtype="float64")
        >>> layer.forward([[1.0], [3.0]]).round(4)
        array([[-1.],
               [ 1.]])
        >>> layer.running_mean, layer.running_var
        (array([0.2]), array([1.1]))
    """

    kind = "batch_norm"
    kept = ("x", "mean", "var", "dgamma", "dbeta")
    min_rows = 2

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
        """Return a brick for `columns` columns with gamma 1 and beta 0."""
        columns = whole_number(columns, "BatchNorm.new: columns")
        dtype = float_dtype(dtype, "BatchNorm.new: dtype")
        return cls(in_own_lines(np.ones(columns), dtype), in_own_lines(np.zeros(columns), dtype))

    def forward(self, x: ArrayLike) -> Array:
        """Return out, and keep x and the mean and variance that were used."""
        x = as_float(x, self.gamma.dtype, "BatchNorm.forward: x")
        if not self.training:
            mean, var = self.running_mean, self.running_var
            out = functional.batch_norm_forward(x, self.gamma, self.beta, mean, var, eps=self.eps)
        else:
            if x.ndim == 2 and len(x) < self.min_rows:
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
        """Return {"gamma": gamma, "beta": beta}, not copies."""
        return {"gamma": self.gamma, "beta": self.beta}

    @property
    def grads(self) -> dict[str, Array | None]:
        """Return {"gamma": dgamma, "beta": dbeta}."""
        return {"gamma": self.dgamma, "beta": self.dbeta}

    @property
    def buffers(self) -> dict[str, Array]:
        """Return {"running_mean": running_mean, "running_var": running_var}, not copies."""
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    @property
    def settings(self) -> dict[str, float]:
        """Return {"momentum": momentum, "eps": eps}."""
        return {"momentum": self.momentum, "eps": self.eps}

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas of the current mode; x̂ is the normalized x."""
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
        """Return {"momentum": momentum, "eps": eps}, validated."""
        return {
            "momentum": fraction(self.momentum, "BatchNorm: momentum"),
            "eps": positive_number(self.eps, "BatchNorm: eps"),
        }

    @property
    def sizes(self) -> dict[str, int]:
        """Return {"in": O, "out": O}."""
        return {"in": len(self.gamma), "out": len(self.gamma)}
