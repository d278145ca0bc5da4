"""BatchNorm: give every column mean 0 and variance 1, then a scale and a shift to be learnt."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, float_dtype, fraction, positive_number, whole_number
from handnn.layers.layer import Layer
from handnn.layers.layer_norm import scale_and_shift


class BatchNorm(Layer):
    """Give every column mean 0 and variance 1, then a scale and a shift to be learnt.

        y = (x - mean) / sqrt(var + eps),  out = gamma·y + beta

    In training mean and (biased) variance are those of the batch's N entries, and `running_mean`
    and `running_var` (of the unbiased variance) move towards them: ``running += momentum·(batch's -
    running)``. Where it does not train (`Network.eval`, `Network.predict`) the running ones are
    used. (Ioffe and Szegedy 2015; the conventions are PyTorch's BatchNorm1d.)

    x (N, O), gamma, beta, running_mean, running_var (O,), out (N, O). ``dgamma = Σ_n dout·y``,
    ``dbeta = Σ_n dout``. One row has no variance: training on it is a ValueError, and so is a
    `fit` whose last batch would have one row.

    gamma decides the dtype: float32 and float64 stay, other real numbers become float64. The arrays
    given are used, not copies, when they are of that dtype, C-contiguous and writable; a running
    mean of 0 and a running variance of 1 are made where none are given. Raises ValueError for
    shapes that do not fit, and unless eps is above 0 and momentum from 0 to 1.
    """

    kind = "batch_norm"
    kept = ("x", "mean", "rstd", "dgamma", "dbeta")

    def __init__(
        self,
        gamma: ArrayLike,
        beta: ArrayLike,
        running_mean: ArrayLike | None = None,
        running_var: ArrayLike | None = None,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> None:
        self.gamma, self.beta = scale_and_shift("BatchNorm", gamma, beta)
        self.running_mean = self._running("running_mean", running_mean, 0)
        self.running_var = self._running("running_var", running_var, 1)
        self.momentum = momentum
        self.eps = eps
        self.x: Array | None = None
        self.mean: Array | None = None
        self.rstd: Array | None = None
        self.dgamma: Array | None = None
        self.dbeta: Array | None = None
        self._trained = True  # in the last forward
        _ = self.numbers

    @classmethod
    def new(cls, columns: int, dtype: DTypeLike = "float32") -> BatchNorm:
        """Return a brick for so many columns that only normalises yet: gamma 1, beta 0."""
        columns = whole_number(columns, "BatchNorm.new: columns")
        dtype = float_dtype(dtype, "BatchNorm.new: dtype")
        return cls(np.ones(columns, dtype), np.zeros(columns, dtype))

    def forward(self, x: ArrayLike) -> Array:
        """Return out, and keep x, mean and 1 / sqrt(var + eps); move the running ones."""
        x = as_float(x, self.gamma.dtype, "BatchNorm.forward: x")
        numbers = self.numbers
        running = self.running_mean, self.running_var
        if self.training:
            if x.ndim == 2 and len(x) == 1:
                raise ValueError(
                    "BatchNorm.forward: x has 1 row, and needs 2 to have a variance to train with"
                )
            out, self.mean, self.rstd = functional.batch_norm_forward(
                x, self.gamma, self.beta, *running, **numbers
            )
        else:
            out, self.rstd = functional.batch_norm_predict(
                x, self.gamma, self.beta, *running, eps=numbers["eps"]
            )
            self.mean = self.running_mean.copy()
        self.x, self._trained = x, self.training
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx for the last forward, in training or not, and keep dgamma and dbeta."""
        if self.x is None or self.mean is None or self.rstd is None:
            raise RuntimeError("BatchNorm.backward: call forward first")
        dout = as_float(dout, self.gamma.dtype, "BatchNorm.backward: dout")
        dx, self.dgamma, self.dbeta = functional.batch_norm_backward(
            dout, self.x, self.mean, self.rstd, self.gamma, training=self._trained
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

    def __repr__(self) -> str:
        """Name the brick and its columns: `BatchNorm 64`."""
        return f"BatchNorm {len(self.gamma)}"

    def _running(self, name: str, given: ArrayLike | None, start: float) -> Array:
        if given is None:
            return np.full_like(self.gamma, start)
        array = as_float(given, self.gamma.dtype, f"BatchNorm: {name}")
        array = np.require(array, requirements=["C", "A", "W"])
        if array.shape != self.gamma.shape:
            raise ValueError(
                f"BatchNorm: {name} has shape {array.shape} but gamma has {self.gamma.shape}"
            )
        return array
