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


def softmax_forward_tolerance(dtype, expected, x):
    """x - max is off by eps/2 of its size, and exp magnifies that; so is every term of the sum."""
    (out,) = expected
    if out.size == 0:
        return (np.zeros_like(out),)
    most = x.max(axis=1, keepdims=True)
    size = 1 + np.where(np.isfinite(x), abs(x - most), 0)
    size = size + np.nansum(out * size, axis=1, keepdims=True)
    return (bounds.without_sum(out * size, dtype) + bounds.of_sum(out, x.shape[1], dtype),)


def softmax_backward_tolerance(dtype, expected, dout, out):
    """The formula with a plus; 3 terms besides the sum's. Below the normal numbers, theirs."""
    size = abs(out) * (abs(dout) + abs(dout * out).sum(axis=1, keepdims=True))
    size = np.maximum(size, np.finfo(dtype).tiny)
    return (bounds.of_sum(size, dout.shape[1] + 3, dtype),)


def moments_tolerance(dtype, x, axis):
    """How far mean and biased variance may be off: their own sums, and the mean's error in d².

    Each d = x - mean has the mean's error and its own rounding, which d² has twice.
    """
    count = max(x.shape[axis], 1)
    mean = x.sum(axis=axis, keepdims=True) / count
    mean_error = bounds.of_sum(abs(x).sum(axis=axis, keepdims=True) / count, count + 1, dtype)
    d = abs(x - mean)
    d_error = mean_error + np.finfo(dtype).eps * d
    squares = (d * d).sum(axis=axis, keepdims=True) / count
    crossed = (2 * d * d_error + d_error**2).sum(axis=axis, keepdims=True) / count
    return mean_error, crossed + bounds.of_sum(squares, count + 2, dtype)


def layer_norm_forward_tolerance(dtype, expected, x, gamma, beta, *, eps=1e-5):
    """x_hat = (x - mean)·rstd has the errors of both; half the variance's is rstd's."""
    mean_error, var_error = moments_tolerance(dtype, x, 1)
    mean, rstd = expected[1][:, None], expected[2][:, None]
    rstd_error = rstd * (var_error * rstd**2 / 2) + bounds.without_sum(rstd, dtype)
    x_hat = abs(x - mean) * rstd
    x_hat_error = mean_error * rstd + abs(x - mean) * rstd_error
    rounding = bounds.without_sum(x_hat * abs(gamma) + abs(beta), dtype)
    return x_hat_error * abs(gamma) + rounding, mean_error[:, 0], rstd_error[:, 0]


def layer_norm_backward_tolerance(dtype, expected, dout, x, gamma, mean, rstd):
    """The formulas with a plus in every place; 6 terms besides each sum's."""
    n, o = x.shape
    rstd = abs(rstd[:, None])
    x_hat, g = (abs(x) + abs(mean[:, None])) * rstd, abs(dout * gamma)
    sums = g.sum(axis=1, keepdims=True) + x_hat * (g * x_hat).sum(axis=1, keepdims=True)
    return (
        bounds.of_sum(rstd * (g + sums / max(o, 1)), o + 6, dtype),
        bounds.of_sum((abs(dout) * x_hat).sum(axis=0), n + 2, dtype),
        bounds.of_sum(abs(dout).sum(axis=0), n, dtype),
    )


def batch_norm_statistics_tolerance(dtype, expected, x):
    return tuple(error[0] for error in moments_tolerance(dtype, x, 0))


def batch_norm_update_tolerance(
    dtype, expected, running_mean, running_var, mean, var, *, rows, momentum=0.1
):
    """Two terms, each a product of a rounded momentum, one of them with rows / (rows - 1) too."""
    magnitudes = reference.batch_norm_update(
        abs(running_mean), abs(running_var), abs(mean), abs(var), rows=rows, momentum=momentum
    )
    return tuple(bounds.of_sum(m, 4, dtype) for m in magnitudes)


def batch_norm_forward_tolerance(dtype, expected, x, gamma, beta, mean, var, *, eps=1e-5):
    """The formula with a plus: 3 terms, and 4 roundings of the factor."""
    scale = abs(gamma) / np.sqrt(var + eps)
    return (bounds.of_sum((abs(x) + abs(mean)) * scale + abs(beta), 5, dtype),)


def batch_norm_backward_tolerance(
    dtype, expected, dout, x, gamma, mean, var, *, eps=1e-5, training=True
):
    """As LayerNorm's, with the sums over rows."""
    n = len(x)
    rstd = 1 / np.sqrt(var + eps)
    x_hat = (abs(x) + abs(mean)) * rstd
    dgamma, dbeta = (abs(dout) * x_hat).sum(axis=0), abs(dout).sum(axis=0)
    sums = (dbeta + x_hat * dgamma) / max(n, 1) if training else 0
    return (
        bounds.of_sum(abs(gamma) * rstd * (abs(dout) + sums), n + 8, dtype),
        bounds.of_sum(dgamma, n + 4, dtype),
        bounds.of_sum(dbeta, n, dtype),
    )


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
