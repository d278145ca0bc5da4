"""The kernels as functions on NumPy buffers: no state, no surprises, one C++ call each.

Shapes: N rows (samples), I inputs, O outputs; arrays are row-major.

Inputs are anything ``np.asarray`` takes. What is already C-contiguous, aligned and of the call's
dtype is used in place. float32 and float64 are never mixed: arrays of both in one call are a
TypeError, and so are complex, object, string, datetime and longdouble. Integers, bools, float16,
lists and scalars take the dtype of the float arrays beside them, float64 when there is none.

Outputs (``out=``, ``dx=``, ...) are written in place and returned; without them a new array is.
They must have the exact dtype (else TypeError) and shape, be C-contiguous, aligned and writable,
and overlap no input (else ValueError). Shapes that do not fit are a ValueError naming both sides:
``affine_forward: x has 7 columns but w has 8 rows``.
"""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from handnn import _core
from handnn.arrays import Array


def affine_forward(x: ArrayLike, w: ArrayLike, b: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·w + b, shape (N, O).

    x (N, I), w (I, O), b (O,). Each entry is b plus one chain of fused multiply-adds over
    ascending i, so a row's result does not depend on the rows beside it.
    """
    return _core.affine_forward(x, w, b, out)


def affine_backward(
    dout: ArrayLike,
    x: ArrayLike,
    w: ArrayLike,
    *,
    dx: Array | None = None,
    dw: Array | None = None,
    db: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `affine_forward`: dx = dout·wᵀ, dw = xᵀ·dout, db = Σ_n dout.

    dout (N, O), x (N, I), w (I, O) -> dx (N, I), dw (I, O), db (O,).
    """
    return _core.affine_backward(dout, x, w, dx, dw, db)


def sigmoid_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = 1 / (1 + exp(-x)), entry by entry, for x of any shape.

    Stable for every x (it neither overflows nor warns), within 2 units in the last place.
    """
    return _core.sigmoid_forward(x, out)


def sigmoid_backward(dout: ArrayLike, out: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(1 - out)·out, where `out` is what `sigmoid_forward` returned."""
    return _core.sigmoid_backward(dout, out, dx)


def relu_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = 0 where x < 0, and x elsewhere, for x of any shape; NaN and -0.0 pass."""
    return _core.relu_forward(x, out)


def relu_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = 0 where x < 0, and dout elsewhere: the slope at 0 is 1."""
    return _core.relu_backward(dout, x, dx)


def mse_loss_forward(
    pre: ArrayLike, y_true: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean squared error, Σ_n weight_n Σ_o (pre - y_true)² / (N·O).

    pre (N, O), y_true (N, O), or (N,) when O is 1; sample_weight (N,), finite and not negative
    (else ValueError), all 1 when not given. The sum is divided by N·O whatever the weights are:
    a row of weight 2 counts as two rows. Accumulated in float64; NaN when there are no entries.
    """
    return _core.mse_loss_forward(pre, y_true, sample_weight)


def mse_loss_backward(
    pre: ArrayLike,
    y_true: ArrayLike,
    dout: float = 1.0,
    *,
    sample_weight: ArrayLike | None = None,
    gradient: Literal["exact", "article"] = "exact",
    dx: Array | None = None,
) -> Array:
    """Return the gradient of `mse_loss_forward` with respect to `pre`, shape (N, O).

    With weight_n from sample_weight, or 1, "exact" is 2 (pre - y_true) / (N·O) · weight_n · dout,
    the derivative; "article" leaves its constant 2 / (N·O) out. Another word is a ValueError.
    """
    return _core.mse_loss_backward(pre, y_true, dout, sample_weight, gradient, dx)


def sgd_update(
    param: Array,
    grad: ArrayLike,
    velocity: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """Take one step of gradient descent: `param` and `velocity` are updated in place.

        g = grad + weight_decay · param
        velocity = momentum · velocity + g
        step = g + momentum · velocity if nesterov else velocity
        param = param - lr · step

    param, grad, velocity: one shape, any. Without a velocity the step is g, and a momentum other
    than 0 is a ValueError. `param` and `velocity` are outputs, as strict as ``out=`` elsewhere. The
    order of the formulas is PyTorch's (Sutskever et al. 2013, eq. 1-4, with lr outside the
    velocity).
    """
    _core.sgd_update(param, grad, velocity, lr, momentum, nesterov, weight_decay)
