"""The four classes of the article: its script runs with only the import line changed.

Arrays are float64. Attributes and results are the article's, with three corrections: Sigmoid does
not overflow, ReLU.backward does not write into the caller's dout, and MSELoss.forward subtracts the
reshaped y_true. (The article subtracts the original one, so that pre (N, 1) and y_true (N,)
broadcast to an N x N matrix.)

Examples:
    >>> from handnn.article import Affine, MSELoss, ReLU, Sigmoid
    >>> affine, loss = Affine([[1.0], [2.0]], [0.5]), MSELoss()
    >>> loss.forward(affine.forward([[1.0, 1.0]]), [[3.0]])
    0.25
    >>> affine.backward(loss.backward(1.0))
    array([[0.5, 1. ]])
    >>> affine.dw
    array([[0.5],
           [0.5]])
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import functional
from handnn.arrays import Array, as_float


class Affine:
    """Compute ``out = x·w + b`` for x (N, I), w (I, O) and b, which broadcasts to (O,).

    Examples:
        >>> from handnn.article import Affine
        >>> affine = Affine([[1.0], [2.0]], [0.5])
        >>> affine.forward([[1.0, 1.0]])
        array([[3.5]])
        >>> affine.backward([[2.0]])
        array([[2., 4.]])
    """

    def __init__(self, w: ArrayLike, b: ArrayLike) -> None:
        self.w = as_float(w, np.float64, "Affine: w")
        self.b = as_float(b, np.float64, "Affine: b")
        self.x: Array | None = None
        self.dw: Array | None = None
        self.db: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = x·w + b, and keep x for backward."""
        self.x = as_float(x, np.float64, "Affine.forward: x")
        row = np.broadcast_to(self.b, (1, self.w.shape[-1]))[0]
        return functional.affine_forward(self.x, self.w, row)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·wᵀ, and keep dw = xᵀ·dout and db = Σ dout."""
        if self.x is None:
            raise RuntimeError("Affine.backward: call forward first")
        dout = as_float(dout, np.float64, "Affine.backward: dout")
        dx, self.dw, self.db = functional.affine_backward(dout, self.x, self.w)
        return dx


class Sigmoid:
    """Compute ``out = 1 / (1 + exp(-x))``, entry by entry, for x of any shape.

    Examples:
        >>> from handnn.article import Sigmoid
        >>> sigmoid = Sigmoid()
        >>> sigmoid.forward([0.0, np.log(3)])
        array([0.5 , 0.75])
        >>> sigmoid.backward([1.0, 16.0])
        array([0.25, 3.  ])
    """

    def __init__(self) -> None:
        self.out: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = 1 / (1 + exp(-x)), and keep it."""
        self.out = functional.sigmoid_forward(as_float(x, np.float64, "Sigmoid.forward: x"))
        return self.out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·(1 - out)·out; dout broadcasts to the shape of out."""
        if self.out is None:
            raise RuntimeError("Sigmoid.backward: call forward first")
        dout = as_float(dout, np.float64, "Sigmoid.backward: dout")
        return functional.sigmoid_backward(np.broadcast_to(dout, self.out.shape), self.out)


class ReLU:
    """Compute ``out = 0 where x < 0, x elsewhere`` for x of any shape.

    Examples:
        >>> from handnn.article import ReLU
        >>> relu = ReLU()
        >>> relu.forward([-2.0, 0.0, 3.0])
        array([0., 0., 3.])
        >>> relu.backward([5.0, 5.0, 5.0])
        array([0., 5., 5.])
    """

    def __init__(self) -> None:
        self.x: Array | None = None
        self.out: Array | None = None
        self.mask: NDArray[np.bool_] | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out, and keep x, out and the mask x < 0."""
        self.x = as_float(x, np.float64, "ReLU.forward: x")
        self.mask = self.x < 0
        self.out = functional.relu_forward(self.x)
        return self.out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = 0 where the mask is True, dout elsewhere."""
        if self.x is None:
            raise RuntimeError("ReLU.backward: call forward first")
        dout = as_float(dout, np.float64, "ReLU.backward: dout")
        return functional.relu_backward(dout, self.x)


class MSELoss:
    """Compute the mean of ``(pre - y_true)²``; the gradient is the article's, without 2/n.

    Shapes: pre of any shape; y_true is reshaped to it.

    Examples:
        >>> from handnn.article import MSELoss
        >>> loss = MSELoss()
        >>> loss.forward([[1.0], [5.0]], [2.0, 3.0])
        2.5
        >>> loss.backward(1.0)
        array([[-1.],
               [ 2.]])
    """

    def __init__(self) -> None:
        self.pre: Array | None = None
        self.y_true: Array | None = None
        self.loss: float | None = None

    def forward(self, pre: ArrayLike, y_true: ArrayLike) -> float:
        """Return the mean of (pre - y_true)², and keep it with pre and y_true."""
        self.pre = as_float(pre, np.float64, "MSELoss.forward: pre")
        self.y_true = as_float(y_true, np.float64, "MSELoss.forward: y_true").reshape(
            self.pre.shape
        )
        self.loss = functional.mse_loss_forward(self.pre, self.y_true)
        return self.loss

    def backward(self, dout: ArrayLike = 1.0) -> Array:
        """Return dx = (pre - y_true)·dout."""
        if self.pre is None or self.y_true is None:
            raise RuntimeError("MSELoss.backward: call forward first")
        dout = as_float(dout, np.float64, "MSELoss.backward: dout")
        return dout * functional.mse_loss_backward(self.pre, self.y_true, gradient="article")


__all__ = ["Affine", "MSELoss", "ReLU", "Sigmoid"]
