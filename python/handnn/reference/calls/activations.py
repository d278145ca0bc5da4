"""Calls of the activations, and the bounds of those whose terms cancel or magnify an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array
from handnn.layers import BRICKS, Activation
from handnn.reference import layers
from handnn.reference.bounds import Bounds, exact, no_sum, without_sum
from handnn.reference.calls.call import Call, Sample, between_0_and_1, between_minus_1_and_1

Results = tuple[Array, ...]


def at_least_tiny(values: Array, dtype: DTypeLike) -> Array:
    """Return `values`, or the smallest normal number where rounding is absolute."""
    return np.maximum(values, float(np.finfo(dtype).tiny))


def elu_backward_bound(
    dtype: DTypeLike, expected: Results, dout: Array, out: Array, alpha: float
) -> Bounds:
    """Bound dout·(out + alpha), whose terms may cancel; alpha is rounded to the dtype."""
    slope = np.where(out < 0, abs(out) + alpha, 1)
    return (without_sum(abs(dout) * slope, dtype),)


def silu_forward_bound(dtype: DTypeLike, expected: Results, x: Array) -> Bounds:
    """Bound x·sigmoid(x): x multiplies the rounding error of sigmoid(x)."""
    s = at_least_tiny(layers.sigmoid_forward(x), dtype)
    return (without_sum(abs(x) * s, dtype),)


def silu_backward_bound(dtype: DTypeLike, expected: Results, dout: Array, x: Array) -> Bounds:
    """Bound s + x·s·(1 - s) by the absolute values of its terms; 1 - s has the error of s."""
    s = at_least_tiny(layers.sigmoid_forward(x), dtype)
    return (without_sum(abs(dout) * (s + abs(x) * s * (1 + s)), dtype),)


def normal_cdf_magnitude(dtype: DTypeLike, x: Array) -> Array:
    """Return Φ + |x|·φ(x); the second term is the effect of an error in the argument of Φ."""
    return at_least_tiny(layers._normal_cdf(x), dtype) + abs(x) * layers._normal_pdf(x)


def gelu_forward_bound(dtype: DTypeLike, expected: Results, x: Array) -> Bounds:
    """Bound x·Φ(x), including the error of the argument of Φ."""
    return (without_sum(abs(x) * normal_cdf_magnitude(dtype, x), dtype),)


def gelu_backward_bound(dtype: DTypeLike, expected: Results, dout: Array, x: Array) -> Bounds:
    """Bound Φ + |x|·φ; exp(-x²/2) has a relative error of 1 + x² roundings."""
    pdf = at_least_tiny(layers._normal_pdf(x), dtype) * (1 + x * x)
    return (without_sum(abs(dout) * (normal_cdf_magnitude(dtype, x) + abs(x) * pdf), dtype),)


def gate_magnitude(dtype: DTypeLike, x: Array) -> tuple[Array, Array, Array]:
    """Return s = sigmoid(2u), the effect |2u|·s·(1 - s) of an error in 2u, and d(2u)/dx."""
    t, slope = layers._gelu_tanh_argument(x)
    s = at_least_tiny(layers.sigmoid_forward(t), dtype)
    return s, abs(t) * s * (1 - s), slope


def gelu_tanh_forward_bound(dtype: DTypeLike, expected: Results, x: Array) -> Bounds:
    """Bound x·sigmoid(2u), including the error of 2u."""
    s, from_argument, _ = gate_magnitude(dtype, x)
    return (without_sum(abs(x) * (s + from_argument), dtype),)


def gelu_tanh_backward_bound(dtype: DTypeLike, expected: Results, dout: Array, x: Array) -> Bounds:
    """Bound s + x·s·(1 - s)·d(2u)/dx by the absolute values of its terms, with the error of 2u."""
    s, from_argument, slope = gate_magnitude(dtype, x)
    magnitude = s + from_argument + abs(x) * slope * (s * (1 + s) + from_argument)
    return (without_sum(abs(dout) * magnitude, dtype),)


def activation(
    kind: str,
    forward: Callable[..., Bounds] = no_sum,
    backward: Callable[..., Bounds] = no_sum,
    *,
    variant: str = "",
    out: Sample = between_0_and_1,
    **options: float,
) -> list[Call]:
    """Return the calls of an activation's forward and backward.

    forward, backward: their bounds. out: how to draw the argument of backward if it is the output
        instead of the input.
    """
    _, kept, *_ = inspect.signature(getattr(layers, f"{kind}_backward")).parameters
    samples = {"out": out} if kept == "out" else {}
    inputs = {"dout": "NO", kept: "NO"}
    return [
        Call(f"{kind}_forward", {"x": "NO"}, forward, {"out": "NO"}, (), options, variant),
        Call(f"{kind}_backward", inputs, backward, {"dx": "NO"}, (), options, variant, samples),
    ]


LISTED = [
    *activation("relu", exact, exact),
    *activation("leaky_relu"),
    *activation("leaky_relu", variant="slope", slope=0.3),
    *activation("leaky_relu", variant="flat", slope=0.0),
    *activation("tanh", out=between_minus_1_and_1),
    *activation("elu", no_sum, elu_backward_bound, out=between_minus_1_and_1),
    *activation(
        "elu", no_sum, elu_backward_bound, variant="alpha", out=between_minus_1_and_1, alpha=0.7
    ),
    *activation("silu", silu_forward_bound, silu_backward_bound),
    *activation("gelu", gelu_forward_bound, gelu_backward_bound),
    *activation("gelu_tanh", gelu_tanh_forward_bound, gelu_tanh_backward_bound),
]
"""The activations with specific bounds, ranges or settings."""


def others() -> Iterator[Call]:
    """Yield the calls of every activation that is not listed: a few roundings without a sum."""
    listed = {call.kind for call in LISTED}
    for brick in BRICKS.values():
        if issubclass(brick, Activation):
            kind = brick().kind
            if kind not in listed:
                yield from activation(kind)


CALLS = [*LISTED, *others()]
