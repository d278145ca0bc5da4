"""The kernels of the activations: see `handnn.functional`."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import _core
from handnn.arrays import Array

__all__ = [
    "elu_backward",
    "elu_forward",
    "gelu_backward",
    "gelu_forward",
    "gelu_tanh_backward",
    "gelu_tanh_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "relu_backward",
    "relu_forward",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softplus_backward",
    "softplus_forward",
    "tanh_backward",
    "tanh_forward",
]


def sigmoid_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = 1 / (1 + exp(-x)), entry by entry, for x of any shape.

    Stable for every x (it neither overflows nor warns), within 2 units in the last place.

    Examples:
        >>> handnn.functional.sigmoid_forward([0, 1000, -1000])
        array([0.5, 1. , 0. ])
    """
    return _core.sigmoid_forward(x, out)


def sigmoid_backward(dout: ArrayLike, out: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(1 - out)·out, where `out` is what `sigmoid_forward` returned.

    Examples:
        >>> handnn.functional.sigmoid_backward([1, 1], [0.5, 1])
        array([0.25, 0.  ])
    """
    return _core.sigmoid_backward(dout, out, dx)


def relu_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = 0 where x < 0, and x elsewhere, for x of any shape; NaN and -0.0 pass.

    Examples:
        >>> handnn.functional.relu_forward([-2, 0, 3])
        array([0., 0., 3.])
    """
    return _core.relu_forward(x, out)


def relu_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = 0 where x < 0, and dout elsewhere: the slope at 0 is 1.

    Examples:
        >>> handnn.functional.relu_backward([1, 1, 1], [-2, 0, 3])
        array([0., 1., 1.])
    """
    return _core.relu_backward(dout, x, dx)


def leaky_relu_forward(x: ArrayLike, slope: float = 0.01, *, out: Array | None = None) -> Array:
    """Return out = slope·x where x < 0, and x elsewhere, for x of any shape; NaN passes.

    Examples:
        >>> handnn.functional.leaky_relu_forward([-2, 3], slope=0.5)
        array([-1.,  3.])
    """
    return _core.leaky_relu_forward(x, slope, out)


def leaky_relu_backward(
    dout: ArrayLike, x: ArrayLike, slope: float = 0.01, *, dx: Array | None = None
) -> Array:
    """Return dx = slope·dout where x < 0, and dout elsewhere.

    Examples:
        >>> handnn.functional.leaky_relu_backward([1, 1], [-2, 3], slope=0.5)
        array([0.5, 1. ])
    """
    return _core.leaky_relu_backward(dout, x, slope, dx)


def tanh_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = tanh(x), entry by entry, for x of any shape; within 2 ulp.

    Examples:
        >>> handnn.functional.tanh_forward([0, 1000])
        array([0., 1.])
    """
    return _core.tanh_forward(x, out)


def tanh_backward(dout: ArrayLike, out: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(1 - out)·(1 + out), where `out` is what `tanh_forward` returned.

    Examples:
        >>> handnn.functional.tanh_backward([1, 1], [0, 0.5])
        array([1.  , 0.75])
    """
    return _core.tanh_backward(dout, out, dx)


def elu_forward(x: ArrayLike, alpha: float = 1.0, *, out: Array | None = None) -> Array:
    """Return out = alpha·(exp(x) - 1) where x < 0, and x elsewhere, for x of any shape.

    Examples:
        >>> handnn.functional.elu_forward([-1000, 3], alpha=2)
        array([-2.,  3.])
    """
    return _core.elu_forward(x, alpha, out)


def elu_backward(
    dout: ArrayLike, out: ArrayLike, alpha: float = 1.0, *, dx: Array | None = None
) -> Array:
    """Return dx = dout·(out + alpha) where out < 0, and dout elsewhere; alpha must be above 0.

    `out` is what `elu_forward` returned.

    Examples:
        >>> handnn.functional.elu_backward([1, 1], [-0.5, 3])
        array([0.5, 1. ])
    """
    return _core.elu_backward(dout, out, alpha, dx)


def silu_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·sigmoid(x), entry by entry, for x of any shape.

    Examples:
        >>> handnn.functional.silu_forward([0, 1000])
        array([   0., 1000.])
    """
    return _core.silu_forward(x, out)


def silu_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(s + x·s·(1 - s)) with s = sigmoid(x).

    Examples:
        >>> handnn.functional.silu_backward([1, 1], [0, 1000])
        array([0.5, 1. ])
    """
    return _core.silu_backward(dout, x, dx)


def softplus_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = log(1 + exp(x)), entry by entry, for x of any shape; stable for every x.

    Examples:
        >>> handnn.functional.softplus_forward([-1000, 1000])
        array([   0., 1000.])
    """
    return _core.softplus_forward(x, out)


def softplus_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·sigmoid(x), entry by entry.

    Examples:
        >>> handnn.functional.softplus_backward([1, 1], [0, 1000])
        array([0.5, 1. ])
    """
    return _core.softplus_backward(dout, x, dx)


def gelu_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·Φ(x), Φ the normal distribution function, for x of any shape.

    Examples:
        >>> handnn.functional.gelu_forward([0, 10])
        array([ 0., 10.])
    """
    return _core.gelu_forward(x, out)


def gelu_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout·(Φ(x) + x·φ(x)), φ the density of the normal distribution.

    Examples:
        >>> handnn.functional.gelu_backward([1, 1], [0, 10])
        array([0.5, 1. ])
    """
    return _core.gelu_backward(dout, x, dx)


def gelu_tanh_forward(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Return out = x·(1 + tanh(u)) / 2 with u = sqrt(2/π)·(x + 0.044715·x³).

    This approximates `gelu_forward`. (Hendrycks and Gimpel 2016, section 2.)

    Examples:
        >>> handnn.functional.gelu_tanh_forward([0, 10])
        array([ 0., 10.])
    """
    return _core.gelu_tanh_forward(x, out)


def gelu_tanh_backward(dout: ArrayLike, x: ArrayLike, *, dx: Array | None = None) -> Array:
    """Return dx = dout times the slope of `gelu_tanh_forward`.

    Examples:
        >>> handnn.functional.gelu_tanh_backward([1, 1], [0, 10])
        array([0.5, 1. ])
    """
    return _core.gelu_tanh_backward(dout, x, dx)
