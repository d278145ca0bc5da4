"""How far each function may be from its reference, derived from its formula: see `tests.bounds`.

Each takes the dtype, the reference's results and the arguments in float64, and returns a bound for
every result.
"""

from __future__ import annotations

import numpy as np

from tests import bounds, reference


def affine_forward_tolerance(dtype, expected, x, w, b):
    return (bounds.of_sum(abs(x) @ abs(w) + abs(b), len(w) + 1, dtype),)


def affine_backward_tolerance(dtype, expected, dout, x, w):
    n, o = dout.shape
    return (
        bounds.of_sum(abs(dout) @ abs(w.T), o, dtype),
        bounds.of_sum(abs(x.T) @ abs(dout), n, dtype),
        bounds.of_sum(abs(dout).sum(axis=0), n, dtype),
    )


def no_sum(dtype, expected, **arguments):
    return tuple(bounds.without_sum(value, dtype) for value in expected)


def exact(dtype, expected, **arguments):
    return tuple(np.zeros_like(value) for value in expected)


def embedding_backward_tolerance(dtype, expected, dout, x, w, column=0):
    dx, sums = reference.embedding_backward(abs(dout), x, w, column)
    return np.zeros_like(dx), bounds.of_sum(sums, len(x), dtype)


def elu_backward_tolerance(dtype, expected, dout, out, alpha=1.0):
    """out + alpha cancels, and alpha was rounded to the dtype: both of its terms count."""
    slope = np.where(out < 0, abs(out) + alpha, 1)
    return (bounds.without_sum(abs(dout) * slope, dtype),)


def silu_forward_tolerance(dtype, expected, x):
    """sigmoid rounds like a number that is at least the smallest normal one, and x magnifies it."""
    s = np.maximum(reference.sigmoid_forward(x), np.finfo(dtype).tiny)
    return (bounds.without_sum(abs(x) * s, dtype),)


def silu_backward_tolerance(dtype, expected, dout, x):
    """s + x·s·(1 - s) with a plus in every place: 1 - s is as wrong as s."""
    s = np.maximum(reference.sigmoid_forward(x), np.finfo(dtype).tiny)
    return (bounds.without_sum(abs(dout) * (s + abs(x) * s * (1 + s)), dtype),)


def normal_cdf_magnitude(dtype, x):
    """Φ, and |x|·φ(x): what a relative error of its argument makes of it."""
    cdf = np.maximum(reference._normal_cdf(x), np.finfo(dtype).tiny)
    return cdf + abs(x) * reference._normal_pdf(x)


def gelu_forward_tolerance(dtype, expected, x):
    """x times Φ, which is as wrong as its argument."""
    return (bounds.without_sum(abs(x) * normal_cdf_magnitude(dtype, x), dtype),)


def gelu_backward_tolerance(dtype, expected, dout, x):
    """Φ + x·φ with a plus; φ = exp(-x²/2)/√2π is wrong by 1, and by x² for its argument."""
    pdf = np.maximum(reference._normal_pdf(x), np.finfo(dtype).tiny) * (1 + x * x)
    magnitude = normal_cdf_magnitude(dtype, x) + abs(x) * pdf
    return (bounds.without_sum(abs(dout) * magnitude, dtype),)


def gate_magnitude(dtype, x):
    """s = sigmoid(2u), and |2u|·s·(1 - s): what a relative error of 2u makes of it."""
    t, slope = reference._gelu_tanh_argument(x)
    s = np.maximum(reference.sigmoid_forward(t), np.finfo(dtype).tiny)
    return s, abs(t) * s * (1 - s), slope


def gelu_tanh_forward_tolerance(dtype, expected, x):
    """x times the gate, which is as wrong as its argument."""
    s, from_argument, _ = gate_magnitude(dtype, x)
    return (bounds.without_sum(abs(x) * (s + from_argument), dtype),)


def gelu_tanh_backward_tolerance(dtype, expected, dout, x):
    """s + x·s·(1 - s)·d(2u)/dx with a plus in every place, both s as wrong as 2u."""
    s, from_argument, slope = gate_magnitude(dtype, x)
    magnitude = s + from_argument + abs(x) * slope * (s * (1 + s) + from_argument)
    return (bounds.without_sum(abs(dout) * magnitude, dtype),)


