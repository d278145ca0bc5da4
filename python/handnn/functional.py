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

import math
from typing import Literal

from numpy.typing import ArrayLike

from handnn import _core
from handnn.arrays import Array, whole_number


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


def leaky_relu_forward(x: ArrayLike, slope: float = 0.01, *, out: Array | None = None) -> Array:
    """Return out = slope·x where x < 0, and x elsewhere, for x of any shape; NaN passes."""
    return _core.leaky_relu_forward(x, slope, out)


def leaky_relu_backward(
    dout: ArrayLike, x: ArrayLike, slope: float = 0.01, *, dx: Array | None = None
) -> Array:
    """Return dx = slope·dout where x < 0, and dout elsewhere."""
    return _core.leaky_relu_backward(dout, x, slope, dx)


def tanh_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = tanh(x), entry by entry, for x of any shape; at most 2 ulp off."""
    return _core.tanh_forward(x, out)


def tanh_backward(dout: ArrayLike, out: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(1 - out)·(1 + out), where `out` is what `tanh_forward` returned."""
    return _core.tanh_backward(dout, out, dx)


def elu_forward(x: ArrayLike, alpha: float = 1.0, *, out: Array | None = None) -> Array:
    """Return out = alpha·(exp(x) - 1) where x < 0, and x elsewhere, for x of any shape."""
    return _core.elu_forward(x, alpha, out)


def elu_backward(
    dout: ArrayLike, out: ArrayLike, alpha: float = 1.0, *, dx: Array | None = None
) -> Array:
    """Return dx = dout·(out + alpha) where out < 0, and dout elsewhere; alpha must be above 0.

    `out` is what `elu_forward` returned.
    """
    return _core.elu_backward(dout, out, alpha, dx)


def silu_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·sigmoid(x), entry by entry, for x of any shape."""
    return _core.silu_forward(x, out)


def silu_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(s + x·s·(1 - s)) with s = sigmoid(x)."""
    return _core.silu_backward(dout, x, dx)


def softplus_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = log(1 + exp(x)), entry by entry, for x of any shape; stable for every x."""
    return _core.softplus_forward(x, out)


def softplus_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·sigmoid(x), entry by entry."""
    return _core.softplus_backward(dout, x, dx)


def gelu_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·Φ(x), Φ the normal distribution function, for x of any shape."""
    return _core.gelu_forward(x, out)


def gelu_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(Φ(x) + x·φ(x)), φ the density of the normal distribution."""
    return _core.gelu_backward(dout, x, dx)


def gelu_tanh_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·(1 + tanh(u)) / 2 with u = sqrt(2/π)·(x + 0.044715·x³), near `gelu_forward`.

    Hendrycks and Gimpel 2016, section 2.
    """
    return _core.gelu_tanh_forward(x, out)


def gelu_tanh_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout times the slope of `gelu_tanh_forward`."""
    return _core.gelu_tanh_backward(dout, x, dx)


def softmax_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = exp(x) / Σ_o exp(x) for each row of x (N, O): positive, and 1 in all.

    The row's largest entry is subtracted first, so nothing overflows. A row with NaN or +inf is all
    NaN. The sum goes in 16 parts, column o to part o mod 16; see `softmax.hpp`.
    """
    return _core.softmax_forward(x, out)


def softmax_backward(dout: ArrayLike, out: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = out·(dout - Σ_o dout·out), where `out` (N, O) is what `softmax_forward` gave."""
    return _core.softmax_backward(dout, out, dx)


def layer_norm_forward(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
    mean: Array | None = None,
    rstd: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return out = (x - mean)·rstd·gamma + beta, and the mean and rstd of each row of x.

    x (N, O), gamma (O,), beta (O,) -> out (N, O), mean (N,), rstd (N,). rstd is 1 / sqrt(variance +
    eps), the variance being the biased one, divided by O. (Ba, Kiros and Hinton 2016, eq. 4.)
    """
    return _core.layer_norm_forward(x, gamma, beta, eps, out, mean, rstd)


def layer_norm_backward(
    dout: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    rstd: ArrayLike,
    *,
    dx: Array | None = None,
    dgamma: Array | None = None,
    dbeta: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `layer_norm_forward`, dx (N, O), dgamma (O,) and dbeta (O,).

    With x_hat = (x - mean)·rstd and g = dout·gamma, and the means taken over o,

        dx = rstd·(g - mean(g) - x_hat·mean(g·x_hat))

    dgamma = Σ_n dout·x_hat, dbeta = Σ_n dout. mean and rstd (N,) are what forward returned.
    """
    return _core.layer_norm_backward(dout, x, gamma, mean, rstd, dx, dgamma, dbeta)


def batch_norm_statistics(
    x: ArrayLike, *, mean: Array | None = None, var: Array | None = None
) -> tuple[Array, Array]:
    """Return the mean and the biased variance (divided by N) of each column of x (N, O)."""
    return _core.batch_norm_statistics(x, mean, var)


def batch_norm_update(
    running_mean: Array,
    running_var: Array,
    mean: ArrayLike,
    var: ArrayLike,
    *,
    rows: int,
    momentum: float = 0.1,
) -> None:
    """Move the running statistics towards those of `rows` rows: they are updated in place.

        running_mean = (1 - momentum) · running_mean + momentum · mean
        running_var = (1 - momentum) · running_var + momentum · var · rows / (rows - 1)

    running_mean, running_var, mean and var are (O,); var is the biased variance, and below two rows
    there is no unbiased one: a ValueError. The outputs are as strict as ``out=`` elsewhere.
    """
    rows = whole_number(rows, "batch_norm_update: rows", least=2)
    _core.batch_norm_update(running_mean, running_var, mean, var, rows, momentum)


def batch_norm_forward(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
) -> Array:
    """Return out = (x - mean) / sqrt(var + eps)·gamma + beta, shape (N, O).

    x (N, O); gamma, beta, mean and var (O,), one for each column. In training mean and var are what
    `batch_norm_statistics` says of x. (Ioffe and Szegedy 2015, algorithm 1.)
    """
    return _core.batch_norm_forward(x, gamma, beta, mean, var, eps, out)


def batch_norm_backward(
    dout: ArrayLike,
    x: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    *,
    eps: float = 1e-5,
    training: bool = True,
    dx: Array | None = None,
    dgamma: Array | None = None,
    dbeta: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `batch_norm_forward`, dx (N, O), dgamma (O,) and dbeta (O,).

    With rstd = 1 / sqrt(var + eps) and x_hat = (x - mean)·rstd, dgamma = Σ_n dout·x_hat and
    dbeta = Σ_n dout. In training mean and var came from x, and

        dx = gamma·rstd·(dout - dbeta / N - x_hat·dgamma / N)

    Otherwise they are constants, and dx = gamma·rstd·dout.
    """
    return _core.batch_norm_backward(dout, x, gamma, mean, var, eps, training, dx, dgamma, dbeta)


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
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
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

    Every optimizer here multiplies grad by `grad_scale` first and then holds each entry within
    ± `clip_value`.
    """
    if velocity is None and momentum != 0:
        raise ValueError("sgd_update: momentum needs a velocity to keep, but velocity is None")
    settings = {
        "lr": lr,
        "momentum": momentum,
        "nesterov": nesterov,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.sgd_update(param, grad, velocity, None, settings)


def adagrad_update(
    param: Array,
    grad: ArrayLike,
    square: Array,
    *,
    lr: float,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> None:
    """Take one step of AdaGrad: `param` and `square` are updated in place.

        square = square + g²
        param = param - lr · g / (sqrt(square) + eps)

    g is grad + weight_decay · param, grad scaled and clipped (see `sgd_update`). param, grad,
    square: one shape, any; the outputs are as strict as ``out=`` elsewhere. (Duchi,
    Hazan and Singer 2011, section 1.)
    """
    settings = {
        "lr": lr,
        "eps": eps,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.adagrad_update(param, grad, square, None, settings)


def rmsprop_update(
    param: Array,
    grad: ArrayLike,
    square: Array,
    velocity: Array | None = None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> None:
    """Take one step of RMSProp: `param`, `square` and `velocity` are updated in place.

        square = alpha · square + (1 - alpha) · g²
        velocity = momentum · velocity + g / (sqrt(square) + eps)
        param = param - lr · velocity

    g is grad + weight_decay · param, grad scaled and clipped (see `sgd_update`). param, grad,
    square, velocity: one shape, any; the outputs are as strict as ``out=`` elsewhere. Without a
    velocity, a momentum other than 0 is a ValueError. (Tieleman and Hinton 2012;
    the conventions are PyTorch's.)
    """
    if velocity is None and momentum != 0:
        raise ValueError("rmsprop_update: momentum needs a velocity to keep, but velocity is None")
    settings = {
        "lr": lr,
        "alpha": alpha,
        "eps": eps,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.rmsprop_update(param, grad, square, velocity, settings)


def adam_update(
    param: Array,
    grad: ArrayLike,
    mean: Array,
    square: Array,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    decoupled: bool = False,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> None:
    """Take step number `step`, from 1, of Adam: `param`, `mean` and `square` are updated in place.

        mean = beta1 · mean + (1 - beta1) · g
        square = beta2 · square + (1 - beta2) · g²
        param = param - lr / (1 - beta1^step) · mean / (sqrt(square / (1 - beta2^step)) + eps)

    g is grad + weight_decay · param, grad scaled and clipped (see `sgd_update`). decoupled: weight
    decay is not added, but param is multiplied by 1 - lr · weight_decay first (AdamW). param, grad,
    mean, square: one shape, any; the outputs are as strict as ``out=`` elsewhere. A step below 1 is
    a ValueError. (Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2.)
    """
    settings = {
        "step": whole_number(step, "adam_update: step"),
        "lr": lr,
        "beta1": beta1,
        "beta2": beta2,
        "eps": eps,
        "decoupled": decoupled,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.adam_update(param, grad, mean, square, settings)


def sum_of_squares(x: ArrayLike) -> float:
    """Return the sum of the squares of all entries of x, in float64 and in one fixed order."""
    return _core.sum_of_squares(x)


def clip_scale(clip_norm: float, sum_of_squares: float) -> float:
    """Return min(1, clip_norm / (sqrt(sum_of_squares) + 1e-6)).

    Gradients multiplied by it have a norm of at most clip_norm (PyTorch's convention). NaN
    stays NaN.
    """
    return _core.clip_scale(clip_norm, sum_of_squares)