def mse_loss_forward_tolerance(dtype, expected, pre, y_true, **options):
    """Each square is a few roundings of its dtype; they are added up in float64."""
    terms = bounds.without_sum(expected[0], dtype)
    return (terms + bounds.of_sum(expected[0], pre.size, np.float64),)


def sgd_tolerance(dtype, expected, param, grad, velocity=None, *, lr, nesterov=False, **options):
    """The reference on absolute values, with a rate that adds, gives Σ|terms| of each result."""
    magnitudes = reference.sgd_update(
        abs(param),
        abs(grad),
        None if velocity is None else abs(velocity),
        lr=-lr,
        nesterov=nesterov,
        **options,
    )
    terms = [7 if nesterov else 4, 3]  # param, grad, decay, velocity; Nesterov's last three twice
    sums = (m for m in magnitudes if m is not None)
    return tuple(bounds.of_sum(m, k, dtype) for m, k in zip(sums, terms, strict=False))


def gradient_size(param, grad, weight_decay=0.0, grad_scale=1.0, clip_value=np.inf):
    """g = grad, scaled and clipped, + weight_decay·param, and the same with a plus."""
    g = np.clip(grad * grad_scale, -clip_value, clip_value)
    return g + weight_decay * param, abs(g) + weight_decay * abs(param)


def quotient_size(value, size, weight, g_size, divisor):
    """value / (√(... + weight·g²) + eps), with `size` for its Σ|terms|.

    An error d of g makes one of weight·|g|·d / √(...) of the root, which is at most √weight·d,
    since the root is at least √weight·|g|.
    """
    return size / divisor + abs(value) * np.sqrt(weight) * g_size / divisor**2


def adagrad_tolerance(dtype, expected, param, grad, square, *, lr, eps=1e-10, **options):
    """Six for the param: itself, lr, grad, decay, the root and the quotient."""
    g, size = gradient_size(param, grad, **options)
    steps = quotient_size(g, size, 1, size, np.sqrt(expected[1]) + eps)
    return (
        bounds.of_sum(abs(param) + lr * steps, 6, dtype),
        bounds.of_sum(square + size**2, 4, dtype),
    )


def rmsprop_tolerance(
    dtype,
    expected,
    param,
    grad,
    square,
    velocity=None,
    *,
    lr,
    alpha=0.99,
    eps=1e-8,
    momentum=0.0,
    **options,
):
    """As AdaGrad's, and one more for the velocity."""
    g, size = gradient_size(param, grad, **options)
    steps = quotient_size(g, size, 1 - alpha, size, np.sqrt(expected[1]) + eps)
    if velocity is not None:
        steps = momentum * abs(velocity) + steps
    return (
        bounds.of_sum(abs(param) + lr * steps, 7, dtype),
        bounds.of_sum(alpha * square + (1 - alpha) * size**2, 4, dtype),
        bounds.of_sum(steps, 6, dtype),
    )[: len(expected)]


def adam_tolerance(
    dtype,
    expected,
    param,
    grad,
    mean,
    square,
    *,
    step,
    lr,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    decoupled=False,
    weight_decay=0.0,
    **options,
):
    """As RMSProp's, with the mean above the root."""
    _, size = gradient_size(param, grad, 0.0 if decoupled else weight_decay, **options)
    mean_size = beta1 * abs(mean) + (1 - beta1) * size
    correction = 1 - beta2**step
    divisor = np.sqrt(expected[2] / correction) + eps
    steps = quotient_size(expected[1], mean_size, (1 - beta2) / correction, size, divisor)
    return (
        bounds.of_sum(abs(param) + lr / (1 - beta1**step) * steps, 7, dtype),
        bounds.of_sum(mean_size, 4, dtype),
        bounds.of_sum(beta2 * square + (1 - beta2) * size**2, 4, dtype),
    )


def sum_of_squares_tolerance(dtype, expected, x):
    """Squares and sums are in float64, and no term is negative."""
    return (bounds.of_sum(expected[0], x.size, np.float64),)
